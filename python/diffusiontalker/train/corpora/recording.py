"""What every corpus reader yields: one take of one speaker."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

SAMPLE_RATE_HZ = 16000


@dataclass(frozen=True)
class Phone:
    """One phone (IPA, without stress and length marks) and the audio it covers, in seconds."""

    symbol: str  # "_" is silence
    start_s: float
    end_s: float
    stressed: bool = False


@dataclass(frozen=True)
class Recording:
    """One take. A measured take has curves; a take to be performed by rule has phones."""

    id: str
    speaker: str
    licence: str
    audio: NDArray[np.float32]  # (samples,), 16 kHz mono, nominally in [-1, 1]
    curves: NDArray[np.float32] | None = None  # (frames, 52), ARKit order, nominally in [0, 1]
    times_s: NDArray[np.float64] | None = None  # (frames,), the instant each frame depicts
    curve_names: tuple[str, ...] = ()  # the curves that the file really had
    phones: tuple[Phone, ...] = ()

    @property
    def duration_s(self) -> float:
        return len(self.audio) / SAMPLE_RATE_HZ

    @property
    def rate_hz(self) -> float | None:
        """Frame rate of the curves, derived from their times; None without curves."""
        if self.times_s is None or len(self.times_s) < 2:
            return None
        span_s = float(self.times_s[-1] - self.times_s[0])
        return (len(self.times_s) - 1) / span_s


@dataclass(frozen=True)
class Skipped:
    """A take that was left out, and why."""

    path: Path
    reason: str


class BrokenTake(ValueError):
    """A take that cannot be used; the message is the reason, fit for the report."""


def hold_out_order(name: str) -> str:
    """Sort key that picks held-out takes by their id alone, the same on every machine."""
    return hashlib.sha256(name.encode()).hexdigest()
