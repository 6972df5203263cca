"""What is finished. A line stands here before its files get their names, so a cut between the two
is mended by giving them their names, not by making them twice."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass

from .stores import Store

_VERSION = 1


@dataclass(frozen=True)
class Entry:
    """A line that was done."""

    out: str
    audio: str
    sound: str  #: the stamp of its sound
    settings: str  #: digest of all else that its frames depend on
    #: By ending: the part that becomes the result, and its size in bytes.
    files: Mapping[str, tuple[str, int]]
    frames: int
    audio_s: float

    def file(self, name: str) -> tuple[str, int]:
        """The part that becomes the result `name`, and its size."""
        return self.files[name.removeprefix(self.out)]


class Journal:
    """What a store holds of finished files, by their names."""

    def __init__(self, store: Store) -> None:
        """Reads it. A line that a cut left unfinished is passed over. Raises OSError."""
        self._store = store
        self.entries: dict[str, Entry] = {}
        text = store.read_journal()
        for line in text.split(b"\n"):
            with contextlib.suppress(ValueError, TypeError, KeyError):
                fields = json.loads(line)
                if fields.pop("version") == _VERSION:
                    fields["files"] = {k: (str(p), int(n)) for k, (p, n) in fields["files"].items()}
                    entry = Entry(**fields)
                    self._know(entry)
        # What comes next must not be joined to half a line.
        self._first = b"\n" if text and not text.endswith(b"\n") else b""

    def add(self, entries: Iterable[Entry]) -> None:
        """Writes them down; they are safe on return. Raises OSError."""
        lines = [json.dumps({"version": _VERSION, **asdict(entry)}) + "\n" for entry in entries]
        text = self._first + "".join(lines).encode()
        self._first = b"\n"  # should the disk take half of it
        self._store.append_journal(text)
        self._first = b""

    def place(self, entry: Entry) -> None:
        """Gives the parts of an entry their names, where they have not got them yet.

        Raises OSError.
        """
        for ending, (part, _) in entry.files.items():
            self._store.put(part, entry.out + ending)
        self._know(entry)

    def _know(self, entry: Entry) -> None:
        self.entries.update({entry.out + ending: entry for ending in entry.files})

    def settle(self, sizes: dict[str, int]) -> None:
        """Places what a cut left waiting; `sizes` are the store's, and are kept true.

        Raises OSError.
        """
        for name, entry in self.entries.items():
            part, size = entry.file(name)
            if part in sizes and sizes.pop(part) == size:
                self._store.put(part, name)
                sizes[name] = size
