"""Our own gRPC server (nghttp2), as clients that are no libraries meet it; and its messages."""

from __future__ import annotations

import asyncio
import struct
import sys
from pathlib import Path

import grpc
import numpy as np
import pytest
import random_bundle
from hypothesis import given
from hypothesis import strategies as st

from diffusiontalker.serve import ServeError, rpc
from diffusiontalker.serve.limits import Limits
from diffusiontalker.serve.load import http2
from diffusiontalker.serve.rpc import messages
from serving import alone, channel_to, is_success, run, serving, sound, talk

needs_nghttp2 = pytest.mark.skipif(not rpc.has_nghttp2(), reason="built without nghttp2")
CALL = f"/{messages.A2F_SERVICE}/{messages.A2F_CALL}"
HEADER = messages.AudioStream(
    audio_stream_header={
        "audio_header": {"channel_count": 1, "samples_per_second": 16000, "bits_per_sample": 16}
    }
).SerializeToString()
END = messages.AudioStream(end_of_audio={}).SerializeToString()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return random_bundle.write(tmp_path_factory.mktemp("serve") / "bundle").path


@given(
    st.floats(0, 1e6, exclude_min=True), st.integers(1, 260), st.integers(1, 40_000), st.integers(0)
)
def test_a_written_frame_is_protobufs(time_code: float, weights: int, size: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    values, sound_ = rng.random(weights, np.float32), rng.bytes(size)
    message = messages.AnimationDataStream()
    data = message.animation_data
    data.skel_animation.blend_shape_weights.add(time_code=time_code, values=values)
    data.audio.time_code, data.audio.audio_buffer = time_code, sound_
    written = messages.FrameWriter(weights)(time_code, values.tobytes(), sound_)
    assert written == message.SerializeToString()


@given(st.binary(max_size=70_000))
def test_sound_is_found_where_there_is_nothing_else(data: bytes) -> None:
    message = messages.AudioStream(audio_with_emotion={"audio_buffer": data}).SerializeToString()
    # protobuf leaves out bytes that are none.
    assert messages.sound_in(message) == (data or None)
    assert messages.sound_in(message + b"\1") is None
    assert messages.sound_in(message[:-1]) is None or not data


@given(st.binary(max_size=40))
def test_what_is_no_sound_is_left_to_protobuf(data: bytes) -> None:
    found = messages.sound_in(data)
    if found is not None:
        said = messages.AudioStream.FromString(data)
        assert said.audio_with_emotion.audio_buffer == found


async def call(
    port: int, path: str, sent: list[bytes], pause_s: float = 0.0
) -> tuple[list[bytes], str]:
    """Messages that came, and what was wrong."""
    connection = await http2.connect(f"127.0.0.1:{port}")
    came: list[bytes] = []
    over: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    made = connection.call(path, lambda m: came.append(bytes(m)), over.set_result)
    for message in sent:
        made.send(message)
        await asyncio.sleep(pause_s)
    error = await over
    connection.close()
    return came, error


@needs_nghttp2
def test_a_client_without_a_library_gets_its_frames(folder: Path) -> None:
    pcm = sound(0.5)
    said = messages.AudioStream(audio_with_emotion={"audio_buffer": pcm.tobytes()})

    async def body() -> None:
        async with serving(folder, carrier="nghttp2") as server:
            assert server.grpc_port is not None
            came, error = await call(
                server.grpc_port, CALL, [HEADER, said.SerializeToString(), END]
            )
            assert error == ""
            parsed = [messages.AnimationDataStream.FromString(m) for m in came]
            frames = [m.animation_data for m in parsed if m.HasField("animation_data")]
            got = [list(f.skel_animation.blend_shape_weights[0].values) for f in frames]
            assert np.array_equal(np.array(got, np.float32), alone(folder, pcm))
            # No such method: trailers and nothing else.
            assert await call(server.grpc_port, "/no.Service/No", [HEADER]) == ([], "")

    run(body())


@needs_nghttp2
@pytest.mark.parametrize(
    "rubbish",
    [
        b"GET / HTTP/1.1\r\nHost: here\r\n\r\n",
        bytes(100),
        http2._PREFACE + b"\xff" * 64,  # a frame of 16 MB
        http2._PREFACE + http2._frame(0, 0, 1, b"data of a call that was not begun"),
        http2._PREFACE + http2._frame(1, 4, 1, b"\xff\xff\xff\xff\xff\xff"),  # no header block
        http2._PREFACE + http2._frame(9, 0, 1, b"continues nothing"),
    ],
)
def test_a_socket_that_speaks_something_else_is_closed(folder: Path, rubbish: bytes) -> None:
    async def body() -> None:
        async with serving(folder, carrier="nghttp2") as server:
            reader, writer = await asyncio.open_connection("127.0.0.1", server.grpc_port)
            writer.write(rubbish)
            await reader.read()  # to its end
            writer.close()
            assert server.scheduler.sessions == 0
            async with channel_to(server) as channel:
                assert is_success(await talk(channel, sound(0.1).tobytes()))

    run(body(), 20)


@needs_nghttp2
def test_a_call_that_is_no_grpc_is_told(folder: Path) -> None:
    async def body() -> None:
        async with serving(folder, Limits(chunk_bytes=1000), carrier="nghttp2") as server:
            port = server.grpc_port
            connection = await http2.connect(f"127.0.0.1:{port}")
            over: asyncio.Future[str] = asyncio.get_running_loop().create_future()
            made = connection.call(CALL, lambda _: None, over.set_result)
            connection.write_data(1, b"\1\0\0\0\3abc")  # says that it is compressed
            assert made is not None
            assert await over == ""
            connection.close()
            async with channel_to(server) as channel:
                large = channel.stream_stream(CALL)()
                await large.write(bytes(2000))
                assert await large.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
                assert await large.details() == "a message of 2000 bytes; at most 1000"
                none = channel.unary_unary("/no.Service/No")
                with pytest.raises(grpc.aio.AioRpcError) as caught:
                    await none(b"")
                assert caught.value.code() == grpc.StatusCode.UNIMPLEMENTED

    run(body(), 20)


@pytest.mark.parametrize("carrier", ["auto", "grpcio"])
def test_calls_that_are_reset_at_any_moment_leave_nothing(folder: Path, carrier: str) -> None:
    """Also with the first message, in one packet: a task that is cancelled then must end."""
    said = messages.AudioStream(audio_with_emotion={"audio_buffer": bytes(6400)})

    async def body() -> None:
        async with serving(folder, carrier=carrier) as server:
            for pause_s in (0.0, 0.0, 0.001, 0.003, 0.01):
                connection = await http2.connect(f"127.0.0.1:{server.grpc_port}")
                made = [connection.call(CALL, lambda _: None, lambda _: None) for _ in range(20)]
                for call_ in made:
                    call_.send(HEADER)
                    call_.send(said.SerializeToString())
                await asyncio.sleep(pause_s)
                for call_ in made[::2]:  # the others end with their connection
                    connection._write(http2._frame(3, 0, call_._stream, bytes(3) + b"\x08"))
                await asyncio.sleep(pause_s)
                connection.close()
            for _ in range(100):
                if not server.scheduler.sessions:
                    break
                await asyncio.sleep(0.02)
            assert server.scheduler.sessions == 0
            assert not getattr(server._rpc, "tasks", ())
            assert not getattr(server._rpc, "connections", ())

    run(body())


@needs_nghttp2
def test_a_reader_that_stops_holds_little_and_may_go_on(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half a minute of sound at once, read after a while: all frames, and none piled up."""
    pcm = sound(30.0)
    monkeypatch.setattr(http2, "_MOST", 65536)  # what the client takes unread
    chunks = [pcm.tobytes()[at : at + 16000] for at in range(0, pcm.nbytes, 16000)]

    async def body() -> None:
        async with serving(folder, carrier="nghttp2") as server:
            connection = await http2.connect(f"127.0.0.1:{server.grpc_port}")
            came: list[bytes] = []
            over: asyncio.Future[str] = asyncio.get_running_loop().create_future()
            made = connection.call(CALL, lambda m: came.append(bytes(m)), over.set_result)
            made.send(HEADER)
            for chunk in chunks:
                said = messages.AudioStream(audio_with_emotion={"audio_buffer": chunk})
                made.send(said.SerializeToString())
                await asyncio.sleep(0.002)
            made.send(END)
            await asyncio.sleep(0.5)
            (end,) = server._rpc.connections
            assert end.http2.queued(1) < 2**18
            assert len(came) < 100
            assert server.metrics.frames._value.get() < 900
            more = struct.pack(">I", 2**30)
            connection._write(http2._frame(8, 0, 0, more) + http2._frame(8, 0, 1, more))
            assert await over == ""
            assert len(came) == 1800 + 3
            connection.close()

    run(body())


def test_without_nghttp2_grpcio_carries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "diffusiontalker._http2", None)  # as if it were not there
    assert not rpc.has_nghttp2()

    async def body() -> str:
        return type(rpc.make_server([], chunk_bytes=1000)).__module__

    assert run(body()).endswith("grpcio")
    with pytest.raises(ServeError, match="--grpc-by grpcio does without"):
        rpc.make_server([], chunk_bytes=1000, carrier="nghttp2")
