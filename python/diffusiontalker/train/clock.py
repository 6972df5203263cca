"""The rates of the training code and the arithmetic between them: mel columns, tokens, frames."""

from __future__ import annotations

from fractions import Fraction
from math import gcd

COLUMNS_A_TOKEN = 2  # 100 Hz columns, 50 Hz tokens


def token_count(columns: int) -> int:
    """Tokens that so many mel columns allow."""
    return max(0, (columns - 1) // COLUMNS_A_TOKEN)


def columns_for(frames: int, rate: Fraction, lookahead_columns: int) -> int:
    """How many mel columns `frames` frames need."""
    last = Fraction(100 * (frames - 1)) / rate
    return -(-last.numerator // last.denominator) + lookahead_columns + 1


def alignment_period_frames(rate: Fraction) -> int:
    """Frames after which a frame lies on a whole token, so on a mel column, again."""
    num, den = rate.numerator, rate.denominator
    return num // gcd(100 // COLUMNS_A_TOKEN * den, num)
