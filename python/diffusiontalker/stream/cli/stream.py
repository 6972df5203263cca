"""The road of `dt-stream`: a voice in, a moving face out."""

from __future__ import annotations

import argparse
import contextlib
import sys
import threading
import time
from collections import ChainMap

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from ... import Runtime
from .. import StreamError
from ..outputs.fan_out import FanOut, open_outputs
from ..session.live import LiveSession
from ..session.meter import Meter
from ..session.render import render
from ..sources.microphone import Microphone
from ..sources.source import Source
from ..sources.wav import PacedSource, WavSource, demo_path
from . import devices, doctor
from .command import forget_stdout, on_leave, say
from .options import destinations
from .view import Picture, Screen

# How long a conversion runs before it shows its progress, seconds.
_PATIENCE_S = 2.0


def run(args: argparse.Namespace) -> int:
    """Does what checked options say; returns the exit code. Raises StreamError."""
    if args.command == "devices":
        return devices.show()
    if args.command == "doctor":
        return doctor.show(args.bundle)
    return _convert(args) if args.fast else _stream(args)


def _stream(args: argparse.Namespace) -> int:
    """--mic, and files in real time."""
    source: Source
    if args.mic:
        source = Microphone(args.device, limit_s=args.seconds)
    else:
        source = PacedSource(_open_file(args))
    runtime = _load_runtime(args, source.sample_rate)
    meter = Meter(runtime.curve_names)
    with _open_outputs(args) as outputs:
        session = LiveSession(
            runtime,
            source,
            meter,
            outputs,
            subject=args.subject,
            publish_audio=args.publish_audio,
            # What a microphone heard before it was unplugged is worth keeping; half a file is not.
            keep_after_failure=args.mic,
        )
        places = "   ".join(outputs.names) or "not published"
        title = f"DiffusionTalker Stream   {args.subject}   {places}"

        def look() -> Picture:
            return _picture(title, session, source, meter, outputs)

        _play(args, session, Screen(Console(), look, plain=args.plain), title)
    if not args.quiet:
        stats = session.stats
        figures = meter.read(time.monotonic_ns())
        audio_s = stats.samples / source.sample_rate
        dropped = _dropped(outputs)
        say(
            f"{_written(args)}{figures.frames} frames at {float(runtime.frame_rate):g} Hz from "
            f"{audio_s:.2f} s of audio: real-time factor "
            f"{stats.compute_seconds / max(audio_s, 1e-9):.3f}, look-ahead "
            f"{runtime.lookahead_ms:.1f} ms, latency p50 {figures.latency_p50_ms:.0f} p99 "
            f"{figures.latency_p99_ms:.0f} ms, lost {_lost(session, source)}"
            + (f", not taken: {dropped}" if dropped else "")
        )
    return 0


def _convert(args: argparse.Namespace) -> int:
    """--fast: a file to curves without a clock."""
    source = _open_file(args)
    runtime = _load_runtime(args, source.sample_rate)
    console = Console(stderr=True)
    total_s = source.duration_s
    begun = time.monotonic()
    with _open_outputs(args) as outputs, contextlib.ExitStack() as stack:
        shown: Progress | None = None

        def progress(done_s: float) -> None:
            nonlocal shown
            if args.quiet or args.plain or not console.is_terminal:
                return
            if shown is None and time.monotonic() - begun > _PATIENCE_S:
                columns = (
                    TextColumn("{task.description}"),
                    BarColumn(),
                    TextColumn("{task.percentage:3.0f} %"),
                    TimeRemainingColumn(),
                )
                shown = stack.enter_context(Progress(*columns, console=console, transient=True))
                shown.add_task(source.name, total=total_s)
            if shown is not None:
                shown.update(shown.task_ids[0], completed=done_s)

        frames = render(runtime, source, outputs, args.subject, progress)
    took_s = time.monotonic() - begun
    if not args.quiet:
        audio_s = runtime.stats.samples / source.sample_rate
        say(
            f"{_written(args)}{frames} frames at {float(runtime.frame_rate):g} Hz from "
            f"{audio_s:.2f} s of "
            f"audio in {took_s:.2f} s: real-time factor {took_s / audio_s:.3f}, "
            f"look-ahead {runtime.lookahead_ms:.1f} ms"
        )
    return 0


def _load_runtime(args: argparse.Namespace, sample_rate: int) -> Runtime:
    try:
        runtime = Runtime(
            args.bundle,
            sample_rate=sample_rate,
            seed=args.seed,
            identity=args.identity,
            backend=args.backend,
            idle=args.idle,
            head=args.head,
        )
        runtime.set(
            gain=dict(ChainMap(*reversed(args.gain))),
            offset=dict(ChainMap(*reversed(args.offset))),
            strength_lower=args.strength_lower,
            strength_upper=args.strength_upper,
            smooth_ms=args.smooth_ms,
        )
        return runtime
    except ValueError as error:
        raise StreamError(str(error)) from None


def _open_file(args: argparse.Namespace) -> WavSource:
    if args.demo:
        return WavSource(demo_path(), limit_s=args.seconds, loop=args.seconds is not None)
    return WavSource(args.wav, limit_s=args.seconds)


def _open_outputs(args: argparse.Namespace) -> FanOut:
    return open_outputs(
        destinations(args),
        subject=args.subject,
        allow_remote=args.allow_remote,
        paced=not args.fast,
    )


def _written(args: argparse.Namespace) -> str:
    """The files that were written, as the beginning of a line."""
    paths = [d.address for d in destinations(args) if d.is_file]
    return f"{', '.join(paths)}: " if paths else ""


def _play(args: argparse.Namespace, session: LiveSession, screen: Screen, title: str) -> None:
    """Runs the session on a thread of its own while this one draws. Raises what the session does.

    Drawing takes milliseconds; frames must not wait for it.
    """
    failure: list[BaseException] = []

    def work() -> None:
        try:
            session.run()
        except BaseException as error:
            failure.append(error)

    # Python lets a thread run for 5 ms before it looks whether another waits: too long for frames.
    sys.setswitchinterval(0.001)
    worker = threading.Thread(target=work, name="dt-stream session")
    with on_leave(session.stop):
        if not args.quiet and screen.plain:
            say(title)
        worker.start()
        try:
            with contextlib.nullcontext() if args.quiet else screen:
                while worker.is_alive():
                    worker.join(screen.every_s)
                    if not args.quiet and worker.is_alive():
                        screen.update()
        except BrokenPipeError:
            # Nobody reads the lines any more: as good as Ctrl-C.
            forget_stdout()
        finally:
            session.stop()
            worker.join()
    if failure:
        raise failure[0]


def _picture(
    title: str,
    session: LiveSession,
    source: Source,
    meter: Meter,
    outputs: FanOut,
) -> Picture:
    figures = meter.read(time.monotonic_ns())
    stats = session.stats
    heard = f"{stats.samples / source.sample_rate:.1f}"
    if source.duration_s is not None:
        heard += f" of {source.duration_s:.1f}"
    facts = [("lost", _lost(session, source)), ("identity", session.identity)]
    if outputs.subscribers is not None:
        facts.insert(0, ("subscribers", str(outputs.subscribers)))
    dropped = _dropped(outputs)
    if dropped:
        facts.append(("not taken", dropped))
    return Picture(
        title=title,
        status=f"{source.name}   {heard} s",
        figures=figures,
        level_db=stats.level_db,
        facts=tuple(facts),
    )


def _dropped(outputs: FanOut) -> str:
    """Frames that an output, or whoever is at its end, did not take; empty if none."""
    return ", ".join(f"{count} by {name}" for name, count in outputs.dropped)


def _lost(session: LiveSession, source: Source) -> str:
    stats = session.stats
    counts = (
        (stats.dropped_samples, "samples"),
        (stats.dropped_frames, "frames"),
        (stats.invalid_samples, "invalid samples"),
        (source.lost_blocks, "device overflows"),
    )
    return ", ".join(f"{n} {what}" for n, what in counts if n) or "0"
