"""What breaks around a server, a row of docs/serving.md each; the others notice nothing."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import grpc.aio
import numpy as np
import pytest
import random_bundle

from diffusiontalker.serve.limits import Limits
from diffusiontalker.serve.rpc import client, messages, service
from diffusiontalker.serve.server import Server
from serving import alone, channel_to, hear, is_success, run, serving, sound, talk


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return random_bundle.write(tmp_path_factory.mktemp("serve") / "bundle").path


async def vanishes(server: Server) -> None:
    """In the middle of a sentence, its connection with it."""
    async with channel_to(server) as channel:
        call = client.Call(channel)
        await call.begin()
        await call.send(sound(0.5).tobytes())
        await call.read()


async def cancels(server: Server) -> None:
    async with channel_to(server) as channel:
        call = client.Call(channel)
        await call.begin()
        await call.send(sound(30.0).tobytes())
        await call.read()
        call.cancel()
        assert (await call.code()).name == "CANCELLED"


async def stalls(server: Server) -> None:
    """Says nothing more and does not leave: the idle time-out ends it, with a sentence."""
    async with channel_to(server) as channel:
        call = client.Call(channel)
        await call.begin()
        await call.send(sound(0.1).tobytes())
        heard = await hear(call)
        assert heard.code.name == "DEADLINE_EXCEEDED"
        assert heard.statuses == [(messages.ERROR, "nothing came and nothing went for 1 s")]


async def does_not_read(server: Server) -> None:
    """Ten minutes of sound at once, and no frame read: it is let go after `unread_s`."""
    async with channel_to(server) as channel:
        call = client.Call(channel)
        await call.begin()
        for _ in range(20):
            await call.send(bytes(960_000))
        await call.end()
        for _ in range(200):
            if not server.scheduler.sessions:
                break
            await asyncio.sleep(0.05)


async def says_half_a_sample(server: Server) -> None:
    async with channel_to(server) as channel:
        pcm = sound(0.3)
        heard = await talk(channel, pcm.tobytes() + b"\1", cut=lambda _: 333)
        assert is_success(heard)
        assert len(heard.frames) == 18


async def speaks_after_the_deadline(server: Server) -> None:
    async with channel_to(server) as channel:
        call = client.Call(channel, timeout_s=0.3)
        await call.begin()
        assert (await hear(call)).code.name == "DEADLINE_EXCEEDED"


async def sends_rubbish(server: Server) -> None:
    async with channel_to(server) as channel:
        raw = channel.stream_stream(f"/{messages.A2F_SERVICE}/{messages.A2F_CALL}")()
        await raw.write(b"\xff\xff\xff")
        said = messages.AnimationDataStream.FromString(await raw.read())
        assert said.status.message == "a message came that is no AudioStream"
        with contextlib.suppress(grpc.aio.AioRpcError):
            await raw.read()
        assert (await raw.code()).name == "INVALID_ARGUMENT"


FAULTS: list[Callable[[Server], Awaitable[None]]] = [
    vanishes, cancels, stalls, does_not_read, says_half_a_sample, speaks_after_the_deadline,
    sends_rubbish,
]  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_the_others_notice_nothing(
    folder: Path, fault: Callable[[Server], Awaitable[None]]
) -> None:
    """A neighbour speaks meanwhile: its frames are its own; and every place comes back."""
    pcm = sound(1.0, seed=9)

    async def neighbour(server: Server) -> None:
        async with channel_to(server) as channel:
            call = client.Call(channel)
            await call.begin()
            reading = asyncio.create_task(hear(call))
            for at in range(0, pcm.nbytes, 640):
                await call.send(pcm.tobytes()[at : at + 640])
                await asyncio.sleep(0.005)
            await call.end()
            heard = await reading
        assert is_success(heard)
        assert np.array_equal(heard.curves, alone(folder, pcm))

    async def body() -> None:
        async with serving(folder, Limits(sessions=4, idle_s=1.0, unread_s=1.0)) as server:
            await asyncio.gather(neighbour(server), fault(server))
            for _ in range(100):
                if not server.scheduler.sessions:
                    break
                await asyncio.sleep(0.05)
            assert server.scheduler.sessions == 0
            await neighbour(server)

    run(body())


#: `poe serving` asks for 1000.
CROWD = int(os.environ.get("DT_SERVING_CROWD", "200"))


def test_a_crowd_at_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As many as the limit are served, the rest are told to come again."""
    pcm = sound(0.2).tobytes()
    # All of them are in this process: their last words may take long.
    monkeypatch.setattr(service, "_LINGER_S", 20.0)

    async def body() -> None:
        async with (
            serving(folder, Limits(sessions=20)) as server,
            channel_to(server) as channel,
        ):

            async def one() -> Any:
                call = client.Call(channel)
                with contextlib.suppress(Exception):
                    await call.begin()
                    await call.send(pcm)
                    await call.end()
                return await hear(call)

            heard = await asyncio.gather(*[one() for _ in range(CROWD)])
            served = [h for h in heard if h.code.name == "OK"]
            refused = [h for h in heard if h.code.name == "RESOURCE_EXHAUSTED"]
            assert len(served) >= 20
            assert len(served) + len(refused) == CROWD
            assert all(len(h.frames) == 12 for h in served)
            assert all("sessions of this server are taken" in h.statuses[-1][1] for h in refused)
            assert server.scheduler.sessions == 0
            assert is_success(await talk(channel, pcm))

    run(body())


def test_limits_are_said(folder: Path) -> None:
    async def body() -> None:
        limits = Limits(session_s=0.5, chunk_bytes=100_000)
        async with serving(folder, limits) as server, channel_to(server) as channel:
            # In one piece: grpc.aio's clients that write on into an ended call see INTERNAL.
            heard = await talk(channel, sound(1.0).tobytes(), cut=lambda _: 32000)
            assert heard.code.name == "RESOURCE_EXHAUSTED"
            assert "0.5 s of sound a session" in heard.statuses[-1][1]
            # The sentence comes whatever becomes of the code (findings/grpc-aio-ended-call.sh).
            heard = await talk(channel, sound(60.0).tobytes(), cut=lambda _: 16000)
            assert heard.code.name in ("RESOURCE_EXHAUSTED", "INTERNAL")
            assert "0.5 s of sound a session" in heard.statuses[-1][1]
            call = client.Call(channel)
            await call.begin()
            with contextlib.suppress(Exception):
                await call.send(bytes(200_000))
            assert (await hear(call)).code.name == "RESOURCE_EXHAUSTED"

    run(body())


def test_a_token_is_asked_for(folder: Path) -> None:
    async def body() -> None:
        async with serving(folder, token="secret") as server, channel_to(server) as channel:
            for shown, code in (
                (None, "UNAUTHENTICATED"),
                ("wrong", "UNAUTHENTICATED"),
                ("secret", "OK"),
            ):
                call = client.Call(channel, token=shown)
                with contextlib.suppress(Exception):
                    await call.begin()
                    await call.end()
                assert (await hear(call)).code.name == code
            # Balancers ask without one.
            assert await client.health(channel) == messages.SERVING

    run(body())


def test_who_is_here_when_the_server_leaves_may_end(folder: Path) -> None:
    pcm = sound(1.0)

    async def body() -> None:
        async with serving(folder, drain_s=10.0) as server, channel_to(server) as channel:
            call = client.Call(channel)
            await call.begin()
            await call.send(pcm.tobytes()[:16000])
            await call.read()
            leaving = asyncio.create_task(server.leave())
            await asyncio.sleep(0.05)
            late = await talk(channel, b"")
            assert late.code.name == "UNAVAILABLE"
            await call.send(pcm.tobytes()[16000:])
            await call.end()
            assert (await hear(call)).statuses == [(messages.SUCCESS, "")]
            await leaving

    run(body())


def test_who_does_not_end_is_cut_short(folder: Path) -> None:
    async def body() -> None:
        async with serving(folder, drain_s=0.2) as server, channel_to(server) as channel:
            call = client.Call(channel)
            await call.begin()
            await call.read()
            await server.leave()
            heard = await hear(call)
            assert heard.code.name == "UNAVAILABLE"
            assert heard.statuses == [(messages.ERROR, "this server leaves now")]

    run(body())
