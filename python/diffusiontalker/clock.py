"""Time: rates as fractions, instants as whole numbers of samples, mel columns and frames.

Nothing here adds up floats, so a position is the same after an hour as after a second. What the
runtime counts at its own 16 kHz is `TimeBase`, the C++ class itself; the functions beside it do the
same at any sample rate.
"""

from __future__ import annotations

from fractions import Fraction

from ._core import TimeBase

#: Of the audio that the model hears, in Hz.
CORE_RATE_HZ: int = TimeBase.SAMPLE_RATE_HZ
#: Of the log-mel columns, in Hz; column m is centred on 16 kHz sample HOP_SAMPLES x m.
COLUMN_RATE_HZ: int = TimeBase.COLUMN_RATE_HZ
HOP_SAMPLES: int = TimeBase.HOP_SAMPLES


def time_base(frame_rate: Fraction, lookahead_columns: int) -> TimeBase:
    """The runtime's clock for frames at `frame_rate` Hz, read so many mel columns later."""
    return TimeBase(frame_rate.numerator, frame_rate.denominator, lookahead_columns)


def lookahead_samples(frame_rate: Fraction, lookahead_columns: int) -> int:
    """Worst case, over all frames, of (last 16 kHz sample needed) - (instant depicted).

    A frame's encoder position is `frame / rate` in 10 ms columns plus the encoder's look-ahead; it
    reads the next whole column, whose analysis window ends 200 samples after the column's centre.
    """
    return time_base(frame_rate, lookahead_columns).lookahead_samples


def total_frames(samples: int, frame_rate: Fraction, sample_rate_hz: int = CORE_RATE_HZ) -> int:
    """Frames of a recording: those whose instant lies within it, ceil(duration x rate)."""
    return -(-samples * frame_rate.numerator // (sample_rate_hz * frame_rate.denominator))


def due_frames(
    samples: int, lookahead: int, frame_rate: Fraction, sample_rate_hz: int = CORE_RATE_HZ
) -> int:
    """Frames f with f / frame_rate + look-ahead <= samples / sample_rate; both in samples."""
    spare = samples - lookahead
    if spare < 0:
        return 0
    return spare * frame_rate.numerator // (sample_rate_hz * frame_rate.denominator) + 1


def position_of(frame: int, frame_rate: Fraction, sample_rate_hz: int = CORE_RATE_HZ) -> int:
    """The sample that sounds at a frame's instant, rounded down."""
    return frame * sample_rate_hz * frame_rate.denominator // frame_rate.numerator
