"""The whole head, put together."""

from __future__ import annotations

import numpy as np

from ...curves import CURVES
from ..model import Head, Part
from . import eyes, teeth
from .landmarks import face
from .piece import Piece, rgb
from .surface import divided

#: Metres from cheek to cheek (landmark 234 to 454).
FACE_WIDTH_M = 0.14
#: The file's figures are whole multiples of this, so that its bytes do not hang on the last bit of
#: an arithmetic that differs between processors: a micrometre, about.
STEP_M = 2.0**-20


def head() -> Head:
    """Made anew; the same figures on every machine."""
    return _joined([_skin(), eyes.left(), eyes.left().mirrored("eye right"), *teeth.both()])


def _skin() -> Piece:
    found = face()
    values = np.concatenate([found.points, *found.shapes.values()], axis=1)
    triangles = found.triangles
    for _ in range(1):
        values, triangles, _ = divided(values, triangles)
    shapes = {name: values[:, 3 * k + 3 : 3 * k + 6] for k, name in enumerate(found.shapes)}
    return Piece("skin", values[:, :3], triangles, rgb("#c98f74"), shapes)


def _joined(pieces: list[Piece]) -> Head:
    count = sum(len(piece.points) for piece in pieces)
    points = np.zeros((count, 3))
    colours = np.ones((count, 4))
    shapes = {name: np.zeros((count, 3)) for name in CURVES}
    parts = []
    first = 0
    for piece in pieces:
        own = slice(first, first + len(piece.points))
        points[own] = piece.points
        colours[own, :3] = piece.colours
        for name, moved in piece.shapes.items():
            shapes[name][own] = moved
        triangles = (piece.triangles + first).astype(np.uint32)
        parts.append(Part(piece.name, triangles, piece.roughness))
        first = own.stop
    return Head(
        _rounded(points),
        (np.rint(colours * 65535) / 65535).astype(np.float32),
        tuple(parts),
        {name: _rounded(moved) for name, moved in shapes.items() if moved.any()},
    )


def _rounded(lengths: np.ndarray) -> np.ndarray:
    """Metres on the grid, without negative zeros."""
    return (np.rint(lengths * (FACE_WIDTH_M / STEP_M)) * STEP_M + 0.0).astype(np.float32)
