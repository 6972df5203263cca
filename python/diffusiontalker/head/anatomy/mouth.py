"""Mouth: lips that are sealed at rest, their inside, and the bag that holds teeth and tongue."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from .cage import Cage, spread
from .jaw import JAW, jaw
from .landmarks import LOWER_LIP, UPPER_LIP
from .surface import strip
from .tongue import OPENS

#: Lips' red: the rows of landmarks between the outer border and the mouth's line.
RED = (
    78, 191, 80, 81, 82, 13, 312, 311, 310, 415, 308, 95, 88, 178, 87, 14, 317, 402, 318, 324,
    62, 183, 42, 41, 38, 12, 268, 271, 272, 407, 292, 96, 89, 179, 86, 15, 316, 403, 319, 325,
    76, 184, 74, 73, 72, 11, 302, 303, 304, 408, 306, 77, 90, 180, 85, 16, 315, 404, 320, 307,
)  # fmt: skip
BORDER = (
    61, 185, 40, 39, 37, 0, 267, 269, 270, 409, 291, 146, 91, 181, 84, 17, 314, 405, 321, 375,
)  # fmt: skip

#: Curves that leave the lips shut: what parts them there is the measured points' unevenness.
SEALED = (
    "jawForward", "jawLeft", "jawRight", "mouthPucker", "mouthLeft", "mouthRight",
    "mouthSmileLeft", "mouthSmileRight", "mouthFrownLeft", "mouthFrownRight",
    "mouthDimpleLeft", "mouthDimpleRight", "mouthStretchLeft", "mouthStretchRight",
    "mouthRollLower", "mouthRollUpper", "mouthPressLeft", "mouthPressRight", "mouthShrugLower",
    "cheekPuff", "cheekSquintLeft", "cheekSquintRight",
)  # fmt: skip

#: How far the lips' controls overlap at rest, so that the smooth surfaces touch.
OVERLAP = 0.003
BEHIND = 0.006
MIDDLE = np.array([0.0, -0.51, -0.26])
RADII = np.array([0.235, 0.165, 0.28])
#: Its parallels, in degrees from the front, and how much of the lips' way each goes: a smile that
#: draws the corners back takes the cheeks' inside along.
_PARALLELS = ((50.0, 0.8), (68.0, 0.45), (92.0, 0.2), (125.0, 0.0), (155.0, 0.0))


def seal(cage: Cage) -> None:
    """Makes the lips touch at rest, and again under jawOpen and mouthClose together."""
    upper, lower = list(UPPER_LIP), list(LOWER_LIP)
    inner = upper + lower[1:-1]
    bow = np.sin(np.pi * np.linspace(0, 1, len(upper))) ** 0.5
    meet = (cage.points[upper] + cage.points[lower]) / 2
    over = np.array([0, OVERLAP, 0]) * bow[:, None]
    # The lower one goes in a little behind the upper one, whose edge is then what is seen.
    behind = np.array([0, 0, -BEHIND]) * bow[:, None]
    wanted = np.concatenate([meet - over, (meet + over + behind)[1:-1]])
    cage.points += spread(cage.points, cage.points[inner], wanted - cage.points[inner], 0.07)
    shapes = cage.shapes
    apart = shapes["jawOpen"] + shapes["mouthClose"]
    gap = apart[upper] - apart[lower]
    correction = np.concatenate([-gap / 2, gap[1:-1] / 2])
    shapes["mouthClose"] += spread(cage.points, cage.points[inner], correction, 0.16)
    for curve in SEALED:
        moved = shapes[curve]
        part = np.clip(moved[upper, 1] - moved[lower, 1], 0, None) / 2
        lift = np.concatenate([-part, part[1:-1]])[:, None] * np.array([0, 1.0, 0])
        moved += spread(cage.points, cage.points[inner], lift, 0.05)
    # The tongue's way out lies between the teeth: the jaw opens for it.
    shapes["tongueOut"] = shapes["jawOpen"] * OPENS
    for mark, corners in ((1.0, RED), (0.55, BORDER)):
        cage.marks["lip"][list(corners)] = mark


def hollow(cage: Cage) -> None:
    """Adds the lips' inside and the bag behind it, joined to the mouth's line."""
    upper, lower = np.array(UPPER_LIP), np.array(LOWER_LIP)
    ring = np.concatenate([upper, lower[-2:0:-1]])  # from the right corner over the top
    up = np.zeros(len(ring))
    up[1:10], up[11:] = 1, -1
    edge = cage.points[ring]
    behind = np.array([0, 0, -1.0])
    # The lips' wet inside, then up and down between lips and gums.
    first = edge + behind * 0.030
    second = edge + behind * 0.050 + up[:, None] * np.array([0, 0.045, 0])
    rows = [ring, cage.add(first, ring, lip=0.8, inside=0.4)]
    rows.append(cage.add(second, ring, 0.9, lip=0.2, inside=0.9))
    # Parallels of the bag, from its mouth to its end.
    turn = np.pi - 2 * np.pi * np.arange(len(ring)) / len(ring)
    for tilt, share in _PARALLELS:
        t = np.radians(tilt)
        around = np.stack([np.sin(t) * np.cos(turn), np.sin(t) * np.sin(turn)], 1)
        points = MIDDLE + RADII * np.concatenate([around, np.full((len(turn), 1), np.cos(t))], 1)
        rows.append(cage.add(points, ring, share, inside=1.0))
        _with_jaw(cage, rows[-1], tilt)
    end = cage.add(MIDDLE[None] - RADII * np.array([[0, 0, 1.0]]), ring[:1], 0.0, inside=1.0)
    quads = np.arange(len(ring))
    right = (quads < 5) | (quads >= 15)
    for one, other in pairwise(rows):
        cage.join(strip(one, other, closed=True, other_way=right))
    last = rows[-1]
    fan = np.stack([last, np.roll(last, -1), np.full(len(last), end[0])], 1)
    cage.join(fan[:, [0, 2, 1]])


def _with_jaw(cage: Cage, row: np.ndarray, tilt: float) -> None:
    """The bag's floor goes with the jaw, its roof stays, its walls stretch between."""
    height = (cage.points[row, 1] - MIDDLE[1]) / RADII[1]
    share = np.clip(0.5 - 0.75 * height, 0, 1) * np.clip((175 - tilt) / 85, 0, 1)
    for curve in JAW:
        cage.shapes[curve][row] = jaw(cage.points[row], curve) * share[:, None]
    cage.shapes["tongueOut"][row] = cage.shapes["jawOpen"][row] * OPENS
