"""BEAT's form: {"names": [...], "frames": [{"weights": [...], "time": s}]} beside a wav or flac."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from .audio import audio_beside, read_audio
from .recording import BrokenTake, Recording, measured


def speaker_of(path: Path) -> str:
    """BEAT's speaker: `{id}_{name}_...` in the file name, otherwise the folder's name."""
    parts = path.stem.split("_")
    return f"{parts[0]}_{parts[1]}" if len(parts) >= 4 and parts[0].isdigit() else path.parent.name


def read_beat(path: Path, *, speaker: str = "", licence: str = "") -> Recording:
    """Read one take. Weights are placed by curve name; curves the file lacks stay 0.

    Raises BrokenTake with the reason if the take cannot be used.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, OSError) as error:
        raise BrokenTake(f"{path.name} is not whole JSON: {error}") from error
    try:
        names = [str(name) for name in document["names"]]
        frames = list(document["frames"])
    except (KeyError, TypeError) as error:
        raise BrokenTake(f"{path.name} has no names and frames") from error
    try:
        weights = np.array([frame["weights"] for frame in frames], dtype=np.float32)
        times_s = np.array([float(frame["time"]) for frame in frames])
    except (KeyError, TypeError, ValueError) as error:
        raise BrokenTake(f"{path.name} has an uneven frame: {error!r}") from error
    return measured(
        id=path.stem,
        file=path.name,
        speaker=speaker or speaker_of(path),
        licence=licence,
        audio=read_audio(audio_beside(path)),
        values=weights.reshape(len(frames), -1) if len(frames) else weights.reshape(0, len(names)),
        names=names,
        times_s=times_s,
    )
