"""Audio against face: how late the curves of a take stand, and moving them into place.

In speech the jaw follows the loudness syllable by syllable, so the two correlate best at the lag by
which the face is late. What is slower than a syllable (sentences, pauses) is taken out first: it
makes the peak broad.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ... import _core
from ...curves import CURVES
from .recording import BrokenTake, Offset, Recording, crop

RATE_HZ = 100.0  # of the log-mel columns, whose levels are the loudness
REACH_S = 0.5  # largest lag looked at
TOLERANCE_S = 0.05  # a lag within this is as good as none: nobody sees it (ITU-R BT.1359)
LEVEL_RANGE_DB = 40.0  # below the loudest column everything counts as silence
LEAST_CORRELATION = 0.15
# By how much the best correlation must exceed that near lag 0, times the square root of the take's
# seconds, before the lag is believed. Found on clips of a real face known to be in sync, moved by 0
# to 200 ms: 6 s and more gave no false alarm at 0.8, clips of 3 s none in 800 at 1.0
# (docs/training.md).
LEAST_GAIN, LEAST_GAIN_SHORT, SHORT_S = 0.8, 1.0, 6.0

FloatArray = NDArray[np.float64]


def _smooth(values: FloatArray, columns: int) -> FloatArray:
    window = np.hanning(columns + 2)[1:-1]
    padded = np.pad(values, columns // 2, mode="edge")
    return np.convolve(padded, window / window.sum(), mode="valid")


def _syllables(values: FloatArray) -> FloatArray:
    """Smoothed over 50 ms, with everything slower than half a second taken out."""
    smooth = _smooth(values, 5)
    return smooth - _smooth(smooth, 51)


def _correlation(late: FloatArray, early: FloatArray, lag: int) -> float:
    n = len(late)
    a, b = late[max(0, lag) : n + min(0, lag)], early[max(0, -lag) : n + min(0, -lag)]
    power = float(a @ a) * float(b @ b)
    return float(a @ b) / power**0.5 if power > 0.0 else 0.0


def estimate_offset(take: Recording) -> Offset | None:
    """The lag of jawOpen behind the loudness; None for a take without curves or jaw."""
    if take.curves is None or take.times_s is None or "jawOpen" not in take.curve_names:
        return None
    level = _core.log_mel(take.audio, True)[1].astype(np.float64)
    reach = round(REACH_S * RATE_HZ)
    if len(level) < 4 * reach:
        return Offset(0.0, 0.0, clear=False)
    jaw_open = take.curves[:, CURVES.index("jawOpen")]
    jaw = np.interp(np.arange(len(level)) / RATE_HZ, take.times_s, jaw_open)
    jaw = _syllables(jaw)
    loudness = _syllables(np.maximum(level, level.max() - LEVEL_RANGE_DB))
    found = np.array([_correlation(jaw, loudness, lag) for lag in range(-reach, reach + 1)])
    best = int(found.argmax())
    peak = float(found[best])
    # The lag between columns, by the parabola through the peak and its neighbours.
    part = 0.0
    if 0 < best < len(found) - 1:
        left, right = found[best - 1], found[best + 1]
        curvature = left - 2.0 * peak + right
        part = 0.5 * float(left - right) / curvature if curvature < 0 else 0.0
    late_s = float(best - reach + part) / RATE_HZ
    tolerance = round(TOLERANCE_S * RATE_HZ)
    near = float(found[reach - tolerance : reach + tolerance + 1].max())
    gain = (peak - near) * take.duration_s**0.5
    needed = LEAST_GAIN if take.duration_s >= SHORT_S else LEAST_GAIN_SHORT
    in_place = abs(late_s) <= TOLERANCE_S
    clear = peak >= LEAST_CORRELATION and (in_place or gain >= needed)
    return Offset(late_s, peak, bool(clear))


def synchronise(take: Recording, mode: str, max_offset_s: float) -> Recording:
    """The take with its estimated offset, moved into place in mode "shift" (SYNC_MODES).

    A lag that is not clear, or too small to see, changes nothing. In mode "shift" sound or face
    that loses its counterpart is cut off. Raises BrokenTake for a clear lag beyond `max_offset_s`
    in mode "shift".
    """
    if mode == "off":
        return take
    offset = estimate_offset(take)
    take = replace(take, offset=offset)
    if mode == "report" or offset is None or not offset.clear or abs(offset.late_s) <= TOLERANCE_S:
        return take
    side = "late" if offset.late_s > 0 else "early"
    if abs(offset.late_s) > max_offset_s:
        raise BrokenTake(
            f"the face is {1000 * abs(offset.late_s):.0f} ms {side} "
            f"(correlation {offset.correlation:.2f}), the limit is {1000 * max_offset_s:.0f} ms"
        )
    assert take.times_s is not None
    moved_s = take.times_s - offset.late_s
    frame_s = float(np.median(np.diff(moved_s)))
    shifted = replace(take, times_s=moved_s, offset=replace(offset, shifted=True))
    inside = moved_s[moved_s >= 0.0]
    start_s = float(inside[0]) if moved_s[0] > 0.0 else 0.0
    return crop(shifted, start_s, float(inside[-1]) + frame_s)
