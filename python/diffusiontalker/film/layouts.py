"""What is where in a picture: the head alone, beside its curves, or two heads on one voice."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from . import text
from .errors import FilmError
from .panel import BACKGROUND, Panel
from .portrait import Portrait
from .tracks import Track

if TYPE_CHECKING:
    from ..head import Head

FloatArray = npt.NDArray[np.float32]
ByteArray = npt.NDArray[np.uint8]

#: The layouts, by the names that options take.
LAYOUTS: tuple[str, ...] = ("face", "face+curves", "a-b")

#: Makes picture `index`, (height, width, 3) sRGB.
Painter = Callable[[int], ByteArray]

_LABEL = (236, 240, 245)
_DIVIDER = (14, 16, 20)


@dataclass(frozen=True)
class Side:
    """One face of a film: what moves it, and what it is called."""

    track: Track
    head: Head
    label: str = ""


def painter(
    layout: str,
    sides: Sequence[Side],
    sound: FloatArray,
    rate_hz: int,
    size: tuple[int, int],
    fps: Fraction,
) -> Painter:
    """A painter of pictures; one thread at a time may call it. Raises FilmError."""
    if layout not in LAYOUTS:
        raise FilmError(f"layout {layout!r}: expected {', '.join(LAYOUTS)}")
    if len(sides) != (2 if layout == "a-b" else 1):
        raise FilmError(f"layout {layout}: expected {'two faces' if layout == 'a-b' else 'a face'}")
    if layout == "face":
        return _face(sides[0], size, fps)
    if layout == "face+curves":
        return _face_and_curves(sides[0], sound, rate_hz, size, fps)
    return _two_faces(sides, sound, rate_hz, size, fps)


def _face(side: Side, size: tuple[int, int], fps: Fraction) -> Painter:
    portrait = Portrait(side.head, side.track.names, size)

    def paint(index: int) -> ByteArray:
        made = portrait.picture(side.track.at(index / float(fps)))
        _label(made, side.label)
        return made

    return paint


def _face_and_curves(
    side: Side, sound: FloatArray, rate_hz: int, size: tuple[int, int], fps: Fraction
) -> Painter:
    width, height = size
    upright = height > width
    # The chart is beside the head, or below it in a picture for a phone.
    face_size = (width, _even(height * 0.55)) if upright else (_even(width * 0.54), height)
    panel_size = (width, height - face_size[1]) if upright else (width - face_size[0], height)
    portrait = Portrait(side.head, side.track.names, face_size)
    panel = Panel(side.track, sound, rate_hz, panel_size, fps)

    def paint(index: int) -> ByteArray:
        made = np.empty((height, width, 3), np.uint8)
        face = portrait.picture(side.track.at(index / float(fps)))
        _label(face, side.label)
        made[: face_size[1], : face_size[0]] = face
        panel.draw(index, made[height - panel_size[1] :, width - panel_size[0] :])
        return made

    return paint


def _two_faces(
    sides: Sequence[Side], sound: FloatArray, rate_hz: int, size: tuple[int, int], fps: Fraction
) -> Painter:
    width, height = size
    upright = height > width
    strip = _even(height * 0.09)
    across, down = (1, 2) if upright else (2, 1)
    gap = 2
    part = ((width - gap * (across - 1)) // across, (height - strip - gap * (down - 1)) // down)
    portraits = [Portrait(side.head, side.track.names, part) for side in sides]
    panel = Panel(sides[0].track, sound, rate_hz, (width, strip), fps, curves=False)
    names = [side.label or label for side, label in zip(sides, "AB", strict=True)]

    def paint(index: int) -> ByteArray:
        made = np.empty((height, width, 3), np.uint8)
        made[:] = _DIVIDER
        for i, (side, portrait, name) in enumerate(zip(sides, portraits, names, strict=True)):
            face = portrait.picture(side.track.at(index / float(fps)))
            _label(face, name)
            x = 0 if upright or i == 0 else width - part[0]
            y = 0 if not upright or i == 0 else part[1] + gap
            made[y : y + part[1], x : x + part[0]] = face
        panel.draw(index, made[height - strip :])
        return made

    return paint


def _label(picture: ByteArray, label: str) -> None:
    """A name in the lower left corner, on a dark plate."""
    if not label:
        return
    height, width = picture.shape[:2]
    size = max(10, round(min(height, width) * 0.034))
    cover = text.word(label, size)
    pad = size // 2
    x, y = round(0.03 * width), height - cover.shape[0] - 2 * pad - round(0.03 * height)
    plate = picture[y : y + cover.shape[0] + 2 * pad, x : x + cover.shape[1] + 2 * pad]
    plate[:] = (plate * 0.35 + np.array(BACKGROUND) * 0.65).astype(np.uint8)
    text.put(picture, cover, (x + pad, y + pad), _LABEL)


def _even(pixels: float) -> int:
    return round(pixels / 2) * 2
