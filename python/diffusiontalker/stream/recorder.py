"""Writes curves as a Live Link Face CSV, the take format of Epic's phone app."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..curves import CURVES, pascal_case, remap
from . import StreamError

#: Head and eye rotations of the format; audio alone says nothing of them, so they stay 0.
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


class Recorder:
    """A CSV file being written.

    Rows go to `PATH.part`; `close` puts it in PATH's place, so an older take survives a run that
    fails. A device or pipe (/dev/stdout, say) is written directly.
    """

    def __init__(self, path: str | Path, curve_names: Sequence[str], frame_rate: Fraction) -> None:
        """Opens the file. Raises StreamError."""
        self.path = Path(path)
        self.rows = 0
        self._names = tuple(curve_names)
        self._frame_rate = frame_rate
        self._columns = [CURVES.index(c) for c in CSV_CURVES]
        self._tail = ",0.0000000000" * len(ROTATIONS) + "\n"
        direct = self.path.exists() and not self.path.is_file()
        self._open_path = self.path if direct else self.path.with_name(self.path.name + ".part")
        try:
            # newline="" keeps "\n" on every system: the same frames give the same bytes.
            self._file = open(self._open_path, "w", encoding="ascii", newline="")  # noqa: SIM115
            self._file.write(HEADER + "\n")
        except OSError as error:
            raise self._refusal(error) from None

    def write(self, first_index: int, frames: NDArray[np.float32]) -> None:
        """Appends frames (n, curves), columns named as at the start. Raises StreamError."""
        ordered = remap(frames, self._names)[:, self._columns].astype(np.float64)
        row = ",%.10f" * len(CSV_CURVES)
        try:
            for offset, values in enumerate(ordered.tolist()):
                code = timecode(first_index + offset, self._frame_rate)
                self._file.write(f"{code},{len(COLUMNS)}" + row % tuple(values) + self._tail)
        except OSError as error:
            raise self._refusal(error) from None
        self.rows += len(ordered)

    def flush(self) -> None:
        """Hands what was written to the operating system. Raises StreamError."""
        try:
            self._file.flush()
        except OSError as error:
            raise self._refusal(error) from None

    def close(self) -> None:
        """Ends the file and gives it its name. Raises StreamError."""
        try:
            self._file.close()
            if self._open_path != self.path:
                os.replace(self._open_path, self.path)
        except OSError as error:
            raise self._refusal(error) from None

    def discard(self) -> None:
        """Ends without a result: what stood at the path before stays."""
        with contextlib.suppress(OSError):
            self._file.close()
        if self._open_path != self.path:
            self._open_path.unlink(missing_ok=True)

    def _refusal(self, error: OSError) -> StreamError:
        return StreamError(f"cannot write {self.path}: {error.strerror or error}")
