"""The lower jaw: how what is fixed to it moves."""

from __future__ import annotations

import numpy as np

from .landmarks import CHIN, face
from .surface import Floats

#: The curves that move the bone.
JAW = ("jawOpen", "jawForward", "jawLeft", "jawRight")


def jaw(points: Floats, curve: str) -> Floats:
    """(V, 3): how a curve moves points that are fixed to the bone: the chin's turn and shift."""
    found = face()
    chin = found.points[list(CHIN)]
    moved = chin + found.shapes[curve][list(CHIN)]
    a, b = chin - chin.mean(0), moved - moved.mean(0)
    u, _, v = np.linalg.svd(a.T @ b)
    turn = u @ np.diag([1, 1, np.linalg.det(u @ v)]) @ v
    return np.asarray((points - chin.mean(0)) @ turn + moved.mean(0) - points)
