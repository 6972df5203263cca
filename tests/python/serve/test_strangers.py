"""Who gets no session over WebSocket: pages of other sites, crowds, what is too large."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import random_bundle
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from diffusiontalker.serve import websocket
from diffusiontalker.serve.limits import Limits
from diffusiontalker.serve.server import Server
from serving import run, serving


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return random_bundle.write(tmp_path_factory.mktemp("serve") / "bundle").path


def at(server: Server) -> str:
    return f"ws://127.0.0.1:{server.http_port}/v1/face"


async def status(server: Server, **more: Any) -> int:
    """0: let in."""
    try:
        async with connect(at(server), proxy=None, **more):
            return 0
    except InvalidStatus as refused:
        return refused.response.status_code


def test_a_page_of_another_site_needs_the_token(folder: Path) -> None:
    async def body() -> None:
        async with serving(folder) as server:
            for origin in (None, "http://localhost:8080", "http://127.0.0.1:8080", "http://[::1]"):
                assert await status(server, origin=origin) == 0, origin
            for origin in ("https://evil.example", "http://127.0.0.1.evil.example:8000", "null",
                           "http://localhost.evil.example", "http://[::", "file://"):  # fmt: skip
                assert await status(server, origin=origin) == 403, origin
        # Where a token is asked for, a page that has it may be anybody's; one without gets nothing.
        async with serving(folder, token="a long secret") as server:
            async with connect(at(server), origin="https://mine.example", proxy=None) as socket:
                await socket.send(json.dumps({"type": "begin"}))
                assert json.loads(await socket.recv())["type"] == "error"
            async with connect(at(server), origin="https://mine.example", proxy=None) as socket:
                await socket.send(json.dumps({"type": "begin", "token": "a long secret"}))
                assert json.loads(await socket.recv())["type"] == "schema"

    run(body())


def test_a_crowd_of_connections_is_told_so(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(websocket, "_SPARE_CONNECTIONS", 2)

    async def body() -> None:
        async with serving(folder, Limits(sessions=1)) as server:
            held = [await connect(at(server), proxy=None) for _ in range(3)]
            assert await status(server) == 503
            await held[0].close()
            for _ in range(100):
                if await status(server) == 0:
                    break
            else:
                pytest.fail("the place of one that left is not free")
            for each in held:
                await each.close()

    run(body())


def test_what_is_too_large_ends_the_connection(folder: Path) -> None:
    async def body() -> None:
        async with (
            serving(folder, Limits(chunk_bytes=1000)) as server,
            connect(at(server), proxy=None) as socket,
        ):
            await socket.send("x" * 1001)
            with pytest.raises(ConnectionClosed) as closed:
                await socket.recv()
            assert closed.value.rcvd is not None
            assert closed.value.rcvd.code == 1009

    run(body())
