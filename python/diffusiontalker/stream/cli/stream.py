"""`dt-stream`: a voice in, a moving face out."""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
import threading
import time
from collections.abc import Sequence

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from ... import Runtime, wire
from .. import StreamError
from ..outputs.publisher import DEFAULT_ENDPOINT, check_endpoint
from ..outputs.ways_out import Destination, Outputs, open_output, parse
from ..session.live import LiveSession, Source, render
from ..session.meter import Meter
from ..sources.microphone import Microphone, list_devices
from ..sources.wav import PacedSource, WavSource, demo_path
from . import doctor
from .command import Parser, complain, forget_stdout, on_leave, say
from .view import Picture, Screen

_EXAMPLES = """\
examples:
  dt-stream --demo                                  a clip that ships with the package
  dt-stream --mic                                   the default microphone
  dt-stream --mic --device "USB"                    one whose name contains USB
  dt-stream --wav speech.wav                        a file, in real time
  dt-stream --wav speech.wav --fast --out face.csv  a file, as fast as possible, to a CSV
  dt-stream --mic --to livelink://192.168.1.20      stock Unreal, as Epic's phone app would
  dt-stream --mic --to vmc://127.0.0.1 --to zmq://127.0.0.1    VRM programs, and ZeroMQ beside
  dt-stream devices                                 list the microphones
  dt-stream doctor                                  what is installed, what is missing

--to names a way out, and may be given several times; a receiver that is slow, deaf or gone delays
none of the others, and what it misses is counted:
  zmq://HOST[:5560]                       binds here, for dt-watch, the Unreal plugin, your program
  livelink://HOST[:11111][?subject=NAME]  sends Live Link Face packets: stock Unreal, Blender, Godot
  vmc://HOST[:39539][?names=STYLE]        sends VMC (OSC): Unity, VRM avatars, Warudo, VSeeFace.
                                          STYLE: perfectsync (EyeBlinkLeft; the default), arkit
                                          (eyeBlinkLeft), vrm (A I U E O), vrm1 (aa ih ou ee oh)
  csv:PATH                                records a Live Link Face CSV
  json:PATH                               records JSON lines, a frame each with its curves by name
Quote a URL with a ? in it. Without --to it is zmq://127.0.0.1, unless --no-publish is given.
--bind tcp://HOST:PORT is --to zmq://HOST:PORT by another name; --out FILE.csv is --to csv:FILE.csv,
only that it does not replace the default.

Watch what is sent with dt-watch. Ctrl-C (or SIGTERM) closes the face to neutral, tells the
subscribers, completes the files and leaves with exit code 0; a second Ctrl-C does not wait for the
face. With --fast it leaves no file and exits with 130. Errors are one line and exit code 2.
"""

# How long a conversion runs before it shows its progress, seconds.
_PATIENCE_S = 2.0
_LONGEST_S = 30 * 24 * 3600.0


def _parser() -> Parser:
    parser = Parser(
        "dt-stream",
        "Drives 52 ARKit face curves from speech, live, and sends them to engines and files.",
        _EXAMPLES,
    )
    parser.add_argument(
        "command", nargs="?", metavar="devices | doctor", help="list microphones, or examine"
    )
    group = parser.add_argument_group("where the voice comes from (one of)")
    source = group.add_mutually_exclusive_group()
    source.add_argument("--mic", action="store_true", help="a microphone")
    source.add_argument("--wav", metavar="FILE", help="a WAV, FLAC, OGG, AIFF or MP3 file")
    source.add_argument(
        "--demo",
        action="store_true",
        help="the clip that ships with the package (11 s): once, or over and over until --seconds",
    )
    group.add_argument(
        "--device", metavar="NAME", help="microphone, by number, name or part of its name"
    )
    group.add_argument(
        "--seconds", type=float, metavar="N", help="end after N seconds of audio (default: never)"
    )

    face = parser.add_argument_group("the face")
    face.add_argument("--bundle", metavar="DIR", help="model to use (default: the embedded one)")
    face.add_argument(
        "--identity", default="auto", metavar="NAME", help="talking style, or auto (default)"
    )
    face.add_argument(
        "--seed", type=int, default=0, metavar="N", help="same seed, same face (default: 0)"
    )
    face.add_argument(
        "--backend",
        default="cpu",
        metavar="NAME",
        help="cpu (default), tensorrt (an NVIDIA GPU), or auto: tensorrt where it can be used",
    )

    out = parser.add_argument_group("where the curves go")
    out.add_argument(
        "--to", action="append", default=[], metavar="URL", help="a way out, see below; repeatable"
    )
    out.add_argument(
        "--bind", metavar="ENDPOINT", help=f"publish here (default: {DEFAULT_ENDPOINT})"
    )
    out.add_argument(
        "--allow-remote", action="store_true", help="let --bind and zmq:// open to other machines"
    )
    out.add_argument("--subject", default="face", help="name of the face (default: face)")
    out.add_argument(
        "--publish-audio", action="store_true",
        help="publish the sound too, on the clock of the curves (zmq:// only)",
    )  # fmt: skip
    out.add_argument("--no-publish", action="store_true", help="send nothing, record only")
    out.add_argument("--out", metavar="FILE.csv", help="record a Live Link Face CSV")
    out.add_argument(
        "--fast", action="store_true", help="as fast as possible, files only; publishes nothing"
    )

    look = parser.add_argument_group("what is shown")
    look.add_argument(
        "--plain", action="store_true", help="a line a second (default if not a terminal)"
    )
    look.add_argument("--quiet", action="store_true", help="nothing but errors")
    return parser


def _check(args: argparse.Namespace) -> None:
    """Refuses options that make no sense together, before anything is opened."""
    if args.command is not None and args.command not in ("devices", "doctor"):
        hint = f"; to play a file: --wav {args.command}" if os.path.exists(args.command) else ""
        raise StreamError(f"{args.command!r}: expected devices or doctor{hint}")
    source = next((s for s in ("mic", "wav", "demo") if getattr(args, s)), None)
    if args.command is not None:
        if source is not None:
            raise StreamError(f"{args.command} goes without --{source}")
        return
    if source is None:
        raise StreamError("no source: give --mic, --wav FILE or --demo (see dt-stream --help)")
    if args.device is not None and not args.mic:
        raise StreamError("--device names a microphone: it needs --mic")
    if args.fast and args.mic:
        raise StreamError("--fast goes without --mic: a microphone gives sound in real time only")
    if args.fast and (args.bind is not None or args.allow_remote):
        raise StreamError("--fast publishes nothing, so it goes without --bind and --allow-remote")
    if args.no_publish and (args.bind is not None or args.allow_remote):
        raise StreamError("--no-publish goes without --bind and --allow-remote")
    if args.seconds is not None and not 0 < args.seconds <= _LONGEST_S:
        raise StreamError(f"--seconds: expected more than 0, at most {_LONGEST_S:.0f} (30 days), "
                          f"got {args.seconds:g}")  # fmt: skip
    try:
        wire.check_subject(args.subject)
    except wire.WireError as error:
        raise StreamError(f"--{error}") from None
    _check_destinations(args, _destinations(args))


def _destinations(args: argparse.Namespace) -> list[Destination]:
    """Every way out that the options name, or the default. Raises StreamError."""
    found = [parse(text, allow_remote=args.allow_remote) for text in args.to]
    if args.bind is not None:
        check_endpoint(args.bind, args.allow_remote)
        found.append(Destination(f"--bind {args.bind}", "zmq", args.bind))
    if not found and not args.no_publish and not args.fast:
        found.append(Destination(DEFAULT_ENDPOINT, "zmq", DEFAULT_ENDPOINT))
    if args.out is not None:
        found.append(Destination(f"--out {args.out}", "csv", args.out))
    return found


def _check_destinations(args: argparse.Namespace, destinations: Sequence[Destination]) -> None:
    """Refuses ways out that make no sense with the other options or with each other."""
    places: set[tuple[str, int]] = set()
    for destination in destinations:
        if not destination.is_file:
            for option, given in (("--fast", args.fast), ("--no-publish", args.no_publish)):
                if given:
                    raise StreamError(f"{option} goes without {destination.text}: it sends nothing")
        place = destination.address
        if destination.is_file:
            if args.wav and os.path.exists(args.wav) and os.path.exists(place) \
                    and os.path.samefile(args.wav, place):  # fmt: skip
                raise StreamError(f"{destination.text} would overwrite the file that --wav reads")
            place = os.path.realpath(place)
        if (place, destination.port) in places:
            raise StreamError(f"{destination.text}: something goes there already")
        places.add((place, destination.port))
    if args.publish_audio and not any(d.scheme == "zmq" for d in destinations):
        raise StreamError("--publish-audio needs a zmq:// way out, as in --to zmq://127.0.0.1")


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


def _show_devices() -> int:
    devices = list_devices()
    if not devices:
        print("no input device found")
        return 0
    for d in devices:
        mark = "*" if d.default else " "
        print(f"{mark} {d.index:3d}  {d.name}  ({d.host}, {d.channels} ch, {d.rate_hz:.0f} Hz)")
    print("* is what --mic takes without --device")
    return 0


def _show_doctor(bundle: str | None) -> int:
    findings = doctor.examine(bundle)
    width = max(len(f.subject) for f in findings)
    for f in findings:
        print(f"{f.state:4s}  {f.subject:{width}s}  {f.text}")
    return 1 if any(f.state == "bad" for f in findings) else 0


def _open_outputs(args: argparse.Namespace) -> Outputs:
    outputs = Outputs()
    # Closed here only if one of them cannot be opened.
    with contextlib.ExitStack() as stack:
        stack.enter_context(outputs)
        for destination in _destinations(args):
            outputs.add(
                open_output(
                    destination,
                    subject=args.subject,
                    allow_remote=args.allow_remote,
                    paced=not args.fast,
                )
            )
        stack.pop_all()
    return outputs


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


def _written(args: argparse.Namespace) -> str:
    """The files that were written, as the beginning of a line."""
    paths = [d.address for d in _destinations(args) if d.is_file]
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
    outputs: Outputs,
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


def _dropped(outputs: Outputs) -> str:
    """Frames that a way out, or whoever is at its end, did not take; empty if none."""
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


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point of `dt-stream`; returns the exit code."""
    arguments = sys.argv[1:] if argv is None else list(argv)
    parser = _parser()
    if not arguments:
        parser.print_help()
        return 0
    try:
        args = parser.parse_args(arguments)
        _check(args)
        if args.command == "devices":
            return _show_devices()
        if args.command == "doctor":
            return _show_doctor(args.bundle)
        return _convert(args) if args.fast else _stream(args)
    except StreamError as error:
        return complain("dt-stream", error)
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
