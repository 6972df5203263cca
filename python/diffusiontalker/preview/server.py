"""The server's process: pages to browsers, frames and sound to pages, controls to the stream.

It runs beside the stream's process, which it can neither hold up nor slow down: what it is too slow
for is dropped before it comes here.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import IO, Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.staticfiles import StaticFiles
from starlette.websockets import WebSocket, WebSocketDisconnect

from .. import head as heads
from .. import presets
from ..presets import Preset, PresetError
from . import PreviewError, pipe
from .guard import Allowance, Guard
from .hub import Hub, Page
from .messages import (
    MOST_BYTES,
    SOUND,
    Cast,
    Control,
    KeepPreset,
    Second,
    Turn,
    UsePreset,
    read_control,
    write_control,
)
from .second import SecondFace

PAGE = Path(__file__).parent / "page"
# Ten tabs and some to spare; each costs a queue.
_MOST_PAGES = 32
# A page that wants more than a slider gives waits, and its connection with it.
_CONTROLS_A_SECOND = 100.0
_CONTROLS_AT_ONCE = 200
# Below the stream, which must come first where there are few cores.
_NICENESS = 5
# Facts that are over once they were said.
_PASSING = ("refused", "note")
_NO_STORE = {"cache-control": "no-store"}


def three_js() -> Path:
    """three.js with GLTFLoader and OrbitControls as one module, as NiceGUI brings it."""
    found = find_spec("nicegui")
    if found is None or not found.submodule_search_locations:
        raise PreviewError("NiceGUI is not installed: pip install 'diffusiontalker[preview]'")
    path = Path(found.submodule_search_locations[0]) / "elements" / "scene" / "dist" / "index.js"
    if not path.is_file():
        raise PreviewError(
            f"{path} is missing; expected NiceGUI 3: pip install 'diffusiontalker[preview]'"
        )
    return path


class Desk:
    """Between the pages and the stream: what the stream says, and what the users want of it."""

    def __init__(self, out: IO[bytes], head: heads.Head, name: str) -> None:
        self.head = heads.gltf.document(head).glb()
        self.hub = Hub(self._count)
        self._out = out
        self._out_lock = threading.Lock()
        self._loop = asyncio.get_running_loop()
        self._settings: dict[str, Any] = {}
        self.second = SecondFace(self._emit, self._tell)
        self.second.say()
        self._tell_presets()
        self._tell("head", name=name, missing=head.missing())

    def take(self, kind: bytes, body: bytes) -> None:
        """A message of the stream, on the loop's thread."""
        if kind == pipe.PACKED:
            self.hub.offer(body)
            if body[0] == SOUND and self.hub.pages:
                self.second.hear(body)
            return
        said = json.loads(body)
        what = said["say"]
        if what == "schema":
            self.second.load(said.get("bundle") or None)
            self.hub.forget("bye")
        elif what == "settings":
            self._settings = said
        self.hub.tell(what, body.decode(), keep=what not in _PASSING)

    def do(self, text: str | bytes) -> None:
        """A control of a page. Raises PreviewError."""
        control = read_control(text)
        try:
            if isinstance(control, Second):
                self.second.set(control)
            elif isinstance(control, KeepPreset):
                self._keep(control.name)
            elif isinstance(control, UsePreset):
                self._use(presets.load(control.name))
            else:
                self._send(control)
        except PresetError as error:
            raise PreviewError(str(error)) from None

    def _keep(self, name: str) -> None:
        names = ("identity", "seed", "idle", "strength_lower", "strength_upper", "smooth_ms",
                 "gain", "offset")  # fmt: skip
        whole = {key: self._settings[key] for key in names if key in self._settings}
        presets.save(name, presets.from_mapping(whole))
        self._tell_presets()

    def _use(self, preset: Preset) -> None:
        if preset.arguments():
            self._send(Cast(**preset.arguments()))
        knobs = (preset.strength_lower, preset.strength_upper, preset.smooth_ms)
        # What a preset does not name is neutral, not what was there before.
        self._send(Turn(preset.gain, preset.offset, *_or_neutral(*knobs)))

    def _tell_presets(self) -> None:
        try:
            kept = presets.names()
        except OSError:
            kept = []
        self._tell("presets", names=kept)

    def _send(self, control: Control) -> None:
        with self._out_lock, contextlib.suppress(OSError):
            pipe.send(self._out, pipe.JSON, write_control(control))

    def _count(self, pages: int) -> None:
        with self._out_lock, contextlib.suppress(OSError):
            pipe.send(self._out, pipe.PACKED, pages.to_bytes(4, "little"))

    def _emit(self, packed: bytes) -> None:
        self._loop.call_soon_threadsafe(self.hub.offer, packed)

    def _tell(self, what: str, **facts: Any) -> None:
        text = json.dumps({"say": what, **facts}, default=dict)
        keep = what not in _PASSING
        with contextlib.suppress(RuntimeError):  # the loop has ended
            self._loop.call_soon_threadsafe(lambda: self.hub.tell(what, text, keep=keep))


def _or_neutral(
    lower: float | None, upper: float | None, smooth_ms: float | None
) -> tuple[float, float, float]:
    return (1.0 if lower is None else lower, 1.0 if upper is None else upper, smooth_ms or 0.0)


def application(desk: Desk) -> Starlette:
    """The routes; `Guard` stands before them."""

    async def page(_: Request) -> Response:
        return FileResponse(PAGE / "index.html", headers=_NO_STORE)

    async def three(_: Request) -> Response:
        return FileResponse(three_js(), media_type="text/javascript")

    # Kept by the browser, which asks whether it is still so: another run has another head.
    known = {
        "cache-control": "no-cache",
        "etag": f'"{hashlib.sha256(desk.head).hexdigest()[:32]}"',
    }

    async def head(request: Request) -> Response:
        if request.headers.get("if-none-match") == known["etag"]:
            return Response(status_code=304, headers=known)
        return Response(desk.head, media_type="model/gltf-binary", headers=known)

    async def stream(socket: WebSocket) -> None:
        if desk.hub.pages >= _MOST_PAGES:
            await socket.close(1013, f"{_MOST_PAGES} pages are open already")
            return
        await socket.accept()
        tab = Page(socket.send_text, socket.send_bytes)
        desk.hub.join(tab)
        sending = asyncio.create_task(tab.send(desk.hub.every_s))
        try:
            await _listen(socket, tab, desk)
        finally:
            sending.cancel()
            desk.hub.leave(tab)
            with contextlib.suppress(asyncio.CancelledError, WebSocketDisconnect, RuntimeError):
                await sending

    return Starlette(
        routes=[
            Route("/", page),
            Route("/three.js", three),
            Route("/head.glb", head),
            WebSocketRoute("/stream", stream),
            Mount("/page", StaticFiles(directory=PAGE)),
        ]
    )


async def _listen(socket: WebSocket, tab: Page, desk: Desk) -> None:
    """Does what a page wants until it goes, no faster than a hand can want it."""
    allowance = Allowance(_CONTROLS_A_SECOND, _CONTROLS_AT_ONCE)
    with contextlib.suppress(WebSocketDisconnect):
        while True:
            await asyncio.sleep(allowance.spend(time.monotonic()))
            message = await socket.receive()
            if message["type"] == "websocket.disconnect":
                return
            try:
                # A control is text; what is packed is no JSON, and is refused as such.
                desk.do(message.get("text") or message.get("bytes") or b"")
            except PreviewError as error:
                tab.tell(json.dumps({"say": "refused", "text": str(error)}))


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Takes no signal: the stream says when it is over."""
        yield


async def _serve(settings: dict[str, Any], inwards: IO[bytes], out: IO[bytes]) -> None:
    listening = _bound(int(settings["port"]))
    port = listening.getsockname()[1]
    three_js()
    desk = Desk(out, *_head(settings.get("head")))
    server = _Server(
        uvicorn.Config(
            Guard(application(desk), port=port, token=str(settings["token"])),
            log_config=None,
            log_level="critical",
            lifespan="off",
            ws="websockets-sansio",
            ws_max_size=MOST_BYTES,
            ws_per_message_deflate=False,
            server_header=False,
            timeout_graceful_shutdown=1,
        )
    )
    loop = asyncio.get_running_loop()

    def read() -> None:
        while (message := pipe.receive(inwards)) is not None:
            done = threading.Event()

            def handle(kind: bytes = message[0], body: bytes = message[1],
                       done: threading.Event = done) -> None:  # fmt: skip
                try:
                    desk.take(kind, body)
                finally:
                    done.set()

            loop.call_soon_threadsafe(handle)
            # No faster than the loop: what is too much waits in the pipe, and is dropped there.
            done.wait()
        server.should_exit = True

    threading.Thread(target=read, name="preview stream", daemon=True).start()
    pipe.send(out, pipe.JSON, json.dumps({"port": port}).encode())
    await server.serve(sockets=[listening])


def _bound(port: int) -> socket.socket:
    made = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        if sys.platform != "win32":
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind(("127.0.0.1", port))
        made.listen()  # who comes before the server runs waits
    except (OSError, OverflowError) as error:
        made.close()
        reason = getattr(error, "strerror", None) or str(error)
        raise PreviewError(f"--preview-port {port}: {reason}; 0 is any port that is free") from None
    return made


def _head(given: str | None) -> tuple[heads.Head, str]:
    """The head that is shown, and its file's name; "" for the one that ships."""
    try:
        return (heads.load(given), Path(given).name) if given else (heads.default(), "")
    except FileNotFoundError:
        raise PreviewError(f"--head {given}: no such file") from None
    except heads.HeadError as error:
        raise PreviewError(f"--head {error}") from None


def main() -> int:
    """Runs until the stream's process closes the pipe."""
    with contextlib.suppress(ValueError):
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(os, "nice"):
        with contextlib.suppress(OSError):
            os.nice(_NICENESS)
    inwards, out = os.fdopen(0, "rb", 0, closefd=False), os.fdopen(os.dup(1), "wb", 0)
    # Whatever prints must not print into the pipe.
    os.dup2(2, 1)
    begun = pipe.receive(inwards)
    if begun is None:
        return 1
    try:
        asyncio.run(_serve(json.loads(begun[1]), inwards, out))
    except PreviewError as error:
        pipe.send(out, pipe.JSON, json.dumps({"error": str(error)}).encode())
        return 2
    # Threads that wait in a read would hold the process up.
    os._exit(0)
