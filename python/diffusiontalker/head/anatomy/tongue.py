"""The tongue: it lies behind the lower teeth, goes with the jaw, and comes out."""

from __future__ import annotations

import numpy as np

from .jaw import JAW, jaw
from .piece import Piece, bell, blend, rgb, smoothstep
from .surface import Floats, grid

#: tongueOut opens the jaw by this share of jawOpen: the way out lies between the teeth.
OPENS = 0.28

_ROWS, _AROUND = 22, 20


def tongue() -> Piece:
    rest = _body(_REST)
    out = _body(_OUT)
    shapes = {curve: jaw(rest, curve) for curve in JAW}
    # `_OUT` is drawn for the jaw as tongueOut itself opens it.
    shapes["tongueOut"] = out - rest
    across = rest[:, 0]
    tone = np.broadcast_to(rgb("#b85f61"), rest.shape)
    tone = blend(tone, rgb("#9c4449"), bell(across, 0.0, 0.010) * 0.5)
    back = np.repeat(np.linspace(1, 0, _ROWS), _AROUND)
    tone = blend(tone, rgb("#3a1214"), smoothstep(back, 0.45, 1.0))
    return Piece(
        "tongue", rest, grid(_ROWS, _AROUND, closed=True)[:, ::-1], tone, shapes, roughness=0.35
    )


# From root to tip: y and z of the middle, half width, half height.
_REST = np.array(
    [
        (-0.640, -0.470, 0.085, 0.040),
        (-0.590, -0.400, 0.105, 0.048),
        (-0.572, -0.300, 0.112, 0.046),
        (-0.576, -0.200, 0.108, 0.040),
        (-0.588, -0.130, 0.088, 0.032),
        (-0.596, -0.095, 0.080, 0.022),
    ]
)
_OUT = np.array(
    [
        (-0.640, -0.440, 0.085, 0.040),
        (-0.580, -0.330, 0.100, 0.046),
        (-0.552, -0.180, 0.098, 0.034),
        (-0.545, -0.020, 0.092, 0.022),
        (-0.575, 0.110, 0.092, 0.020),
        (-0.655, 0.190, 0.086, 0.015),
    ]
)


def _body(stations: Floats) -> Floats:
    """(rows x around, 3): a flat body with a rounded tip and a groove."""
    share = np.linspace(0, 1, _ROWS)
    places = np.linspace(0, 1, len(stations))
    y, z, wide, high = (_smooth(share, places, stations[:, k]) for k in range(4))
    round_tip = np.sqrt(np.clip(1 - np.clip((share - 0.72) / 0.28, 0, 1) ** 2.4, 0.0, 1))
    turn = np.linspace(0, 2 * np.pi, _AROUND, endpoint=False)
    across = np.cos(turn)
    up = np.sin(turn)
    x = wide[:, None] * round_tip[:, None] * across
    thick = high[:, None] * np.maximum(round_tip, 0.02)[:, None] * up
    groove = 0.010 * bell(across, 0.0, 0.30) * (up > 0) * round_tip[:, None]
    # Across the body's own direction.
    along = np.stack([np.gradient(y), np.gradient(z)], 1)
    along /= np.linalg.norm(along, axis=1, keepdims=True)
    lift = thick - groove
    return np.stack(
        [x, y[:, None] + lift * along[:, 1:], z[:, None] - lift * along[:, :1]], -1
    ).reshape(-1, 3)


def _smooth(share: Floats, places: Floats, values: Floats) -> Floats:
    """Catmull-Rom through values at even places."""
    padded = np.concatenate([[2 * values[0] - values[1]], values, [2 * values[-1] - values[-2]]])
    at = share * (len(values) - 1)
    low = np.clip(np.floor(at).astype(int), 0, len(values) - 2)
    t = at - low
    a, b, c, d = (padded[low + k] for k in range(4))
    return np.asarray(
        b + 0.5 * t * (c - a + t * (2 * a - 5 * b + 4 * c - d + t * (3 * (b - c) + d - a)))
    )
