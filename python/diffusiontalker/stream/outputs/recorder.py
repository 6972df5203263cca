"""Files of frames: Live Link Face CSV, the take format of Epic's phone app, and JSON lines."""

from __future__ import annotations

import contextlib
import io
import json
import os
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np

from ...curves import CURVES, HEAD, pascal_case, remap
from ...files import is_stdout, put_in_place
from ...frames import FLAG_CLOSING, Bye, Schema, StampedFrame
from .. import StreamError
from .output import Output

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
# How long a frame may stay in this program's own buffer, seconds.
_FLUSH_EVERY_S = 1.0
_FLUSH_CHARACTERS = 1 << 16


def rotations(values: Sequence[float], names: Sequence[str]) -> list[float]:
    """The nine of `ROTATIONS` in a frame of `values` that are named `names`; 0 where not there."""
    by_name = {pascal_case(n): v for n, v in zip(names, values, strict=True) if n in HEAD}
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


class Recorder(Output, ABC):
    """A file of frames being written; what stands in it is up to `CsvRecorder`, `JsonRecorder`.

    Frames go to `PATH.part`; `close` puts it in PATH's place, so an older take survives a run that
    fails. A device or pipe, and standard output, is written directly. Frames that the sender makes
    while it closes the face are left out.
    """

    live = False
    dropped = 0  # a file takes everything, or fails

    def __init__(self, path: Path) -> None:
        """Opens the file; "-" is standard output. Raises StreamError."""
        to_stdout = is_stdout(path)
        self.name = "standard output" if to_stdout else str(path)
        self._path = path
        self._flush_due = 0.0
        self._pending: list[str] = []
        self._pending_size = 0
        direct = to_stdout or (path.exists() and not path.is_file())
        self._open_path = path if direct else path.with_name(path.name + ".part")
        try:
            # Without Python's buffer: the interpreter cannot end while a thread waits in one for a
            # pipe that takes nothing.
            if to_stdout:
                self._file = io.FileIO(os.dup(1), "w")
            else:
                self._file = io.FileIO(self._open_path, "w")
        except (OSError, ValueError) as error:
            raise self._refusal(error) from None

    def announce(self, schema: Schema) -> None:
        """Writes what comes before the frames. Raises StreamError."""
        self._schema = schema
        self._write(self._head())

    def send(self, frame: StampedFrame) -> None:
        """Appends a frame. Raises StreamError."""
        if not frame.flags & FLAG_CLOSING:
            self._write(self._row(frame))

    def serve(self) -> None:
        """Hands what was written to the operating system, every second. Raises StreamError."""
        if time.monotonic() < self._flush_due:
            return
        self._flush_due = time.monotonic() + _FLUSH_EVERY_S
        self._flush()

    def close(self, bye: Bye | None = None) -> None:
        """Ends the file and gives it its name; without a `bye`, what stood there before stays.

        Raises StreamError.
        """
        if bye is None:
            with contextlib.suppress(OSError):
                self._file.close()
            if self._open_path != self._path:
                self._open_path.unlink(missing_ok=True)
            return
        self._flush()
        try:
            self._file.close()
            if self._open_path != self._path:
                put_in_place(self._open_path, self._path)
        except OSError as error:
            raise self._refusal(error) from None

    @abstractmethod
    def _head(self) -> str:
        """What stands before the frames."""

    @abstractmethod
    def _row(self, frame: StampedFrame) -> str:
        """A frame, with its end of line."""

    def _write(self, text: str) -> None:
        self._pending.append(text)
        self._pending_size += len(text)
        if self._pending_size >= _FLUSH_CHARACTERS:
            self._flush()

    def _flush(self) -> None:
        # "\n" stays as it is on every system: the same frames give the same bytes.
        data = memoryview("".join(self._pending).encode())
        self._pending, self._pending_size = [], 0
        try:
            while data:
                data = data[self._file.write(data) :]
        except OSError as error:
            raise self._refusal(error) from None

    def _refusal(self, error: Exception) -> StreamError:
        reason = getattr(error, "strerror", None) or error
        return StreamError(f"cannot write {getattr(self, 'name', self._path)}: {reason}")


class CsvRecorder(Recorder):
    """A Live Link Face CSV."""

    def _head(self) -> str:
        return HEADER + "\n"

    def _row(self, frame: StampedFrame) -> str:
        names = self._schema.curves
        values = remap(np.array([frame.curves]), names)[0, _CSV_COLUMNS].tolist()
        values += rotations(frame.curves, names)
        code = timecode(frame.index, Fraction(frame.rate_num, frame.rate_den))
        return f"{code},{len(COLUMNS)}" + _CSV_VALUES % tuple(values)


class JsonRecorder(Recorder):
    """JSON lines: one that says what follows, then one a frame with its curves by name.

    The keys are those of `dt-watch --json`, without what differs from run to run.
    """

    def _head(self) -> str:
        schema = self._schema
        return self._line(
            kind="schema",
            subject=schema.subject,
            curves=schema.curves,
            rate_num=schema.rate_num,
            rate_den=schema.rate_den,
            audio_rate=schema.audio_rate,
            model=schema.model,
            model_version=schema.model_version,
            lookahead_ms=schema.lookahead_ms,
        )

    def _row(self, frame: StampedFrame) -> str:
        # Nine digits bring every float32 back as it was.
        curves = (float(f"{value:.9g}") for value in frame.curves)
        return self._line(
            kind="frame",
            index=frame.index,
            time_s=frame.index * frame.rate_den / frame.rate_num,
            position=frame.position,
            flags=frame.flags,
            curves=dict(zip(self._schema.curves, curves, strict=True)),
        )

    def _line(self, **fields: object) -> str:
        return json.dumps(fields, ensure_ascii=False) + "\n"
