"""The newest sound of a live stream, so that another setting of the model can begin in it."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np

from .chunks import FloatArray
from .clock import CORE_RATE_HZ

#: Sound that a model which takes over has heard before its first frame counts, seconds.
WARM_S = 3


class Past:
    """The last seconds of sound at 16 kHz, by position."""

    def __init__(self, seconds: float = WARM_S + 1.0) -> None:
        self._ring: FloatArray = np.zeros(math.ceil(seconds * CORE_RATE_HZ), np.float32)
        self.total = 0  #: samples taken so far

    def push(self, samples: FloatArray) -> None:
        """Takes the next samples (n,)."""
        size = len(self._ring)
        kept = samples[-size:]
        at = (self.total + len(samples) - len(kept)) % size
        head = min(len(kept), size - at)
        self._ring[at : at + head] = kept[:head]
        self._ring[: len(kept) - head] = kept[head:]
        self.total += len(samples)

    def since(self, position: int) -> FloatArray:
        """Everything from sample `position` on, a copy. ValueError for what is no longer there."""
        if not max(0, self.total - len(self._ring)) <= position <= self.total:
            raise ValueError(f"position: the sound at sample {position} is not kept")
        if position == self.total:
            return np.zeros(0, np.float32)
        begin, end = position % len(self._ring), self.total % len(self._ring)
        if begin < end:
            return np.array(self._ring[begin:end], np.float32)
        return np.concatenate([self._ring[begin:], self._ring[:end]])

    def warm_start(self, frame_rate: Fraction) -> tuple[int, int]:
        """(frame, sample) from where on to listen, WARM_S before now or at the stream's start.

        The frame's instant is a whole sample, so that frames which are counted from there lie on
        the stream's own.
        """
        aligned = frame_rate.numerator // math.gcd(
            frame_rate.numerator, CORE_RATE_HZ * frame_rate.denominator
        )
        earliest = max(0, self.total - len(self._ring))
        wanted = max(earliest, self.total - WARM_S * CORE_RATE_HZ)
        frame = math.floor(Fraction(wanted, CORE_RATE_HZ) * frame_rate) // aligned * aligned
        sample = frame * CORE_RATE_HZ * frame_rate.denominator // frame_rate.numerator
        while sample < earliest:
            frame += aligned
            sample = frame * CORE_RATE_HZ * frame_rate.denominator // frame_rate.numerator
        return frame, min(sample, self.total)
