"""An interruption: the mouth closes from where it was seen, and opens for what is said next."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import numpy as np

from .chunks import FloatArray
from .curves import GATED

#: From the interruption to the closed mouth, seconds.
CLOSING_S = 0.1
#: From the first new sound to the mouth that is the model's again.
OPENING_S = 0.05


class BargeIn:
    """Changes nothing until `close` is called, and nothing any more once the mouth is open again.

    Args:
        names: of a frame's values.
        frame_rate: in Hz.
    """

    def __init__(self, names: Sequence[str], frame_rate: Fraction) -> None:
        self._mouth = np.array([name in GATED for name in names])
        self._closing = max(1, int(CLOSING_S * frame_rate))
        self._opening = max(1, int(OPENING_S * frame_rate))
        self._shown: FloatArray = np.zeros(len(names), np.float32)
        self._from: FloatArray | None = None  # what the mouth closes from; None: no interruption
        self._step = 0
        self._open_at = 0

    @property
    def seconds(self) -> float:
        """What the closing takes."""
        return CLOSING_S

    def sent(self, frame: FloatArray) -> None:
        """The newest frame that has left."""
        self._shown = frame

    def close(self) -> None:
        self._from = self._shown.copy()
        self._step = 0
        self._open_at = 2**62

    def open_at(self, frame: int) -> None:
        """The mouth is the model's again from this frame's number on, softly."""
        self._open_at = frame

    def apply(self, first: int, frames: FloatArray) -> FloatArray:
        """(n, values), the first of them number `first` -> the same with the mouth held."""
        if self._from is None:
            return frames
        out: FloatArray = frames.copy()
        for row, frame in enumerate(out):
            self._step += 1
            held = self._from * max(0.0, 1.0 - self._step / self._closing)
            opened = min(max(first + row - self._open_at + 1, 0) / self._opening, 1.0)
            mixed = held + np.float32(opened) * (frames[row] - held)
            if opened >= 1.0:
                if self._step >= self._closing:
                    self._from = None
                    break
                continue
            frame[self._mouth] = mixed[self._mouth]
        return out
