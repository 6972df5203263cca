"""BEAT's form: {"names": [...], "frames": [{"weights": [...], "time": s}]} beside its sound.

NVIDIA Audio2Face's exports ({"facsNames", "weightMat", "exportFps"}) hold the same and are read,
too.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .audio import audio_beside, read_audio
from .recording import BrokenTake, Recording, measured, told
from .text import read_json


def speaker_of(path: Path) -> str:
    """BEAT's speaker: `{id}_{name}_...` in the file name, otherwise the folder's name."""
    parts = path.stem.split("_")
    return f"{parts[0]}_{parts[1]}" if len(parts) >= 4 and parts[0].isdigit() else path.parent.name


def read_beat(path: Path, *, speaker: str = "", licence: str = "") -> Recording:
    """Read one take. Weights are placed by curve name; curves the file lacks stay 0.

    Raises BrokenTake with the reason if the take cannot be used.
    """
    document = read_json(path)
    if not isinstance(document, Mapping):
        raise BrokenTake(f"{path.name} has no names and frames")
    other = "facsNames" in document and "weightMat" in document
    names, weights, times_s = (_exported if other else _frames)(document, path.name)
    return measured(
        id=path.stem,
        file=path.name,
        speaker=speaker or speaker_of(path),
        licence=licence,
        audio=read_audio(audio_beside(path)),
        values=weights,
        names=names,
        times_s=times_s,
    )


_Read = tuple[list[str], NDArray[np.float32], NDArray[np.float64]]


def _frames(document: Mapping[str, Any], file: str) -> _Read:
    """(names, values (frames, names), times (frames,)) of BEAT's form."""
    try:
        names = [str(name) for name in document["names"]]
        frames = list(document["frames"])
    except (KeyError, TypeError) as error:
        raise BrokenTake(f"{file} has no names and frames") from error
    try:
        weights = [frame["weights"] for frame in frames]
        times_s = np.array([float(frame["time"]) for frame in frames])
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise BrokenTake(f"{file} has an uneven frame: {told(error)}") from error
    return names, _table(weights, names, file), times_s


def _exported(document: Mapping[str, Any], file: str) -> _Read:
    """The same of an export of Audio2Face: a row a frame, at a rate that it tells."""
    names, rows, rate_hz = (document.get(k) for k in ("facsNames", "weightMat", "exportFps"))
    if not isinstance(names, list) or not isinstance(rows, list):
        raise BrokenTake(f"{file}: expected lists facsNames and weightMat (Audio2Face's form)")
    if isinstance(rate_hz, bool) or not isinstance(rate_hz, (int, float)) or not 1 <= rate_hz < 1e4:
        raise BrokenTake(f"{file}: expected exportFps, frames a second, got {str(rate_hz)[:20]}")
    names = [str(name) for name in names]
    return names, _table(rows, names, file), np.arange(len(rows)) / float(rate_hz)


def _table(rows: list[Any], names: list[str], file: str) -> NDArray[np.float32]:
    try:
        with np.errstate(over="ignore"):  # what overflows is infinite, and refused as that
            values = np.array(rows, dtype=np.float32)
    except (TypeError, ValueError, OverflowError) as error:
        raise BrokenTake(f"{file} has an uneven frame: {told(error)}") from error
    return values if len(rows) else values.reshape(0, len(names))
