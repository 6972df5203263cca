"""A running dt-stream and those who receive from it, for faults to happen around."""

from __future__ import annotations

import signal
import socket
import statistics
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import msgpack
import zmq

TESTS = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(TESTS / "integration"))
from processes import command  # noqa: E402

from diffusiontalker.curves import CURVES  # noqa: E402

CLIP = TESTS.parent / "python" / "diffusiontalker" / "data" / "demo.flac"
JAW = CURVES.index("jawOpen")
PLAIN = TESTS / "integration" / "plain_subscriber.py"


class Failure(Exception):
    """What went wrong, in a line."""


def free_port(kind: socket.SocketKind = socket.SOCK_STREAM) -> int:
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Stream:
    """A dt-stream and a subscriber in this process that hears all of it."""

    def __init__(
        self, folder: Path, env: dict[str, str], *options: str, endpoint: str | None = None
    ) -> None:
        self.endpoint = endpoint or f"tcp://127.0.0.1:{free_port()}"
        self.log = folder / "dt-stream.log"
        self.errors = folder / "dt-stream.err"
        self.frames = 0
        self.last_s = time.monotonic()
        self.longest_s = 0.0
        self.bye = ""
        self.lost = 0  # by the sequence
        self.back = 0  # frames whose capture was not after the one before
        #: Of each frame: when it came (monotonic, s), how long after its instant (ms).
        self.came: list[tuple[float, float]] = []
        self.jaw: list[float] = []
        self._newest: tuple[int, int, int] | None = None  # session, sequence, capture
        self._done = threading.Event()
        with self.log.open("w") as out, self.errors.open("w") as err:
            self.process = subprocess.Popen(
                [*command("dt-stream"), *options, "--plain", "--bind", self.endpoint],
                env=env, stdout=out, stderr=err, stdin=subprocess.DEVNULL,
            )  # fmt: skip
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def _listen(self) -> None:
        listener = zmq.Context.instance().socket(zmq.SUB)
        listener.setsockopt(zmq.RCVTIMEO, 100)
        listener.setsockopt(zmq.LINGER, 0)
        listener.connect(self.endpoint)
        listener.subscribe(b"dt/")
        while not self._done.is_set():
            try:
                _, payload = listener.recv_multipart()
            except zmq.Again:
                continue
            fields = msgpack.unpackb(payload)
            if fields[1] == "frame":
                now_s = time.monotonic()
                if self.frames:
                    self.longest_s = max(self.longest_s, now_s - self.last_s)
                self.frames, self.last_s = self.frames + 1, now_s
                self._note(fields, now_s)
            elif fields[1] == "bye":
                self.bye = fields[4]
        listener.close()

    def _note(self, fields: list[Any], now_s: float) -> None:
        session, sequence, capture_ns = fields[2], fields[3], fields[9]
        if self._newest is not None and self._newest[0] == session:
            self.lost += sequence - self._newest[1] - 1
            self.back += capture_ns <= self._newest[2]
        self._newest = (session, sequence, capture_ns)
        self.came.append((now_s, now_s * 1e3 - capture_ns / 1e6))
        self.jaw.append(fields[11][JAW])

    def usual_ms(self) -> float:
        """The delay of the frames so far."""
        return statistics.median(late_ms for _, late_ms in self.came[-600:])

    def recovery_s(self, since_s: float, usual_ms: float, patience_s: float = 60.0) -> float:
        """From `since_s` to the first frame that is on time again, within 50 ms. Raises Failure."""
        deadline = time.monotonic() + patience_s
        at = len(self.came)
        while at > 0 and self.came[at - 1][0] >= since_s:
            at -= 1
        while time.monotonic() < deadline:
            while at < len(self.came):
                came_s, late_ms = self.came[at]
                if late_ms <= usual_ms + 50:
                    return came_s - since_s
                at += 1
            self.check()
            time.sleep(0.01)
        raise Failure(f"no frame was on time again in {patience_s:.0f} s")

    def wait_for_frames(self, count: int, patience_s: float = 60.0) -> None:
        """Until `count` more have come. Raises Failure."""
        wanted, deadline = self.frames + count, time.monotonic() + patience_s
        while self.frames < wanted:
            self.check()
            if time.monotonic() > deadline:
                raise Failure(f"no {count} frames in {patience_s:.0f} s")
            time.sleep(0.05)

    def check(self) -> None:
        if self.process.poll() is not None:
            raise Failure(
                f"dt-stream ended with {self.process.returncode}: {self.errors.read_text()[-500:]}"
            )

    def leave(self) -> None:
        """Ctrl-C: exit code 0 and a bye. Raises Failure."""
        self.check()
        self.process.send_signal(signal.SIGINT)
        code = self.process.wait(60)
        time.sleep(0.5)
        self._done.set()
        self._thread.join()
        if code != 0 or self.bye != "stopped by the user":
            raise Failure(f"at Ctrl-C: exit code {code}, bye {self.bye!r}")
        if "Traceback" in self.errors.read_text():
            raise Failure(f"a traceback: {self.errors.read_text()[-500:]}")

    def kill(self) -> None:
        self._done.set()
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.kill()
        self.process.wait()


class Receiver:
    """dt-watch, or a stranger's subscriber (plain_subscriber.py)."""

    def __init__(self, name: str, endpoint: str, folder: Path, env: dict[str, str]) -> None:
        self.name = name
        self.out = folder / f"{name}-{time.monotonic_ns()}.log"
        arguments = {
            "dt-watch": [*command("dt-watch"), endpoint, "--json"],
            "plain": [sys.executable, str(PLAIN), endpoint, "100000"],
        }[name]
        with self.out.open("w") as out:
            self.process = subprocess.Popen(
                arguments, env=env, stdout=out, stderr=out, stdin=subprocess.DEVNULL
            )

    def check(self) -> None:
        if self.process.poll() is not None:
            said = self.out.read_text()[-300:]
            raise Failure(f"{self.name} died, {self.process.returncode}: {said}")

    def pause(self, seconds: float) -> None:
        """Stops it for a while and wakes it; it must live, and receive."""
        self.process.send_signal(signal.SIGSTOP)
        time.sleep(seconds)
        self.wake()

    def wake(self) -> None:
        had = self.out.stat().st_size
        self.process.send_signal(signal.SIGCONT)
        deadline = time.monotonic() + 30
        while self.out.stat().st_size == had:
            self.check()
            if time.monotonic() > deadline:
                raise Failure(f"{self.name} was woken and receives nothing")
            time.sleep(0.02)
        time.sleep(0.5)
        self.check()

    def kill(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
