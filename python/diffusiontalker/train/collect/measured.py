"""What the landmarker saw in a film, kept in a file: faces are solved when all films are seen."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...curves import CURVES
from ...files import replaced
from . import landmarks

#: Of the file's form; another one is measured again.
VERSION = 1
# Landmarks are kept as 16-bit shares of a face's size: 1/60000 of it is far below their jitter.
_STEPS = 30000.0


@dataclass(frozen=True)
class Measured:
    """A film's pictures with a face, in order."""

    times_s: NDArray[np.float64]  # (n,), since the film's first picture
    points: NDArray[np.float32]  # (n, 468, 3), pixels of true shape, x right, y down, z away
    scores: NDArray[np.float32]  # (n, 52), the blendshape network's, ARKit order
    rotations: NDArray[np.float32]  # (n, 3), yaw, pitch, roll in degrees; NaN where not told
    lost: int = 0  # pictures without a face
    shared: int = 0  # pictures with more than one

    @property
    def solvable(self) -> bool:
        """Whether every landmark is there; a model may give fewer."""
        return bool(self.points.shape[1] == landmarks.COUNT)


def angles(matrix: NDArray[np.floating]) -> tuple[float, float, float]:
    """Yaw, pitch and roll in degrees of a head's matrix (4, 4), turned in the order Y, X, Z.

    Positive: to the head's own left, down, and towards its own right shoulder as MediaPipe's
    matrix has them (x to the picture's right, y up, z to the camera).
    """
    r = np.asarray(matrix, np.float64)[:3, :3]
    r = r / np.cbrt(np.linalg.det(r))  # the matrix carries the face's size
    yaw = np.arctan2(r[0, 2], r[2, 2])
    pitch = np.arcsin(np.clip(-r[1, 2], -1.0, 1.0))
    roll = np.arctan2(r[1, 0], r[1, 1])
    yaw_deg, pitch_deg, roll_deg = np.degrees([yaw, pitch, roll])
    return float(yaw_deg), float(pitch_deg), float(roll_deg)


def write(measured: Measured, file: Path, key: str) -> None:
    """Keep it, written beside and renamed. `key` names what was measured and how."""
    middle = measured.points.mean(axis=1, keepdims=True)
    size = np.abs(measured.points - middle).max(axis=(1, 2), keepdims=True)
    with replaced(file) as part, part.open("wb") as stream:
        np.savez(
            stream,
            version=VERSION,
            key=key,
            times_s=measured.times_s,
            points=np.round((measured.points - middle) / size * _STEPS).astype(np.int16),
            middle=middle,
            size=size,
            scores=measured.scores.astype(np.float16),
            rotations=measured.rotations,
            counts=[measured.lost, measured.shared],
        )


def read(file: Path, key: str) -> Measured | None:
    """What was kept, if it is of the same film measured alike; otherwise None."""
    try:
        with np.load(file, allow_pickle=False) as kept:
            if int(kept["version"]) != VERSION or str(kept["key"]) != key:
                return None
            lost, shared = (int(count) for count in kept["counts"])
            points = kept["points"].astype(np.float32) / _STEPS * kept["size"] + kept["middle"]
            scores = kept["scores"].astype(np.float32)
            if scores.shape != (len(points), len(CURVES)):
                return None
            return Measured(
                kept["times_s"], points.astype(np.float32), scores, kept["rotations"], lost, shared
            )
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None
