"""The rates of the training code and the arithmetic between them: mel columns, tokens, frames."""

from __future__ import annotations

from fractions import Fraction
from functools import lru_cache
from math import gcd

import numpy as np
from numpy.typing import NDArray

from .. import clock

COLUMNS_A_TOKEN = 2  # mel columns at 100 Hz, tokens at 50 Hz


def token_count(columns: int) -> int:
    """Tokens that so many mel columns allow."""
    return max(0, (columns - 1) // COLUMNS_A_TOKEN)


def columns_for(frames: int, rate: Fraction, lookahead_columns: int) -> int:
    """How many mel columns `frames` frames need."""
    return clock.time_base(rate, lookahead_columns).last_column(frames - 1) + 1


def alignment_period_frames(rate: Fraction) -> int:
    """Frames after which a frame lies on a whole token, so on a mel column, again."""
    num, den = rate.numerator, rate.denominator
    return num // gcd(clock.COLUMN_RATE_HZ // COLUMNS_A_TOKEN * den, num)


@lru_cache(maxsize=64)
def column_positions(
    frames: int, rate: Fraction, lookahead_columns: int
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Where each frame reads the encoder: (frames,) columns, and shares of the way to the next."""
    time = clock.time_base(rate, lookahead_columns)
    at = [time.column_position(frame) for frame in range(frames)]
    columns, shares = np.array([c for c, _ in at], np.int64), np.array([s for _, s in at])
    return columns, shares.astype(np.float32)
