"""A stream's end of the page: starts the server's process, feeds it, takes its controls."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import IO, Any

from ..frames import Audio, StampedFrame
from . import PreviewError, pipe
from .messages import Control, pack_frames, pack_sound, read_control

#: Frames and pieces of sound that wait for the server's process before the oldest are dropped:
#: 4 s at 60 frames and 50 pieces a second.
QUEUE = 440
# What has gathered is sent so often, seconds: a page draws no more often, and each time costs the
# stream's process a little.
_EVERY_S = 0.016
_START_PATIENCE_S = 30.0
_LEAVE_PATIENCE_S = 2.0
#: What brings what the page needs.
INSTALL = "pip install 'diffusiontalker[preview]'"
_NEEDED = ("nicegui", "starlette", "uvicorn", "websockets")


def missing() -> list[str]:
    """The packages that the page needs and that are not installed."""
    return [name for name in _NEEDED if find_spec(name) is None]


class Link:
    """The page of one command. `frame`, `sound`, `tell` and `controls` never wait.

    They may be called from any thread; what the server's process is too slow for is dropped,
    oldest first, and counted.
    """

    def __init__(self, *, port: int = 0, head: Path | None = None) -> None:
        """Serves on 127.0.0.1. `port` 0 is any that is free; `head` a glTF or VRM to show in place
        of the default. Raises PreviewError.
        """
        if missing():
            raise PreviewError(f"--preview needs {', '.join(missing())}: {INSTALL}")
        self.dropped = 0  #: frames that the server's process was too slow for
        self.pages = 0  #: open now
        self._waiting: deque[StampedFrame | Audio] = deque(maxlen=QUEUE)
        self._facts: deque[bytes] = deque()
        self._controls: deque[Control] = deque()
        self._due = threading.Event()
        self._came = threading.Event()
        self._closed = False
        self._process = self._start()
        try:
            self.port = self._begin({"port": port, "head": None if head is None else str(head)})
        except BaseException:
            self._process.kill()
            self._process.wait()
            raise
        threading.Thread(target=self._feed, name="preview feed", daemon=True).start()
        threading.Thread(target=self._listen, name="preview controls", daemon=True).start()

    @property
    def url(self) -> str:
        """What a browser opens; whoever knows it sees the page."""
        return f"http://127.0.0.1:{self.port}/?token={self._token}"

    def _start(self) -> subprocess.Popen[bytes]:
        # Ctrl-C is for the stream, which then ends the page.
        apart: dict[str, Any] = {"start_new_session": True}
        if sys.platform == "win32":
            apart = {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP}
        return subprocess.Popen(
            [sys.executable, "-m", f"{__package__}"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
            **apart,
        )

    def _begin(self, settings: dict[str, Any]) -> int:
        """Hands over what is secret, which a command line is not; returns the port."""
        self._token = secrets.token_urlsafe(24)
        answers: list[tuple[bytes, bytes] | None] = []
        # On a thread: what imports slowly is waited for, but not for ever.
        reading = threading.Thread(
            target=lambda: answers.append(pipe.receive(self._out)), daemon=True
        )
        reading.start()
        with contextlib.suppress(OSError):
            pipe.send(self._in, pipe.JSON, json.dumps({**settings, "token": self._token}).encode())
        reading.join(_START_PATIENCE_S)
        answer = json.loads(answers[0][1]) if answers and answers[0] is not None else {}
        if "port" not in answer:
            raise PreviewError(str(answer.get("error", "the page's process did not start")))
        return int(answer["port"])

    @property
    def _in(self) -> IO[bytes]:
        assert self._process.stdin is not None
        return self._process.stdin

    @property
    def _out(self) -> IO[bytes]:
        assert self._process.stdout is not None
        return self._process.stdout

    def frame(self, frame: StampedFrame) -> None:
        """Shows a frame."""
        self._offer(frame)

    def sound(self, audio: Audio) -> None:
        """Lets a piece of the sound be heard."""
        self._offer(audio)

    def _offer(self, item: StampedFrame | Audio) -> None:
        if not self.pages:
            return  # who opens a page begins with what comes then
        if len(self._waiting) == QUEUE:
            self.dropped += 1
        self._waiting.append(item)
        self._due.set()

    def tell(self, say: str, **facts: Any) -> None:
        """Tells the pages something; the newest of each kind is kept for pages that come later."""
        if len(self._facts) < QUEUE:
            self._facts.append(json.dumps({"say": say, **facts}, default=_plain).encode())
            self._due.set()

    def controls(self) -> list[Control]:
        """What the pages' users did since the last call, in order."""
        found = []
        while self._controls:
            found.append(self._controls.popleft())
        self._came.clear()
        return found

    def wait(self, timeout_s: float) -> bool:
        """Waits for a control; True if there is one."""
        return bool(self._controls) or self._came.wait(timeout_s)

    @property
    def alive(self) -> bool:
        """Whether the server's process runs."""
        return self._process.poll() is None

    def close(self) -> None:
        """Ends the page; its tabs say so. Later calls do nothing."""
        if self._closed:
            return
        self._closed = True
        self._due.set()
        deadline = time.monotonic() + _LEAVE_PATIENCE_S
        while self._facts and self.alive and time.monotonic() < deadline:
            time.sleep(0.01)
        with contextlib.suppress(subprocess.TimeoutExpired):
            # The pipe may be full: closing it could wait for the thread that writes.
            threading.Thread(target=self._shut, daemon=True).start()
            self._process.wait(max(0.1, deadline - time.monotonic()))
        if self.alive:
            self._process.kill()
            self._process.wait()

    def _shut(self) -> None:
        with contextlib.suppress(OSError):
            self._in.close()

    def _feed(self) -> None:
        with contextlib.suppress(OSError, ValueError):  # its process ended, or `close` did it
            while not self._closed or self._facts:
                self._due.wait()
                self._due.clear()
                while self._facts:
                    pipe.send(self._in, pipe.JSON, self._facts[0])
                    self._facts.popleft()
                for packed in _packed(self._waiting):
                    pipe.send(self._in, pipe.PACKED, packed)
                time.sleep(_EVERY_S)

    def _listen(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            while (message := pipe.receive(self._out)) is not None:
                kind, body = message
                if kind == pipe.PACKED:
                    self.pages = int.from_bytes(body, "little")
                    continue
                with contextlib.suppress(PreviewError):
                    self._controls.append(read_control(body))
                    self._came.set()
        self.pages = 0

    def __enter__(self) -> Link:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _packed(waiting: deque[StampedFrame | Audio]) -> list[bytes]:
    """Everything that waits, in as few packets as may be."""
    frames: list[StampedFrame] = []
    sound: list[Audio] = []
    packets = []
    while waiting:
        item = waiting.popleft()
        if isinstance(item, StampedFrame):
            if frames and frames[0].session != item.session:
                packets.append(pack_frames(frames))
                frames = []
            frames.append(item)
            continue
        if sound and item.position != sound[-1].position + len(sound[-1].samples) // 2:
            packets.append(pack_sound(sound))
            sound = []
        sound.append(item)
    if frames:
        packets.append(pack_frames(frames))
    if sound:
        packets.append(pack_sound(sound))
    return packets


def _plain(value: object) -> object:
    return dict(value) if isinstance(value, Mapping) else str(value)


def browser_is_here() -> bool:
    """Whether there is a desktop on which a browser could open."""
    if sys.platform in ("win32", "darwin"):
        return "SSH_CONNECTION" not in os.environ
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
