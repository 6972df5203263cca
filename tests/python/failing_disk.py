"""A disk whose n-th operation fails: SQLite's way of asking what was promised."""

from __future__ import annotations

import builtins
import contextlib
import errno
import io
import mmap
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

#: What becomes of the operation that fails. "refused": nothing of it is done. "half": of a write
#: half is done first. "short": a write takes half and says so, which is no failure.
HOWS = ("refused", "half", "short")


class Disk:
    """Counts operations; the one of number `failing` fails, and all after it with `dead`."""

    def __init__(self, failing: int, how: str, *, dead: bool) -> None:
        self.operations = 0
        self.failed = False
        self._failing, self._how, self._dead = failing, how, dead

    def due(self) -> bool:
        """Whether this operation is one that fails."""
        number, self.operations = self.operations, self.operations + 1
        fails = number == self._failing or (self._dead and self.failed)
        self.failed |= fails
        return fails

    def refuse(self, what: str) -> None:
        code = errno.EIO if what == "fsync" else errno.ENOSPC
        raise OSError(code, os.strerror(code))

    def wrap(self, what: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def called(*args: Any, **options: Any) -> Any:
            # A short write is the only thing that can happen to a write and be no failure.
            if self._how != "short" and self.due():
                self.refuse(what)
            return call(*args, **options)

        return called

    def write(self, file: io.FileIO, data: Any, call: Callable[..., int | None]) -> int | None:
        if not self.due():
            return call(file, data)
        half = memoryview(data)[: len(data) // 2]
        if self._how != "refused" and len(half):
            taken = call(file, half)
            if self._how == "short":
                return taken
        elif self._how == "short":
            return call(file, data)
        self.refuse("write")
        return None


@contextlib.contextmanager
def failing_disk(number: int, how: str = "refused", *, dead: bool = False) -> Iterator[Disk]:
    """While it lives, operation `number` on a file fails (0: the first): opening, writing, flushing
    to the disk, renaming, making a folder, mapping. `dead`: and every one after it."""
    disk = Disk(number, how, dead=dead)
    write = io.FileIO.write

    class File(io.FileIO):
        def __init__(self, *args: Any, **options: Any) -> None:
            if how != "short" and disk.due():
                disk.refuse("open")
            super().__init__(*args, **options)

        def write(self, data: Any, /) -> Any:
            return disk.write(self, data, write)

    def opened(file: Any, mode: str = "r", *args: Any, **options: Any) -> Any:
        """`open` over such a file: what `pathlib` and the standard library write through."""
        raw = File(file, mode.replace("t", "").replace("b", ""))
        if "b" not in mode:
            encoding = options.get("encoding") or (args[1] if len(args) > 1 else None) or "utf-8"
            buffered: Any = io.BufferedReader(raw) if "r" in mode else io.BufferedWriter(raw)
            return io.TextIOWrapper(buffered, encoding=encoding)
        if "+" in mode:
            return io.BufferedRandom(raw)
        return io.BufferedReader(raw) if "r" in mode else io.BufferedWriter(raw)

    with contextlib.ExitStack() as stack:
        stack.enter_context(mock.patch.object(io, "FileIO", File))
        stack.enter_context(mock.patch.object(Path, "open", opened))
        stack.enter_context(mock.patch.object(builtins, "open", opened))
        for owner, name in (
            (os, "fsync"), (Path, "replace"), (Path, "mkdir"), (mmap, "mmap"),
        ):  # fmt: skip
            stack.enter_context(
                mock.patch.object(owner, name, disk.wrap(name, getattr(owner, name)))
            )
        yield disk


def every_failure(
    tries: Callable[[Callable[[], contextlib.AbstractContextManager[Disk]]], None],
    how: str,
    *,
    dead: bool = False,
) -> int:
    """Calls `tries` with a disk whose first, second, ... operation fails, until none is left.

    Returns how many there were.
    """
    for number in range(10_000):
        disks: list[Disk] = []

        @contextlib.contextmanager
        def disk(number: int = number, disks: list[Disk] = disks) -> Iterator[Disk]:
            with failing_disk(number, how, dead=dead) as made:
                disks.append(made)
                yield made

        tries(disk)
        if not any(made.failed for made in disks):
            return number
    raise AssertionError("it never came to an end")
