"""Ears: a shell with its rim, the inner ridge, the bowl and a lobe."""

from __future__ import annotations

import numpy as np

from .piece import Piece, bell, blend, rgb, smoothstep
from .surface import Floats, grid

#: Where the left ear's bowl is, its half height, and how its plane stands.
MIDDLE = np.array([0.566, -0.145, -0.565])
HALF_HEIGHT = 0.222
AWAY, BACK = np.radians(19), np.radians(12)

_AROUND = 56
_OUT = np.array([0.0, 0.12, 0.24, 0.36, 0.46, 0.56, 0.66, 0.75, 0.83, 0.90, 0.95, 0.985, 1.0])


def left(tone: Floats) -> Piece:
    """The left ear in a skin of colour `tone`."""
    turn = np.linspace(0, 2 * np.pi, _AROUND, endpoint=False)  # 0 forward, a quarter up
    edge = _outline(turn)
    out = _OUT[:, None]
    relief = _relief(out, turn[None])
    front = np.stack(
        [
            np.broadcast_to(relief, (len(_OUT), _AROUND)),
            out * edge * np.sin(turn),
            out * edge * np.cos(turn) * (0.64 - 0.20 * np.clip(-np.sin(turn), 0, 1)),
        ],
        -1,
    )
    # The back of the shell: in from the rim towards the head.
    rim = front[-1]
    back = [
        np.stack([rim[:, 0] - drop, rim[:, 1] * size, rim[:, 2] * size], -1)
        for drop, size in ((0.018, 1.0), (0.035, 0.93), (0.055, 0.78), (0.110, 0.58))
    ]
    rows = np.concatenate([front, np.stack(back)])
    local = rows.reshape(-1, 3) * np.array([1.0, HALF_HEIGHT, HALF_HEIGHT])
    depth = np.concatenate([relief.reshape(-1), np.full(len(back) * _AROUND, 0.02)])
    shade = smoothstep(depth, -0.005, -0.045)
    colours = blend(np.broadcast_to(tone, local.shape), rgb("#6e3a2c"), 0.75 * shade)
    colours = blend(colours, rgb("#c06a58"), 0.30 * smoothstep(depth, 0.012, 0.03))
    return Piece(
        "ears", MIDDLE + _stood(local), grid(len(rows), _AROUND, closed=True)[:, ::-1], colours
    )


def _outline(turn: Floats) -> Floats:
    """(N,): the rim's distance from the bowl in half heights: broad above, a lobe below."""
    up = np.sin(turn)
    ahead = np.cos(turn)
    lobe = 0.10 * bell(up, -1.0, 0.35)
    return np.asarray(1.0 - 0.22 * np.clip(-up, 0, 1) + lobe - 0.22 * np.clip(ahead, 0, 1) ** 2)


def _relief(out: Floats, turn: Floats) -> Floats:
    """How far the shell stands out of the ear's plane."""
    up = np.sin(turn)
    ahead = np.cos(turn)
    behind = smoothstep(ahead, 0.75, 0.1)  # the rim fades towards the face
    above_lobe = smoothstep(up, -0.95, -0.55)
    helix = 0.026 * bell(out, 0.93, 0.060) * (0.35 + 0.65 * np.maximum(behind, up > 0.6))
    groove = -0.020 * bell(out, 0.78, 0.065) * behind
    ridge = 0.018 * bell(out, 0.60, 0.075) * behind
    bowl = -0.042 * bell(out, 0.10, 0.24)
    tragus = 0.040 * bell(out, 0.52, 0.12) * bell(ahead, 1.0, 0.16) * bell(up, -0.1, 0.4)
    lobe = 0.010 * bell(up, -1.0, 0.3) * bell(out, 0.75, 0.2)
    return np.asarray((helix + groove + ridge) * above_lobe + bowl + tragus + lobe)


def _stood(local: Floats) -> Floats:
    """Turned so that the shell's back edge stands off the head and its top leans back."""
    x, y, z = local.T
    c, s = np.cos(BACK), np.sin(BACK)
    y, z = c * y + s * z, c * z - s * y
    c, s = np.cos(AWAY), np.sin(AWAY)
    return np.stack([c * x - s * z, y, c * z + s * x], 1)
