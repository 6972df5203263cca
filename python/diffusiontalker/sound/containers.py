"""FFmpeg through PyAV, where it is installed: m4a, mp4, webm, wma, AMR, AAC and what else there is.
The only module that knows av.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from .errors import SoundError

FloatArray = NDArray[np.float32]

REMEDY = "pip install av"


def load() -> Any:
    """The av module. Raises SoundError where it is not installed."""
    try:
        import av
        import av.logging
    except ImportError:
        raise SoundError(f"PyAV is not installed: {REMEDY}") from None
    # What FFmpeg thinks of a file goes into our one line, not past it.
    av.logging.set_level(av.logging.PANIC)
    return av


class AvDecoder:
    """Samples (n, channels) of the first sound track."""

    def __init__(self, file: BinaryIO, form: str | None = None) -> None:
        """`form` is FFmpeg's name of the format, None to guess. Raises SoundError."""
        av = load()
        self.notes: list[str] = []
        self._errors: tuple[type[Exception], ...] = (
            av.FFmpegError, OSError, ValueError, EOFError, RuntimeError,
        )  # fmt: skip
        try:
            file.seek(0)
            self._container: Any = av.open(_Gentle(file), format=form)
        except self._errors as error:
            raise SoundError(said(error)) from None
        try:
            track = next(iter(self._container.streams.audio), None)
            if track is None or not track.rate:
                raise SoundError("it has no sound track")
            self.form = str(track.codec_context.name)
            self.container = str(self._container.format.name)
            self.rate_hz = int(track.rate)
            self.channels = int(track.codec_context.channels)
            self.frames: int | None = None
            if track.duration and track.time_base:
                self.frames = round(float(track.duration * track.time_base) * self.rate_hz)
            resampler = av.AudioResampler(format="fltp", layout=track.layout, rate=self.rate_hz)
            self._blocks = self._decode(track, resampler)
        except (*self._errors, AttributeError) as error:
            self._container.close()
            raise SoundError(said(error)) from None
        self._rest: FloatArray = np.empty((0, self.channels), np.float32)
        self.start_s: float | None = None

    def _decode(self, track: Any, resampler: Any) -> Iterator[FloatArray]:
        for frame in self._container.decode(track):
            if self.start_s is None:
                self.start_s = 0.0 if frame.time is None else float(frame.time)
            for out in resampler.resample(frame):
                yield self._rows(out)
        for out in resampler.resample(None):
            yield self._rows(out)

    def _rows(self, frame: Any) -> FloatArray:
        rows: FloatArray = np.asarray(frame.to_ndarray(), np.float32).T
        if rows.shape[1] == self.channels:
            return rows
        # The channel count changed on the way, or the header lied about it.
        mono: FloatArray = rows.mean(axis=1, keepdims=True, dtype=np.float32)
        return np.repeat(mono, self.channels, axis=1)

    def read(self, count: int) -> FloatArray:
        """Up to `count` rows, none at the end. Raises SoundError."""
        parts, have = [self._rest], len(self._rest)
        try:
            while have < count and (block := next(self._blocks, None)) is not None:
                parts.append(block)
                have += len(block)
        except self._errors as error:
            # What came before is sound; the note says that it ended early.
            self.notes.append(f"broke off: {said(error)}")
            self._blocks = iter(())
        rows = np.concatenate(parts)
        self._rest = rows[count:]
        return rows[:count]

    def close(self) -> None:
        """Closes the container; the file belongs to the caller."""
        with contextlib.suppress(*self._errors):
            self._container.close()


class _Gentle:
    """A file that refuses to seek by a number: PyAV prints what is raised while it asks FFmpeg."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.name = str(getattr(file, "name", "sound"))
        self.read, self.tell = file.read, file.tell

    def seek(self, offset: int, whence: int = 0) -> int:
        try:
            return self._file.seek(offset, whence)
        except (OSError, ValueError, OverflowError):
            return -1

    def seekable(self) -> bool:
        return True


def said(error: Exception) -> str:
    """FFmpeg's reason without its number and the path."""
    return str(getattr(error, "strerror", None) or error).rstrip(".")
