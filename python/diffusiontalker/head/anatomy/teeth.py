"""Teeth in two arches with their gums; the lower ones go with the jaw."""

from __future__ import annotations

import numpy as np

from .jaw import JAW, jaw
from .piece import Piece, bell, blend, rgb, smoothstep
from .surface import Floats, Ints, grid
from .tongue import OPENS

# Widths of half an arch's teeth from the middle, and heights of their crowns.
_UPPER = np.array(
    [(0.062, 0.082), (0.048, 0.072), (0.054, 0.078), (0.050, 0.062), (0.050, 0.056), (0.07, 0.05)]
)
_LOWER = np.array(
    [(0.039, 0.070), (0.043, 0.070), (0.050, 0.074), (0.050, 0.062), (0.052, 0.054), (0.07, 0.05)]
)

_AROUND = 14
# A crown from its neck to its edge: share of height, of width, of depth.
_CROWN = np.array(
    [
        (-0.14, 0.80, 0.78),
        (0.06, 0.86, 0.94),
        (0.30, 0.94, 1.00),
        (0.60, 0.99, 0.86),
        (0.84, 1.00, 0.60),
        (0.95, 0.95, 0.42),
        (1.00, 0.84, 0.24),
    ]
)


def upper() -> Piece:
    """Fixed to the skull."""
    return _arch("upper teeth", _UPPER, half_width=0.185, front=-0.024, depth=0.26, edge=-0.538)


def lower() -> Piece:
    """Fixed to the jaw; its edges stand behind the upper ones' when the jaw is shut."""
    arch = _arch("lower teeth", _LOWER, half_width=0.168, front=-0.046, depth=0.25, edge=0.516)
    points = arch.points * np.array([1, -1, 1])
    shapes = {curve: jaw(points, curve) for curve in JAW}
    shapes["tongueOut"] = shapes["jawOpen"] * OPENS
    return Piece(arch.name, points, arch.triangles[:, ::-1], arch.colours, shapes, arch.roughness)


def _arch(
    name: str,
    sizes: Floats,
    half_width: float,
    front: float,
    depth: float,
    edge: float,
) -> Piece:
    """An upper arch: crowns hang from their gums down to y = edge."""
    angle = np.linspace(0, np.radians(84), 200)
    curve = np.stack([half_width * np.sin(angle), front - depth * (1 - np.cos(angle))], 1)
    along = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(curve, axis=0), axis=1))])
    widths = sizes[:, 0] * (along[-1] / sizes[:, 0].sum())
    starts = np.concatenate([[0], np.cumsum(widths)])
    points, triangles, colours = [], [], []
    count = 0
    for side in (1, -1):
        for k, height in enumerate(sizes[:, 1]):
            middle = (starts[k] + starts[k + 1]) / 2
            at = np.array([np.interp(middle, along, curve[:, j]) for j in (0, 1)])
            ahead = np.array([np.interp(middle + 0.01, along, curve[:, j]) for j in (0, 1)])
            tooth, faces = _tooth(widths[k] * 0.99, height, k, at, ahead - at)
            tooth[:, 1] += edge + (0.004 if k == 1 else 0.0)
            tone = _enamel(tooth, edge, height, k)
            points.append(tooth * np.array([side, 1, 1]))
            triangles.append((faces[:, ::-1] if side > 0 else faces) + count)
            colours.append(tone)
            count += len(tooth)
    gum, faces, tone = _gum(curve, edge + 0.078)
    points.append(gum)
    triangles.append(faces + count)
    colours.append(tone)
    return Piece(
        name,
        np.concatenate(points),
        np.concatenate(triangles),
        np.concatenate(colours),
        roughness=0.28,
    )


def _tooth(
    width: float, height: float, number: int, at: Floats, ahead: Floats
) -> tuple[Floats, Ints]:
    """A crown whose edge is at y = 0; molars (number 3 on) are blunt."""
    blunt = 1.0 if number >= 3 else 0.0
    deep = 0.030 + 0.010 * blunt
    turn = np.linspace(0, 2 * np.pi, _AROUND, endpoint=False)
    # Nearly square in section.
    u = np.sign(np.cos(turn)) * np.abs(np.cos(turn)) ** 0.55
    v = np.sign(np.sin(turn)) * np.abs(np.sin(turn)) ** 0.75
    tangent = np.array([ahead[0], 0, ahead[1]]) / np.linalg.norm(ahead)
    outward = np.array([-tangent[2], 0, tangent[0]])
    rows = []
    for share, wide, thick in _CROWN:
        thick = (thick + blunt * (1 - thick) * 0.55) * (1 - 0.25 * blunt * (share > 0.97))
        wide = wide * (1 - 0.22 * blunt * (share > 0.97) - 0.08 * blunt * (share > 0.9))
        pointed = 0.35 if number == 2 and share > 0.7 else 0.0
        row = (
            np.array([at[0], height * (1 - share), at[1]])
            + np.outer(u * width / 2 * wide * (1 - pointed * (share - 0.7)), tangent)
            + np.outer(v * deep * thick - deep * 0.7, outward)
        )
        rows.append(row)
    end = rows[-1].mean(axis=0) - np.array([0, 0.0015, 0])
    points = np.concatenate([*rows, end[None]])
    faces = grid(len(rows), _AROUND, closed=True)
    last = np.arange(_AROUND) + (len(rows) - 1) * _AROUND
    fan = np.stack([last, np.full(_AROUND, len(points) - 1), np.roll(last, -1)], 1)
    return points, np.concatenate([faces, fan])


def _enamel(tooth: Floats, edge: float, height: float, number: int) -> Floats:
    share = (tooth[:, 1] - edge) / height
    tone = np.broadcast_to(rgb("#e9e2d3"), tooth.shape)
    tone = blend(tone, rgb("#cdbd9f"), smoothstep(share, 0.4, 1.1))
    # Back teeth stand in the cheeks' shade.
    return tone * (1 - 0.15 * number) * (1 - 0.35 * bell(share, 1.05, 0.12))[:, None]


def _gum(curve: Floats, y: float) -> tuple[Floats, Ints, Floats]:
    """A roll along the arch above the crowns."""
    whole = np.concatenate([curve[::-8] * np.array([-1, 1]), curve[8::8]])
    turn = np.linspace(0, 2 * np.pi, 10, endpoint=False)
    tangent = np.gradient(whole, axis=0)
    tangent /= np.linalg.norm(tangent, axis=1, keepdims=True)
    outward = np.stack([-tangent[:, 1], tangent[:, 0]], 1)
    flat = whole[:, None] + outward[:, None] * (0.026 * np.cos(turn) - 0.018)[None, :, None]
    height = y + 0.048 + 0.052 * np.sin(turn)
    points = np.stack(
        [flat[..., 0], np.broadcast_to(height, flat.shape[:2]), flat[..., 1]], -1
    ).reshape(-1, 3)
    faces = grid(len(whole), len(turn), closed=True)
    tone = np.broadcast_to(rgb("#b9595c"), points.shape)
    return points, faces, tone * (1 - 0.5 * np.clip(-points[:, 2:] / 0.3, 0, 1))
