"""Nostrils: the measured face has none."""

from __future__ import annotations

import numpy as np

from .cage import Skin
from .piece import bell
from .surface import Floats

_MIDDLE = np.array([0.056, -0.343])
_DEPTH = np.array([0.0, 0.016, -0.008])


def nostrils(skin: Skin) -> None:
    """Pushes two dents into the nose's base."""
    skin.points += shade(skin.points)[:, None] * _DEPTH


def shade(points: Floats) -> Floats:
    """(V,): 1 within a nostril, 0 outside."""
    x, y, z = np.abs(points[:, 0]), points[:, 1], points[:, 2]
    # Aslant: towards the tip they draw together.
    along, across = x - _MIDDLE[0], y - _MIDDLE[1] + 0.25 * (x - _MIDDLE[0])
    return np.where(z > -0.05, bell(np.hypot(along / 0.024, across / 0.011), 0.0, 0.75), 0.0)
