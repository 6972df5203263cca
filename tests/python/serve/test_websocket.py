"""WebSocket sessions, and the plain HTTP beside them."""

from __future__ import annotations

import asyncio
import json
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import random_bundle
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from diffusiontalker import CURVES, Runtime, wire
from diffusiontalker.curves import GATED
from diffusiontalker.serve.server import Server
from serving import alone, run, serving, sound


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return random_bundle.write(tmp_path_factory.mktemp("serve") / "bundle").path


def at(server: Server) -> str:
    return f"ws://127.0.0.1:{server.http_port}/v1/face"


async def said(socket: Any, kind: str) -> dict[str, Any]:
    """The next message of a kind; frames in between are passed over."""
    while True:
        message = json.loads(await socket.recv())
        if message["type"] == kind:
            return dict(message)


async def until_bye(socket: Any) -> list[dict[str, Any]]:
    """The frames up to the bye."""
    frames = []
    while (message := json.loads(await socket.recv()))["type"] != "bye":
        assert message["type"] == "frame"
        frames.append(message)
    assert message["frames"] == len(frames)
    return frames


def test_json_frames_are_the_runtimes_bit_for_bit(folder: Path) -> None:
    pcm = sound(1.2, 24000)

    async def body() -> None:
        async with serving(folder) as server, connect(at(server)) as socket:
            for seed in (0, 7):  # a connection is one session after another
                await socket.send(
                    json.dumps(
                        {
                            "type": "begin", "sample_rate_hz": 24000, "seed": seed,
                            "identity": "bob", "idle": 0.5, "gain": {"mouth": 1.2},
                        }
                    )
                )  # fmt: skip
                schema = await said(socket, "schema")
                assert schema["curves"] == list(CURVES)
                assert (schema["rate_num"], schema["rate_den"]) == (60, 1)
                for at_ in range(0, pcm.nbytes, 1001):
                    await socket.send(pcm.tobytes()[at_ : at_ + 1001])
                await socket.send('{"type": "end"}')
                frames = await until_bye(socket)
                got = np.array([frame["curves"] for frame in frames], np.float32)
                runtime = Runtime(folder, sample_rate=24000, seed=seed, identity="bob", idle=0.5)
                runtime.set(gain={"mouth": 1.2})
                expected = np.concatenate([runtime.step(pcm), runtime.flush()])
                assert np.array_equal(got, expected)
                assert [frame["index"] for frame in frames] == list(range(len(frames)))
                assert [frame["position"] for frame in frames] == [
                    i * 24000 // 60 for i in range(len(frames))
                ]

    run(body())


def test_msgpack_is_the_wires(folder: Path) -> None:
    floats = (sound(0.8) / 32768).astype(np.float32)

    async def body() -> None:
        async with serving(folder) as server, connect(at(server)) as socket:
            await socket.send('{"type": "begin", "sound": "f32le", "frames": "msgpack"}')
            await socket.send(floats.tobytes())
            await socket.send('{"type": "end"}')
            messages: list[Any] = []
            while not messages or not isinstance(messages[-1], wire.Bye):
                payload = await socket.recv()
                kind = ("schema", "frame", "bye")[bool(messages) + (len(payload) < 60)]
                messages.append(wire.decode([wire.topic("face", kind), payload]))
        schema, *frames, bye = messages
        assert schema.curves == CURVES
        got = np.array([frame.curves for frame in frames], np.float32)
        assert np.array_equal(got, alone(folder, floats))
        assert [frame.sequence for frame in frames] == list(range(bye.frames))
        assert {frame.session for frame in frames} == {schema.session}

    run(body())


def test_an_interruption_closes_the_mouth_and_the_clock_goes_on(folder: Path) -> None:
    mouth = [CURVES.index(c) for c in GATED]
    loud, after = sound(20.0), sound(1.0, seed=3)

    async def body() -> None:
        async with serving(folder) as server, connect(at(server)) as socket:
            await socket.send('{"type": "begin", "sound": "s16le"}')
            await socket.send(loud.tobytes())
            last = await said(socket, "frame")
            while last["index"] < 30:
                last = await said(socket, "frame")
            await socket.send('{"type": "interrupt"}')
            # What had left before the word came still arrives; then it is confirmed.
            while (message := json.loads(await socket.recv()))["type"] == "frame":
                last = message
            assert message["type"] == "interrupted"
            assert message["forgotten"] > 0
            first = message["index"]
            assert first > last["index"]
            await socket.send(after.tobytes())
            await socket.send('{"type": "end"}')
            frames = [f for f in await until_all(socket) if f["index"] >= first]
        assert [f["index"] for f in frames] == list(range(first, first + len(frames)))
        curves = np.array([f["curves"] for f in frames])[:, mouth]
        shown = np.array(last["curves"])[mouth]
        assert shown.max() > 0.05
        assert np.allclose(curves[0], shown * (1 - 1 / 6), atol=1e-6)
        assert np.abs(curves[5:6]).max() == 0.0  # 100 ms at 60 frames a second
        assert np.abs(curves[-30:]).max() > 0.05  # and what came afterwards is spoken
        # The clock: what was heard, the silence, and the second after it.
        assert frames[-1]["position"] == pytest.approx(message["next_position"] + 16000, abs=300)

    async def until_all(socket: Any) -> list[dict[str, Any]]:
        frames = []
        while (message := json.loads(await socket.recv()))["type"] != "bye":
            frames.append(message)
        return frames

    run(body())


def test_silence_fills_a_pause_where_that_is_asked_for(folder: Path) -> None:
    async def body() -> None:
        async with serving(folder) as server, connect(at(server)) as socket:
            await socket.send('{"type": "begin", "fill_after_s": 0.05}')
            await socket.send(sound(0.1).tobytes())
            while (await said(socket, "frame"))["index"] < 40:
                pass  # 0.67 s of frames for 0.1 s of sound

    run(body(), 20)


@pytest.mark.parametrize(
    ("first", "sentence"),
    [
        ("hello", 'expected {"type": "begin"}, got \'hello\''),
        (b"\0\0", 'expected {"type": "begin"}, got sound'),
        ('{"type": "begin", "rate": 1}', "no setting 'rate'"),
        ('{"type": "begin", "sample_rate_hz": 4000}', "from 8000 to 192000, got 4000"),
        ('{"type": "begin", "sound": "mp3"}', "sound: expected s16le or f32le, got 'mp3'"),
        ('{"type": "begin", "identity": "zoe"}', "identity: expected auto or ann or bob"),
        ('{"type": "begin", "seed": -1}', "seed: expected 0 to 2**64 - 1, got -1"),
        ('{"type": "begin", "idle": 2}', "idle: expected a number from 0 to 1, got 2"),
        ('{"type": "begin", "gain": {"lip": 1}}', "gain: 'lip' is no group"),
        ('{"type": "begin", "smooth_ms": "x"}', "smooth_ms: expected a number"),
    ],
)
def test_a_begin_that_cannot_be(folder: Path, first: str | bytes, sentence: str) -> None:
    async def body() -> None:
        async with serving(folder) as server, connect(at(server)) as socket:
            await socket.send(first)
            error = json.loads(await socket.recv())
            assert error["type"] == "error"
            assert sentence in error["message"]
            with pytest.raises(ConnectionClosed):
                await socket.recv()
            assert server.scheduler.sessions == 0

    run(body())


def test_sound_that_is_none_is_refused_by_its_number(folder: Path) -> None:
    async def body() -> None:
        async with serving(folder) as server, connect(at(server)) as socket:
            await socket.send('{"type": "begin", "sound": "f32le"}')
            await socket.send(np.array([0, 0, np.nan], np.float32).tobytes())
            assert "sample 2 is NaN" in (await said(socket, "error"))["message"]

    run(body())


def test_plain_http(folder: Path) -> None:
    async def body() -> None:
        async with serving(folder, drain_s=0.1) as server:

            def get(path: str) -> tuple[int, str]:
                request = urllib.request.Request(f"http://127.0.0.1:{server.http_port}{path}")
                try:
                    with urllib.request.urlopen(request) as answer:
                        return answer.status, answer.read().decode()
                except urllib.error.HTTPError as error:
                    return error.code, error.read().decode()

            assert await asyncio.to_thread(get, "/v1/health/ready") == (
                200,
                '{"status": "ready"}\n',
            )
            assert (await asyncio.to_thread(get, "/v1/health/live"))[0] == 200
            status, text = await asyncio.to_thread(get, "/metrics")
            assert status == 200
            assert "dt_serve_sessions 0.0" in text
            assert (await asyncio.to_thread(get, "/"))[0] == 404
            await server.leave()
            assert (await asyncio.to_thread(get, "/v1/health/ready"))[0] == 503

    run(body())
