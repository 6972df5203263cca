"""What `dt-bench` takes and what it shows."""

from __future__ import annotations

import argparse
import json
import re
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, NoReturn

from ... import __version__
from ...spelling import meant
from .. import BenchError

if TYPE_CHECKING:  # NumPy waits until something is measured
    from ..measure import Plan

_PEERS = {"torch": "PyTorch, eager", "compile": "torch.compile", "onnxruntime": "ONNX Runtime"}
_EPILOG = """\
examples:
  dt-bench                                  the embedded model on the demo clip, one core
  dt-bench --quick                          every row soon, none of them precise
  dt-bench --peers none                     without PyTorch and ONNX Runtime, which take minutes
  dt-bench --all-kernels                    each instruction set that this machine has
  dt-bench --steps 1,2,4,8 --plot steps.png   time a frame against sampling steps
  dt-bench --against ~/old/.venv            another installed build, in turns with this one
  dt-bench --against ~/old/.venv --bundle my_bundle    the same model in both, beside each one's own
  dt-bench --json bench.json                all of it as data

What is measured runs in processes of its own, kept to one core; builds that are compared take turns
round by round. "frame by frame" is a live voice: 16 ms of sound a step. "best" is the quickest
round, the median says how quiet the machine was, and "processor" leaves out the turns that others
had on the core: compare by that where others run.
What each row means: docs/performance.md. Tables go to stdout, what is being done to stderr. Errors
are one line and exit code 2; Ctrl-C leaves nothing behind.
"""


class _Parser(argparse.ArgumentParser):
    """Raises BenchError in place of printing a page of usage."""

    def error(self, message: str) -> NoReturn:
        unknown = re.search(r"unrecognized arguments:.*?(--[\w-]+)", message)
        if unknown:
            options = [o for o in self._option_string_actions if o.startswith("--")]
            message += meant(unknown[1], options)
        raise BenchError(f"{message} (see dt-bench --help)")


def parser() -> argparse.ArgumentParser:
    made = _Parser(
        "dt-bench",
        description="Measures how fast the runtime is on this machine, beside other builds and "
        "other people's runtimes.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    made.add_argument("--version", action="version", version=f"dt-bench {__version__}")
    what = made.add_argument_group("what is measured")
    what.add_argument(
        "--bundle", action="append", default=[], metavar="DIR",
        help="another model, which every build reads; repeatable",
    )  # fmt: skip
    what.add_argument(
        "--steps", type=_whole_numbers, default=(), metavar="N,...",
        help="the embedded model with fewer sampling steps too, to be timed: divisors of its own",
    )  # fmt: skip
    what.add_argument(
        "--against", action="append", default=[], metavar="VENV",
        help="another installed build: a virtual environment, or its python; repeatable",
    )  # fmt: skip
    what.add_argument(
        "--peers", type=_peers, default=tuple(_PEERS.values()), metavar="NAME,...",
        help=f"{', '.join(_PEERS)} or none (default: those that are installed)",
    )  # fmt: skip
    kernels = what.add_mutually_exclusive_group()
    kernels.add_argument("--kernel", default="", help="instruction set (default: the best)")
    kernels.add_argument(
        "--all-kernels", action="store_true", help="every one that this machine has"
    )
    how = made.add_argument_group("how")
    how.add_argument("--rounds", type=_positive, metavar="N", help="of each row (default: 20)")
    how.add_argument(
        "--core", type=int, metavar="N", help="core to measure on (default: the last one)"
    )
    how.add_argument("--quick", action="store_true", help="2 rounds of 2 s of sound, no peers")
    out = made.add_argument_group("where it goes")
    out.add_argument("--json", metavar="FILE", help="all that was found, as data")
    out.add_argument(
        "--plot", metavar="FILE.png", help="time a frame against steps; needs matplotlib"
    )
    out.add_argument("--quiet", action="store_true", help="no bar")
    return made


def _whole_numbers(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"expected whole numbers, as in 1,2,4,8, got {text!r}"
        ) from None


def _positive(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number from 1 on, got {text!r}")
    return int(text)


def _peers(text: str) -> tuple[str, ...]:
    if text == "none":
        return ()
    for name in text.split(","):
        if name not in _PEERS:
            raise argparse.ArgumentTypeError(
                f"expected {', '.join(_PEERS)} or none, got {name!r}{meant(name, _PEERS)}"
            )
    return tuple(_PEERS[name] for name in text.split(","))


def plan_of(args: argparse.Namespace) -> Plan:
    """The plan that the options mean."""
    from ..measure import Plan

    given: dict[str, Any] = {
        "bundles": tuple(args.bundle),
        "steps": args.steps,
        "against": tuple(args.against),
        "kernels": (args.kernel,),
        "every_kernel": args.all_kernels,
        "peers": args.peers,
        "core": args.core,
    }
    if args.rounds is not None:
        given["rounds"] = args.rounds
    return Plan.quick(**{**given, "peers": ()}) if args.quick else Plan(**given)


def run(words: Sequence[str]) -> int:
    """Does what the words say; returns the exit code: 2 for an error of the user's."""
    try:
        args = parser().parse_args(words)
        _check_places(args)
        with _ended_by_signals():
            return _measure(args)
    except SystemExit as leaving:  # --help and --version
        return leaving.code if isinstance(leaving.code, int) else 0
    except BenchError as error:
        print(f"dt-bench: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    except BrokenPipeError:
        sys.stderr.close()
        return 0


def _check_places(args: argparse.Namespace) -> None:
    """Refuses before minutes are spent what could not be written after them."""
    for option, place in (("--json", args.json), ("--plot", args.plot)):
        if place is not None and not Path(place).absolute().parent.is_dir():
            raise BenchError(f"{option} {place}: there is no such folder")
    if args.plot is not None:
        import importlib.util

        if importlib.util.find_spec("matplotlib") is None:
            raise BenchError("--plot: matplotlib is not installed: pip install matplotlib")


def _measure(args: argparse.Namespace) -> int:
    from .. import measure, table

    with _bar(args.quiet) as progress:
        report = measure.run(plan_of(args), progress)
    print(table.text(report), end="", flush=True)
    if args.json is not None:
        try:
            Path(args.json).write_text(json.dumps(report.data(), indent=1) + "\n", encoding="utf-8")
        except OSError as error:
            raise BenchError(f"--json {args.json}: {error.strerror or error}") from None
    if args.plot is not None:
        table.plot(report, Path(args.plot))
    return 0


@contextmanager
def _bar(quiet: bool) -> Iterator[Callable[[str, float], None]]:
    """A bar on a terminal; lines elsewhere."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    if quiet:
        yield lambda *_: None
        return
    if not console.is_terminal:
        told: list[int] = []

        def tell(what: str, share: float) -> None:
            tenth = int(10 * share)
            if tenth not in told:
                told.append(tenth)
                print(f"dt-bench: {100 * share:.0f} %, {what}", file=sys.stderr, flush=True)

        yield tell
        return
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TextColumn("{task.percentage:3.0f} %"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("examining", total=1.0)
        yield lambda what, share: bar.update(task, description=what, completed=share)


@contextmanager
def _ended_by_signals() -> Iterator[None]:
    """SIGTERM and SIGHUP end the command as Ctrl-C does: what it started ends first."""

    def leave(number: int, _: FrameType | None) -> None:
        raise KeyboardInterrupt(number)

    names = [name for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
    try:
        before = {getattr(signal, n): signal.signal(getattr(signal, n), leave) for n in names}
    except ValueError:  # not the main thread: signals are somebody else's
        yield
        return
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
