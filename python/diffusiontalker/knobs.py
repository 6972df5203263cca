"""What may be turned while a face speaks: gains, offsets, strengths and smoothing, by name."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from . import _core
from .curves import CURVES, GROUPS, HEAD

FloatArray = NDArray[np.float32]

#: What a number may be, ends included.
GAIN_RANGE = (0.0, 10.0)
OFFSET_RANGE = (-1.0, 1.0)
SMOOTH_RANGE_MS = (0.0, 1000.0)

# As many names as a refusal proposes.
_SUGGESTIONS = 3


@dataclass(frozen=True)
class Settings:
    """What `Runtime.set` has put in force; as it stands here it changes nothing."""

    gain: Mapping[str, float] = field(default_factory=dict)  #: by group, curve or pattern
    offset: Mapping[str, float] = field(default_factory=dict)  #: the same, added after the gain
    strength_lower: float = 1.0  #: gain of the group "lower", beside `gain`
    strength_upper: float = 1.0  #: gain of the group "upper", beside `gain`
    smooth_ms: float = 0.0  #: time constant of a low-pass over every value; 0 = off


class Knobs:
    """The last stage of a face, applied to frames as they are delivered.

    Args:
        names: of a frame's values: the curves, then the head's rotations if it has them.
        frame_rate: in Hz.
    """

    def __init__(self, names: Sequence[str], frame_rate: Fraction) -> None:
        self._names = tuple(names)
        curves = len([name for name in names if name in CURVES])
        self._core = _core.Knobs(self._names, curves, float(1 / frame_rate))
        self.settings = Settings()

    def set(
        self,
        gain: Mapping[str, float] | None = None,
        offset: Mapping[str, float] | None = None,
        strength_lower: float | None = None,
        strength_upper: float | None = None,
        smooth_ms: float | None = None,
    ) -> None:
        """See `Runtime.set`. Raises ValueError, and then nothing has changed."""
        given = {
            "gain": None if gain is None else _numbers("gain", gain, *GAIN_RANGE),
            "offset": None if offset is None else _numbers("offset", offset, *OFFSET_RANGE),
            "strength_lower": _number("strength_lower", strength_lower, *GAIN_RANGE),
            "strength_upper": _number("strength_upper", strength_upper, *GAIN_RANGE),
            "smooth_ms": _number("smooth_ms", smooth_ms, *SMOOTH_RANGE_MS),
        }
        changed = {name: value for name, value in given.items() if value is not None}
        settings = replace(self.settings, **changed)  # type: ignore[arg-type]
        for what, entries in (("gain", settings.gain), ("offset", settings.offset)):
            for key in entries:
                self._refuse_what_is_none(what, key)
        self._core.set(
            list(settings.gain.items()),
            list(settings.offset.items()),
            settings.strength_lower,
            settings.strength_upper,
            settings.smooth_ms,
        )
        self.settings = settings

    def push(self, frames: FloatArray) -> FloatArray:
        """Turns (n, values), contiguous, in place, and returns it."""
        self._core.push(frames)
        return frames

    def reset(self) -> None:
        """Forgets the frames, keeps the settings."""
        self._core.reset()

    def _refuse_what_is_none(self, what: str, key: str) -> None:
        """ValueError for what is no group, name or pattern of this face's values."""
        if self._core.chosen(key):
            return
        if key == "head" or key in HEAD:
            raise ValueError(
                f"{what}: {key!r}: head rotation comes with head=True only (dt-stream: --head)"
            )
        known = [group for group in GROUPS if self._core.chosen(group)]
        close = _close(key, known, self._names)
        hint = f"did you mean {', '.join(close)}?" if close else f"groups are {', '.join(known)}"
        raise ValueError(f"{what}: {key!r} is no group, curve or pattern of curves; {hint}")


def _close(key: str, groups: Sequence[str], names: Sequence[str]) -> list[str]:
    """The names that are most like `key`, whatever its case."""
    import difflib

    by_lower = {name.lower(): name for name in (*groups, *names)}
    wanted = key.strip("*?").lower()
    return [by_lower[low] for low in difflib.get_close_matches(wanted, by_lower, _SUGGESTIONS)]


def _number(what: str, value: object, low: float, high: float) -> float | None:
    if value is None:
        return None
    good = isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)
    number = float(value) if good else math.nan  # type: ignore[arg-type]
    if not low <= number <= high:
        raise ValueError(f"{what}: expected a number from {low:g} to {high:g}, got {value!r}")
    return number


def _numbers(what: str, given: object, low: float, high: float) -> Mapping[str, float]:
    if not isinstance(given, Mapping):
        raise ValueError(
            f'{what}: expected numbers by group, curve or pattern, as in {{"mouth": 1.3}}, '
            f"got {given!r}"
        )
    numbers: dict[str, float] = {}
    for key, value in given.items():
        if not isinstance(key, str):
            raise ValueError(f"{what}: expected names of groups, curves or patterns, got {key!r}")
        # None is no number here: it would be left out without a word.
        number = _number(f"{what}: {key}", math.nan if value is None else value, low, high)
        assert number is not None
        numbers[key] = number
    # Nobody who reads the settings may change them.
    return MappingProxyType(numbers)
