"""Files that a cut leaves whole or not at all."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def replaced(path: Path) -> Iterator[Path]:
    """Gives a path beside `path` to write to; on leaving, what stands there takes `path`'s place.

    It is flushed to the disk first, so that after a power cut too either the old contents are there
    or the new ones. Where the block fails, `path` stays as it was and nothing is left beside it.
    Processes may write the same file at once: each has a part of its own, and the last one counts.
    Raises OSError where the disk refuses.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # The process's number stays before the ending, which some writers choose a format by.
    part = path.with_name(f".{path.stem}.{os.getpid()}.part{path.suffix}")
    try:
        yield part
        put_in_place(part, path)
    except BaseException:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
        raise


def put_in_place(part: Path, path: Path) -> None:
    """Gives what was written to `part` the name `path`, flushed to the disk first.

    Raises OSError where the disk refuses.
    """
    with part.open("rb+") as written:
        os.fsync(written.fileno())
    part.replace(path)


def is_whole(path: Path) -> bool:
    """Whether a zip (an npz, a torch file) is there, every member with its checksum."""
    import zipfile  # not before: whoever embeds a runtime waits for it in vain

    try:
        with zipfile.ZipFile(path) as members:
            return members.testzip() is None
    except Exception:  # a damaged file can raise nearly anything
        return False


def is_stdout(path: str | Path) -> bool:
    """Whether writing there is writing to standard output: "-", /dev/stdout and its other names."""
    if str(path) == "-":
        return True
    try:
        there, here = os.stat(path), os.fstat(1)
    except (OSError, ValueError):
        return False
    # Each null device is the same one, and nobody reads it.
    return os.path.samestat(there, here) and not os.path.samefile(path, os.devnull)
