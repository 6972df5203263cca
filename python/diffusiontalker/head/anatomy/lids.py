"""Lids: rims that lie on the eyeball, have a thickness, meet when the eye blinks and ride on it."""

from __future__ import annotations

import numpy as np

from . import eyes
from .cage import Cage, Skin, spread
from .landmarks import LOWER_LID, MIRROR, UPPER_LID, face, other_side
from .piece import bell, smoothstep
from .surface import Floats, Ints, strip

#: The rims' distance from the eyeball's surface: a lid's thickness.
THICKNESS = 0.010
#: Where the lids meet: the share of the way from the lower rim to the upper one.
MEET = 0.16
#: The upper one goes on by this share: a blink closes an eye that looks up, too.
OVER = 0.10

_INNER, _OUTER = np.array([0.131, -0.036]), np.array([0.3185, -0.023])
_AT = np.array([0, 0.10, 0.23, 0.37, 0.51, 0.65, 0.79, 0.91, 1.0])


def fit(cage: Cage) -> None:
    """Sets the rims of both eyes on arcs on the eyeball and makes a blink close them."""
    upper, lower = list(UPPER_LID), list(LOWER_LID)
    rim = np.array(upper + lower[1:-1])
    wanted = np.concatenate([_arc(0.060, 0.44), _arc(-0.034, 0.60)[1:-1]])
    _move(cage, None, rim, wanted - cage.points[rim], reach=0.09)
    # Rims keep the form of an arc in every shape.
    for curve, moved in cage.shapes.items():
        _even(cage, curve, moved)
    # A blink: each pair of points meets; the lid's skin follows.
    above, below = cage.points[upper], cage.points[lower]
    meet = _on_ball(below + (above - below) * MEET, THICKNESS * 0.4)
    over = _on_ball(below + (above - below) * (MEET - OVER), THICKNESS * 0.7)
    over[[0, -1]] = above[[0, -1]]
    blink = cage.shapes["eyeBlinkLeft"]
    correction = np.concatenate([over - above, (meet - below)[1:-1]]) - blink[rim]
    _move(cage, "eyeBlinkLeft", rim, correction, reach=0.07)


def _even(cage: Cage, curve: str, moved: Floats) -> None:
    """A shape's way along both left rims, replaced by a smooth one."""
    own = [_fitted(moved[list(row)]) for row in (UPPER_LID, LOWER_LID)]
    corners = (own[0][[0, -1]] + own[1][[0, -1]]) / 2
    for row in own:
        start, end = corners - row[[0, -1]]
        row += start * (1 - _AT[:, None]) ** 4 + end * _AT[:, None] ** 4
    rim = np.array(UPPER_LID + LOWER_LID[1:-1])
    wanted = np.concatenate([own[0], own[1][1:-1]])
    if np.abs(wanted).max() > 0:
        _move(cage, curve, rim, wanted - moved[rim], reach=0.05)


def _fitted(row: Floats) -> Floats:
    """(9, 3): the parabola nearest to a row."""
    return np.stack([np.polyval(np.polyfit(_AT, row[:, k], 2), _AT) for k in range(3)], 1)


def _arc(height: float, peak: float) -> Floats:
    """(9, 3): a rim from the inner to the outer corner, highest at the share `peak` of its way."""
    power = np.log(0.5) / np.log(peak)
    bow = np.sin(np.pi * _AT**power) ** 0.9
    flat = _INNER + (_OUTER - _INNER) * _AT[:, None]
    points = np.concatenate([flat + np.array([0, height]) * bow[:, None], np.zeros((9, 1))], 1)
    # Seen from the front the rims keep their place, and their depth is the eyeball's there.
    across = ((points - eyes.MIDDLE)[:, :2] ** 2).sum(1)
    points[:, 2] = eyes.MIDDLE[2] + np.sqrt((eyes.RADIUS + THICKNESS) ** 2 - across)
    return points


def _on_ball(points: Floats, above: float) -> Floats:
    offsets = points - eyes.MIDDLE
    length = np.linalg.norm(offsets, axis=1, keepdims=True)
    return np.asarray(eyes.MIDDLE + offsets / length * (eyes.RADIUS + above))


def _move(cage: Cage, curve: str | None, rim: Ints, moved: Floats, reach: float) -> None:
    """Adds `moved` at the left rim and, fading, around it, and the mirror image on the right."""
    pair = face().pair
    own = spread(cage.points, cage.points[rim], moved, reach)
    own[cage.points[:, 0] < 0] = 0
    if curve is None:
        cage.points += own + own[pair] * MIRROR
    else:
        cage.shapes[curve] += own
        cage.shapes[other_side(curve)] += own[pair] * MIRROR


def thicken(cage: Cage) -> None:
    """Gives both eyes' rims an edge that goes back to the eyeball, and skin behind it."""
    pair = face().pair
    ring = np.array([*UPPER_LID, *LOWER_LID[-2:0:-1]])  # over the top outward, back below
    for rim, side in ((ring, 1.0), (pair[ring], -1.0)):
        flip = np.array([side, 1, 1])
        edge = cage.points[rim] * flip
        middle = edge.mean(axis=0)
        at_ball = _on_ball(edge, 0.0)
        behind = _on_ball(middle + (edge - middle) * np.array([1.25, 1.6, 1.0]), -0.012)
        first = cage.add(at_ball * flip, rim, wet=1.0)
        second = cage.add(behind * flip, rim, wet=1.0)
        bands = np.concatenate([strip(rim, first, closed=True), strip(first, second, closed=True)])
        cage.join(bands if side > 0 else bands[:, ::-1])
        cage.crease(rim, closed=True)


def ride(skin: Skin) -> None:
    """Keeps the lids' skin off the eyeball: at rest, half closed and closed.

    Displacements are straight and the eyeball is round: where the way of a point would cut into
    the ball, the shape's end is moved out so far that the way no longer does.
    """
    for curve, side in (("eyeBlinkLeft", 1.0), ("eyeBlinkRight", -1.0)):
        flip = np.array([side, 1, 1])
        points, moved = skin.points * flip, skin.shapes[curve] * flip
        near = np.linalg.norm(points - eyes.MIDDLE, axis=1) < eyes.RADIUS * 1.6
        # Not what lies behind the rims on purpose.
        near &= (skin.marks["wet"] < 0.3) & (points[:, 2] > eyes.MIDDLE[2])
        out = np.zeros_like(points)
        for weight in (1.0, 0.75, 0.5, 0.25):
            ball = eyes.MIDDLE - np.array([0, 0, eyes.PRESSED * weight])
            offset = points + weight * (moved + out) - ball
            length = np.linalg.norm(offset, axis=1, keepdims=True)
            lacking = np.clip(eyes.RADIUS * 1.005 + THICKNESS * 0.35 - length, 0, None)
            out += np.where(near[:, None], offset / length * lacking / weight, 0)
        share = smoothstep(np.linalg.norm(moved, axis=1), 0.0005, 0.006)
        skin.shapes[curve] += out * share[:, None] * flip


def crease(points: Floats) -> Floats:
    """(V,): how near points lie to the folds of the upper lids at rest, 0 to 1."""
    across = np.abs(points[:, 0])
    share = np.clip((across - _INNER[0]) / (_OUTER[0] - _INNER[0]), 0, 1)
    rim = _INNER[1] + (_OUTER[1] - _INNER[1]) * share + 0.052 * np.sin(np.pi * share**0.85) ** 0.9
    fold = rim + 0.010 + 0.022 * np.sin(np.pi * np.clip(share, 0.05, 0.95)) ** 0.5
    beyond = np.clip(np.maximum(_INNER[0] - across, across - _OUTER[0]) / 0.03, 0, 1)
    near = bell(points[:, 1] - fold, 0.0, 0.0085) * (1 - beyond)
    return np.where(points[:, 2] > -0.25, near, 0.0)
