"""A server in the test's own loop, clients for it, and what a runtime makes of the same sound."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from diffusiontalker import Runtime
from diffusiontalker.serve.limits import Limits
from diffusiontalker.serve.rpc import client, messages
from diffusiontalker.serve.server import Options, Server

#: What carries gRPC, where a test does not say; `poe serving` goes through all of them.
CARRIER = os.environ.get("DT_SERVE_GRPC_BY", "auto")
Floats = NDArray[np.float32]
_T = TypeVar("_T")


def sound(seconds: float, rate: int = 16000, seed: int = 0) -> NDArray[np.int16]:
    """Noise that comes and goes three times a second."""
    rng = np.random.default_rng(seed)
    time = np.arange(int(seconds * rate)) / rate
    loud = 8000 * np.sin(2 * np.pi * 1.5 * time) ** 2
    return (loud * rng.standard_normal(time.size)).clip(-32000, 32000).astype(np.int16)


def alone(folder: Path, pcm: NDArray[Any], rate: int = 16000, **settings: Any) -> Floats:
    """The frames of a runtime of its own."""
    runtime = Runtime(folder, sample_rate=rate, **settings)
    return np.concatenate([runtime.step(pcm), runtime.flush()])


def run(body: Awaitable[_T], seconds: float = 60) -> _T:
    """A test's coroutine, which may not hang."""

    async def limited() -> _T:
        return await asyncio.wait_for(body, seconds)

    return asyncio.run(limited())


@contextlib.asynccontextmanager
async def serving(folder: Path, limits: Limits | None = None, **more: Any) -> AsyncIterator[Server]:
    more.setdefault("carrier", CARRIER)
    options = Options(
        bundle=str(folder), grpc_port=0, http_port=0, limits=limits or Limits(), **more
    )
    async with Server(options) as server:
        yield server


@contextlib.asynccontextmanager
async def channel_to(server: Server, **more: Any) -> AsyncIterator[Any]:
    channel = client.connect(f"127.0.0.1:{server.grpc_port}", **more)
    try:
        yield channel
    finally:
        await channel.close()


@dataclass
class Heard:
    """What a client got in one call, in order."""

    kinds: list[str] = field(default_factory=list)
    header: Any = None
    frames: list[list[float]] = field(default_factory=list)
    time_codes: list[float] = field(default_factory=list)
    sounds: list[bytes] = field(default_factory=list)
    statuses: list[tuple[int, str]] = field(default_factory=list)
    code: Any = None

    def take(self, message: Any) -> None:
        part = message.WhichOneof("part")
        self.kinds.append(part)
        if part == "animation_data_stream_header":
            self.header = message.animation_data_stream_header
        elif part == "status":
            self.statuses.append((message.status.code, message.status.message))
        elif part == "animation_data":
            data = message.animation_data
            weights = data.skel_animation.blend_shape_weights
            assert len(weights) == 1
            assert weights[0].time_code == data.audio.time_code
            self.frames.append(list(weights[0].values))
            self.time_codes.append(weights[0].time_code)
            self.sounds.append(data.audio.audio_buffer)

    @property
    def curves(self) -> Floats:
        return np.array(self.frames, np.float32).reshape(-1, 52)


async def hear(call: client.Call) -> Heard:
    """Reads a call to its end, whatever end that is."""
    heard = Heard()
    with contextlib.suppress(Exception):
        async for message in call.messages():
            heard.take(message)
    heard.code = await call.code()
    return heard


async def talk(
    channel: Any,
    pcm: bytes,
    *,
    rate: int = 16000,
    cut: Callable[[int], int] = lambda _: 640,
    metadata: Mapping[str, str | bytes] | None = None,
    **header: Any,
) -> Heard:
    """Sends sound in chunks of `cut(i)` bytes and reads meanwhile, as clients do."""
    call = client.Call(channel, metadata=metadata)
    await call.begin(rate, **header)
    reading = asyncio.create_task(hear(call))
    at, number = 0, 0
    with contextlib.suppress(Exception):  # the server may have ended it
        while at < len(pcm):
            size = max(cut(number), 1)
            await call.send(pcm[at : at + size])
            at, number = at + size, number + 1
        await call.end()
    return await reading


def is_success(heard: Heard) -> bool:
    """A whole answer: header first, then frames, then the event, then success, which is last."""
    kinds = [kind for kind in heard.kinds if kind != "animation_data"]
    return (
        kinds == ["animation_data_stream_header", "event", "status"]
        and heard.kinds[-2:] == ["event", "status"]
        and heard.statuses == [(messages.SUCCESS, "")]
        and heard.code.name == "OK"
    )
