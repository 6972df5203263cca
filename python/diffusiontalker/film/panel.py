"""The strip chart beside the head: curves and sound that move past a line, which is now."""

from __future__ import annotations

from fractions import Fraction
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from . import text
from .tracks import Track, outline

FloatArray = npt.NDArray[np.float32]
ByteArray = npt.NDArray[np.uint8]

BACKGROUND = (20, 23, 28)
_RULE = (44, 49, 58)
_NAME = (176, 184, 196)
_VALUE = (236, 240, 245)
_NOW = (236, 240, 245)
_SOUND = (134, 151, 176)
# Mouth, lips' shape, upper face: a hue each, as light as the others.
_HUES = {
    "jaw": (244, 162, 97),
    "mouth": (86, 196, 190),
    "brow": (177, 156, 240),
    "eye": (177, 156, 240),
}
# What is still to come is drawn so much weaker.
_TO_COME = 0.38
# Now lies so far across; so many seconds are to be seen.
_NOW_AT, _SECONDS = 0.68, 3.0
# Steps of the chart a second: each picture moves it by whole pixels at 24, 25, 30, 50 and 60.
_PAGE_PIXELS = 512
# A lane is never stretched further than this value at its top.
_LEAST_TOP = 0.25


class Panel:
    """A chart of fixed size. Its pages are drawn once, and cut for each picture."""

    def __init__(
        self,
        track: Track,
        sound: FloatArray,
        rate_hz: int,
        size: tuple[int, int],
        fps: Fraction,
        *,
        curves: bool = True,
    ) -> None:
        """With `curves` false the sound alone is drawn."""
        self._width, self._height = size
        self._fps = fps
        margin = round(min(size) * 0.05) if curves else round(0.012 * self._width)
        self._left, self._right = margin, self._width - margin
        across = max(8, self._right - self._left)
        # Whole pixels a picture, or the chart trembles.
        self._step = max(1, round(across / (_SECONDS * float(fps))))
        self._per_s = self._step * fps
        self._now = self._left + round(across * _NOW_AT)
        main = track.main() if curves else []
        self._lanes = [(label, values, _hue(label)) for label, values in main]
        self._track = track
        self._sound, self._rate_hz = sound, rate_hz
        self._loud = float(max(outline(sound, rate_hz, Fraction(50), _fifty(sound, rate_hz))))
        rows = len(self._lanes) + 1
        self._top = round(self._height * 0.03)
        self._pitch = (self._height - 2 * self._top) / (rows + 0.25)
        self._text = max(9, round(min(self._pitch * 0.27, self._width * 0.034)))
        # A curve's band ends with its rule.
        self._bands = [self._lane(row) for row in range(rows)]
        self._bands = [(top, bottom + (row > 0)) for row, (top, bottom) in enumerate(self._bands)]
        self._still = self._drawn_once()
        self._page = lru_cache(maxsize=4)(self._drawn_page)

    def draw(self, index: int, out: ByteArray) -> None:
        """Writes the chart of picture `index` into (height, width, 3) `out`."""
        out[:] = self._still
        shift = index * self._step - (self._now - self._left)
        for x, page, weak in self._pages(shift):
            # What is still to come is drawn weaker.
            heard = min(max(self._now - x, 0), page.shape[1])
            for top, bottom in self._bands:
                out[top:bottom, x : x + heard] = page[top:bottom, :heard]
                out[top:bottom, x + heard : x + page.shape[1]] = weak[top:bottom, heard:]
        out[self._bands[0][0] : self._bands[-1][1], self._now] = _NOW
        for row, (_, values, _) in enumerate(self._lanes):
            at = float(np.interp(index / float(self._fps), self._track.times, values))
            label = text.word(f"{at:.2f}", self._text)
            top = self._lane(row + 1)[0] - self._text - round(self._text * 0.45)
            text.put(out, label, (self._right - label.shape[1], top), _VALUE)

    def _lane(self, row: int) -> tuple[int, int]:
        """Top and bottom of a lane; 0 is the sound's. A curve's has its name above it."""
        top = self._top + row * self._pitch + (0.25 * self._pitch if row else 0.0)
        above = 0.36 * self._pitch if row else 0.04 * self._pitch
        low = 0.92 if row else 1.0
        return round(top + above), round(top + low * self._pitch)

    def _drawn_once(self) -> ByteArray:
        made = np.empty((self._height, self._width, 3), np.uint8)
        made[:] = BACKGROUND
        for row, (label, _, _) in enumerate(self._lanes, start=1):
            top, _ = self._lane(row)
            place = (self._left, top - self._text - round(self._text * 0.45))
            text.write(made, label, place, self._text, _NAME)
        return made

    def _pages(self, shift: int) -> list[tuple[int, ByteArray, ByteArray]]:
        """Pieces of pages and where they begin, to fill the chart from `shift` pixels on."""
        found = []
        x = self._left
        while x < self._right:
            number, inside = divmod(shift + x - self._left, _PAGE_PIXELS)
            page, weak = (each[:, inside : inside + self._right - x] for each in self._page(number))
            found.append((x, page, weak))
            x += page.shape[1]
        return found

    def _drawn_page(self, number: int) -> tuple[ByteArray, ByteArray]:
        """Two of (height, page, 3): as it is drawn, and weaker."""
        page = np.empty((self._height, _PAGE_PIXELS, 3), np.float32)
        page[:] = BACKGROUND
        first = number * _PAGE_PIXELS
        times = (first + np.arange(_PAGE_PIXELS + 1)) / float(self._per_s)
        for row, (_, values, hue) in enumerate(self._lanes, start=1):
            ceiling = max(_LEAST_TOP, float(np.max(values)) * 1.05)
            heights = np.interp(times, self._track.times, values, left=0, right=0) / ceiling
            top, bottom = self._lane(row)
            _fill(page[top:bottom], np.clip(heights, 0, 1), hue)
            page[bottom] = _RULE
        self._fill_sound(page, first)
        background = np.array(BACKGROUND, np.float32)
        weak = background + (page - background) * _TO_COME
        return np.round(page).astype(np.uint8), np.round(weak).astype(np.uint8)

    def _fill_sound(self, page: FloatArray, first: int) -> None:
        last = first + _PAGE_PIXELS
        if last <= 0:
            return
        from_s = max(first, 0) / float(self._per_s)
        piece = self._sound[int(from_s * self._rate_hz) :][
            : int(_PAGE_PIXELS / float(self._per_s) * self._rate_hz) + 1
        ]
        count = last - max(first, 0)
        shown = outline(piece, self._rate_hz, self._per_s, count)
        loud = np.zeros(_PAGE_PIXELS, np.float32)
        loud[_PAGE_PIXELS - count :] = shown / max(self._loud, 0.2)
        top, bottom = self._lane(0)
        middle, half = (top + bottom) / 2, (bottom - top) / 2
        y = np.arange(top, bottom)[:, None] + 0.5
        # A line stays in silence.
        cover = np.clip(np.maximum(loud * half, 0.8) - np.abs(y - middle) + 0.5, 0, 1)
        _lay(page[top:bottom], cover, _SOUND)


def _fill(lane: FloatArray, heights: FloatArray, hue: text.Colour) -> None:
    """A curve's line, and a weak filling under it; `heights` is one more than the lane is wide."""
    tall = len(lane)
    line = tall - 1 - heights * (tall - 2)
    low, high = np.minimum(line[:-1], line[1:]), np.maximum(line[:-1], line[1:])
    y = np.arange(tall)[:, None] + 0.5
    thick = max(1.1, tall / 26)
    stroke = np.clip(np.minimum(y - low, high - y) + thick / 2 + 0.5, 0, 1)
    under = np.clip(y - (low + high) / 2, 0, 1)
    cover = np.maximum(stroke, 0.30 * under)
    cover[:, (heights[:-1] <= 0) & (heights[1:] <= 0)] *= 0.5
    _lay(lane, cover, hue)


def _lay(there: FloatArray, cover: npt.NDArray[np.floating], hue: text.Colour) -> None:
    there += cover[..., None] * (np.array(hue, np.float32) - there)


def _hue(label: str) -> text.Colour:
    return next((hue for word, hue in _HUES.items() if label.startswith(word)), _SOUND)


def _fifty(sound: FloatArray, rate_hz: int) -> int:
    return max(1, len(sound) * 50 // rate_hz)
