"""`dt-stream --film` and `--plot`: what is made of a voice once its curves are all there."""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from ...spelling import meant
from .. import StreamError
from ..outputs.destination import parse
from ..outputs.endpoint import ANYBODY
from ..outputs.kept import Kept
from .command import remark

if TYPE_CHECKING:
    from ... import Runtime
    from ...film import Beside
    from ...head import Head

Made = TypeVar("Made")

_PLOT_ENDINGS = (".png", ".svg", ".pdf")
# What the second face may differ in, and what reads it.
_DIFFERS: dict[str, Callable[[str], Any]] = {
    "identity": str,
    "seed": int,
    "bundle": str,
    "idle": float,
    "strength-lower": float,
    "strength-upper": float,
    "smooth-ms": float,
}


def add_options(made: argparse.ArgumentParser) -> None:
    """Options of films and plots."""
    group = made.add_argument_group(
        "films and plots, offline (extras [film] and [plots]; no display and no ffmpeg needed)"
    )
    group.add_argument(
        "--film", metavar="FILE.mp4",
        help="a film of a head that speaks, with its sound; --head FILE.glb chooses the head",
    )  # fmt: skip
    group.add_argument(
        "--layout", metavar="NAME",
        help="face (default), face+curves, or a-b: two faces on the same voice",
    )  # fmt: skip
    group.add_argument(
        "--film-b", metavar="NAME=VALUE,...",
        help=f"what the second face of a-b differs in ({', '.join(_DIFFERS)}): seed=3,smooth-ms=80",
    )  # fmt: skip
    group.add_argument(
        "--film-size", metavar="WxH",
        help="pixels (default: 1280x720); 1920x1080, 720x720, or 720x1280 for a phone",
    )  # fmt: skip
    group.add_argument(
        "--fps", type=int, metavar="N", help="pictures a second of the film (default: 30)"
    )
    group.add_argument(
        "--plot", metavar="FILE.png",
        help="a sheet with the sound, the ten main curves and the lips' closures (also .svg, .pdf)",
    )  # fmt: skip


def asked(args: argparse.Namespace) -> bool:
    """Whether a film or a plot is wanted."""
    return args.film is not None or args.plot is not None


def check(args: argparse.Namespace) -> None:
    """Refuses what cannot be made, before anything is computed: StreamError. Sets --fast."""
    if args.film is None:
        for name in ("layout", "film_b", "film_size", "fps"):
            if getattr(args, name) is not None:
                option = f"--{name.replace('_', '-')}"
                raise StreamError(f"{option} is a film's: it needs --film FILE.mp4")
        if isinstance(args.head, str) and not args.preview:
            raise StreamError(f"--head {args.head}: a head is shown with --film or --preview")
    if not asked(args):
        return
    option = "--film" if args.film is not None else "--plot"
    if args.mic:
        raise StreamError(f"{option} is made offline: it needs --wav, --pcm or --demo, not --mic")
    if len(args.wav or ()) > 1:
        raise StreamError(f"{option} is made of one voice: give one --wav FILE")
    for text in args.to:
        if not parse(text, access=ANYBODY).is_file:
            raise StreamError(f"{option} is made offline: it goes without --to {text}")
    for other in ("play", "publish_audio", "bind"):
        if getattr(args, other):
            raise StreamError(f"{option} is made offline: it goes without "
                              f"--{other.replace('_', '-')}")  # fmt: skip
    args.fast = True
    if args.plot is not None:
        _check_path(args, "--plot", args.plot, _PLOT_ENDINGS)
        from ...film import chart

        _tried(chart.load)
    if args.film is not None:
        _check_path(args, "--film", args.film, (".mp4",))
        _film_size(args)
        _second(args)
        from ... import film

        _tried(film.ready)
        _head(args)


def _check_path(args: argparse.Namespace, option: str, path: str, endings: Sequence[str]) -> None:
    if Path(path).suffix.lower() not in endings:
        raise StreamError(f"{option} {path}: expected a name that ends with {' or '.join(endings)}")
    for source in args.wav or (args.pcm or [])[1:]:
        if os.path.exists(path) and os.path.exists(source) and os.path.samefile(path, source):
            raise StreamError(f"{option} {path} would overwrite the file that --wav reads")
    folder = Path(path).absolute().parent
    if not folder.is_dir():
        raise StreamError(f"{option} {path}: there is no folder {folder}")


def _film_size(args: argparse.Namespace) -> tuple[int, int]:
    from ... import film

    if args.film_size is None:
        _tried(lambda: film.check(film.DEFAULT_SIZE, args.fps or 30))
        return film.DEFAULT_SIZE
    size = _tried(lambda: film.size_of("--film-size", args.film_size))
    _tried(lambda: film.check(size, args.fps or 30))
    return size


def _second(args: argparse.Namespace) -> dict[str, Any]:
    """What the second face differs in, by its options' names. Raises StreamError."""
    from ...film import LAYOUTS

    if args.layout is None:
        args.layout = "a-b" if args.film_b is not None else "face"
    if args.layout not in LAYOUTS:
        raise StreamError(f"--layout {args.layout}: expected {', '.join(LAYOUTS)}"
                          f"{meant(args.layout, LAYOUTS)}")  # fmt: skip
    if (args.layout == "a-b") != (args.film_b is not None):
        raise StreamError("--layout a-b and --film-b go together, as in --film-b seed=3")
    differs: dict[str, Any] = {}
    for pair in (args.film_b or "").split(",") if args.film_b is not None else ():
        name, _, value = (part.strip() for part in pair.partition("="))
        if name not in _DIFFERS:
            raise StreamError(f"--film-b {pair}: expected {', '.join(_DIFFERS)}, as in seed=3"
                              f"{meant(name, _DIFFERS)}")  # fmt: skip
        try:
            differs[name] = _DIFFERS[name](value)
        except ValueError:
            raise StreamError(f"--film-b {pair}: {name} is a number") from None
    return differs


@dataclass(frozen=True)
class Lasting:
    """What a progress bar is told."""

    name: str
    duration_s: float | None


def make(
    args: argparse.Namespace,
    kept: Kept,
    rate_hz: int,
    runtime_of: Callable[[argparse.Namespace, int], Runtime],
    patience: Callable[[Lasting], Any],
    files: Sequence[str],
) -> list[str]:
    """Makes what was asked for; returns a line for each. Raises StreamError.

    `files` (of --out) are complete by then, and stay.
    """
    lines = []
    if args.plot is not None:
        from ...film import chart

        title = "demo" if args.demo else Path((args.wav or [args.pcm[1]])[0]).name
        _tried(
            lambda: chart.write(
                args.plot, kept.curves, kept.names, kept.times, kept.sound, rate_hz, title=title
            ),
            "--plot",
            kept=files,
        )
        lines.append(f"{args.plot}: plot of {len(kept.times)} frames")
    if args.film is not None:
        lines += _make_film(args, kept, rate_hz, runtime_of, patience, files)
    return lines


def _make_film(
    args: argparse.Namespace,
    kept: Kept,
    rate_hz: int,
    runtime_of: Callable[[argparse.Namespace, int], Runtime],
    patience: Callable[[Lasting], Any],
    files: Sequence[str],
) -> list[str]:
    from ... import film

    beside, label = None, ""
    sound = kept.sound
    if args.layout == "a-b":
        beside, label = _beside(args, kept, rate_hz, runtime_of)
    begun = time.monotonic()
    size = _film_size(args)
    with patience(Lasting(args.film, len(sound) / rate_hz)) as bar:
        made = _tried(
            lambda: film.write(
                args.film, kept.curves, kept.names, kept.times, sound, rate_hz,
                head=_head(args), layout=args.layout, beside=beside, label=label, size=size,
                fps=args.fps or 30, progress=lambda done_s, _: bar.progress(done_s),
            ),
            "--film", kept=[*files, *([args.plot] if args.plot else [])],
        )  # fmt: skip
    took_s = time.monotonic() - begun
    return [
        *made.notes,
        f"{args.film}: {made.seconds:.1f} s, {size[0]}x{size[1]}, {args.fps or 30} pictures a "
        f"second, in {took_s:.1f} s ({made.seconds / max(took_s, 1e-9):.1f} x real time)",
    ]


def _beside(
    args: argparse.Namespace,
    kept: Kept,
    rate_hz: int,
    runtime_of: Callable[[argparse.Namespace, int], Runtime],
) -> tuple[Beside, str]:
    """The second face, and what the first one is called."""
    from ...film import Beside

    differs = _second(args)
    own = {name.replace("-", "_"): value for name, value in differs.items()}
    runtime = runtime_of(argparse.Namespace(**{**vars(args), **own}), rate_hz)
    curves = np.concatenate((runtime.step(kept.sound), runtime.flush()))
    times = np.array([float(i / Fraction(runtime.frame_rate)) for i in range(len(curves))])

    def called(values: dict[str, Any]) -> str:
        return ", ".join(f"{name} {value}" for name, value in values.items())

    first = {name: getattr(args, name.replace("-", "_")) for name in differs}
    shown = {name: "default" if value is None else value for name, value in first.items()}
    made = Beside(curves, runtime.curve_names, times, label=f"B   {called(differs)}")
    return made, f"A   {called(shown)}"


def _head(args: argparse.Namespace) -> Head:
    """The head that --head names, or the one that ships. Raises StreamError."""
    return _loaded(args.head if isinstance(args.head, str) else None)


@lru_cache(1)
def _loaded(path: str | None) -> Head:
    """Looked at before anything is computed, and drawn after: read once."""
    from ... import head

    try:
        if path is not None:
            return head.load(path, slow=partial(remark, "dt-stream"))
        return head.default()
    except FileNotFoundError:
        raise StreamError(f"--head {path}: there is no such file") from None
    except head.HeadError as error:
        raise StreamError(f"--head: {error}") from None


def _tried(make_it: Callable[[], Made], option: str = "", *, kept: Sequence[str] = ()) -> Made:
    """What it returns; a FilmError becomes a StreamError that says which files are there."""
    from ...film import FilmError

    try:
        return make_it()
    except FilmError as error:
        whole = f"; {' and '.join(kept)} {'is' if len(kept) == 1 else 'are'} whole" if kept else ""
        raise StreamError(f"{option}: {error}{whole}" if option else str(error)) from None
