"""Clients that say anything: each is refused and nobody else notices, by gRPC and by WebSocket."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
from pathlib import Path
from random import Random
from typing import Any

import grpc
import numpy as np
import pytest
import random_bundle
from hostile.mutation import mutated, mutated_json
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from diffusiontalker.serve.limits import Limits
from diffusiontalker.serve.rpc import messages
from diffusiontalker.serve.server import Server
from serving import alone, channel_to, is_success, run, serving, sound, talk

CLIENTS = int(os.environ.get("DT_HOSTILE_CLIENTS", "40"))  #: a test
PATIENCE_S = 20.0


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return random_bundle.write(tmp_path_factory.mktemp("serve") / "bundle").path


async def is_well(server: Server, folder: Path) -> None:
    """Every place is free, and whoever comes now gets a runtime's own frames."""
    for _ in range(200):
        if not server.scheduler.sessions:
            break
        await asyncio.sleep(0.02)
    pcm = sound(0.3)
    async with channel_to(server) as channel:
        heard = await talk(channel, pcm.tobytes())
    assert is_success(heard)
    np.testing.assert_array_equal(heard.curves, alone(folder, pcm))


def messages_of_a_call() -> list[bytes]:
    """What a client sends in a whole call."""
    header = {"channel_count": 1, "samples_per_second": 16000, "bits_per_sample": 16}
    said = [
        messages.AudioStream(audio_stream_header={"audio_header": header}),
        messages.AudioStream(audio_with_emotion={"audio_buffer": sound(0.1).tobytes()}),
        messages.AudioStream(end_of_audio={}),
    ]
    return [bytes(message.SerializeToString()) for message in said]


def test_any_bytes_by_grpc_are_a_status(folder: Path) -> None:
    good = messages_of_a_call()
    random = Random(5)

    async def one(channel: Any) -> None:
        call = channel.stream_stream(f"/{messages.A2F_SERVICE}/{messages.A2F_CALL}")()
        with contextlib.suppress(grpc.RpcError, asyncio.InvalidStateError):
            for message in good:
                await call.write(mutated([message], random) if random.randrange(2) else message)
            await call.done_writing()
        with contextlib.suppress(grpc.RpcError):
            async for _ in call:
                pass
        assert (await call.code()).name in {
            "OK", "INVALID_ARGUMENT", "INTERNAL", "RESOURCE_EXHAUSTED", "UNIMPLEMENTED",
        }  # fmt: skip

    async def body() -> None:
        async with serving(folder, Limits(sessions=4)) as server:
            address = f"127.0.0.1:{server.grpc_port}"
            async with grpc.aio.insecure_channel(address) as channel:
                for _ in range(CLIENTS):
                    await asyncio.wait_for(one(channel), PATIENCE_S)
            await is_well(server, folder)

    run(body(), 120)


BEGIN = {
    "type": "begin", "sample_rate_hz": 24000, "sound": "s16le", "frames": "json",
    "identity": "ann", "seed": 3, "idle": 0.5, "fill_after_s": 0.2,
    "gain": {"mouth": 1.2}, "offset": {"jawOpen": 0.1}, "smooth_ms": 10,
}  # fmt: skip


def test_any_words_by_websocket_are_a_sentence(folder: Path) -> None:
    random = Random(7)

    async def one(server: Server) -> None:
        at = f"ws://127.0.0.1:{server.http_port}/v1/face"
        async with connect(at, proxy=None) as socket:
            with contextlib.suppress(ConnectionClosed):
                begin = mutated_json(BEGIN, random)
                await socket.send(begin.decode("utf-8", "replace"))
                await socket.send(mutated([sound(0.05).tobytes()], random))
                await socket.send(mutated([b'{"type": "interrupt"}'], random).decode("latin-1"))
                await socket.send(b"\x00")
                await socket.send('{"type": "end"}')
                while True:
                    said = json.loads(await socket.recv())
                    if said["type"] in ("error", "bye"):
                        assert said.get("message", "x").strip()
                        assert "\n" not in said.get("message", "")
                        break

    async def body() -> None:
        async with serving(folder, Limits(sessions=4)) as server:
            for _ in range(CLIENTS):
                await asyncio.wait_for(one(server), PATIENCE_S)
            await is_well(server, folder)

    run(body(), 120)


def test_bytes_that_are_no_http_are_let_go(folder: Path) -> None:
    random = Random(9)
    request = (
        b"GET /v1/face HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        b"\x81\x85\x00\x00\x00\x00hello\x88\x80\x00\x00\x00\x00"
    )
    preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00"

    async def one(port: int, said: bytes) -> None:
        reading, writing = await asyncio.open_connection("127.0.0.1", port)
        with contextlib.suppress(OSError):
            writing.write(said)
            writing.write_eof()
            await reading.read()
        writing.close()

    async def body() -> None:
        async with serving(folder, Limits(sessions=4)) as server:
            for _ in range(CLIENTS):
                for port in (server.http_port, server.grpc_port):
                    assert port is not None
                    said = mutated([request, preface], random)
                    with contextlib.suppress(OSError):
                        await asyncio.wait_for(one(port, said), PATIENCE_S)
            await is_well(server, folder)

    run(body(), 240)
