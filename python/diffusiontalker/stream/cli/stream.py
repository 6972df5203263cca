"""The road of `dt-stream`: a voice in, a moving face out."""

from __future__ import annotations

import argparse
import contextlib
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from ... import Runtime
from .. import StreamError
from ..outputs.fan_out import FanOut, open_output, open_outputs
from ..outputs.publisher import Publisher
from ..outputs.shared import SharedPublisher
from ..outputs.speaker import Speaker
from ..session.live import LiveSession
from ..session.meter import Meter
from ..session.render import render
from ..sources.microphone import InputDevice, Microphone
from ..sources.source import Source
from ..sources.wav import PacedSource, WavSource, demo_path
from . import devices, doctor
from .command import forget_stdout, on_leave, say
from .options import Face, destinations, faces, of_face
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
    named = faces(args)
    with contextlib.ExitStack() as stack:
        sources = _open_sources(args, named)
        for source in sources:
            stack.callback(source.stop)
        runtimes = [_load_runtime(args, source.sample_rate) for source in sources]
        fans = _open_faces(args, named, stack)
        voices = [
            _voice(args, face, source, runtime, outputs)
            for face, source, runtime, outputs in zip(named, sources, runtimes, fans, strict=True)
        ]
        if args.play:
            _play_sound(voices[0])
        places = "   ".join(voices[0].outputs.names) or "not published"
        title = f"DiffusionTalker Stream   {', '.join(v.subject for v in voices)}   {places}"
        console = Console()
        # Lines have the notices among them, on stderr.
        plain = args.plain or not console.is_terminal
        screen = Screen(console, lambda: _picture(title, voices, plain=plain), plain=args.plain)
        _play(args, voices, screen, title)
    if not args.quiet:
        for voice in voices:
            say(_summary(args, voice, of_several=len(voices) > 1))
    return 0


@dataclass
class _Voice:
    """A face and what moves it."""

    subject: str
    session: LiveSession
    source: Source
    runtime: Runtime
    meter: Meter
    outputs: FanOut


def _open_sources(args: argparse.Namespace, named: Sequence[Face]) -> list[Source]:
    if not args.mic:
        return [PacedSource(_open_file(args))]
    channels = [face.channel for face in named]
    highest = max((c for c in channels if c is not None), default=None)
    device = InputDevice(args.device, channel=highest, alone=not args.play)
    return [Microphone(limit_s=args.seconds, channel=c, device=device) for c in channels]


def _open_faces(
    args: argparse.Namespace, named: Sequence[Face], stack: contextlib.ExitStack
) -> list[FanOut]:
    """The outputs of each face; publishers are shared."""
    if len(named) == 1:
        return [stack.enter_context(_open_outputs(args, named[0].subject))]
    found = destinations(args)
    fans = [stack.enter_context(FanOut()) for _ in named]
    for destination in found:
        shared = None
        if destination.scheme == "zmq":
            shared = SharedPublisher(Publisher(destination.address, allow_remote=args.allow_remote))
        for face, outputs in zip(named, fans, strict=True):
            outputs.add(
                shared.face()
                if shared is not None
                else open_output(
                    of_face(destination, face.subject),
                    subject=face.subject,
                    allow_remote=args.allow_remote,
                    paced=True,
                )
            )
    return fans


def _voice(
    args: argparse.Namespace, face: Face, source: Source, runtime: Runtime, outputs: FanOut
) -> _Voice:
    meter = Meter(runtime.curve_names)
    session = LiveSession(
        runtime,
        source,
        meter,
        outputs,
        subject=face.subject,
        publish_audio=args.publish_audio,
        play=args.play,
        # What a microphone heard before it failed is worth keeping; half a file is not.
        keep_after_failure=args.mic,
    )
    return _Voice(face.subject, session, source, runtime, meter, outputs)


def _play_sound(voice: _Voice) -> None:
    """--play: the sound on this machine's speaker, or one line that says why not."""
    try:
        voice.outputs.add(Speaker(voice.runtime.sample_rate, voice.runtime.lookahead_ms))
    except StreamError as error:
        voice.source.notices.append(f"--play: {error}; going on without")


def _summary(args: argparse.Namespace, voice: _Voice, *, of_several: bool) -> str:
    stats = voice.session.stats
    figures = voice.meter.read(time.monotonic_ns())
    audio_s = stats.samples / voice.source.sample_rate
    dropped = _dropped(voice.outputs)
    rate = voice.source.sample_rate
    paused = [
        f"{what} {samples / rate:.1f} s"
        for samples, what in (
            (stats.filled_samples, "silence put in"),
            (stats.skipped_samples, "came too late"),
        )
        if samples
    ]
    return (
        (f"{voice.subject}: " if of_several else _written(args))
        + f"{figures.frames} frames at {float(voice.runtime.frame_rate):g} Hz from "
        f"{audio_s:.2f} s of audio: real-time factor "
        f"{stats.compute_seconds / max(audio_s, 1e-9):.3f}, look-ahead "
        f"{voice.runtime.lookahead_ms:.1f} ms, latency p50 {figures.latency_p50_ms:.0f} p99 "
        f"{figures.latency_p99_ms:.0f} ms, lost {_lost(voice.session, voice.source)}"
        + "".join(f", {each}" for each in paused)
        + (f", not taken: {dropped}" if dropped else "")
    )


def _convert(args: argparse.Namespace) -> int:
    """--fast: a file to curves without a clock."""
    source = _open_file(args)
    runtime = _load_runtime(args, source.sample_rate)
    console = Console(stderr=True)
    total_s = source.duration_s
    begun = time.monotonic()
    subject = faces(args)[0].subject
    with _open_outputs(args, subject) as outputs, contextlib.ExitStack() as stack:
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

        frames = render(runtime, source, outputs, subject, progress)
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
        return Runtime(
            args.bundle,
            sample_rate=sample_rate,
            seed=args.seed,
            identity=args.identity,
            backend=args.backend,
        )
    except ValueError as error:
        raise StreamError(str(error)) from None


def _open_file(args: argparse.Namespace) -> WavSource:
    if args.demo:
        return WavSource(demo_path(), limit_s=args.seconds, loop=args.seconds is not None)
    return WavSource(args.wav, limit_s=args.seconds)


def _open_outputs(args: argparse.Namespace, subject: str) -> FanOut:
    return open_outputs(
        destinations(args),
        subject=subject,
        allow_remote=args.allow_remote,
        paced=not args.fast,
    )


def _written(args: argparse.Namespace) -> str:
    """The files that were written, as the beginning of a line."""
    paths = [d.address for d in destinations(args) if d.is_file]
    return f"{', '.join(paths)}: " if paths else ""


def _play(args: argparse.Namespace, voices: Sequence[_Voice], screen: Screen, title: str) -> None:
    """Runs the sessions on threads of their own while this one draws. Raises what they do.

    Drawing takes milliseconds; frames must not wait for it.
    """
    failure: list[BaseException] = []

    def stop() -> None:
        for voice in voices:
            voice.session.stop()

    def work(session: LiveSession) -> None:
        try:
            session.run()
        except BaseException as error:
            failure.append(error)
            stop()

    # Python lets a thread run for 5 ms before it looks whether another waits: too long for frames.
    sys.setswitchinterval(0.001)
    workers = [
        threading.Thread(target=work, args=(v.session,), name=f"dt-stream {v.subject}")
        for v in voices
    ]
    notices = _Notices(voices[0].source, at_once=args.quiet or screen.plain)
    with on_leave(stop):
        if not args.quiet and screen.plain:
            say(title)
        for worker in workers:
            worker.start()
        try:
            with contextlib.nullcontext() if args.quiet else screen:
                while any(worker.is_alive() for worker in workers):
                    _wait(workers, screen.every_s)
                    notices.tell()
                    if not args.quiet and any(worker.is_alive() for worker in workers):
                        screen.update()
        except BrokenPipeError:
            # Nobody reads the lines any more: as good as Ctrl-C.
            forget_stdout()
        finally:
            stop()
            for worker in workers:
                worker.join()
            notices.tell(rest=True)
    if failure:
        raise failure[0]


def _wait(workers: Sequence[threading.Thread], limit_s: float) -> None:
    deadline = time.monotonic() + limit_s
    for worker in workers:
        worker.join(max(0.0, deadline - time.monotonic()))


class _Notices:
    """Prints what a source has to say, each line once, on stderr: there, or after the screen."""

    def __init__(self, source: Source, *, at_once: bool) -> None:
        self._source = source
        self._at_once = at_once
        self._told = 0

    def tell(self, *, rest: bool = False) -> None:
        if not self._at_once and not rest:
            return
        for line in self._source.notices[self._told :]:
            print(f"dt-stream: {line}", file=sys.stderr, flush=True)
            self._told += 1


def _picture(title: str, voices: Sequence[_Voice], *, plain: bool) -> Picture:
    first = voices[0]
    stats = first.session.stats
    heard = f"{stats.samples / first.source.sample_rate:.1f}"
    if first.source.duration_s is not None:
        heard += f" of {first.source.duration_s:.1f}"
    facts = [("lost", _lost(first.session, first.source)), ("identity", first.session.identity)]
    if first.outputs.subscribers is not None:
        facts.insert(0, ("subscribers", str(first.outputs.subscribers)))
    dropped = ", ".join(filter(None, (_dropped(v.outputs) for v in voices)))
    if dropped:
        facts.append(("not taken", dropped))
    for voice in voices[1:]:
        facts.append((voice.subject, f"{voice.session.stats.level_db:.0f} dB"))
    if first.source.notices and not plain:
        facts.append(("note:", first.source.notices[-1]))
    return Picture(
        title=title,
        status=f"{first.source.name}   {heard} s",
        figures=first.meter.read(time.monotonic_ns()),
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
        (source.unplugged, "times the device"),
    )
    return ", ".join(f"{n} {what}" for n, what in counts if n) or "0"
