"""Curves with their times: what converters take, whatever they came from."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..curves import HEAD, remap


@dataclass(frozen=True)
class Motion:
    """Frames of one face. Frame i depicts `index[i]` / `rate` seconds, the first one 0."""

    names: tuple[str, ...]  #: of the values: curves, and the head's rotations where they are kept
    rate: Fraction  #: frames a second
    index: NDArray[np.int64]  #: (F,) rising from 0
    values: NDArray[np.float32]  #: (F, N)

    @cached_property
    def curves(self) -> NDArray[np.float32]:
        """(F, 52) in `CURVES` order; curves that the take lacks are 0."""
        return remap(self.values, self.names)

    @cached_property
    def head(self) -> NDArray[np.float32] | None:
        """(F, 3) headYaw, headPitch, headRoll in radians; None where they were not kept."""
        if not set(HEAD) <= set(self.names):
            return None
        return self.values[:, [self.names.index(name) for name in HEAD]]

    @cached_property
    def times_s(self) -> NDArray[np.float64]:
        """(F,) index x denominator / numerator, each rounded once."""
        return self.index * self.rate.denominator / self.rate.numerator

    @property
    def duration_s(self) -> float:
        """To the end of the last frame."""
        return float((int(self.index[-1]) + 1) / self.rate) if len(self.index) else 0.0

    def arrays(self) -> dict[str, Any]:
        """What an npz says of it: names, values (F, N), index (F,), times_s (F,), rate (2,)."""
        return {
            "names": np.array(self.names),
            "values": self.values,
            "index": self.index,
            "times_s": self.times_s,
            "rate": np.array([self.rate.numerator, self.rate.denominator]),
        }
