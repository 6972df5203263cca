"""A WAV that is written while the sound goes on, and that a cut at any byte leaves readable."""

from __future__ import annotations

import io
import os
import struct
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

_FLOAT = 3  # WAVE_FORMAT_IEEE_FLOAT
_WIDTH = 4  # bytes of a sample
_UNKNOWN = 0xFFFFFFFF
# RIFF and WAVE, the place of a ds64, fmt, fact, data.
_HEAD = struct.Struct("<4sI4s 4sI28s 4sIHHIIHHH 4sII 4sI".replace(" ", ""))
#: Bytes before the first sample.
HEADER_BYTES = _HEAD.size


class GrowingWav:
    """Mono float32 at one rate, exactly as it is handed in.

    While it grows its header states no length (0xFFFFFFFF), as that of a stream does, and every
    sample is with the operating system as soon as `write` returns. `close` states the length; of
    more than 4 GiB as RF64 (EBU Tech 3306). What is passed over reads as silence and takes no room
    on the disk where the file system knows holes.
    """

    def __init__(self, path: Path, rate_hz: int) -> None:
        """Makes the file. Raises OSError."""
        self._rate_hz = rate_hz
        self.samples = 0
        # Without a buffer: what was written survives the process.
        self._file = io.FileIO(path, "x")
        self._put(self._header(_UNKNOWN, _UNKNOWN, None))

    def write(self, at: int, samples: NDArray[np.float32]) -> None:
        """Puts samples (n,) at sample `at`, which is not before the end. Raises OSError."""
        self._file.seek(HEADER_BYTES + _WIDTH * at)
        self._put(np.ascontiguousarray(samples, "<f4").tobytes())
        self.samples = at + len(samples)

    def close(self) -> None:
        """States the length and closes; later calls do nothing. Raises OSError."""
        if self._file.closed:
            return
        with self._file:
            size = _WIDTH * self.samples
            whole = HEADER_BYTES - 8 + size
            large = whole >= _UNKNOWN
            sizes = struct.pack("<QQQI", whole, size, self.samples, 0) if large else None
            self._file.seek(0)
            self._put(
                self._header(_UNKNOWN if large else whole, _UNKNOWN if large else size, sizes)
            )
            os.fsync(self._file.fileno())

    def _header(self, whole: int, size: int, sizes: bytes | None) -> bytes:
        return _HEAD.pack(
            b"RIFF" if sizes is None else b"RF64", whole, b"WAVE",
            b"JUNK" if sizes is None else b"ds64", 28, sizes or bytes(28),
            b"fmt ", 18, _FLOAT, 1, self._rate_hz, _WIDTH * self._rate_hz, _WIDTH, 8 * _WIDTH, 0,
            b"fact", 4, min(self.samples, _UNKNOWN),
            b"data", size,
        )  # fmt: skip

    def _put(self, data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            rest = rest[self._file.write(rest) :]
