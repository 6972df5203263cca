"""The face that all is built on: 468 measured points and how 51 shapes move them, made symmetric.

The figures and the triangles ship in head/tables, with their notices.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib import resources

import numpy as np

from ...curves import CURVES
from .surface import Floats, Ints

COUNT = 468
MIRROR = np.array([-1.0, 1.0, 1.0])

# Rows of landmarks, each from the face's right to its left (so that reversing and mirroring a row
# gives itself), as MediaPipe numbers them.
UPPER_LIP = (78, 191, 80, 81, 82, 13, 312, 311, 310, 415, 308)
LOWER_LIP = (78, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308)
# The left eye's rims from its inner to its outer corner.
UPPER_LID = (362, 398, 384, 385, 386, 387, 388, 466, 263)
LOWER_LID = (362, 382, 381, 380, 374, 373, 390, 249, 263)
# The face's oval from the forehead's middle to the chin's over the left cheek.
OVAL = (
    10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377, 152,
)  # fmt: skip
CHIN = (152, 148, 377, 175, 199, 176, 400, 171, 396, 200, 201, 421)


def other_side(curve: str) -> str:
    """eyeBlinkLeft -> eyeBlinkRight; a curve without a side is its own."""
    if curve.endswith("Left"):
        return curve.removesuffix("Left") + "Right"
    return curve.removesuffix("Right") + "Left" if curve.endswith("Right") else curve


@dataclass(frozen=True)
class Face:
    """Symmetric points, how curves move them, triangles, and each point's mirror image."""

    points: Floats  # (468, 3)
    shapes: dict[str, Floats]  # by curve, without tongueOut
    triangles: Ints
    pair: Ints  # (468,)


@cache
def face() -> Face:
    """Figures of a real head, its two sides averaged."""
    tables = resources.files("diffusiontalker.head") / "tables"
    with resources.as_file(tables / "ict_at_mediapipe.npz") as path, np.load(path) as arrays:
        points = arrays["neutral"].astype(np.float64)
        moved = dict(zip(map(str, arrays["names"]), arrays["displacement"], strict=True))
    with resources.as_file(tables / "face_triangles.npz") as path, np.load(path) as arrays:
        triangles = arrays["T"].astype(np.intp)
    pair = _pairs(points)
    shapes = {}
    for name in (name for name in CURVES if name in moved):
        own = moved[name].astype(np.float64)
        mirrored = moved[other_side(name)].astype(np.float64)[pair] * MIRROR
        shapes[name] = (own + mirrored) / 2
    points = (points + points[pair] * MIRROR) / 2
    return Face(points, shapes, _mirrored(triangles, points, pair), pair)


def _pairs(points: Floats) -> Ints:
    """Each landmark's image: the nearest of the mirrored ones, if that one says so too; again for
    those that are left."""
    pair = np.full(len(points), -1)
    while (left := np.flatnonzero(pair < 0)).size:
        apart = ((points[left][:, None] * MIRROR - points[left][None]) ** 2).sum(-1)
        nearest = apart.argmin(axis=1)
        mutual = nearest[nearest] == np.arange(len(left))
        pair[left[mutual]] = left[nearest[mutual]]
    return pair


def _mirrored(triangles: Ints, points: Floats, pair: Ints) -> Ints:
    """The right side's triangles and their mirror images; the table's sides differ by a few."""
    side = np.where(pair == np.arange(len(pair)), 0, np.sign(points[:, 0])).astype(int)
    right = triangles[(side[triangles] <= 0).all(axis=1)]
    return np.concatenate([right, pair[right][:, ::-1]])
