"""How many numbers a second a film's timecode counts: not always its pictures (ST 12-1, 59.94p).

FFmpeg shows the code of the first picture but not its base, so the track is read here: the sample
entry `tmcd` of a QuickTime file (QuickTime File Format, "Timecode media").
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

#: Boxes on the way to the sample entries: moov/trak/mdia/minf/stbl/stsd.
_ROAD = (b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stsd")
_MOST_BOXES = 10_000


def numbers_a_second(path: Path) -> int | None:
    """Numbers a second of the first timecode track; None where the file does not say."""
    try:
        with path.open("rb") as file:
            end = file.seek(0, 2)
            for at, size in _boxes(file, 0, end, 0):
                # After the table's version and count: size, "tmcd", 6 + 2 bytes, reserved, flags,
                # timescale, duration of a frame, numbers a second.
                file.seek(at)
                entry = file.read(min(size, 64))
                if entry[12:16] == b"tmcd" and len(entry) >= 41 and entry[40]:
                    return entry[40]
    except (OSError, struct.error):
        pass
    return None


def _boxes(file: BinaryIO, at: int, end: int, depth: int) -> Iterator[tuple[int, int]]:
    """(start, size) of the contents of every stsd between `at` and `end`."""
    for _ in range(_MOST_BOXES):
        if at + 8 > end:
            return
        file.seek(at)
        size, kind = struct.unpack(">I4s", file.read(8))
        head = 8
        if size == 1:
            size, head = struct.unpack(">Q", file.read(8))[0], 16
        size = size or end - at
        if size < head:
            return
        if kind == _ROAD[depth]:
            inside, last = at + head, min(at + size, end)
            if depth == len(_ROAD) - 1:
                yield inside, last - inside
            else:
                yield from _boxes(file, inside, last, depth + 1)
        at += size
