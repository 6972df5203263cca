"""Where the runtime hears a voice: its own detector and its own alignment, on whole recordings."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from ... import _core, clock


def voiced_columns(
    level_db: NDArray[np.float32], gate: _core.GateOptions | None = None
) -> NDArray[np.bool_]:
    """(columns,) levels in dBFS -> which mel columns hold a voice, by the default gate if none."""
    return _core.VoiceDetector(gate or _core.GateOptions()).push(level_db)


def voiced_frames(
    columns: NDArray[np.bool_],
    frames: int,
    rate: Fraction,
    lookahead_columns: int,
    gate: _core.GateOptions | None = None,
) -> NDArray[np.bool_]:
    """(columns,) -> (frames,): which of the first frames at `rate` Hz hold a voice.

    Raises ValueError where they need more columns than there are.
    """
    if frames == 0:
        return np.zeros(0, np.bool_)
    time = clock.time_base(rate, lookahead_columns)
    alignment = _core.Alignment(time, 1, gate or _core.GateOptions(), len(columns))
    silent = np.zeros((len(columns), 1), np.float32)
    return alignment.push(silent, columns, time.samples_for(frames))[1]
