"""`dt-train capture --report`: films beside the head that plays their takes, and figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..corpora import video
from . import draw, landmarks, takes
from .landmark_head import LandmarkHead
from .measured import Measured

Picture = NDArray[np.uint8]
Array = NDArray[np.float64]

#: Pictures a film, and the side of each in pixels.
COLUMNS = 8
SIDE = 150
# A curve that stands at its end in more than this share of the pictures wants to go further.
_OFTEN = 0.1


@dataclass(frozen=True)
class Reported:
    """One film and its take."""

    film: Path
    measured: Measured
    curves: Array  # (frames, 46), takes.NAMES
    names: tuple[str, ...]  # those that the take has
    person: takes.Person
    notes: tuple[str, ...] = ()


def write(
    folder: Path,
    films: Sequence[Reported],
    skipped: Mapping[str, str],
    *,
    pixel_aspect: Fraction | None,
    solved: bool,
) -> Path:
    """`folder`/report.md and a picture a film. Returns the former's path."""
    folder.mkdir(parents=True, exist_ok=True)
    how = "solved from the landmarks" if solved else "of MediaPipe's network"
    lines = [
        "# What was captured",
        "",
        f"Jaw and mouth are {how}. r and spread: how the lips of the head that plays the take move "
        "beside the film's landmarks (1 is alike; a spread of 0.9 is nine tenths as far).",
        "",
        "| film | pictures | " + " | ".join(f"{axis} r, spread" for axis in _AXES) + " |",
        "|---" * (2 + len(_AXES)) + "|",
    ]
    lines += [_row(film) for film in films]
    for film in films:
        lines += ["", f"## {film.film.name}", "", *_story(film, folder, pixel_aspect)]
    if skipped:
        lines += ["", "## Skipped", "", *(f"- {name}: {why}" for name, why in skipped.items())]
    target = folder / "report.md"
    target.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return target


_AXES = ("gap", "width", "upper_raise", "lower_drop", "protrusion")


def _row(film: Reported) -> str:
    found = takes.agreement(film.measured, film.curves, film.names, film.person)
    figures = " | ".join(f"{found[axis][0]:.3f}, {found[axis][1]:.2f}" for axis in _AXES)
    return f"| {film.film.name} | {len(film.measured.times_s)} | {figures} |"


def _story(film: Reported, folder: Path, pixel_aspect: Fraction | None) -> list[str]:
    chosen = pictures_of(film.measured, film.person)
    sheet = beside(film, chosen, pixel_aspect)
    picture = folder / f"{film.film.stem}.png"
    picture.write_bytes(video.png(sheet))
    times = ", ".join(f"{film.measured.times_s[i]:.2f}" for i in chosen)
    lines = [f"![film above, head below]({picture.name})", "", f"At {times} s.", ""]
    missing = takes.left_out(takes.FORWARD in film.names)
    reasons: dict[str, list[str]] = {}
    for name, why in missing.items():
        reasons.setdefault(why, []).append(name)
    lines += [f"- left out: {', '.join(names)}: {why}" for why, names in reasons.items()]
    full = [
        (name, float(np.mean(film.curves[:, takes.NAMES.index(name)] > 0.995)))
        for name in film.names
    ]
    lines += [
        f"- {name} stands at 1 in {share:.0%} of the pictures: this face goes further than the head"
        for name, share in full
        if share > _OFTEN
    ]
    return lines + [f"- {note}" for note in film.notes]


def pictures_of(film: Measured, person: takes.Person) -> list[int]:
    """Pictures worth a look, in order: the lips' extremes, and others evenly between."""
    axes = landmarks.lip_axes(person.moved(film.points))
    count = min(COLUMNS, len(film.times_s))
    chosen = [int(np.argmax(axes[axis])) for axis in ("gap", "width", "upper_raise", "protrusion")]
    chosen += [int(np.argmin(axes[axis])) for axis in ("gap", "width")]
    found = list(dict.fromkeys(chosen))[:count]
    for i in np.linspace(0, len(film.times_s) - 1, 4 * COLUMNS).astype(int).tolist():
        if len(found) < count and i not in found and min(abs(i - j) for j in found) > 3:
            found.append(i)
    return sorted(found)


def beside(film: Reported, chosen: Sequence[int], pixel_aspect: Fraction | None) -> Picture:
    """Four rows: the film's faces, the head's, and the mouths of both, larger."""
    times = film.measured.times_s[list(chosen)]
    faces, mouths = [], []
    wanted = iter(zip(chosen, times, strict=True))
    index, at_s = next(wanted)
    for now_s, picture in video.frames(film.film, pixel_aspect):
        if abs(now_s - at_s) > 1e-4:
            continue
        points = film.measured.points[index]
        faces.append(_crop(picture, points, 1.25))
        mouths.append(_crop(picture, points[landmarks.LIPS], 1.9))
        following = next(wanted, None)
        if following is None:
            break
        index, at_s = following
    moved = takes.played(film.curves[list(chosen)], film.names, film.person.head)
    heads = [_head(points, film.person.head) for points in moved]
    rows = [faces, [head for head, _ in heads], mouths, [mouth for _, mouth in heads]]
    return np.concatenate([np.concatenate(row, axis=1) for row in rows], axis=0)


def _head(points: Array, head: LandmarkHead) -> tuple[Picture, Picture]:
    rest = head.neutral
    whole = draw.face(points, rest, 3 * SIDE)
    lips = rest[landmarks.LIPS][:, :2]
    x, y = draw.place(lips, rest, 3 * SIDE).mean(0)
    reach = 1.9 * float(np.ptp(draw.place(lips, rest, 3 * SIDE)[:, 0])) / 2.0
    mouth = _window(whole, x, y, reach)
    return _resized(whole, SIDE), mouth


def _crop(picture: Picture, points: NDArray[np.floating], share: float) -> Picture:
    low, high = points[:, :2].min(0), points[:, :2].max(0)
    x, y = (low + high) / 2.0
    return _window(picture, float(x), float(y), share * float((high - low).max()) / 2.0)


def _window(picture: Picture, x: float, y: float, reach: float) -> Picture:
    """The square of `reach` pixels to each side of a point, SIDE wide; black beyond the picture."""
    at: Array = (np.arange(SIDE, dtype=np.float64) + 0.5) / SIDE * 2.0 * reach - reach
    return _sampled(picture, x + at, y + at)


def _resized(picture: Picture, side: int) -> Picture:
    at: Array = (np.arange(side, dtype=np.float64) + 0.5) * (len(picture) / side)
    return _sampled(picture, at, at)


def _sampled(picture: Picture, x: Array, y: Array) -> Picture:
    """Bilinear, at columns x and rows y (pixel centres at half integers)."""
    height, width = picture.shape[:2]
    inside = ((y >= 0) & (y < height))[:, None] & ((x >= 0) & (x < width))[None]
    x, y = np.clip(x - 0.5, 0, width - 1), np.clip(y - 0.5, 0, height - 1)
    left, top = np.minimum(x.astype(int), width - 2), np.minimum(y.astype(int), height - 2)
    across, down = (x - left)[None, :, None], (y - top)[:, None, None]
    upper = picture[np.ix_(top, left)] * (1 - across) + picture[np.ix_(top, left + 1)] * across
    lower = picture[np.ix_(top + 1, left)] * (1 - across)
    lower = lower + picture[np.ix_(top + 1, left + 1)] * across
    blended = (upper * (1 - down) + lower * down) * inside[..., None]
    return np.asarray(blended + 0.5, np.uint8)
