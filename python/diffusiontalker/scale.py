"""The scale of samples: full scale is 1.0."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

#: Float samples may exceed full scale a little; beyond this, 16-bit values stand there as floats.
#: The core has the same number (cpp/include/dt/runtime.h, kSampleLimit).
LARGEST_SAMPLE = 16.0


def is_audio(samples: NDArray[np.float32]) -> NDArray[np.bool_]:
    """For each sample whether it is a number that can be audio."""
    # NaN fails the comparison too.
    good: NDArray[np.bool_] = np.abs(samples) <= LARGEST_SAMPLE
    return good


def what_is_wrong(value: float) -> str:
    """A sample that is no audio, in words."""
    if np.isnan(value):
        return "NaN"
    if np.isinf(value):
        return "infinite"
    return (
        f"{value:g}; full scale is 1.0 (int16 values kept as floats? give them as int16, or divide "
        "by 32768)"
    )
