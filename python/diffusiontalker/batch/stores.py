"""Where results go: each is written aside in full, and then put into its place at once."""

from __future__ import annotations

import contextlib
import os
import secrets
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from ..files import put_in_place
from ..stream import StreamError
from . import places

#: Below OUT: what a run keeps for itself.
OWN = ".dt-batch"
JOURNAL = f"{OWN}/journal.jsonl"
_PARTS = f"{OWN}/parts"


class Store(Protocol):
    """A folder for results. Workers make parts in it, whoever keeps the journal places them.

    All of it raises OSError where the disk or the network refuses.
    """

    place: str  #: as the user wrote it

    def part(self, ending: str) -> contextlib.AbstractContextManager[tuple[str, Path]]:
        """The name of a new part and a local path to write it to; it is there on leaving.

        Where the block fails, no part is left.
        """

    def sizes(self) -> dict[str, int]:
        """Bytes of every file by its name: results, and parts that wait."""

    def put(self, part: str, name: str) -> None:
        """Gives a part its name, in one step: whoever looks sees the old file or the new one."""

    def sweep(self) -> None:
        """Removes parts that nobody will place."""

    def read_journal(self) -> bytes:
        """All that was appended, in order."""

    def append_journal(self, text: bytes) -> None:
        """Adds to it; it is safe on return."""

    def write(self, name: str, text: bytes) -> None:
        """A small file, in one step."""

    def remove(self, name: str) -> None:
        """Nothing happens where it is not."""


class Folder:
    """A folder of this machine, or one that several machines share."""

    def __init__(self, place: str) -> None:
        """Makes it. Raises OSError."""
        self.place = place
        self._path = Path(os.path.abspath(place))
        (self._path / _PARTS).mkdir(parents=True, exist_ok=True)

    @contextlib.contextmanager
    def part(self, ending: str) -> Iterator[tuple[str, Path]]:
        name = f"{_PARTS}/{secrets.token_hex(12)}{ending}"
        path = self._path / name
        try:
            yield name, path
            with path.open("rb+") as written:
                os.fsync(written.fileno())
        except BaseException:
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)
            raise

    def sizes(self) -> dict[str, int]:
        return dict(_sizes(os.fspath(self._path), ""))

    def put(self, part: str, name: str) -> None:
        path = self._path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        (self._path / part).replace(path)  # its bytes are on the disk since `part`

    def sweep(self) -> None:
        for path in (self._path / _PARTS).iterdir():
            path.unlink(missing_ok=True)

    def read_journal(self) -> bytes:
        try:
            return (self._path / JOURNAL).read_bytes()
        except FileNotFoundError:
            return b""

    def append_journal(self, text: bytes) -> None:
        with (self._path / JOURNAL).open("ab") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())

    def write(self, name: str, text: bytes) -> None:
        path = self._path / name
        part = path.with_name(f".{path.name}.part")
        part.write_bytes(text)
        put_in_place(part, path)

    def remove(self, name: str) -> None:
        (self._path / name).unlink(missing_ok=True)

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """Holds the folder for this run; it is free again when the process ends, however it does.

        Raises StreamError where another run has it.
        """
        try:
            import fcntl
        except ImportError:  # Windows: nobody looks
            yield
            return
        with (self._path / OWN / "lock").open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise StreamError(
                    f"--out {self.place}: another dt-batch is at work there; wait for it or stop it"
                ) from None
            except OSError:  # a network's file system without locks
                pass
            yield


class Remote:
    """A folder behind a URL, through fsspec. Its files appear whole or not at all.

    Object stores cannot append: the journal is a file for each time something was added.
    """

    def __init__(self, place: str) -> None:
        """Raises StreamError."""
        self.place = place.rstrip("/")
        self._fs, self._path = places.filesystem(self.place)
        self._journal_files = 0

    def __getstate__(self) -> dict[str, object]:
        return {"place": self.place}

    def __setstate__(self, state: dict[str, str]) -> None:
        self.__init__(state["place"])  # type: ignore[misc]  # clients do not travel, URLs do

    def _at(self, name: str) -> str:
        return f"{self._path.rstrip('/')}/{name}"

    @contextlib.contextmanager
    def part(self, ending: str) -> Iterator[tuple[str, Path]]:
        name = f"{_PARTS}/{secrets.token_hex(12)}{ending}"
        with tempfile.TemporaryDirectory(prefix="dt-batch-") as folder:
            path = Path(folder) / f"part{ending}"
            yield name, path
            self._fs.makedirs(self._at(_PARTS), exist_ok=True)
            self._fs.put_file(str(path), self._at(name))

    def sizes(self) -> dict[str, int]:
        self._fs.invalidate_cache()
        try:
            found = self._fs.find(self._path, detail=True)
        except FileNotFoundError:
            return {}
        skip = len(self._path.rstrip("/")) + 1
        return {path[skip:]: int(info["size"]) for path, info in found.items()}

    def put(self, part: str, name: str) -> None:
        self._fs.makedirs(places.parent(self._at(name)), exist_ok=True)
        self._fs.mv(self._at(part), self._at(name))

    def sweep(self) -> None:
        with contextlib.suppress(FileNotFoundError):
            for path in self._fs.find(self._at(_PARTS)):
                self._fs.rm_file(path)

    def read_journal(self) -> bytes:
        self._fs.invalidate_cache()
        try:
            found = sorted(self._fs.find(self._at(f"{OWN}/journal")))
        except FileNotFoundError:
            found = []
        self._journal_files = len(found)
        return b"".join(self._fs.cat_file(path) for path in found)

    def append_journal(self, text: bytes) -> None:
        self._journal_files += 1
        self.write(f"{OWN}/journal/{self._journal_files:09d}.jsonl", text)

    def write(self, name: str, text: bytes) -> None:
        self._fs.makedirs(places.parent(self._at(name)), exist_ok=True)
        self._fs.pipe_file(self._at(name), text)

    def remove(self, name: str) -> None:
        with contextlib.suppress(FileNotFoundError):
            self._fs.rm_file(self._at(name))

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """Nobody looks: stores behind URLs have no locks."""
        yield


def _sizes(folder: str, before: str) -> Iterator[tuple[str, int]]:
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir():
                yield from _sizes(entry.path, f"{before}{entry.name}/")
            elif entry.is_file():
                yield before + entry.name, entry.stat().st_size


def open_store(place: str) -> Folder | Remote:
    """The store at a path or a URL, made where it is not. Raises StreamError."""
    if places.is_url(place):
        return Remote(place)
    try:
        return Folder(place)
    except OSError as error:
        raise StreamError(f"--out {place}: {places.why(error)}") from None
