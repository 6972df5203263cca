"""Text as people's editors and spreadsheets save it: UTF-8 and UTF-16, marked or not, bounded."""

from __future__ import annotations

import codecs
import json
from pathlib import Path
from typing import Any

from .recording import BrokenTake

#: Of a description of a take; JSON takes up to some twenty times as much in memory. Half an hour of
#: a face in BEAT's form stays below.
MOST_BYTES = 128 * 2**20

_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # begins like UTF-16's
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)


def read_text(path: Path) -> str:
    """The file's text without its byte order mark. Raises BrokenTake, OSError."""
    size = path.stat().st_size
    if size > MOST_BYTES:
        raise BrokenTake(
            f"{path.name} has {size / 2**20:.0f} MiB, the limit is {MOST_BYTES / 2**20:.0f}: split "
            "the take"
        )
    with path.open("rb") as file:  # what grows meanwhile stays outside
        return decoded(file.read(MOST_BYTES), path.name)


def decoded(data: bytes, name: str) -> str:
    """Bytes -> text; `name` is what errors call them. Raises BrokenTake."""
    mark, encoding = next(
        (found for found in _MARKS if data.startswith(found[0])), (b"", _unmarked(data[:2]))
    )
    data = data[len(mark) :]
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        raise BrokenTake(
            f"{name} is neither UTF-8 nor UTF-16: {error.reason} at byte {error.start}; "
            "save it as UTF-8"
        ) from error


def _unmarked(data: bytes) -> str:
    """The encoding of text without a mark: what is told here begins with ASCII characters."""
    if len(data) >= 2 and data[0] == 0 and data[1] != 0:
        return "utf-16-be"
    if len(data) >= 2 and data[0] != 0 and data[1] == 0:
        return "utf-16-le"
    return "utf-8"


def read_json(path: Path) -> Any:
    """The file's JSON. Raises BrokenTake with the reason, OSError."""
    text = read_text(path)
    try:
        return json.loads(text)
    except RecursionError as error:
        raise BrokenTake(f"{path.name}: its JSON is nested too deeply") from error
    except ValueError as error:
        raise BrokenTake(f"{path.name} is not whole JSON: {error}") from error
