"""Brows and lashes: bodies of hair that lie on the skin and go with it."""

from __future__ import annotations

import numpy as np

from ..model import normals
from . import eyes
from .cage import Cage, Skin
from .landmarks import LOWER_LID, UPPER_LID
from .piece import Piece, bell, blend, rgb
from .surface import Floats, Ints, grid

HAIR = "#3a2a20"

# The left brow from its inner end: middle (x, y), half its height.
_BROW = np.array(
    [
        (0.080, 0.112, 0.018),
        (0.118, 0.128, 0.024),
        (0.192, 0.146, 0.024),
        (0.270, 0.154, 0.019),
        (0.332, 0.136, 0.012),
        (0.380, 0.094, 0.002),
    ]
)
#: Shapes that move brows or lashes less than this are left out.
FELT = 0.003

_LONG, _ACROSS = 72, 7


def brow_middle(share: Floats) -> Floats:
    """(N, 3): x, y and half height along the left brow."""
    places = np.linspace(0, 1, len(_BROW))
    # A cubic through all six would swing; a quartic fit is smooth and near.
    return np.stack([np.polyval(np.polyfit(places, _BROW[:, k], 4), share) for k in range(3)], 1)


def left(skin: Skin) -> Piece:
    """The left brow, on the skin."""
    share = np.linspace(0, 1, _LONG)
    line = brow_middle(share)
    direction = np.gradient(line[:, :2], axis=0)
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    up = np.stack([-direction[:, 1], direction[:, 0]], 1)
    across = np.linspace(-1, 1, _ACROSS)
    # Hairs lie aslant: ridges across the body, and an edge that is not a ruler's.
    phase = share[:, None] * 88 - across[None] * 4
    ragged = 1 + 0.03 * np.sin(phase) * np.abs(across)
    half = np.clip(line[:, 2] * np.clip(share / 0.05, 0.35, 1) ** 0.5, 0.002, 1)
    flat = line[:, None, :2] + up[:, None] * (across * ragged * half[:, None])[..., None]
    ends = np.clip(np.minimum(share / 0.06, (1 - share) / 0.10), 0, 1) ** 0.5
    body = (1 - across**2)[None] ** 0.7 * ends[:, None]
    height = 0.014 * body * (0.92 + 0.08 * np.sin(phase)) - 0.005
    flat = flat.reshape(-1, 2)
    triangle, weight = onto(skin, flat)
    outward = normals(skin.points, skin.triangles)
    at = (skin.points[skin.triangles[triangle]] * weight[..., None]).sum(1)
    away = (outward[skin.triangles[triangle]] * weight[..., None]).sum(1)
    shapes = {}
    for curve, moved in skin.shapes.items():
        own = (moved[skin.triangles[triangle]] * weight[..., None]).sum(1)
        if np.linalg.norm(own, axis=1).max() > FELT:
            shapes[curve] = own
    tone = np.broadcast_to(rgb(HAIR), at.shape)
    tone = blend(tone, rgb("#5b4535"), (0.5 + 0.5 * np.sin(phase)).reshape(-1) * 0.4)
    return Piece(
        "brows",
        at + away * height.reshape(-1, 1),
        grid(_LONG, _ACROSS),
        tone,
        shapes,
        roughness=0.85,
    )


def onto(skin: Skin, flat: Floats) -> tuple[Ints, Floats]:
    """Triangles (N,) of the skin behind points (N, 2), seen from the front, and weights (N, 3)."""
    corners = skin.points[skin.triangles]
    facing = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])[:, 2] > 0
    box = (flat.min(0) - 0.02, flat.max(0) + 0.02)
    inside = ((corners[:, :, :2] > box[0]) & (corners[:, :, :2] < box[1])).all((1, 2))
    usable = np.flatnonzero(facing & inside & (corners[:, :, 2] > -0.4).all(1))
    a, b, c = (corners[usable, k, :2] for k in range(3))
    area = _cross(b - a, c - a)
    p = flat[:, None]
    weights = np.stack([_cross(b - p, c - p), _cross(c - p, a - p), _cross(a - p, b - p)], -1)
    weights /= area[None, :, None]
    best = weights.min(-1).argmax(1)
    return usable[best], weights[np.arange(len(flat)), best]


def _cross(a: Floats, b: Floats) -> Floats:
    return np.asarray(a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0])


_LASHES = 30


def lashes_left(cage: Cage) -> Piece:
    """The left eye's upper lashes: a fringe on the lid's rim that turns down as the lid closes."""
    ring = np.array([*UPPER_LID, *LOWER_LID[-2:0:-1]])
    at = np.linspace(0.35, 7.95, 2 * _LASHES + 1)
    weights = _b_spline(at, len(ring))
    rim = (weights[:, :, None] * cage.points[ring][None]).sum(1)
    shapes = {
        curve: (weights[:, :, None] * moved[ring][None]).sum(1)
        for curve, moved in cage.shapes.items()
        if np.linalg.norm(moved[ring], axis=1).max() > FELT
    }
    share = at / 8
    outward = rim - eyes.MIDDLE
    outward /= np.linalg.norm(outward, axis=1, keepdims=True)
    sideways = (share - 0.42)[:, None] * np.array([1.0, 0, 0])
    hair = np.arange(len(at)) % 2 == 1
    length = (0.014 + 0.024 * share**1.2) * np.where(hair, 1.0, 0.14)
    length *= np.clip(np.minimum((at - 0.2) / 1.2, (8.6 - at) / 1.0), 0.15, 1)
    lift = np.array([0, 1.0, 0])
    tips = length[:, None] * (outward * 0.9 + sideways * 0.9 + lift * 0.55)
    middles = length[:, None] * (outward * 0.60 + sideways * 0.45 + lift * 0.08)
    thick = np.array([0, 0.0030, 0])
    rows = [rim - outward * 0.003 + thick, rim + middles + thick * 0.5, rim + tips]
    below = [rim - outward * 0.003 - thick * 0.5, rim + middles - thick * 0.3, rim + tips]
    points = np.concatenate(rows + below)
    moved = {curve: np.concatenate([one] * 6) for curve, one in shapes.items()}
    # Closing, the lid turns about the eyeball and its lashes with it.
    offsets = points - np.concatenate([rim] * 6)
    turned = np.concatenate([_turned(rim, shapes["eyeBlinkLeft"])] * 6)
    moved["eyeBlinkLeft"] = moved["eyeBlinkLeft"] + (
        (turned @ offsets[:, :, None])[:, :, 0] - offsets
    )
    count = len(at)
    faces = np.concatenate([grid(3, count), grid(3, count, first=3 * count)[:, ::-1]])
    return Piece("lashes", points, faces, rgb("#1d1512"), moved, roughness=0.7)


def _turned(rim: Floats, moved: Floats) -> Floats:
    """(N, 3, 3): how a lid that goes with `moved` turns about the eyeball's middle."""
    a, b = rim - eyes.MIDDLE, rim + moved - eyes.MIDDLE
    a /= np.linalg.norm(a, axis=1, keepdims=True)
    b /= np.linalg.norm(b, axis=1, keepdims=True)
    axis = np.cross(a, b)
    c = (a * b).sum(1)
    cross = np.zeros((len(a), 3, 3))
    cross[:, 0, 1], cross[:, 0, 2], cross[:, 1, 2] = -axis[:, 2], axis[:, 1], -axis[:, 0]
    cross -= cross.transpose(0, 2, 1).copy()
    return np.asarray(np.eye(3) + cross + (cross @ cross) / (1 + c)[:, None, None])


def _b_spline(at: Floats, count: int) -> Floats:
    """(N, count): weights of a closed cubic B-spline's controls: a crease becomes that curve."""
    low = np.floor(at).astype(int)
    t = at - low
    out = np.zeros((len(at), count))
    row = np.arange(len(at))
    parts = (
        (1 - t) ** 3 / 6,
        (3 * t**3 - 6 * t**2 + 4) / 6,
        (-3 * t**3 + 3 * t**2 + 3 * t + 1) / 6,
        t**3 / 6,
    )
    for k, part in enumerate(parts):
        out[row, (low - 1 + k) % count] += part
    return out


def shade(points: Floats) -> Floats:
    """(V,): how much hair the skin shows through, around the brows of both sides."""
    share = np.linspace(0, 1, 40)
    line = brow_middle(share)
    flat = np.abs(points[:, :2] * np.array([1.0, 0])) + points[:, :2] * np.array([0, 1.0])
    apart = np.sqrt(((flat[:, None] - line[None, :, :2]) ** 2).sum(-1))
    half = np.clip(line[:, 2], 0.004, 1)
    near = (apart / half).min(axis=1)
    return np.where(points[:, 2] > -0.3, bell(near, 0.0, 0.62), 0.0)
