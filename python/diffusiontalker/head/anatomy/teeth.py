"""Teeth: two rows, the lower of which goes with the jaw."""

from __future__ import annotations

import numpy as np

from .landmarks import CHIN, face
from .piece import Piece, rgb
from .surface import Floats, grid


def jaw(points: Floats, curve: str) -> Floats:
    """(V, 3): how a curve moves what is fixed to the lower jaw: the turn and shift of the chin."""
    found = face()
    chin = found.points[list(CHIN)]
    moved = chin + found.shapes[curve][list(CHIN)]
    a, b = chin - chin.mean(0), moved - moved.mean(0)
    u, _, v = np.linalg.svd(a.T @ b)
    turn = u @ np.diag([1, 1, np.linalg.det(u @ v)]) @ v
    return np.asarray((points - chin.mean(0)) @ turn + moved.mean(0) - points)


JAW = ("jawOpen", "jawForward", "jawLeft", "jawRight")


def both() -> list[Piece]:
    out = []
    for name, high, low in (("upper teeth", -0.44, -0.525), ("lower teeth", -0.52, -0.60)):
        angle = np.linspace(-1.25, 1.25, 60)
        row = np.stack([0.19 * np.sin(angle), 0 * angle, -0.03 - 0.2 * (1 - np.cos(angle))], 1)
        points = np.concatenate([row + [0, y, 0] for y in (high, low)])
        shapes = {c: jaw(points, c) for c in JAW} if name[0] == "l" else {}
        out.append(Piece(name, points, grid(2, 60)[:, ::-1], rgb("#f2ece0"), shapes, 0.3))
    return out
