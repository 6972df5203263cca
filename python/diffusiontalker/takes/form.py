"""What a take consists of (docs/takes.md): names of files, the records of frames, the version."""

from __future__ import annotations

import re
from datetime import datetime

import numpy as np

#: What the manifest's `format` says, and the version that is written and read.
FORMAT = "diffusiontalker take"
VERSION = 1

MANIFEST = "take.json"
FRAMES = "frames.bin"
SOUND = "sound.wav"
EVENTS = "events.jsonl"

# A folder's name must do on every system.
_LONGEST_SOURCE = 40


def record(values: int) -> np.dtype[np.void]:
    """One frame of so many values: little-endian, packed, of one size."""
    return np.dtype(
        [
            ("index", "<i8"),  # depicts index x rate_den / rate_num seconds
            ("position", "<i8"),  # that instant in samples of the audio clock, rounded down
            ("capture_ns", "<i8"),  # the sender's monotonic clock when that sample was captured
            ("flags", "<u4"),  # those of the wire
            ("values", "<f4", (values,)),
        ]
    )


def described(kind: np.dtype[np.void]) -> list[list[object]]:
    """A record's fields for the manifest: name and type, and of several values their number."""
    found: list[list[object]] = []
    for name in kind.names or ():
        field = kind[name]
        found.append([name, field.base.str, *field.shape])
    return found


def folder_name(source: str, when: datetime) -> str:
    """A take's name by time and source: 20261129-143005-speech."""
    plain = re.sub(r"[^A-Za-z0-9]+", "-", source).strip("-").lower()[:_LONGEST_SOURCE].strip("-")
    return f"{when:%Y%m%d-%H%M%S}-{plain or 'voice'}"
