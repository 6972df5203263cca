"""Bytes from a file or a pipe, read forwards, with a way back while a header is being guessed."""

from __future__ import annotations

import io
import os
from dataclasses import dataclass
from typing import BinaryIO


class ByteStream:
    """Reads forwards. `size` is None where nobody knows it, as of a pipe."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._ahead = b""  # read and put back
        self._since_mark: bytearray | None = None
        self.position = 0
        self.size: int | None = None
        if file.seekable():
            start = file.tell()
            self.size = file.seek(0, io.SEEK_END) - start
            file.seek(start)

    @property
    def left(self) -> int | None:
        """Bytes to come, None where nobody knows."""
        return None if self.size is None else max(0, self.size - self.position)

    def read(self, count: int) -> bytes:
        """`count` bytes, fewer at the end only. Waits for a pipe. Raises OSError."""
        parts = [self._ahead[:count]]
        self._ahead = self._ahead[count:]
        missing = count - len(parts[0])
        while missing > 0:
            # In pieces: a header may ask for more bytes than there is memory.
            part = self._file.read(min(missing, 1 << 20))
            if not part:
                break
            parts.append(part)
            missing -= len(part)
        data = b"".join(parts)
        self.position += len(data)
        if self._since_mark is not None:
            self._since_mark += data
        return data

    def unread(self, data: bytes) -> None:
        """Puts back what was read last."""
        self._ahead = data + self._ahead
        self.position -= len(data)

    def skip(self, count: int) -> None:
        """Passes over bytes."""
        while count > 0:
            passed = len(self.read(min(count, 1 << 16)))
            if not passed:
                return
            count -= passed

    def peek(self, count: int) -> bytes:
        """The next bytes, which stay."""
        mark, self._since_mark = self._since_mark, None
        data = self.read(count)
        self._since_mark = mark
        self._ahead = data + self._ahead
        self.position -= len(data)
        return data

    def mark(self) -> None:
        """Remembers this place."""
        self._since_mark = bytearray()

    def back(self) -> None:
        """Returns to the marked place."""
        data = bytes(self._since_mark or b"")
        self._ahead = data + self._ahead
        self.position -= len(data)
        self._since_mark = None

    def unmark(self) -> None:
        """Forgets the marked place."""
        self._since_mark = None


@dataclass(frozen=True)
class Part:
    """A file within a file: the bytes from `start` to `end`.

    Where nothing in it announces its length, `samples` were counted, and with `before` in front of
    it that is announced.
    """

    start: int
    end: int
    samples: int | None = None
    before: bytes = b""


class Slice(io.RawIOBase):
    """A part of a file as a file of its own. Seeks beyond it stop at its ends: no decoder's
    callback may raise."""

    def __init__(self, file: BinaryIO, start: int, end: int, before: bytes = b"") -> None:
        """The bytes from `start` to `end`, with `before` in front of them."""
        self._file = file
        self._before = before
        self._start = start - len(before)
        self._length = len(before) + max(0, end - start)
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._length}[whence]
        self._at = min(max(0, base + offset), self._length)
        return self._at

    def tell(self) -> int:
        return self._at

    def readinto(self, buffer: object) -> int:
        view = memoryview(buffer)  # type: ignore[arg-type]
        wanted = min(len(view), self._length - self._at)
        if self._at < len(self._before):
            data = self._before[self._at : self._at + wanted]
        else:
            self._file.seek(self._start + self._at)
            data = self._file.read(wanted)
        view[: len(data)] = data
        self._at += len(data)
        return len(data)
