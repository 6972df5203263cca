"""A load run: a server in a process of its own on one core, and its clients on the others."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ... import bundle as _bundle
from ... import clock, sound
from ...streams import lookahead_at
from .. import ServeError
from . import voices
from .voices import Result, Speech

_START_S = 20.0
_SAMPLE_RATE = 16000


@dataclass(frozen=True)
class Plan:
    """What is asked of one server."""

    sessions: int = 60
    seconds: float = 15.0
    chunk_ms: int = 20
    protocol: str = "grpc"
    carrier: str = "auto"
    loop: str = "asyncio"
    frames_per_s: int | None = None
    core: int | None = None  #: of the server; None: the last one
    channels: int | None = None  #: connections that gRPC's sessions share; None: one each


@dataclass(frozen=True)
class Row:
    """What came of it; times are after the sound that a frame needs had been sent, ms."""

    plan: Plan
    frames: int
    missing: int
    failed: int
    first_ms: float  #: of the first frames, the median
    p50_ms: float
    p99_ms: float
    worst_ms: float
    cores: float  #: processor time of the whole server over the sound's duration
    computing: float  #: of that the thread that computes
    transport: float  #: processor time of the transport alone with such messages, likewise
    client_behind_ms: float  #: the clients' own worst lag: the machine, not the server
    errors: tuple[str, ...]


def speech_for(plan: Plan, clip: str) -> Speech:
    """The clip at 16 kHz as clients say it. Raises ServeError."""
    bundle = _bundle.read(None)
    try:
        samples, heard, _ = sound.read_all(clip)
    except sound.SoundError as error:
        raise ServeError(str(error)) from None
    if heard != _SAMPLE_RATE:
        raise ServeError(f"{clip}: expected {_SAMPLE_RATE} Hz, got {heard}")
    pcm = (samples * 32767).clip(-32768, 32767).astype(np.int16)
    rate = bundle.frame_rate
    core = clock.lookahead_samples(rate, bundle.manifest["encoder"]["lookahead_columns"])
    every = 1 if plan.frames_per_s is None else int(rate / plan.frames_per_s)
    return Speech(
        pcm.tobytes(),
        _SAMPLE_RATE,
        _SAMPLE_RATE * plan.chunk_ms // 1000,
        plan.seconds,
        rate / every,
        lookahead_at(_SAMPLE_RATE, core) / _SAMPLE_RATE,
    )


@contextlib.contextmanager
def _process(plan: Plan, words: Sequence[str], lines: int) -> Iterator[tuple[Any, list[str]]]:
    """A server on its core, ourselves on the others; and the first lines that it printed."""
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else [0]
    core = cores[-1] if plan.core is None else plan.core
    others = [c for c in cores if c != core] or cores
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {core})  # inherited by the server and all of its threads
    errors = tempfile.TemporaryFile("w+")  # noqa: SIM115  # a pipe that nobody reads would fill
    try:
        process = subprocess.Popen(
            [sys.executable, "-m", *words],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            env=environment,
        )
    finally:
        if hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(0, set(others))
    try:
        assert process.stdout is not None
        said = [process.stdout.readline() for _ in range(lines)]
        if not said[0]:
            errors.seek(0)
            raise ServeError(f"the server did not start: {errors.read().strip()[-200:]}")
        yield process, said
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.communicate(timeout=_START_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
        errors.close()
        if hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(0, set(cores))


@contextlib.contextmanager
def server(plan: Plan, more: Sequence[str] = ()) -> Iterator[tuple[str, str]]:
    """A server on its core: where gRPC is, and where HTTP is. Raises ServeError.

    `more`: options of dt-serve.
    """
    words = [
        "diffusiontalker.serve.cli", "--grpc-port", "0", "--http-port", "0",
        "--sessions", str(max(plan.sessions, 1)), "--loop", plan.loop, "--grpc-by", plan.carrier,
    ]  # fmt: skip
    if plan.frames_per_s is not None:
        words += ["--frames-per-s", str(plan.frames_per_s)]
    with _process(plan, [*words, *more], 3) as (_, lines):
        found = [re.search(r"(127\.0\.0\.1:\d+)", line) for line in lines]
        assert found[0] is not None
        assert found[1] is not None
        yield found[0][1], found[1][1]


def counted(http: str) -> dict[str, float]:
    """The server's metrics that have no labels."""
    with urllib.request.urlopen(f"http://{http}/metrics", timeout=10) as answer:
        text = answer.read().decode()
    pairs = re.findall(r"^(dt_serve_\w+) (\S+)$", text, re.MULTILINE)
    return {name: float(value) for name, value in pairs}


async def _talk(plan: Plan, speech: Speech, grpc: str, http: str) -> list[Result]:
    channels = plan.sessions if plan.channels is None else min(plan.channels, plan.sessions)
    clients, connections = await voices.begin(
        speech, plan.protocol, plan.sessions, channels, grpc, http
    )
    results = await voices.talk(speech, clients, time.monotonic() + 0.2)
    for connection in connections:
        connection.close()
    return results


def transport_cores(plan: Plan, speech: Speech) -> float:
    """Processor time of the transport alone, with messages as many and as long, over the duration
    of the sound. Raises ServeError."""
    a_chunk = float(speech.frame_rate * speech.chunk_samples / speech.sample_rate)
    sound_bytes = int(2 * speech.sample_rate / speech.frame_rate)
    words = ["diffusiontalker.serve.load.bare", plan.protocol, plan.carrier, plan.loop]
    with _process(plan, [*words, str(a_chunk), str(sound_bytes)], 1) as (process, lines):

        def spent() -> float:
            print(file=process.stdin, flush=True)
            return float(process.stdout.readline())

        address = lines[0].strip()
        before = spent()
        results = asyncio.run(_talk(plan, speech, address, address))
        if all(result.error for result in results):
            raise ServeError(f"the transport alone: {results[0].error}")
        return (spent() - before) / speech.seconds


def measure(plan: Plan, clip: str) -> Row:
    """Starts a server, loads it, and says how it did. Raises ServeError."""
    speech = speech_for(plan, clip)
    transport = transport_cores(plan, speech)
    with server(plan) as (grpc, http):
        before = counted(http)
        results = asyncio.run(_talk(plan, speech, grpc, http))
        after = counted(http)
    late = np.array([value for result in results for value in result.late_s]) * 1000
    if not late.size:
        late = np.array([np.nan])
    first = [result.late_s[0] * 1000 for result in results if result.late_s] or [np.nan]

    def spent(name: str) -> float:
        return (after[name] - before[name]) / speech.seconds

    return Row(
        plan,
        frames=sum(len(result.late_s) for result in results),
        missing=sum(speech.frames - len(result.late_s) for result in results),
        failed=sum(bool(result.error) for result in results),
        first_ms=float(np.median(first)),
        p50_ms=float(np.percentile(late, 50)),
        p99_ms=float(np.percentile(late, 99)),
        worst_ms=float(late.max()),
        cores=spent("dt_serve_cpu_seconds"),
        computing=spent("dt_serve_compute_cpu_seconds_total"),
        transport=transport,
        client_behind_ms=1000 * max(result.behind_s for result in results),
        errors=tuple(sorted({result.error for result in results if result.error})),
    )


def measure_all(
    plans: Sequence[Plan], clip: str, done: Callable[[], None] = lambda: None
) -> Iterator[Row]:
    """One plan after another."""
    for plan in plans:
        yield measure(plan, clip)
        done()
