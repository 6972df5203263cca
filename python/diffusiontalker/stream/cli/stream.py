"""The road of `dt-stream`: a voice in, a moving face out."""

from __future__ import annotations

import argparse
import contextlib
import sys
import threading
import time
from collections import ChainMap
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from ... import Runtime
from .. import StreamError
from ..outputs.destination import Destination
from ..outputs.fan_out import FanOut, open_outputs
from ..session.live import LiveSession
from ..session.meter import Meter
from ..session.render import render
from ..sources.microphone import Microphone
from ..sources.source import Source
from ..sources.wav import PacedSource, WavSource, demo_path
from . import devices, doctor, identities
from .command import cannot_print, complain, deferred, forget_stdout, on_leave, remark, say
from .options import destinations
from .view import Picture, Screen

# How long a conversion runs before it shows its progress, seconds.
_PATIENCE_S = 2.0
# From then on it says so in lines this often, where it cannot draw a bar.
_LINE_EVERY_S = 10.0


def run(args: argparse.Namespace) -> int:
    """Does what checked options say; returns the exit code. Raises StreamError."""
    if args.command == "devices":
        return devices.show()
    if args.command == "doctor":
        return doctor.show(args.bundle)
    if args.command == "identities":
        return identities.show(args.bundle)
    if any(d.is_folder for d in destinations(args)):
        return _convert_each(args)
    if args.fast:
        return _convert(args, destinations(args))
    return _stream(args)


def _stream(args: argparse.Namespace) -> int:
    """--mic, and files in real time."""
    source: Source
    if args.mic:
        source = Microphone(args.device, limit_s=args.seconds)
    else:
        source = PacedSource(_open_file(args))
    runtime = _load_runtime(args, source.sample_rate)
    meter = Meter(runtime.curve_names)
    aside = _is_aside(args)
    with contextlib.ExitStack() as stack:
        with deferred():
            outputs = stack.enter_context(_open_outputs(args, destinations(args)))
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

        screen = Screen(Console(stderr=aside), look, plain=args.plain)
        _play(args, session, screen, title, aside=aside)
    if not args.quiet:
        _tell_notes(source)
        stats = session.stats
        figures = meter.read(time.monotonic_ns())
        audio_s = stats.samples / source.sample_rate
        dropped = _dropped(outputs)
        say(
            f"{_written(destinations(args))}{figures.frames} frames at "
            f"{float(runtime.frame_rate):g} Hz from {audio_s:.2f} s of audio: real-time factor "
            f"{stats.compute_seconds / max(audio_s, 1e-9):.3f}, look-ahead "
            f"{runtime.lookahead_ms:.1f} ms, latency p50 {figures.latency_p50_ms:.0f} p99 "
            f"{figures.latency_p99_ms:.0f} ms, lost {_lost(session, source)}"
            + (f", not taken: {dropped}" if dropped else ""),
            aside=aside,
        )
    return 0


def _convert_each(args: argparse.Namespace) -> int:
    """Several files to a folder; one that fails does not end the others."""
    made: dict[str, str] = {}
    failed = 0
    for path in args.wav:
        one = argparse.Namespace(**{**vars(args), "wav": [path]})
        places = [d.of(path) if d.is_folder else d for d in destinations(args)]
        try:
            for place in places:
                if place.address in made:
                    raise StreamError(
                        f"{path}: left out, {place.address} came from {made[place.address]}"
                    )
                try:
                    Path(place.address).parent.mkdir(parents=True, exist_ok=True)
                except OSError as error:
                    raise StreamError(f"{place.text}: {error.strerror or error}") from None
            _convert(one, places)
            made.update({place.address: path for place in places})
        except StreamError as error:
            failed += 1
            complain("dt-stream", error)
    if failed and not args.quiet:
        say(f"{len(args.wav) - failed} of {len(args.wav)} files converted", aside=_is_aside(args))
    return 2 if failed else 0


def _convert(args: argparse.Namespace, places: list[Destination]) -> int:
    """--fast: a file to curves without a clock."""
    source = _open_file(args)
    with contextlib.closing(source):
        runtime = _load_runtime(args, source.sample_rate)
        begun = time.monotonic()
        with contextlib.ExitStack() as stack:
            with deferred():
                outputs = stack.enter_context(_open_outputs(args, places))
            patience = stack.enter_context(Patience(args, source))
            frames = render(runtime, source, outputs, args.subject, patience.progress)
    took_s = time.monotonic() - begun
    if not args.quiet:
        _tell_notes(source)
        audio_s = runtime.stats.samples / source.sample_rate
        say(
            f"{_written(places)}{frames} frames at {float(runtime.frame_rate):g} Hz from "
            f"{audio_s:.2f} s of "
            f"audio in {took_s:.2f} s: real-time factor {took_s / audio_s:.3f}, "
            f"look-ahead {runtime.lookahead_ms:.1f} ms",
            aside=_is_aside(args),
        )
    return 0


class Patience:
    """Progress of a long conversion: a bar on a terminal, else a line now and then."""

    def __init__(self, args: argparse.Namespace, source: WavSource) -> None:
        self._console = Console(stderr=True)
        self._quiet = args.quiet
        self._lines = args.plain or not self._console.is_terminal
        self._source = source
        self._next_s = time.monotonic() + _PATIENCE_S
        self._bar: Progress | None = None

    def progress(self, done_s: float) -> None:
        """`done_s` seconds of audio are done."""
        total_s = self._source.duration_s
        if self._bar is not None:
            self._bar.update(self._bar.task_ids[0], completed=done_s)
        if self._quiet or self._bar is not None or time.monotonic() < self._next_s:
            return
        if self._lines:
            self._next_s = time.monotonic() + _LINE_EVERY_S
            of = "" if total_s is None else f" of {total_s:.0f}"
            share = f" ({100 * done_s / total_s:.0f} %)" if total_s else ""
            remark("dt-stream", f"{self._source.name}: {done_s:.0f}{of} s of audio{share}")
            return
        columns = (
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TextColumn("{task.percentage:3.0f} %"),
            TimeRemainingColumn(),
        )
        self._bar = Progress(*columns, console=self._console, transient=True)
        self._bar.start()
        self._bar.add_task(self._source.name, total=total_s)

    def __enter__(self) -> Patience:
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()


def _tell_notes(source: Source | WavSource) -> None:
    """What whoever plays the sound should hear of it."""
    for note in getattr(source, "notes", ()):
        remark("dt-stream", f"{source.name}: {note}")


def _is_aside(args: argparse.Namespace) -> bool:
    """Whether lines for people go to stderr, since stdout holds the frames."""
    return any(d.is_stdout for d in destinations(args))


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
    if args.pcm:
        return WavSource(args.pcm[1], limit_s=args.seconds, raw=args.pcm[0])
    return WavSource(args.wav[0], limit_s=args.seconds)


def _open_outputs(args: argparse.Namespace, places: list[Destination]) -> FanOut:
    return open_outputs(
        places,
        subject=args.subject,
        allow_remote=args.allow_remote,
        paced=not args.fast,
    )


def _written(places: list[Destination]) -> str:
    """The files that were written, as the beginning of a line."""
    paths = ["standard output" if d.is_stdout else d.address for d in places if d.is_file]
    return f"{', '.join(paths)}: " if paths else ""


def _play(
    args: argparse.Namespace, session: LiveSession, screen: Screen, title: str, *, aside: bool
) -> None:
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
            say(title, aside=aside)
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
        except OSError as error:
            raise cannot_print(error) from None
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
