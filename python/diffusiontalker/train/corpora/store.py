"""Recordings that were read before: resampled sound and solved curves, a file a take.

Reading hours of JSON, resampling and solving meshes take minutes to hours; a run that was cut goes
on where it was.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from ..files import save_arrays
from .recording import Phone, Recording

FORMAT = 2  # raise it when a reader gives another Recording for the same files


def remembered(
    folder: Path | None,
    files: Sequence[Path],
    options: Sequence[str],
    read: Callable[[], Recording],
) -> Recording:
    """`read()`, or what it gave before for the same files (path, size, time) and options.

    Without a folder nothing is kept. A take that cannot be read is tried again each time.
    """
    if folder is None:
        return read()
    described = [str(FORMAT).encode(), *(option.encode("utf-8", "replace") for option in options)]
    for file in files:
        described.append(os.fsencode(file))
        if file.is_file():
            state = file.stat()
            described += [b"%d" % state.st_size, b"%d" % state.st_mtime_ns]
    name = hashlib.sha256(b"\0".join(described)).hexdigest()[:24]
    path = folder / f"{name}.npz"
    if path.exists():
        try:
            return _load(path)
        except Exception:  # a damaged file can raise nearly anything: read the take again
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)
    recording = read()
    with contextlib.suppress(OSError):  # without room the take is no worse
        _save(path, recording)
    return recording


def _save(path: Path, recording: Recording) -> None:
    text = {
        "id": recording.id,
        "speaker": recording.speaker,
        "licence": recording.licence,
        "curve_names": recording.curve_names,
        "phones": [(p.symbol, p.start_s, p.end_s, p.stressed) for p in recording.phones],
        "notes": recording.notes,
    }
    arrays = {"audio": recording.audio, "text": np.array(json.dumps(text))}
    if recording.curves is not None and recording.times_s is not None:
        arrays |= {"curves": recording.curves, "times_s": recording.times_s}
    save_arrays(path, arrays)


def _load(path: Path) -> Recording:
    with np.load(path, allow_pickle=False) as arrays:
        text = json.loads(str(arrays["text"]))
        return Recording(
            id=text["id"],
            speaker=text["speaker"],
            licence=text["licence"],
            audio=arrays["audio"],
            curves=arrays.get("curves"),
            times_s=arrays.get("times_s"),
            curve_names=tuple(text["curve_names"]),
            phones=tuple(Phone(*phone) for phone in text["phones"]),
            notes=tuple(text["notes"]),
        )
