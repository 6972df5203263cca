"""Live Link Face CSV, the take format of Epic's phone app: its columns, time codes and rows."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from .curves import CURVES, HEAD, pascal_case, remap

#: Head and eye rotations of the format, radians. The head's come where frames have them; the eyes
#: turn by their eyeLook curves, so theirs stay 0.
ROTATIONS: tuple[str, ...] = (
    "HeadYaw", "HeadPitch", "HeadRoll", "LeftEyeYaw", "LeftEyePitch", "LeftEyeRoll",
    "RightEyeYaw", "RightEyePitch", "RightEyeRoll",
)  # fmt: skip


def _csv_order() -> tuple[str, ...]:
    # The phone app's CSV has right before left for these two pairs, unlike its UDP stream.
    order = list(CURVES)
    for left, right in (("jawLeft", "jawRight"), ("mouthLeft", "mouthRight")):
        a, b = order.index(left), order.index(right)
        order[a], order[b] = order[b], order[a]
    return tuple(order)


#: Curves in the order of the CSV's columns.
CSV_CURVES: tuple[str, ...] = _csv_order()
#: The 61 value columns.
COLUMNS: tuple[str, ...] = (*(pascal_case(c) for c in CSV_CURVES), *ROTATIONS)
HEADER = ",".join(("Timecode", "BlendShapeCount", *COLUMNS))

_CSV_COLUMNS = [CURVES.index(c) for c in CSV_CURVES]
_CSV_VALUES = ",%.10f" * len(COLUMNS) + "\n"


def rotations(values: Sequence[float] | NDArray[np.float32], names: Sequence[str]) -> list[float]:
    """The nine of `ROTATIONS` in a frame of `values` that are named `names`; 0 where not there."""
    by_name = {pascal_case(n): float(v) for n, v in zip(names, values, strict=True) if n in HEAD}
    return [by_name.get(name, 0.0) for name in ROTATIONS]


# More than a day's worth of hours would not fit the two digits.
_HOURS = 100


def timecode(index: int, frame_rate: Fraction) -> str:
    """`HH:MM:SS:FF.mmm` of a frame: FF counts whole frames, mmm thousandths of a frame.

    FF runs from 0 to ceil(frame_rate) - 1 and the second is real time, so at 30000/1001 Hz the
    thousandths are what keeps the clock true. Exact: no floating point is involved.
    """
    time_s = Fraction(index) / frame_rate
    whole_s = time_s.numerator // time_s.denominator
    in_second = (time_s - whole_s) * frame_rate
    thousandths = (in_second.numerator * 1000) // in_second.denominator
    hours, rest = divmod(whole_s, 3600)
    minutes, seconds = divmod(rest, 60)
    return (
        f"{hours % _HOURS:02d}:{minutes:02d}:{seconds:02d}:"
        f"{thousandths // 1000:02d}.{thousandths % 1000:03d}"
    )


def row(
    index: int,
    frame_rate: Fraction,
    values: Sequence[float] | NDArray[np.float32],
    names: Sequence[str],
) -> str:
    """The line, with its end, of a frame of `values` that are named `names`."""
    numbers = remap(np.array([values]), names)[0, _CSV_COLUMNS].tolist()
    numbers += rotations(values, names)
    return f"{timecode(index, frame_rate)},{len(COLUMNS)}" + _CSV_VALUES % tuple(numbers)
