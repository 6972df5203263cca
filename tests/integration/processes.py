"""Real processes: dt-stream and dt-watch as a user starts them, and a stranger's subscriber."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

# A machine that runs other things beside the tests may take its time.
PATIENCE_S = 120.0


def command(name: str) -> list[str]:
    """How to start a command: the installed script, else the module."""
    script = Path(sys.executable).with_name(name)
    if script.exists():
        return [str(script)]
    modules = {
        "dt-stream": "stream.cli",
        "dt-watch": "stream.cli.watch",
        "dt-take": "takes.cli",
        "dt-batch": "batch.cli",
    }
    return [sys.executable, "-m", f"diffusiontalker.{modules[name]}"]


def run(name: str, *arguments: object, **options: Any) -> subprocess.CompletedProcess[str]:
    """Runs a command to its end."""
    return subprocess.run(
        [*command(name), *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=options.pop("timeout", PATIENCE_S),
        stdin=subprocess.DEVNULL,
        **options,
    )


def error_line(result: subprocess.CompletedProcess[str]) -> str:
    """The one line of a refusal; fails unless it is one line and exit code 2."""
    assert result.returncode == 2, (result.returncode, result.stdout, result.stderr)
    lines = result.stderr.splitlines()
    assert len(lines) == 1, result.stderr
    return lines[0]


@dataclass
class Process:
    """A command that runs beside the test; its output lines are queued as they come."""

    popen: subprocess.Popen[str]
    lines: queue.Queue[str | None] = field(default_factory=queue.Queue)

    def __post_init__(self) -> None:
        def read() -> None:
            assert self.popen.stdout is not None
            for line in self.popen.stdout:
                self.lines.put(line.rstrip("\n"))
            self.lines.put(None)

        threading.Thread(target=read, daemon=True).start()

    def next_line(self) -> str | None:
        """The next line of its output, or None at the end."""
        return self.lines.get(timeout=PATIENCE_S)

    def rest(self) -> list[str]:
        """Every further line until it ends."""
        found = []
        while (line := self.next_line()) is not None:
            found.append(line)
        return found

    def finish(self) -> tuple[int, str]:
        """Waits for the end: exit code and stderr."""
        code = self.popen.wait(PATIENCE_S)
        assert self.popen.stderr is not None
        return code, self.popen.stderr.read()


Start = Callable[..., Process]


@dataclass
class Message:
    """A message as the stranger's subscriber printed it."""

    arrival_ns: int
    topic: str
    size: int
    fields: list[Any]

    @property
    def kind(self) -> str:
        return str(self.fields[1])


def subscribe(start: Start, endpoint: str, seconds: float = PATIENCE_S) -> Process:
    """Starts the stranger's subscriber and waits until it is about to receive."""
    script = Path(__file__).with_name("plain_subscriber.py")
    process = start(sys.executable, script, endpoint, seconds)
    assert process.next_line() == "ready"
    return process


def parse(line: str) -> Message:
    return Message(*json.loads(line))


def wait_for_frames(subscriber: Process, count: int) -> list[Message]:
    """Messages up to the frame that makes `count` of them."""
    got: list[Message] = []
    deadline = time.monotonic() + PATIENCE_S
    while sum(m.kind == "frame" for m in got) < count:
        assert time.monotonic() < deadline
        line = subscriber.next_line()
        assert line is not None, "the subscriber ended early"
        got.append(parse(line))
    return got


def need(condition: bool, reason: str) -> None:
    """Skips where something is not installed, and fails in CI, which installs everything."""
    if condition:
        return
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)
