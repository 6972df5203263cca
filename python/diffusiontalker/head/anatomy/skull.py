"""Skull and neck: the skin from the face's oval over the crown and under the jaw down to the neck.

It is swept: rings turn like a book's pages about a line at the throat, from the oval back over the
crown, then go down the neck. Each ring is an ellipse with its top in the sagittal plane, its bottom
at the throat and its sides bent back; the oval's own form fades into that over the first rings.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from .cage import Cage
from .landmarks import OVAL, face
from .piece import smoothstep
from .surface import Floats, Ints, strip

# A ring a row: top (y, z), bottom (y, z), half width, how far its sides bend back, how much
# narrower it is below its middle.
_RINGS = np.array(
    [
        (0.431, -0.088, -0.806, -0.022, 0.500, 0.36, 0.00),
        (0.565, -0.170, -0.850, -0.110, 0.535, 0.36, 0.03),
        (0.670, -0.310, -0.868, -0.220, 0.552, 0.30, 0.12),
        (0.745, -0.520, -0.885, -0.310, 0.560, 0.22, 0.20),
        (0.762, -0.760, -0.910, -0.370, 0.562, 0.14, 0.24),
        (0.705, -1.010, -0.940, -0.400, 0.555, 0.08, 0.20),
        (0.545, -1.220, -0.970, -0.415, 0.540, 0.04, 0.14),
        (0.290, -1.345, -1.000, -0.420, 0.510, 0.02, 0.08),
        (0.000, -1.370, -1.040, -0.420, 0.470, 0.00, 0.03),
        (-0.280, -1.300, -1.085, -0.420, 0.415, 0.00, 0.00),
        (-0.540, -1.200, -1.140, -0.415, 0.372, 0.00, 0.00),
        (-0.790, -1.150, -1.210, -0.405, 0.362, 0.00, 0.00),
        (-1.050, -1.160, -1.310, -0.395, 0.395, 0.00, 0.00),
        (-1.300, -1.220, -1.440, -0.380, 0.480, 0.00, 0.00),
    ]
)
LAST = len(_RINGS) - 1
#: From this ring on nothing moves.
STILL = 5
#: How far beyond the oval a shape is felt.
FADE = 0.42


def ring(at: float | Floats, angle: Floats) -> Floats:
    """(..., 3): points of the ideal ring `at` (0 to LAST, any number between) at angles in radians.

    0 is the ring's top, pi its bottom, the left side between.
    """
    at = np.asarray(at, float)
    low = np.clip(np.floor(at).astype(int), 0, LAST - 1)
    t = (at - low)[..., None]
    before, after = _RINGS[np.maximum(low - 1, 0)], _RINGS[np.minimum(low + 2, LAST)]
    here, there = _RINGS[low], _RINGS[low + 1]
    # Catmull-Rom between rows.
    cubic = 3 * (here - there) + after - before
    square = 2 * before - 5 * here + 4 * there - after
    row = here + 0.5 * t * (there - before + t * (square + t * cubic))
    top_y, top_z, low_y, low_z, width, bent, narrow = np.moveaxis(row, -1, 0)
    c, s = np.cos(angle), np.sin(angle)
    below = smoothstep(angle, np.pi * 0.55, np.pi * 0.88)
    # Broader above than an ellipse.
    broad = np.abs(s) ** (1 - 0.2 * smoothstep(angle, np.pi * 0.5, np.pi * 0.15))
    x = width * broad * (1 - narrow * below)
    y = (top_y + low_y) / 2 + (top_y - low_y) / 2 * c
    z = (top_z + low_z) / 2 + (top_z - low_z) / 2 * c - bent * s * s
    return np.stack(np.broadcast_arrays(x, y, z), -1)


def angles() -> Floats:
    """(19,): where the oval's landmarks lie on ring 0."""
    points = face().points[list(OVAL)]
    top_y, _, low_y, _, width = _RINGS[0, :5]
    along = (points[:, 1] - (top_y + low_y) / 2) / ((top_y - low_y) / 2)
    return np.asarray(np.arctan2(points[:, 0] / width, np.clip(along, -1, 1)))


def own_form(at: Floats) -> Floats:
    """How much of the oval's own form is left at a ring."""
    return smoothstep(np.asarray(at, float), 4.0, 0.0)


def grow(cage: Cage) -> Ints:
    """Adds the rings to the cage; their corners (LAST + 1, 36), from the top over the left."""
    own = angles()
    even = np.linspace(0, np.pi, len(own))
    left = np.array(OVAL)
    whole = np.concatenate([left, face().pair[left[-2:0:-1]]])
    start = cage.points[left]
    residue = start - ring(0.0, own)
    rows = [whole]
    for number in range(1, LAST + 1):
        share = float(own_form(np.array(float(number))))
        angle = even + (own - even) * smoothstep(np.array(float(number)), 6.0, 0.0)
        half = ring(float(number), angle) + residue * share
        points = np.concatenate([half, half[-2:0:-1] * np.array([-1, 1, 1])])
        away = np.linalg.norm(points - cage.points[whole], axis=1)
        felt = smoothstep(away, FADE, 0.0) if number < STILL else np.zeros(len(points))
        rows.append(cage.add(points, whole, felt, beyond=1.0))
    right = np.arange(len(whole)) >= len(whole) // 2
    for one, other in pairwise(rows):
        cage.join(strip(one, other, closed=True, other_way=right)[:, ::-1])
    return np.stack(rows)
