"""A plain shirt: where the neck ends."""

from __future__ import annotations

import numpy as np

from .piece import Piece, blend, rgb, smoothstep
from .surface import grid

_AROUND = 72
# Down from the collar's inner edge: y, half width, half depth, z of the middle, how square.
_RINGS = np.array(
    [
        (-1.205, 0.420, 0.370, -0.785, 0.0),
        (-1.165, 0.440, 0.392, -0.785, 0.0),
        (-1.160, 0.462, 0.412, -0.785, 0.0),
        (-1.185, 0.482, 0.430, -0.785, 0.0),
        (-1.235, 0.500, 0.445, -0.785, 0.0),
        (-1.250, 0.520, 0.452, -0.785, 0.0),
        (-1.290, 0.660, 0.480, -0.790, 0.1),
        (-1.350, 0.900, 0.520, -0.800, 0.3),
        (-1.430, 1.130, 0.560, -0.810, 0.45),
        (-1.560, 1.310, 0.600, -0.820, 0.55),
        (-1.760, 1.400, 0.640, -0.820, 0.6),
        (-2.000, 1.420, 0.660, -0.820, 0.6),
    ]
)


def shirt() -> Piece:
    turn = np.linspace(0, 2 * np.pi, _AROUND, endpoint=False)
    c, s = np.cos(turn), np.sin(turn)
    y, wide, deep, middle, square = (column[:, None] for column in _RINGS.T)
    power = 1 - 0.35 * square
    x = wide * np.sign(c) * np.abs(c) ** power
    z = middle + deep * np.sign(s) * np.abs(s) ** power
    # The collar is lower in front, where the neck leans forward.
    collar = smoothstep(y, -1.30, -1.20)
    fall = 0.10 * collar * s
    points = np.stack([x, np.broadcast_to(y, x.shape) - fall, z + 0.03 * collar], -1).reshape(-1, 3)
    ribs = np.repeat(smoothstep(_RINGS[:, 0], -1.26, -1.22), _AROUND)
    tone = blend(np.broadcast_to(rgb("#3f5264"), points.shape), rgb("#34465a"), ribs)
    faces = grid(len(_RINGS), _AROUND, closed=True)[:, ::-1]
    return Piece("shirt", points, faces, tone, roughness=0.9)
