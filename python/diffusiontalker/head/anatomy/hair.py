"""Hair: a combed-back shell over the skull whose edge dives under the skin at the hairline."""

from __future__ import annotations

import numpy as np

from ..model import normals
from . import skull
from .landmarks import OVAL, face
from .piece import Piece, blend, rgb, smoothstep
from .surface import Floats, grid

_RINGS, _AROUND = 56, 216
_FIRST, _END = 0.1, 10.6

# Where it begins above the face: degrees from the top, ring: a peak, the temples, the sideburn.
_HAIRLINE = (
    (0, 14, 30, 46, 60, 75, 88, 180),
    (0.50, 0.55, 0.78, 0.80, 0.72, 0.62, 0.55, 0.55),
)
# How low it goes, by how far back: before the ear, over it, behind it.
_LOWEST = (
    (0.30, 0.42, 0.48, 0.53, 0.70, 0.78, 0.95, 1.15),
    (-0.06, -0.10, -0.09, 0.09, 0.06, -0.25, -0.50, -0.56),
)


def hair() -> Piece:
    at = np.linspace(_FIRST, _END, _RINGS)[:, None]
    turn = np.linspace(-np.pi, np.pi, _AROUND + 1)[None, :-1]
    points = skull_at(at, turn)
    faces = grid(_RINGS, _AROUND, closed=True)[:, ::-1]
    flat = points.reshape(-1, 3)
    outward = normals(flat, faces)
    locks = _locks(at, turn)
    thick = _thickness(points, at, turn)
    thick = thick * (1 + 0.16 * locks * (thick > 0)) + 0.004 * locks * (thick > 0)
    height = thick.reshape(-1, 1)
    tone = np.broadcast_to(rgb("#3a281d"), flat.shape)
    tone = blend(tone, rgb("#6d4e38"), np.clip(0.5 + 0.5 * locks, 0, 1).reshape(-1) * 0.55)
    tone = tone * (0.65 + 0.35 * smoothstep(height[:, 0], 0.0, 0.05))[:, None]
    seen = (height[:, 0] > -0.012)[faces].any(axis=1)
    used, faces = np.unique(faces[seen], return_inverse=True)
    return Piece(
        "hair", (flat + outward * height)[used], faces.reshape(-1, 3), tone[used], roughness=0.62
    )


def skull_at(at: Floats, turn: Floats) -> Floats:
    """(rings, around, 3): the skin between rings, as the skull's cage has it."""
    own = skull.angles()
    residue = face().points[list(OVAL)] - skull.ring(0.0, own)
    half = np.abs(turn)
    left = np.stack([np.interp(half, own, residue[:, k]) for k in range(3)], -1)
    points = skull.ring(at + 0 * half, half + 0 * at) + left * skull.own_form(at)[..., None]
    points[..., 0] *= np.where(turn < 0, -1.0, 1.0)
    return points


def _locks(at: Floats, turn: Floats) -> Floats:
    """-1 to 1: strands along the combing, from the forehead back."""
    half = np.abs(turn)
    drift = 0.10 * np.sin(at * 0.9) + 0.04 * np.sin(at * 2.3 + 3 * half)
    a = half + drift
    return np.asarray(
        0.45 * np.sin(23 * a + 0.6)
        + 0.30 * np.sin(41 * a + 1.7 * np.sin(at * 0.7))
        + 0.25 * np.sin(67 * a + 0.4 * at)
    )


def _thickness(points: Floats, at: Floats, turn: Floats) -> Floats:
    """Above the skin; negative outside the hairline."""
    half = np.abs(turn)
    y, z = points[..., 1], points[..., 2]
    start = np.interp(half, np.radians(_HAIRLINE[0]), _HAIRLINE[1])
    edge_ahead = at - start
    ahead = smoothstep(edge_ahead, -0.05, 0.85)
    low = np.interp(-z, *_LOWEST)
    edge_low = (y - low) / 0.30
    inside = np.minimum(edge_ahead, edge_low)
    body = np.interp(y, [-0.5, -0.1, 0.2, 0.5, 0.8], [0.030, 0.040, 0.058, 0.095, 0.105])
    full = body * (0.45 + 0.55 * ahead) * smoothstep(edge_low, -0.02, 0.6) ** 0.5
    shown = smoothstep(inside, 0.0, 0.22)
    return np.where(inside > 0, 0.004 + full * shown, -0.25 * np.clip(-inside, 0, 0.4))
