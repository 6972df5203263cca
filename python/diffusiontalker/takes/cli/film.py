"""`dt-take film`: a take as an MP4."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from ... import film as films
from ...head import Head, HeadError, load
from ...spelling import meant
from ..errors import TakeError
from ..reader import Take, read
from .command import remark


def film(args: argparse.Namespace) -> int:
    """Films what the options say; returns the exit code. Raises TakeError."""
    out = Path(args.out)
    size = _checked(args, out)
    take = _open(args.take)
    beside = None
    if args.beside is not None:
        other = _open(args.beside)
        beside = films.Beside(other.values, other.names, other.motion.times_s, other.path.name)
    try:
        with _bar(out) as progress:
            made = films.write(
                out,
                take.values,
                take.names,
                take.motion.times_s,
                take.sound_of_motion(),
                take.rate_hz,
                head=_head(args.head),
                layout=args.layout,
                beside=beside,
                label=take.path.name if beside is not None else "",
                size=size,
                fps=args.fps,
                progress=progress,
            )
    except films.FilmError as error:
        raise TakeError(str(error)) from None
    for note in made.notes:
        remark(f"{out}: {note}")
    print(f"{out}: {made.pictures} pictures, {made.seconds:.2f} s")
    return 0


def _checked(args: argparse.Namespace, out: Path) -> tuple[int, int]:
    """The size in pixels, once all that can be refused before drawing has been."""
    if out.suffix.lower() != ".mp4":
        raise TakeError(f"{out}: expected a name that ends with .mp4")
    if args.layout not in films.LAYOUTS:
        raise TakeError(
            f"--layout {args.layout}: expected {', '.join(films.LAYOUTS)}"
            f"{meant(args.layout, films.LAYOUTS)}"
        )
    if (args.layout == "a-b") != (args.beside is not None):
        raise TakeError("--layout a-b and --beside TAKE go together")
    try:
        size = films.size_of("--size", args.size)
        films.check(size, args.fps)
        films.ready()
    except films.FilmError as error:
        raise TakeError(str(error)) from None
    return size


def _open(path: str) -> Take:
    take = read(path)
    remark(take.cut)
    if not len(take.index):
        raise TakeError(f"{take.path}: there is no frame in it")
    return take


def _head(path: str | None) -> Head | None:
    if path is None:
        return None
    try:
        return load(path, slow=remark)
    except (HeadError, OSError) as error:
        raise TakeError(f"--head {error}") from None


@contextmanager
def _bar(out: Path) -> Iterator[Callable[[float, float], None]]:
    """A bar on a terminal; a line each tenth elsewhere."""
    console = Console(stderr=True)
    if not console.is_terminal:
        told = [0]

        def tell(done_s: float, total_s: float) -> None:
            if int(10 * done_s / total_s) > told[0]:
                told[0] = int(10 * done_s / total_s)
                remark(f"{out}: {100 * done_s / total_s:.0f} %")

        yield tell
        return
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TextColumn("{task.percentage:3.0f} %"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task(str(out), total=None)
        yield lambda done_s, total_s: bar.update(task, completed=done_s, total=total_s)
