"""What may be said to `dt-stream`: its options, their help, and what goes with what."""

from __future__ import annotations

import argparse
import glob
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from ...curves import GROUPS
from ...frames import check_subject
from ...pace import OVERLOADS
from ...spelling import meant
from .. import StreamError
from ..outputs.destination import Destination, parse, parse_out
from ..outputs.endpoint import ANYBODY, DEFAULT_ENDPOINT, Access, check_endpoint
from . import filming, preview
from .command import Parser

_EXAMPLES = """\
examples:
  dt-stream --demo                                  a clip that ships with the package
  dt-stream --mic                                   the default microphone
  dt-stream --mic --device "USB"                    one whose name contains USB
  dt-stream --wav speech.wav                        a file, in real time
  dt-stream --wav speech.wav --fast --out face.csv  a file, as fast as possible, to a CSV
  dt-stream --mic --to livelink://192.168.1.20      stock Unreal, as Epic's phone app would
  dt-stream --mic --to vmc://127.0.0.1 --to zmq://127.0.0.1    VRM programs, and ZeroMQ beside
  dt-stream --demo --film demo.mp4                  a film of a head that says it, with its sound
  dt-stream --wav *.wav --out curves/               many files, as fast as possible, a CSV each
  espeak-ng --stdout Hi | dt-stream --wav - --to json:-    a pipe in, a pipe out
  ... | dt-stream --pcm s16le:24000:1 -             samples without a header: coding, rate, channels
  dt-stream --mic --subject anna=1 --subject bo=2   a face for each channel of an interface
  dt-stream --wav speech.wav --play                 with its sound, in step, on this machine
  dt-stream --mic --record takes/                   with a take on disk: sound, curves, settings
  dt-stream replay takes/20261129-143005-mic        that take once more, to any --to
  dt-stream --demo --preview                        see the face in a browser
  dt-stream --pulse all --to vmc://127.0.0.1        each curve up and down, in turn
  dt-stream keygen keys                             keys, so that other machines may receive:
  dt-stream --mic --bind tcp://0.0.0.0:5560 --allow-remote --keys keys/sender
  dt-stream devices                                 list the microphones
  dt-stream identities                              list the talking styles of the model
  dt-stream doctor                                  what is installed, what is missing

--to names a way out, and may be given several times; a receiver that is slow, deaf or gone delays
none of the others, and what it misses is counted:
  zmq://HOST[:5560]                       binds here, for dt-watch, the Unreal plugin, your program
  livelink://HOST[:11111][?subject=NAME]  sends Live Link Face packets: stock Unreal, Blender, Godot
                                          ?broadcast=1 (vmc:// too): HOST may be a broadcast address
  vmc://HOST[:39539][?names=STYLE]        sends VMC (OSC): Unity, VRM avatars, Warudo, VSeeFace.
                                          STYLE: perfectsync (EyeBlinkLeft; the default), arkit
                                          (eyeBlinkLeft), vrm (A I U E O), vrm1 (aa ih ou ee oh),
                                          oculus (15 visemes: sil PP ... ou), viseme (viseme_sil
                                          ... viseme_U); eyes and brows stand beside those
  csv:PATH                                records a Live Link Face CSV
  json:PATH                               records JSON lines, a frame each with its curves by name
PATH may be - or /dev/stdout: then nothing else stands there, and what is said goes to stderr. It
may be FOLDER/ with several --wav files: --fast is meant then, and each gets one of its name there.
Quote a URL with a ? in it. Without --to it is zmq://127.0.0.1, unless --no-publish is given.
--bind tcp://HOST:PORT is --to zmq://HOST:PORT by another name; --out FILE.csv is --to csv:FILE.csv
and --out FILE.json (or .jsonl) is --to json:, only that --out does not replace the default.

Watch what is sent with dt-watch. Ctrl-C (or SIGTERM) closes the face to neutral, tells the
subscribers, completes the files and leaves with exit code 0; a second Ctrl-C does not wait for the
face or for a pipe that takes nothing. With --fast it leaves no file and exits with 130 (SIGTERM
143, SIGHUP 129). Errors are one line and exit code 2; of several files, one that fails does not end
the others.
"""

_COMMANDS = ("devices", "doctor", "identities", "keygen", "replay")
# What replay can do nothing with: a take has its voice and its curves.
_NOT_FOR_REPLAY = (
    "device", "channel", "preset", "bundle", "identity", "seed", "backend", "idle", "head", "gain",
    "offset", "strength_lower", "strength_upper", "smooth_ms", "record", "overload",
)  # fmt: skip
# Not the parser's, so that a preset comes between.
_DEFAULTS = {"identity": "auto", "seed": 0, "idle": 1.0}
_BACKENDS = ("cpu", "tensorrt", "auto")

_LONGEST_S = 30 * 24 * 3600.0


def parser() -> Parser:
    """The parser of the command line."""
    made = Parser(
        "dt-stream",
        "Drives 52 ARKit face curves from speech, live, and sends them to engines and files.",
        _EXAMPLES,
    )
    made.add_argument(
        "command",
        nargs="?",
        metavar="devices | doctor | identities | keygen | replay",
        help="list microphones, examine, list talking styles, make keys, or send a take once more",
    )
    made.add_argument(
        "take", nargs="?", metavar="FOLDER",
        help="what to replay: a take; where keygen makes keys (default: keys)",
    )  # fmt: skip
    _add_voice(made)
    add_face(made)
    _add_outputs(made)
    filming.add_options(made)
    preview.add_options(made)
    look = made.add_argument_group("what is shown")
    look.add_argument(
        "--plain", action="store_true", help="a line a second (default if not a terminal)"
    )
    look.add_argument("--quiet", action="store_true", help="nothing but errors")
    return made


def _add_voice(made: Parser) -> None:
    """Options of where the voice comes from."""
    group = made.add_argument_group("where the voice comes from (one of)")
    source = group.add_mutually_exclusive_group()
    source.add_argument("--mic", action="store_true", help="a microphone")
    source.add_argument(
        "--wav", nargs="+", metavar="FILE",
        help="a WAV, FLAC, OGG, AIFF or MP3 file, with PyAV also M4A, MP4, WEBM and others; - is "
        "standard input; several with --out FOLDER/",
    )  # fmt: skip
    source.add_argument(
        "--pcm", nargs=2, metavar=("FORMAT", "FILE"),
        help="samples without a header, as in s16le:24000:1 - (s16le, s24le, s32le, f32le; rate in "
        "Hz; channels)",
    )  # fmt: skip
    source.add_argument(
        "--demo",
        action="store_true",
        help="the clip that ships with the package (11 s): once, or over and over until --seconds",
    )
    source.add_argument(
        "--pulse", metavar="CURVE",
        help="no voice: one curve up and down, to see what it moves on a rig; a pattern or group "
        "(all, mouth*): one after the other",
    )  # fmt: skip
    group.add_argument(
        "--device", metavar="NAME", help="microphone, by number, name or part of its name"
    )
    group.add_argument(
        "--channel", type=int, metavar="N",
        help="channel of the microphone, from 1 (default: the one that somebody speaks into)",
    )  # fmt: skip
    group.add_argument(
        "--seconds", type=float, metavar="N", help="end after N seconds of audio (default: never)"
    )
    group.add_argument(
        "--overload", metavar="WHAT",
        help="where it comes faster than this machine computes: keep every frame, however late "
        "(default), skip frames, or take fewer diffusion steps first (steps)",
    )  # fmt: skip


def add_face(made: Parser) -> None:
    """Options of how the face moves."""
    face = made.add_argument_group("the face")
    face.add_argument(
        "--preset", metavar="NAME|FILE",
        help="identity, seed and knobs as they were kept under a name (on the page), or in a "
        ".toml; other options come on top",
    )  # fmt: skip
    face.add_argument("--bundle", metavar="DIR", help="model to use (default: the embedded one)")
    face.add_argument("--identity", metavar="NAME", help="talking style, or auto (default)")
    face.add_argument("--seed", type=int, metavar="N", help="same seed, same face (default: 0)")
    face.add_argument(
        "--backend",
        default="cpu",
        metavar="NAME",
        help="cpu (default), tensorrt (an NVIDIA GPU), or auto: tensorrt where it can be used",
    )

    face.add_argument(
        "--idle",
        type=float,
        metavar="0..1",
        help="blinks, glances and drift beside speaking; 0: the model alone (default: 1)",
    )
    face.add_argument(
        "--head", nargs="?", const=True, default=False, metavar="FILE",
        help="alone: headYaw, headPitch, headRoll after the curves, radians; FILE.glb or FILE.vrm: "
        "the head that is shown",
    )  # fmt: skip
    face.add_argument(
        "--gain",
        action="append",
        type=_numbers,
        default=[],
        metavar="NAME=N,...",
        help=f"multiply curves, by name, pattern or group ({', '.join(GROUPS)}): "
        "mouth=1.3,eyeBlink*=1.2",
    )
    face.add_argument(
        "--offset",
        action="append",
        type=_numbers,
        default=[],
        metavar="NAME=N,...",
        help="add to curves, named as for --gain: jawOpen=0.05",
    )
    face.add_argument(
        "--strength-lower", type=float, metavar="N", help="multiply the lower face (default: 1)"
    )
    face.add_argument(
        "--strength-upper", type=float, metavar="N", help="multiply the upper face (default: 1)"
    )
    face.add_argument(
        "--smooth-ms",
        type=float,
        metavar="N",
        help="smooth every value with this time constant, 0 to 1000 (default: 0, off)",
    )


def _add_outputs(made: Parser) -> None:
    """Options of where the curves go."""
    out = made.add_argument_group("where the curves go")
    out.add_argument(
        "--to", action="append", default=[], metavar="URL", help="a way out, see below; repeatable"
    )
    out.add_argument(
        "--bind", metavar="ENDPOINT", help=f"publish here (default: {DEFAULT_ENDPOINT})"
    )
    out.add_argument(
        "--allow-remote", action="store_true",
        help="let --bind and zmq:// open to other machines: with --keys, or --insecure",
    )  # fmt: skip
    out.add_argument(
        "--keys", metavar="FOLDER",
        help="only receivers with a key connect, encrypted: FOLDER/sender of `dt-stream keygen "
        "FOLDER`",
    )  # fmt: skip
    out.add_argument(
        "--receiver", action="append", default=[], metavar="NAME",
        help="keygen: for whom (default: receiver); repeatable, and later ones are added",
    )  # fmt: skip
    out.add_argument(
        "--insecure", action="store_true",
        help="with --allow-remote, without keys: whoever reaches the port gets the face",
    )  # fmt: skip
    out.add_argument(
        "--subject", action="append", default=[], metavar="NAME[=CHANNEL]",
        help="name of the face (default: face); several: one for each of these channels of --mic",
    )  # fmt: skip
    out.add_argument(
        "--publish-audio", action="store_true",
        help="publish the sound too, on the clock of the curves (zmq:// only)",
    )  # fmt: skip
    out.add_argument("--no-publish", action="store_true", help="send nothing, record only")
    out.add_argument(
        "--out", metavar="FILE",
        help="record a Live Link Face CSV (FILE.csv), JSON lines (FILE.json, .jsonl), or a CSV for "
        "each file (FOLDER/)",
    )  # fmt: skip
    out.add_argument(
        "--record", metavar="DIR",
        help="keep a take in a new folder in DIR: the sound, the curves bit for bit, the settings "
        "(dt-take shows and converts takes)",
    )  # fmt: skip
    out.add_argument(
        "--fast", action="store_true", help="as fast as possible, files only; publishes nothing"
    )

    out.add_argument(
        "--play", action="store_true", help="let the sound be heard here, in step with the face"
    )


def _numbers(text: str) -> dict[str, float]:
    """`NAME=NUMBER,...` as a dictionary."""
    numbers: dict[str, float] = {}
    for pair in text.split(","):
        name, equals, number = pair.partition("=")
        try:
            numbers[name.strip()] = float(number)
        except ValueError:
            equals = ""
        if not equals or not name.strip():
            raise argparse.ArgumentTypeError(
                f"expected NAME=NUMBER[,NAME=NUMBER...], as in mouth=1.3,blink=1.4, got {text!r}"
            )
    return numbers


def check(args: argparse.Namespace) -> None:
    """Refuses options that make no sense together, before anything is opened: StreamError."""
    if args.command is not None and args.command not in _COMMANDS:
        hint = meant(args.command, _COMMANDS)
        if os.path.exists(args.command):
            hint = f"; to play a file: --wav {args.command}"
        raise StreamError(
            f"{args.command!r}: expected devices, doctor, identities, keygen or replay{hint}"
        )
    if args.receiver and args.command != "keygen":
        raise StreamError("--receiver names somebody for dt-stream keygen")
    if args.command not in ("replay", "keygen") and args.take is not None:
        raise StreamError(f"{args.take!r}: nothing stands after {args.command}")
    source = next((s for s in ("mic", "wav", "pcm", "demo", "pulse") if getattr(args, s)), None)
    if args.command is not None:
        if source is not None:
            raise StreamError(f"{args.command} goes without --{source}")
        if args.command == "replay":
            _check_replay(args)
        return
    if source is None:
        raise StreamError("no source: give --mic, --wav FILE or --demo (see dt-stream --help)")
    if args.backend not in _BACKENDS:
        raise StreamError(f"--backend {args.backend}: expected {', '.join(_BACKENDS[:-1])} or "
                          f"{_BACKENDS[-1]}{meant(args.backend, _BACKENDS)}")  # fmt: skip
    if args.overload is not None and args.overload not in OVERLOADS:
        raise StreamError(f"--overload {args.overload}: expected {', '.join(OVERLOADS[:-1])} or "
                          f"{OVERLOADS[-1]}{meant(args.overload, OVERLOADS)}")  # fmt: skip
    if args.overload is not None and args.fast:
        raise StreamError("--overload is for sound in real time: it goes without --fast")
    if args.pulse:
        _check_pulse(args)
        return
    use_preset(args)
    filming.check(args)
    preview.check(args)
    _check_several(args)
    if args.device is not None and not args.mic:
        raise StreamError("--device names a microphone: it needs --mic")
    if args.channel is not None and not args.mic:
        raise StreamError("--channel is one of a microphone's: it needs --mic")
    if args.channel is not None and args.channel < 1:
        raise StreamError(f"--channel: expected 1 or more, got {args.channel}")
    if args.fast and args.play:
        raise StreamError("--play goes without --fast: sound lasts as long as it lasts")
    if args.fast and args.mic:
        raise StreamError("--fast goes without --mic: a microphone gives sound in real time only")
    opens = args.bind is not None or args.allow_remote or args.keys is not None
    if args.fast and opens:
        raise StreamError(
            "--fast publishes nothing, so it goes without --bind, --allow-remote and --keys"
        )
    if args.no_publish and opens:
        raise StreamError("--no-publish goes without --bind, --allow-remote and --keys")
    _check_seconds(args)
    _check_faces(args, faces(args))
    _check_destinations(args, destinations(args))


def _check_replay(args: argparse.Namespace) -> None:
    preview.check(args)
    if args.take is None:
        raise StreamError("replay: name a take, as in dt-stream replay takes/20261129-143005-mic")
    if args.film is not None or args.plot is not None:
        raise StreamError("replay makes no film; dt-take film TAKE FILE.mp4 does")
    _refuse(args, _NOT_FOR_REPLAY, "replay", "a take goes out as it was recorded")
    if len(args.subject) > 1:
        raise StreamError("replay: a take has one face; give one --subject")
    if args.fast and (args.play or args.publish_audio):
        raise StreamError("replay --fast writes files; leave out --play and --publish-audio")
    _check_seconds(args)
    found = destinations(args)
    if any(d.is_folder for d in found):
        raise StreamError("replay: expected a file's name, got a folder")
    _check_destinations(args, found)


def _check_pulse(args: argparse.Namespace) -> None:
    _refuse(args, (*_NOT_FOR_REPLAY, "fast", "play", "publish_audio", "film", "plot", "preview"),
            "--pulse", "it has neither voice nor model")  # fmt: skip
    if len(args.subject) > 1:
        raise StreamError("--pulse: give one --subject")
    _check_seconds(args)
    found = destinations(args)
    if any(d.is_folder for d in found):
        raise StreamError("--pulse: expected a file's name, got a folder")
    _check_faces(args, faces(args))
    _check_destinations(args, found)


def _refuse(args: argparse.Namespace, names: Sequence[str], what: str, why: str) -> None:
    """StreamError for the first of the options `names` that was given."""
    blank = parser().parse_args([])
    for name in names:
        if getattr(args, name) != getattr(blank, name):
            raise StreamError(f"{what} goes without --{name.replace('_', '-')}: {why}")


def _check_seconds(args: argparse.Namespace) -> None:
    if args.seconds is not None and not 0 < args.seconds <= _LONGEST_S:
        raise StreamError(f"--seconds: expected more than 0, at most {_LONGEST_S:.0f} (30 days), "
                          f"got {args.seconds:g}")  # fmt: skip


def use_preset(args: argparse.Namespace) -> None:
    """Puts what --preset names under the options that were given, and the defaults under both.

    Raises StreamError.
    """
    kept: dict[str, Any] = {}
    if args.preset is not None:
        from ... import presets

        try:
            kept = vars(presets.load(args.preset))
        except presets.PresetError as error:
            raise StreamError(f"--{error}") from None
    for name in ("identity", "seed", "idle", "strength_lower", "strength_upper", "smooth_ms"):
        if getattr(args, name) is None:
            value = kept.get(name)
            setattr(args, name, _DEFAULTS.get(name) if value is None else value)
    for name in ("gain", "offset"):
        setattr(args, name, [kept.get(name, {}), *getattr(args, name)])


@dataclass(frozen=True)
class Face:
    """A `--subject`: a face and the channel of the microphone that moves it."""

    subject: str
    channel: int | None  #: from 1; None is the one that somebody speaks into


def faces(args: argparse.Namespace) -> list[Face]:
    """Every face that the options name, or the default. Raises StreamError."""
    found = []
    for text in args.subject or ["face"]:
        name, equals, channel = text.rpartition("=")
        if not (equals and name and channel.isascii() and channel.isdigit()):
            name, channel = text, ""
        try:
            check_subject(name)
        except ValueError as error:
            raise StreamError(f"--{error}") from None
        found.append(Face(name, int(channel) if channel else args.channel))
    return found


def _check_faces(args: argparse.Namespace, found: Sequence[Face]) -> None:
    chosen = [face for face, text in zip(found, args.subject, strict=False) if face.subject != text]
    if chosen and not args.mic:
        raise StreamError(f"--subject {args.subject[0]}: a face's channel needs --mic")
    if chosen and args.channel is not None:
        raise StreamError("--channel goes without --subject NAME=CHANNEL")
    if len(found) > 1 and len(chosen) < len(found):
        raise StreamError(
            "several faces need a channel each, as in --subject anna=1 --subject bo=2"
        )
    if any(face.channel == 0 for face in found):
        raise StreamError("--subject: channels are counted from 1")
    if len({face.subject for face in found}) < len(found):
        raise StreamError("--subject: two faces have the same name")
    if len(found) > 1:
        if args.play:
            raise StreamError("--play lets one voice be heard: it goes with one --subject")
        for destination in destinations(args):
            if destination.scheme == "vmc" or "subject" in destination.options:
                raise StreamError(f"{destination.text}: has room for one face; drop it, or start "
                                  "a dt-stream for each --subject")  # fmt: skip


def of_face(destination: Destination, subject: str) -> Destination:
    """Where one face of several goes: files carry its name before their ending."""
    if not destination.is_file:
        return destination
    root, ending = os.path.splitext(destination.address)
    return replace(destination, address=f"{root}-{subject}{ending}")


def access(args: argparse.Namespace) -> Access:
    """Who may connect. Raises StreamError for words that contradict each other."""
    if args.insecure and not args.allow_remote:
        raise StreamError("--insecure is about other machines: it needs --allow-remote")
    if args.insecure and args.keys is not None:
        raise StreamError("--insecure goes without --keys: with keys it is secure")
    return Access(args.allow_remote, args.keys, args.insecure)


def destinations(args: argparse.Namespace) -> list[Destination]:
    """Every output that the options name, or the default. Raises StreamError."""
    found = [parse(text, access=access(args)) for text in args.to]
    if args.bind is not None:
        check_endpoint(args.bind, access(args))
        found.append(Destination(f"--bind {args.bind}", "zmq", args.bind))
    if not found and not args.no_publish and not args.fast:
        found.append(Destination(DEFAULT_ENDPOINT, "zmq", DEFAULT_ENDPOINT))
    if args.out is not None:
        found.append(parse_out(args.out))
    return found


def _check_several(args: argparse.Namespace) -> None:
    """Several files go to a folder, and then --fast is meant: StreamError where it cannot be."""
    if args.wav:
        args.wav = [path for text in args.wav for path in _expanded(text)]
    paths = args.wav or []
    if len(paths) > 1 and "-" in paths:
        raise StreamError("--wav -: standard input goes alone, without other files")
    kept = [parse(text, access=ANYBODY) for text in args.to]
    kept += [parse_out(args.out)] if args.out is not None else []
    folders = [d for d in kept if d.is_folder]
    if len(paths) > 1 and len(folders) < max(0 if args.record else 1, len(kept)):
        raise StreamError(
            "several files: give --out FOLDER/ (or --to json:FOLDER/, --record DIR) for what "
            "becomes of each"
        )
    if folders or len(paths) > 1:
        if not paths:
            raise StreamError(f"{folders[0].text}: a folder is for what --wav FILE names")
        args.fast = True


def _expanded(text: str) -> list[str]:
    """The files that a pattern names, where the shell left it as it was (Windows does)."""
    found = [] if os.path.exists(text) or "*" not in text else sorted(glob.glob(text))
    return found or [text]


def _check_destinations(args: argparse.Namespace, found: Sequence[Destination]) -> None:
    """Refuses destinations that make no sense with the other options or with each other."""
    places: set[tuple[str, int]] = set()
    for destination in found:
        if not destination.is_file:
            for option, given in (("--fast", args.fast), ("--no-publish", args.no_publish)):
                if given:
                    raise StreamError(f"{option} goes without {destination.text}: it sends nothing")
        place = destination.address
        if destination.is_file:
            for path in args.wav or (args.pcm or [])[1:]:
                if os.path.isfile(path) and os.path.exists(place) and os.path.samefile(path, place):
                    raise StreamError(
                        f"{destination.text} would overwrite the file that --wav reads"
                    )
            place = "standard output" if destination.is_stdout else os.path.realpath(place)
            if destination.is_folder:
                place += destination.scheme
        if (place, destination.port) in places:
            raise StreamError(f"{destination.text}: something goes there already")
        places.add((place, destination.port))
    if args.publish_audio and not any(d.scheme == "zmq" for d in found):
        raise StreamError("--publish-audio needs a zmq:// way out, as in --to zmq://127.0.0.1")
