"""Fixtures of the tests that run real processes."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from processes import Process, Start

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "python"))
import random_bundle

# A runner that a shell put into the background ignores SIGINT, and what it starts inherits that. A
# handler of our own becomes the default again in every process that the tests start.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts commands; whatever still runs at the end of the test is killed."""
    running: list[Process] = []

    def begin(*arguments: object, env: dict[str, str] | None = None) -> Process:
        popen = subprocess.Popen(
            list(map(str, arguments)),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
            text=True,
            env=env,
        )
        running.append(Process(popen))
        return running[-1]

    yield begin
    for process in running:
        if process.popen.poll() is None:
            process.popen.kill()
        process.popen.wait()


@pytest.fixture
def endpoint() -> str:
    """An endpoint on a port that the system says is free."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"tcp://127.0.0.1:{probe.getsockname()[1]}"


@pytest.fixture(scope="session")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle with random weights: nothing here depends on what a model has learnt."""
    path = tmp_path_factory.mktemp("bundle")
    random_bundle.write(path)
    return path
