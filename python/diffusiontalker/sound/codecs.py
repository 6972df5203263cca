"""libsndfile: FLAC, Ogg Vorbis, Opus, MP3, rarer WAVs. The only module that knows soundfile."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import soundfile
from numpy.typing import NDArray

from .errors import SoundError
from .stream import Part, Slice

FloatArray = NDArray[np.float32]

# A length that no file has is one that the header left open.
_ABSURD_FRAMES = 1 << 60
# A guess of an MP3's length that is nearer than this, two frames, is one.
_GUESS = 2 * 1152
_stderr_lock = threading.Lock()


class _Forward(soundfile.SoundFile):  # type: ignore[misc]
    """Never seeks: soundfile seeks after every read, which fails where a length is unknown."""

    def seekable(self) -> bool:
        return False


@contextlib.contextmanager
def _decoder_is_quiet(noisy: bool) -> Iterator[None]:
    """libmpg123 tells file descriptor 2 about each damaged frame, past Python."""
    if not noisy:
        yield
        return
    with _stderr_lock:
        try:
            kept = os.dup(2)
        except OSError:
            kept = -1
        if kept < 0:
            yield
            return
        hole = os.open(os.devnull, os.O_WRONLY)
        try:
            os.dup2(hole, 2)
            yield
        finally:
            os.dup2(kept, 2)
            os.close(hole)
            os.close(kept)


class SndfileDecoder:
    """Samples (n, channels) of one part of a file."""

    def __init__(self, file: BinaryIO, part: Part, *, mp3: bool = False) -> None:
        """Raises SoundError with libsndfile's reason."""
        self.notes: list[str] = []
        self._mp3 = mp3
        try:
            with _decoder_is_quiet(mp3):
                self._file = _Forward(Slice(file, part.start, part.end))
                if part.samples is not None and abs(self._file.frames - part.samples) > _GUESS:
                    self._file.close()
                    self._file = _Forward(Slice(file, part.start, part.end, part.before))
        except (RuntimeError, TypeError, ValueError, OSError) as error:
            raise SoundError(_reason(error)) from None
        self.form = str(self._file.format)
        self.rate_hz = int(self._file.samplerate)
        self.channels = int(self._file.channels)
        frames = int(self._file.frames)
        #: As announced; None where the header does not say.
        self.frames = None if not 0 <= frames < _ABSURD_FRAMES else frames
        # The length of an MP3 may be a guess from its size.
        self._read = 0
        self._ended = False

    def read(self, count: int) -> FloatArray:
        """Up to `count` rows, none at the end. Raises SoundError."""
        if self._ended:
            return np.empty((0, self.channels), np.float32)
        # soundfile forgets how much came where it reports an error: the rows that are no number
        # did not. No codec that comes here can give one, and float WAVs fail at no single row.
        out = np.full((count, self.channels), np.nan, np.float32)
        try:
            with _decoder_is_quiet(self._mp3):
                got: FloatArray = self._file.read(out=out)
        except (RuntimeError, TypeError, ValueError, OSError) as error:
            self._ended = True
            came = ~np.isnan(out).any(axis=1)
            got = out[: len(out) if came.all() else int(np.argmin(came))]
            if not len(got) and self.frames is not None and self._read < self.frames:
                raise SoundError(_reason(error)) from None
        self._ended = self._ended or len(got) == 0
        self._read += len(got)
        return got

    def close(self) -> None:
        """Frees the decoder; the file belongs to the caller."""
        with _decoder_is_quiet(self._mp3):
            self._file.close()


def _reason(error: Exception) -> str:
    return str(getattr(error, "error_string", error)).rstrip(". ")


def write(path: Path, samples: NDArray[Any], rate_hz: int, form: str, subtype: str) -> None:
    """Writes samples (n,) or (n, channels) as `form` ("WAV", "FLAC"). Raises OSError."""
    try:
        soundfile.write(path, samples, rate_hz, format=form, subtype=subtype)
    except RuntimeError as error:
        raise OSError(_reason(error)) from error


def length_s(path: Path) -> float:
    """Seconds that a closed file announces. Raises SoundError."""
    try:
        info = soundfile.info(path)
    except (RuntimeError, OSError) as error:
        raise SoundError(f"{path}: {_reason(error)}") from None
    return float(info.frames / info.samplerate)
