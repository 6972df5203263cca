"""What `dt-take` takes, and what it does with it."""

from __future__ import annotations

import argparse
import os
import re
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, NoReturn

from ...spelling import meant
from ..convert.convert import ENDINGS, EXPRESSIONS
from ..errors import TakeError

if TYPE_CHECKING:
    from ..convert.convert import Voice
    from ..motion import Motion

_COMMANDS = ("list", "show", "trim", "convert", "film")
_EPILOG = """\
examples:
  dt-stream --mic --record takes/                     make one
  dt-take list takes/                                 those that are there
  dt-take show takes/20261129-143005-mic              one of them
  dt-take trim takes/20261129-143005-mic short --from-s 2 --to-s 9.5
  dt-take convert takes/20261129-143005-mic face.glb  an animation of the head that ships
  dt-take convert TAKE face.glb --head mine.glb       of yours, materials and all
  dt-take convert TAKE face.csv --sound               Live Link Face, with face.wav beside it
  dt-take convert curves.csv face.usdc                what dt-stream --out wrote goes in too
  dt-take film TAKE face.mp4                          the face with its voice
  dt-stream replay TAKE --to livelink://192.168.1.20  the take once more, live

TAKE is a take's folder, or a folder with one take in it. A take that was cut (a killed recorder, a
full disk) is read up to the cut, and a line says so. Errors are one line and exit code 2. What a
take consists of, and what each engine makes of each form: docs/takes.md.
"""


class _Parser(argparse.ArgumentParser):
    """Raises TakeError in place of printing a page of usage."""

    def error(self, message: str) -> NoReturn:
        choice = re.search(r"invalid choice: '([^']*)' \(choose from", message)
        unknown = re.search(r"unrecognized arguments:.*?(--[\w-]+)", message)
        if choice:
            message = f"{choice[1]!r}: expected {', '.join(_COMMANDS)}{meant(choice[1], _COMMANDS)}"
        elif unknown:
            message += meant(unknown[1], self._options())
        raise TakeError(f"{message} (see {self.prog} --help)")

    def _options(self) -> list[str]:
        """Those of the commands too: what a command does not know, its parent complains of."""
        commands = [
            each
            for action in self._actions
            if isinstance(action, argparse._SubParsersAction)
            for each in action.choices.values()
        ]
        return [o for one in (self, *commands) for o in one._option_string_actions if o[:2] == "--"]


def parser() -> argparse.ArgumentParser:
    made = _Parser(
        "dt-take",
        description="Takes of dt-stream --record: lists, shows, cuts, converts and films them.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    made.add_argument("--version", action="store_true", help="say the version and leave")
    commands = made.add_subparsers(dest="command", metavar="COMMAND", parser_class=_Parser)

    def command(name: str, said: str) -> argparse.ArgumentParser:
        return commands.add_parser(
            name, help=said, description=said[0].upper() + said[1:] + ".", allow_abbrev=False
        )

    one = command("list", "the takes in a folder, a line each")
    one.add_argument("folder", metavar="DIR", nargs="?", default=".", help="(default: this one)")
    one = command("show", "what a take is: source, length, rates, settings, ranges, gaps")
    one.add_argument("take", metavar="TAKE")
    one = command("trim", "a part of a take as a take of its own, on the same clock")
    one.add_argument("take", metavar="TAKE")
    one.add_argument("out", metavar="OUT", help="the new take's folder")
    one.add_argument(
        "--from-s", type=float, metavar="N", help="seconds after the first frame (default: 0)"
    )
    one.add_argument("--to-s", type=float, metavar="N", help="up to there (default: the end)")
    _add_convert(command("convert", "a take as a file for another program; its ending says which"))
    _add_film(command("film", "a take as an MP4: the head with its sound"))
    return made


def _add_convert(one: argparse.ArgumentParser) -> None:
    one.add_argument("take", metavar="TAKE", help="or a CSV or JSON lines file of dt-stream --out")
    one.add_argument(
        "out", metavar="OUT", help="; ".join(f"*{end}: {what}" for end, what in ENDINGS.items())
    )
    one.add_argument(
        "--head", metavar="FILE",
        help="a glTF or VRM (.glb, .gltf, .vrm) to animate in place of the head that ships; its "
        "shapes go by ARKit's names in any spelling",
    )  # fmt: skip
    one.add_argument(
        "--expressions", metavar="|".join(EXPRESSIONS),
        help=".vrma: ARKit's names as custom expressions (perfect sync), the presets aa ih ou ee "
        "oh blinkLeft blinkRight, or both (default: what --head has; both without one)",
    )  # fmt: skip
    one.add_argument("--sound", action="store_true", help="OUT's name with .wav too: 16-bit PCM")


def _add_film(one: argparse.ArgumentParser) -> None:
    one.add_argument("take", metavar="TAKE")
    one.add_argument("out", metavar="OUT.mp4")
    one.add_argument("--head", metavar="FILE", help="a glTF or VRM in place of the head that ships")
    one.add_argument("--layout", default="face", help="face (default), face+curves or a-b")
    one.add_argument(
        "--beside", metavar="TAKE", help="the second face of the layout a-b, on the same voice"
    )
    one.add_argument("--size", default="1280x720", metavar="WxH", help="(default: 1280x720)")
    one.add_argument("--fps", type=int, default=30, metavar="N", help="30 (default) or 60")


def run(argv: Sequence[str] | None) -> int:
    """Does what the words say; returns the exit code: 2 for an error of the user's."""
    for stream in (sys.stdout, sys.stderr):
        # A name that the terminal cannot show is shown by its numbers.
        if stream is not None and hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    try:
        words = sys.argv[1:] if argv is None else list(argv)
        args = parser().parse_args(words or ["--help"])
        with _ended_by_signals():
            return _done(args)
    except SystemExit as leaving:  # --help
        return leaving.code if isinstance(leaving.code, int) else 0
    except TakeError as error:
        print(f"dt-take: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        print(f"dt-take: {error.filename or ''}: {error.strerror or error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt as left:
        return 128 + (left.args[0] if left.args else signal.SIGINT)


def _done(args: argparse.Namespace) -> int:
    if args.version:
        from ... import __version__

        print(f"dt-take {__version__}")
        return 0
    if args.command is None:
        raise TakeError(f"say what: {', '.join(_COMMANDS)} (see dt-take --help)")
    if args.command in ("list", "show"):
        from . import tables

        return (
            tables.listed(Path(args.folder)) if args.command == "list" else tables.shown(args.take)
        )
    if args.command == "trim":
        return _trim(args)
    return _convert(args) if args.command == "convert" else _film(args)


def _trim(args: argparse.Namespace) -> int:
    from ..reader import read
    from ..trim import trim

    take = read(args.take)
    remark(take.cut)
    out = trim(take, Path(args.out), args.from_s, args.to_s)
    made = read(out)
    print(f"{out}: {len(made.index)} of {len(take.index)} frames, {made.duration_s:.2f} s")
    return 0


def _convert(args: argparse.Namespace) -> int:
    from ..convert import Options, check, convert

    out = Path(args.out)
    options = Options(
        head=None if args.head is None else Path(args.head),
        expressions=args.expressions,
        sound=args.sound,
    )
    check(out, options)
    motion, voice, name = _what(args.take)
    for note in convert(motion, out, voice, options, name=name):
        remark(f"{out}: {note}")
    with_sound = f" and {out.with_suffix('.wav')}" if args.sound and out.suffix != ".wav" else ""
    print(
        f"{out}{with_sound}: {len(motion.index)} frames at {float(motion.rate):g} Hz, "
        f"{motion.duration_s:.2f} s"
    )
    return 0


def _what(path: str) -> tuple[Motion, Voice | None, str]:
    """The frames, the sound and the name of a take, or of a file that --out wrote."""
    from .. import recorded
    from ..convert.convert import Voice
    from ..reader import read

    file = Path(path)
    if file.suffix.lower() in recorded.ENDINGS and file.is_file() and file.name != "take.json":
        return recorded.read(file), None, file.stem
    take = read(file)
    remark(take.cut)
    return take.motion, Voice(take.sound_of_motion(), take.rate_hz), take.path.name


def _film(args: argparse.Namespace) -> int:
    from .film import film

    return film(args)


def remark(line: str) -> None:
    """Something worth knowing that is no error, on stderr; nothing for an empty line."""
    if line:
        print(f"dt-take: {' '.join(line.split())}", file=sys.stderr, flush=True)


@contextmanager
def _ended_by_signals() -> Iterator[None]:
    """SIGTERM and SIGHUP end the command as Ctrl-C does: what it had begun goes."""

    def leave(number: int, _: FrameType | None) -> None:
        raise KeyboardInterrupt(number)

    names = [name for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
    before = {name: signal.signal(getattr(signal, name), leave) for name in names}
    try:
        yield
    finally:
        for name, handler in before.items():
            signal.signal(getattr(signal, name), handler)
