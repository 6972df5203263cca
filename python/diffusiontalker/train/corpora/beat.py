"""BEAT's form: {"names": [...], "frames": [{"weights": [...], "time": s}]} beside a wav or flac."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from ...curves import CURVES
from .audio import audio_beside, read_audio
from .recording import BrokenTake, Recording

# A face that runs this much longer or shorter than its sound was cut differently from it.
MAX_LENGTH_DIFFERENCE_S = 0.5


def is_beat(document: object) -> bool:
    """Whether a parsed JSON file is a take in this form."""
    return isinstance(document, dict) and "names" in document and "frames" in document


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
    if not is_beat(document):
        raise BrokenTake(f"{path.name} has no names and frames")
    names = [str(name) for name in document["names"]]
    frames = document["frames"]
    if len(frames) < 2:
        raise BrokenTake(f"{path.name} has {len(frames)} frames")
    known = [(column, CURVES.index(name)) for column, name in enumerate(names) if name in CURVES]
    if not known:
        raise BrokenTake(f"{path.name} names no ARKit curve")
    try:
        weights = np.array([frame["weights"] for frame in frames], dtype=np.float32)
        times_s = np.array([frame["time"] for frame in frames], dtype=np.float64)
    except (KeyError, TypeError, ValueError) as error:
        raise BrokenTake(f"{path.name} has an uneven frame: {error!r}") from error
    if weights.shape != (len(frames), len(names)):
        raise BrokenTake(f"{path.name}: weights {weights.shape}, expected {len(names)} a frame")
    if not (np.isfinite(weights).all() and np.isfinite(times_s).all()):
        raise BrokenTake(f"{path.name} holds NaN or infinite values")
    if (np.diff(times_s) <= 0).any():
        raise BrokenTake(f"{path.name}: frame times do not rise")
    curves = np.zeros((len(frames), len(CURVES)), np.float32)
    for column, curve in known:
        curves[:, curve] = weights[:, column]
    audio = read_audio(audio_beside(path))
    frame_s = float(np.median(np.diff(times_s)))
    difference_s = len(audio) / 16000 - (float(times_s[-1]) + frame_s)
    if abs(difference_s) > MAX_LENGTH_DIFFERENCE_S:
        raise BrokenTake(f"{path.name}: sound is {difference_s:+.2f} s longer than the face")
    return Recording(
        id=path.stem,
        speaker=speaker or speaker_of(path),
        licence=licence,
        audio=audio,
        curves=curves,
        times_s=times_s,
        curve_names=tuple(CURVES[curve] for _, curve in known),
    )
