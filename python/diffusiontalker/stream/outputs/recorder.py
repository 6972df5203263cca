"""Files of frames: Live Link Face CSV, the take format of Epic's phone app, and JSON lines."""

from __future__ import annotations

import contextlib
import io
import json
import os
import time
from abc import ABC, abstractmethod
from fractions import Fraction
from pathlib import Path

from ... import live_link_csv
from ...files import is_stdout, put_in_place
from ...frames import FLAG_CLOSING, Bye, Schema, StampedFrame
from .. import StreamError
from .output import Output

# How long a frame may stay in this program's own buffer, seconds.
_FLUSH_EVERY_S = 1.0
_FLUSH_CHARACTERS = 1 << 16


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
        return live_link_csv.HEADER + "\n"

    def _row(self, frame: StampedFrame) -> str:
        rate = Fraction(frame.rate_num, frame.rate_den)
        return live_link_csv.row(frame.index, rate, frame.curves, self._schema.curves)


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
