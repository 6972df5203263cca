"""Curves and sound in, a film out."""

from __future__ import annotations

import os
import queue
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from . import mp4, portrait, text
from .errors import FilmError
from .layouts import Painter, Side, painter
from .portrait import checked_size
from .tracks import Track

if TYPE_CHECKING:
    from ..head import Head

FloatArray = npt.NDArray[np.float32]
ByteArray = npt.NDArray[np.uint8]

DEFAULT_SIZE = (1280, 720)
#: Pictures a second that a film may have.
FPS = (1, 120)
# Above so many pixels a picture, fewer threads draw: each holds some 60 bytes a pixel.
_MANY_PIXELS = 2_500_000


@dataclass(frozen=True)
class Beside:
    """The second face of the layout a-b, on the same voice."""

    curves: npt.ArrayLike  #: (F, len(names))
    names: Sequence[str]
    times: npt.ArrayLike  #: (F,) seconds
    label: str = "B"
    head: Head | None = None  #: None is the first face's


@dataclass(frozen=True)
class Film:
    """What was written."""

    path: Path
    pictures: int
    seconds: float
    notes: tuple[str, ...]  #: what whoever asked for it should hear, a line each


def write(
    path: str | Path,
    curves: npt.ArrayLike,
    names: Sequence[str],
    times: npt.ArrayLike,
    sound: npt.ArrayLike,
    rate_hz: int,
    *,
    head: Head | None = None,
    layout: str = "face",
    beside: Beside | None = None,
    label: str = "",
    size: tuple[int, int] = DEFAULT_SIZE,
    fps: int | Fraction = 30,
    crf: int = mp4.DEFAULT_CRF,
    progress: Callable[[float, float], None] | None = None,
) -> Film:
    """Writes an MP4 (H.264, AAC) of a head that speaks; what stood at `path` is replaced.

    `curves` is (F, len(names)), `times` (F,) the seconds after the first sample of `sound` that
    the frames depict, `sound` (n,) mono, 1 is full scale. Picture p is shown from p / fps on and
    depicts that instant; between two frames the curves go along a line. The film is as long as the
    sound, or as the curves where there is none. `progress` is told seconds done and seconds in all.

    Until it is whole the film has another name, and nothing is left of it where this fails or is
    interrupted. Raises FilmError.
    """
    path = Path(path)
    check(size, fps)
    width, height = size
    fps = Fraction(fps)
    track = Track(curves, names, times)
    heard = np.asarray(sound, np.float32)
    if heard.ndim != 1:
        raise FilmError(f"sound: expected (n,) mono, got shape {heard.shape}")
    if rate_hz <= 0:
        raise FilmError(f"sound: expected a rate in Hz above 0, got {rate_hz}")
    shown = _default_head() if head is None else head
    sides = [Side(track, shown, label or ("A" if layout == "a-b" else ""))]
    if beside is not None:
        other = Track(beside.curves, beside.names, beside.times)
        sides.append(Side(other, beside.head or shown, beside.label))
    total_s = len(heard) / rate_hz or float(track.times[-1])
    count = max(1, int(np.ceil(total_s * fps)))
    painters = [
        painter(layout, sides, heard, rate_hz, (width, height), fps)
        for _ in range(_threads(width * height))
    ]
    with mp4.written(path, (width, height), fps, heard, rate_hz, crf) as film:
        for index, made in enumerate(_painted(painters, count), start=1):
            film.add(made)
            if progress is not None:
                progress(min(index / float(fps), total_s), total_s)
    return Film(path, count, total_s, tuple(film.notes))


def check(size: tuple[int, int], fps: int | Fraction) -> None:
    """Raises FilmError unless a film may have this size and as many pictures a second."""
    width, height = checked_size(size)
    if width % 2 or height % 2:
        raise FilmError(f"size {width}x{height}: expected even sides")
    if not FPS[0] <= fps <= FPS[1]:
        raise FilmError(f"fps {float(fps):g}: expected {FPS[0]} to {FPS[1]} pictures a second")


def ready() -> None:
    """Raises FilmError, a line with the remedy, where what films need is not installed."""
    mp4.load()
    text.load()
    portrait.tones()


def _default_head() -> Head:
    from .. import head

    return head.default()


def _threads(pixels: int) -> int:
    """How many paint; whoever asked encodes meanwhile."""
    try:
        cores = len(os.sched_getaffinity(0))
    except AttributeError:  # not on macOS or Windows
        cores = os.cpu_count() or 1
    return max(1, min(cores, 2 if pixels > _MANY_PIXELS else 4))


def _painted(painters: Sequence[Painter], count: int) -> Iterator[ByteArray]:
    """The pictures in their order, painted by threads a little ahead of whoever takes them."""
    idle: queue.SimpleQueue[Painter] = queue.SimpleQueue()
    for each in painters:
        idle.put(each)

    def paint(index: int) -> ByteArray:
        own = idle.get()
        try:
            return own(index)
        finally:
            idle.put(own)

    waiting: deque[Future[ByteArray]] = deque()
    pool = ThreadPoolExecutor(len(painters), thread_name_prefix="film")
    try:
        for index in range(count):
            waiting.append(pool.submit(paint, index))
            if len(waiting) > 2 * len(painters):
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
