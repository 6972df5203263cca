"""Frames and sound kept in memory, for what is made of them when they are all there."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from ...frames import FLAG_CLOSING, Bye, Schema, StampedFrame
from .output import Output


class Kept(Output):
    """Everything that came, as arrays. An hour is some 50 MB of curves and 4 bytes a sample."""

    name = "memory"
    live = False
    hears = True
    dropped = 0

    def __init__(self) -> None:
        self.names: tuple[str, ...] = ()
        self._rate = Fraction(1)
        self._indices: list[int] = []
        self._curves: list[tuple[float, ...]] = []
        self._sound: list[NDArray[np.float32]] = []

    def announce(self, schema: Schema) -> None:
        self.names = schema.curves
        self._rate = Fraction(schema.rate_num, schema.rate_den)

    def send(self, frame: StampedFrame) -> None:
        if not frame.flags & FLAG_CLOSING:
            self._indices.append(frame.index)
            self._curves.append(frame.curves)

    def hear(self, position: int, samples: NDArray[np.float32]) -> None:
        self._sound.append(samples.copy())

    def close(self, bye: Bye | None = None) -> None:
        """Nothing: what was kept stays."""

    @property
    def curves(self) -> NDArray[np.float32]:
        """(F, len(names))."""
        return np.array(self._curves, np.float32).reshape(-1, len(self.names))

    @property
    def times(self) -> NDArray[np.float64]:
        """(F,) the seconds after the first sample that the frames depict."""
        return np.array([float(index / self._rate) for index in self._indices], np.float64)

    @property
    def sound(self) -> NDArray[np.float32]:
        """(n,) mono, at the runtime's rate."""
        return np.concatenate(self._sound) if self._sound else np.zeros(0, np.float32)
