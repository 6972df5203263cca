"""The road of `dt-stream`: a voice in, a moving face out."""

from __future__ import annotations

import argparse
import contextlib
import sys
import threading
import time
from collections import ChainMap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from ... import Runtime
from ...pace import OVERLOADS
from .. import StreamError
from ..outputs.destination import Destination
from ..outputs.fan_out import FanOut, open_output, open_outputs
from ..outputs.kept import Kept
from ..outputs.publisher import Publisher
from ..outputs.shared import SharedPublisher
from ..outputs.speaker import Speaker
from ..session.live import LEFT, LiveSession
from ..session.meter import Meter
from ..sources.microphone import InputDevice, Microphone
from ..sources.source import Source
from . import filming, preview
from .command import (
    EXIT_CTRL_C,
    Left,
    cannot_print,
    complain,
    deferred,
    forget_stdout,
    on_leave,
    raised,
    remark,
    say,
)
from .options import Face, access, destinations, faces, of_face
from .view import Picture, Screen

if TYPE_CHECKING:  # `preload`, or who needs it, loads these
    from ...presets import Preset
    from ...preview.link import Link
    from ...preview.messages import Restart
    from ..outputs.output import Output
    from ..outputs.take import TakeOutput
    from ..session.pulse import PulseSession
    from ..session.remote import Remote
    from ..session.replay import ReplaySession
    from ..sources.wav import WavSource
    from .pulse import Pulsed, PulseSource
    from .replay import Replayed, TakeSource

# How long a conversion runs before it shows its progress, seconds.
_PATIENCE_S = 2.0
# From then on it says so in lines this often, where it cannot draw a bar.
_LINE_EVERY_S = 10.0


def preload(args: argparse.Namespace) -> None:
    """Imports what only some options need, before anything is open that Ctrl-C must close."""
    if args.command == "doctor":
        from . import doctor  # noqa: F401
    if args.command == "replay":
        from . import replay  # noqa: F401
    if args.pulse:
        from . import pulse  # noqa: F401
    if args.record is not None:
        from . import record  # noqa: F401
    if args.command is None and not args.mic:
        from ..session import render  # noqa: F401


def run(args: argparse.Namespace) -> int:
    """Does what checked options say; returns the exit code. Raises StreamError."""
    if args.command == "replay":
        from . import replay

        return replay.run(args)
    if args.pulse:
        from . import pulse

        return pulse.run(args)
    if args.command == "keygen":
        from . import keygen

        return keygen.make(args.take or "keys", tuple(args.receiver))
    if args.command == "devices":
        from . import devices

        return devices.show()
    if args.command == "doctor":
        from . import doctor

        return doctor.show(args.bundle)
    if args.command == "identities":
        from . import identities

        return identities.show(args.bundle)
    if any(d.is_folder for d in destinations(args)) or len(args.wav or ()) > 1:
        return _convert_each(args)
    if args.fast:
        return _convert(args, destinations(args))
    return _stream(args)


def _stream(args: argparse.Namespace) -> int:
    """--mic, and files in real time; with --preview again and again, as the page's users want."""
    with preview.opened(args, args.head if isinstance(args.head, str) else None) as link:
        good = args.bundle
        while True:
            try:
                code, again = _stream_once(args, link)
                good = args.bundle
            except Left as left:
                # Between two streams as within one: Ctrl-C is how a page is left.
                if link is None or left.code != EXIT_CTRL_C:
                    raise
                return 0
            except StreamError as error:
                if link is None or args.bundle == good:
                    raise
                # A bundle that cannot be used: the page says so, the one before plays on.
                link.tell("refused", text=str(error))
                args.bundle = good
                continue
            if again is None:
                return code
            if again.bundle is not None:
                args.bundle = again.bundle or None
                args.identity = "auto"  # another has other names


def _stream_once(args: argparse.Namespace, link: Link | None) -> tuple[int, Restart | None]:
    """One stream to its end: the exit code, and what a user of the page wants then; None leaves."""
    named = faces(args)
    aside = is_aside(args)
    remote: Remote | None = None
    with contextlib.ExitStack() as stack:
        sources = _open_sources(args, named)
        for source in sources:
            stack.callback(source.stop)
        runtimes = [_load_runtime(args, source.sample_rate) for source in sources]
        with deferred():
            fans = _open_faces(args, named, stack)
            takes = [
                record_to(args, face, source, runtime, outputs)
                for face, source, runtime, outputs in zip(
                    named, sources, runtimes, fans, strict=True
                )
            ]
        meters = [Meter(runtime.curve_names) for runtime in runtimes]
        if link is not None:
            remote = _with_page(args, link, sources[0], runtimes[0], fans[0], meters[0])
        voices = [
            _voice(args, face, source, runtime, outputs, meter, remote)
            for face, source, runtime, outputs, meter in zip(
                named, sources, runtimes, fans, meters, strict=True
            )
        ]
        for take, voice in zip(takes, voices, strict=True):
            if take is not None:
                take.found = voice.found
        if args.play:
            _play_sound(voices[0])
        places = "   ".join(voices[0].outputs.names) or "not published"
        title = f"DiffusionTalker Stream   {', '.join(v.subject for v in voices)}   {places}"
        play(args, voices, title, aside=aside)
    if not args.quiet:
        for source in sources:
            _tell_notes(source)
        for voice in voices:
            say(_summary(args, voice, of_several=len(voices) > 1), aside=aside)
        for take in filter(None, takes):
            say(f"take: {take.name}", aside=aside)
    code = 2 if any(outputs.failed for outputs in fans) else 0
    if link is None or remote is None or voices[0].session.reason == LEFT:
        return code, None
    # What was turned on the page stays as it is.
    preview.go_on_with(args, remote.preset)
    if remote.restart is not None or args.seconds is not None:
        return code, remote.restart
    return code, preview.wait_for_restart(link, quiet=args.quiet)


def _with_page(
    args: argparse.Namespace,
    link: Link,
    source: Source,
    runtime: Runtime,
    outputs: FanOut,
    meter: Meter,
) -> Remote:
    """Shows a face on the page too; returns the page's controls."""
    from ..outputs.file_queue import FileQueue
    from ..outputs.page import PageOutput
    from ..outputs.take import TAKE_EVERY_S, TAKE_QUEUE
    from ..session.remote import Remote

    def open_take(preset: Preset) -> Output:
        from . import record

        folder = Path(args.record or preview.TAKES)
        face = faces(args)[0]
        take = record.made(args, face, source, runtime, folder, **vars(preset))
        take.found = lambda: {"identity": runtime.identity}
        return FileQueue(take, TAKE_QUEUE, every_s=TAKE_EVERY_S)

    outputs.add(PageOutput(link))
    outputs.tell = source.notices.append
    return Remote(
        link, runtime, source, outputs, meter, identity=args.identity,
        live=args.mic, open_take=open_take,
    )  # fmt: skip


@dataclass
class _Voice:
    """A face and what moves it."""

    subject: str
    session: LiveSession
    source: Source
    runtime: Runtime
    meter: Meter
    outputs: FanOut

    def found(self) -> dict[str, object]:
        """What is known of it at its end."""
        return {"identity": self.session.identity, "notices": [*self.source.notices]}


def record_to(
    args: argparse.Namespace,
    face: Face,
    source: Source | WavSource,
    runtime: Runtime,
    outputs: FanOut,
) -> TakeOutput | None:
    """--record: adds a take to the outputs."""
    if args.record is None:
        return None
    from . import record

    return record.add(args, face, source, runtime, outputs)


def _open_sources(args: argparse.Namespace, named: Sequence[Face]) -> list[Source]:
    if not args.mic:
        from ..sources.wav import PacedSource

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
        return [stack.enter_context(_open_outputs(args, destinations(args), named[0].subject))]
    found = destinations(args)
    fans = [stack.enter_context(FanOut()) for _ in named]
    for destination in found:
        shared = None
        if destination.scheme == "zmq":
            shared = SharedPublisher(Publisher(destination.address, access=access(args)))
        for face, outputs in zip(named, fans, strict=True):
            outputs.add(
                shared.face()
                if shared is not None
                else open_output(
                    of_face(destination, face.subject),
                    subject=face.subject,
                    access=access(args),
                    paced=True,
                )
            )
    return fans


def _voice(
    args: argparse.Namespace,
    face: Face,
    source: Source,
    runtime: Runtime,
    outputs: FanOut,
    meter: Meter,
    remote: Remote | None,
) -> _Voice:
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
        overload=args.overload or OVERLOADS[0],
        remote=remote,
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
    if stats.frames_of_fewer_steps:
        paused.append(f"{stats.frames_of_fewer_steps} frames of fewer steps")
    return (
        (f"{voice.subject}: " if of_several else written(destinations(args)))
        + f"{figures.frames} frames at {float(voice.runtime.frame_rate):g} Hz from "
        f"{audio_s:.2f} s of audio: real-time factor "
        f"{stats.compute_seconds / max(audio_s, 1e-9):.3f}, look-ahead "
        f"{voice.runtime.lookahead_ms:.1f} ms, latency p50 {figures.latency_p50_ms:.0f} p99 "
        f"{figures.latency_p99_ms:.0f} ms, lost {_lost(voice.session, voice.source)}"
        + "".join(f", {each}" for each in paused)
        + (f", not taken: {dropped}" if dropped else "")
    )


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
        say(f"{len(args.wav) - failed} of {len(args.wav)} files converted", aside=is_aside(args))
    return 2 if failed else 0


def _convert(args: argparse.Namespace, places: list[Destination]) -> int:
    """--fast: a file to curves without a clock."""
    from ..session.render import render

    subject = faces(args)[0].subject
    source = _open_file(args)
    with contextlib.closing(source):
        runtime = _load_runtime(args, source.sample_rate)
        begun = time.monotonic()
        with contextlib.ExitStack() as stack:
            with deferred():
                outputs = stack.enter_context(_open_outputs(args, places, subject))
                take = record_to(args, faces(args)[0], source, runtime, outputs)
            kept = Kept()
            if filming.asked(args):
                outputs.add(kept)
            patience = stack.enter_context(Patience(args, source))
            frames = render(runtime, source, outputs, subject, patience.progress)
    took_s = time.monotonic() - begun
    if not args.quiet:
        _tell_notes(source)
        audio_s = runtime.stats.samples / source.sample_rate
        say(
            f"{written(places)}{frames} frames at {float(runtime.frame_rate):g} Hz from "
            f"{audio_s:.2f} s of "
            f"audio in {took_s:.2f} s: real-time factor {took_s / audio_s:.3f}, "
            f"look-ahead {runtime.lookahead_ms:.1f} ms",
            aside=is_aside(args),
        )
        if take is not None:
            say(f"take: {take.name}", aside=is_aside(args))
    if filming.asked(args):
        with raised():
            lines = filming.make(
                args, kept, source.sample_rate, _load_runtime, lambda what: Patience(args, what),
                files=[d.address for d in places if d.is_file and not d.is_stdout],
            )  # fmt: skip
        if not args.quiet:
            for line in lines:
                say(line, aside=is_aside(args))
    return 0


class Patience:
    """Progress of a long conversion: a bar on a terminal, else a line now and then."""

    def __init__(self, args: argparse.Namespace, source: WavSource | filming.Lasting) -> None:
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


def is_aside(args: argparse.Namespace) -> bool:
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
            # A head that is filmed may turn.
            head=args.head is True or args.film is not None,
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
    from ..sources.wav import WavSource, demo_path

    if args.demo:
        # On the page it is watched until somebody has seen enough.
        loop = args.seconds is not None or args.preview
        return WavSource(demo_path(), limit_s=args.seconds, loop=loop)
    if args.pcm:
        return WavSource(args.pcm[1], limit_s=args.seconds, raw=args.pcm[0])
    return WavSource(args.wav[0], limit_s=args.seconds)


def _open_outputs(args: argparse.Namespace, places: list[Destination], subject: str) -> FanOut:
    return open_outputs(
        places,
        subject=subject,
        access=access(args),
        paced=not args.fast,
    )


def written(places: list[Destination]) -> str:
    """The files that were written, as the beginning of a line."""
    paths = ["standard output" if d.is_stdout else d.address for d in places if d.is_file]
    return f"{', '.join(paths)}: " if paths else ""


def play(
    args: argparse.Namespace,
    voices: Sequence[_Voice | Replayed | Pulsed],
    title: str,
    *,
    aside: bool,
) -> None:
    """Runs the sessions on threads of their own while this one draws. Raises what they do.

    Drawing takes milliseconds; frames must not wait for it.
    """
    console = Console(stderr=aside)
    # Lines have the notices among them, on stderr.
    plain = args.plain or not console.is_terminal
    screen = Screen(console, lambda: picture(title, voices, plain=plain), plain=args.plain)
    failure: list[BaseException] = []

    def stop() -> None:
        for voice in voices:
            voice.session.stop()

    def work(session: LiveSession | ReplaySession | PulseSession) -> None:
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
            say(title, aside=aside)
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
        except OSError as error:
            raise cannot_print(error) from None
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

    def __init__(self, source: Source | TakeSource | PulseSource, *, at_once: bool) -> None:
        self._source = source
        self._at_once = at_once
        self._told = 0

    def tell(self, *, rest: bool = False) -> None:
        if not self._at_once and not rest:
            return
        for line in self._source.notices[self._told :]:
            print(f"dt-stream: {line}", file=sys.stderr, flush=True)
            self._told += 1


def picture(title: str, voices: Sequence[_Voice | Replayed | Pulsed], *, plain: bool) -> Picture:
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


def _lost(
    session: LiveSession | ReplaySession | PulseSession, source: Source | TakeSource | PulseSource
) -> str:
    stats = session.stats
    counts = (
        (stats.dropped_samples, "samples"),
        (stats.dropped_frames, "frames"),
        (stats.skipped_frames, "frames skipped"),
        (stats.invalid_samples, "invalid samples"),
        (source.lost_blocks, "device overflows"),
        (source.unplugged, "times the device"),
    )
    return ", ".join(f"{n} {what}" for n, what in counts if n) or "0"
