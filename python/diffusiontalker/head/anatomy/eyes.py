"""Eyeballs: white, round iris and pupil, turned by the gaze."""

from __future__ import annotations

import numpy as np

from .piece import Piece, bell, blend, rgb, smoothstep
from .surface import Floats, grid

#: The left eyeball's middle and radius, as the lids lie around it.
MIDDLE = np.array([0.2235, -0.010, -0.190])
RADIUS = 0.105
IRIS, PUPIL = 23.5, 8.5  # degrees from the axis
#: How far the gaze turns at 1, in degrees about x (down is positive) and y (left is positive).
GAZE = {
    "eyeLookUpLeft": (-25.0, 0.0),
    "eyeLookDownLeft": (28.0, 0.0),
    "eyeLookInLeft": (0.0, -32.0),
    "eyeLookOutLeft": (0.0, 32.0),
}
#: A closing lid presses the eyeball back: on its straight way down the lid would else cut into it.
PRESSED = 0.014

_SEGMENTS = 40
# Colours end sharply at the rims of pupil and iris: two rings close together.
_RINGS = (
    0.0, 3.0, PUPIL - 0.7, PUPIL, 11.5, 15.0, 18.5, IRIS - 2.0, IRIS - 0.6, IRIS + 0.6, 27.0, 32.0,
    39.0, 48.0, 60.0, 75.0, 90.0, 105.0,
)  # fmt: skip


def left() -> Piece:
    """The left eyeball, looking ahead."""
    tilt = np.radians(_RINGS)[:, None]
    turn = np.linspace(0, 2 * np.pi, _SEGMENTS, endpoint=False)[None]
    # The cornea is a flatter ball's cap upon the eyeball.
    radius = RADIUS * (1 + 0.035 * smoothstep(np.degrees(tilt), IRIS + 4, 4.0))
    around = np.stack(
        [np.sin(tilt) * np.cos(turn), np.sin(tilt) * np.sin(turn), np.cos(tilt) + 0 * turn], -1
    )
    offsets = (radius[..., None] * around).reshape(-1, 3)
    shapes = {curve: _turned(offsets, *angles) - offsets for curve, angles in GAZE.items()}
    shapes["eyeBlinkLeft"] = np.broadcast_to([0.0, 0.0, -PRESSED], offsets.shape)
    triangles = grid(len(_RINGS), _SEGMENTS, closed=True)
    return Piece(
        "eye left", MIDDLE + offsets, triangles, _colours(tilt, turn), shapes, roughness=0.12
    )


def _turned(offsets: Floats, about_x: float, about_y: float) -> Floats:
    x, y, z = offsets.T
    c, s = np.cos(np.radians(about_x)), np.sin(np.radians(about_x))
    y, z = c * y - s * z, s * y + c * z
    c, s = np.cos(np.radians(about_y)), np.sin(np.radians(about_y))
    return np.stack([c * x + s * z, y, c * z - s * x], 1)


def _colours(tilt: Floats, turn: Floats) -> Floats:
    degrees = np.broadcast_to(np.degrees(tilt), (len(_RINGS), _SEGMENTS)).reshape(-1)
    angle = np.broadcast_to(turn, (len(_RINGS), _SEGMENTS)).reshape(-1)
    streaks = 0.5 + 0.25 * np.sin(11 * angle) + 0.25 * np.sin(17 * angle + 1.0)
    iris = blend(np.broadcast_to(rgb("#3f6275"), (len(angle), 3)), rgb("#86a9b3"), streaks * 0.6)
    iris = blend(iris, rgb("#8a7350"), 0.6 * bell(degrees, PUPIL + 1.5, 2.5))
    iris = blend(iris, rgb("#16262f"), smoothstep(degrees, IRIS - 5, IRIS))
    white = blend(
        np.broadcast_to(rgb("#f1eeea"), (len(angle), 3)),
        rgb("#d9b3a8"),
        smoothstep(degrees, 38.0, 80.0),
    )
    eye = np.where((degrees > IRIS)[:, None], white, iris)
    return np.where((degrees < PUPIL - 0.3)[:, None], rgb("#050505"), eye)
