"""`dt-serve bench`: how many sessions a core of this machine carries."""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from .. import ServeError
from .arguments import Parser, at_least_one, missing

if TYPE_CHECKING:
    from ..load.measure import Row

_EPILOG = """\
examples:
  dt-serve bench                                    1, 15 and 60 sessions over gRPC
  dt-serve bench --sessions 60,150 --loop uvloop    another event loop
  dt-serve bench --protocol websocket --frames-per-s 30
  dt-serve bench --protocol grpc,websocket --grpc-by nghttp2,grpcio --loop asyncio,uvloop
  dt-serve bench --json load.json                   all of it as data

A server is started on one core; its clients speak in real time, 20 ms of sound a message, from the
other cores, each at a phase of its own. Times are from when the last sound that a frame needs was
sent to when the frame came: beyond the look-ahead, which no frame can be sooner than. "cores" is
the processor time of the whole server over the duration of the sound, "computing" the part of it
that makes frames, "bare transport" that of a server of its own that takes and sends messages as
many and as long and computes nothing, measured just before. "clients behind" is how late the
clients were at worst: where that is many ms, the machine was busy and the other columns are worse
than the server.
"""


def parser() -> argparse.ArgumentParser:
    made = Parser(
        "dt-serve bench",
        description="Loads a server with live sessions and says how late their frames are.",
        epilog=_EPILOG,
    )
    made.add_argument(
        "--sessions", type=_whole_numbers, default=(1, 15, 60), metavar="N,...",
        help="at once; a run each (default: 1,15,60)",
    )  # fmt: skip
    made.add_argument(
        "--seconds", type=at_least_one, default=15, metavar="S", help="of a run (default: 15)"
    )
    made.add_argument(
        "--chunk-ms", type=at_least_one, default=20, metavar="MS", help="a message (default: 20)"
    )
    made.add_argument(
        "--protocol", type=_some_of("grpc", "websocket"), default=("grpc",), metavar="NAME,...",
        help="grpc, websocket (default: grpc)",
    )  # fmt: skip
    made.add_argument(
        "--grpc-by", type=_some_of("auto", "nghttp2", "grpcio"), default=("auto",),
        metavar="NAME,...",
        help="what carries the server's gRPC, as dt-serve takes it (default: auto)",
    )  # fmt: skip
    made.add_argument(
        "--loop", type=_some_of("asyncio", "uvloop"), default=("asyncio",), metavar="NAME,...",
        help="the server's event loop: asyncio, uvloop (default: asyncio)",
    )  # fmt: skip
    made.add_argument("--frames-per-s", type=at_least_one, metavar="N", help="as dt-serve takes it")
    made.add_argument(
        "--core", type=int, metavar="N", help="core of the server (default: the last)"
    )
    made.add_argument(
        "--clip", metavar="FILE", help="what is said, 16 kHz (default: the demo clip)"
    )
    made.add_argument("--json", metavar="FILE", help="all that was found, as data")
    made.add_argument("--quiet", action="store_true", help="no bar")
    return made


def _whole_numbers(text: str) -> tuple[int, ...]:
    return tuple(at_least_one(part) for part in text.split(","))


def _some_of(*known: str) -> Callable[[str], tuple[str, ...]]:
    """Words between commas, each one of these."""

    def read(text: str) -> tuple[str, ...]:
        for word in text.split(","):
            if word not in known:
                raise argparse.ArgumentTypeError(f"expected {' or '.join(known)}, got {word!r}")
        return tuple(text.split(","))

    return read


def run(words: Sequence[str]) -> int:
    """Does what the words say; returns the exit code."""
    args = parser().parse_args(words)
    if args.json is not None and not Path(args.json).absolute().parent.is_dir():
        raise ServeError(f"--json {args.json}: there is no such folder")
    try:
        from ..load.measure import Plan, measure_all
    except ImportError as error:
        raise missing(error) from None
    clip = args.clip or str(Path(__file__).parents[2] / "data" / "demo.flac")
    plans = [
        Plan(
            sessions,
            float(args.seconds),
            args.chunk_ms,
            protocol,
            carrier,
            loop,
            args.frames_per_s,
            args.core,
        )
        for protocol in args.protocol
        for carrier in (args.grpc_by if protocol == "grpc" else ("auto",))
        for loop in args.loop
        for sessions in args.sessions
    ]
    rows = []
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    with Progress(
        TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(),
        console=Console(stderr=True), transient=True, disable=args.quiet,
    ) as bar:  # fmt: skip
        task = bar.add_task(f"{len(plans)} runs of {args.seconds} s", total=len(plans))
        for row in measure_all(plans, clip, lambda: bar.advance(task)):
            rows.append(row)
    print(_HEAD)
    for row in rows:
        print(_line(row))
    for met in sorted({met for row in rows for met in row.errors}):
        print(f"dt-serve bench: a client met: {met}", file=sys.stderr)
    if args.json is not None:
        data = [dataclasses.asdict(row) for row in rows]
        Path(args.json).write_text(json.dumps(data, indent=2) + "\n", "utf-8")
    return 0


_HEAD = (
    "| by | sessions | frames | missing | failed | first | p50 | p99 | worst | cores | computing "
    "| bare transport | clients behind |\n|---|---|---|---|---|---|---|---|---|---|---|---|---|"
)


def _line(row: Row) -> str:
    plan = row.plan
    by = plan.protocol
    if by == "grpc" and plan.carrier != "auto":
        by += f", {plan.carrier}"
    if plan.loop != "asyncio":
        by += f", {plan.loop}"
    return (
        f"| {by} | {row.plan.sessions} | {row.frames} | {row.missing} | {row.failed} "
        f"| {row.first_ms:.1f} ms | {row.p50_ms:.1f} ms | {row.p99_ms:.1f} ms "
        f"| {row.worst_ms:.1f} ms | {row.cores:.2f} | {row.computing:.2f} "
        f"| {row.transport:.2f} "
        f"| {row.client_behind_ms:.0f} ms |"
    )
