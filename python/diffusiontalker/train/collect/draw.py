"""A face of 468 landmarks as a picture: flat arrays, no graphics library."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from . import landmark_head, landmarks

Picture = NDArray[np.uint8]
Array = NDArray[np.float64]

# Around the face, in faces; below it there is more, for the jaw.
_MARGIN = 0.12
BACKGROUND = (0.16, 0.18, 0.22)
_SKIN, _LIP, _DARK, _TOOTH = (0.82, 0.62, 0.52), (0.70, 0.35, 0.33), (0.12, 0.04, 0.04), (0.9,) * 3
_WHITE, _IRIS, _PUPIL = (0.93, 0.93, 0.92), (0.25, 0.42, 0.50), (0.04, 0.04, 0.05)
_EYES = (
    (33, 7, 163, 144, 145, 153, 154, 155, 133, 173, 157, 158, 159, 160, 161, 246),
    (263, 249, 390, 373, 374, 380, 381, 382, 362, 398, 384, 385, 386, 387, 388, 466),
)
_LIGHT = np.array([0.35, 0.5, 0.8]) / np.linalg.norm([0.35, 0.5, 0.8])


def face(points: Array, rest: Array, size: int) -> Picture:
    """RGB picture (size, size, 3) of a head's landmarks (468, 3), seen from the front.

    `rest` is the head at rest: it frames the picture, and the upper teeth stand where it has them.
    """
    canvas = _Canvas(size, rest)
    _inside(canvas, points, rest)
    colours = np.tile(_SKIN, (landmarks.COUNT, 1))
    colours[landmarks.LIPS] = _LIP
    normals = _normals(points)
    shade = 0.35 + 0.62 * np.clip(normals @ _LIGHT, 0.0, 1.0)
    canvas.surface(points, landmark_head.triangles(), colours * shade[:, None])
    return canvas.picture()


def place(points: Array, rest: Array, size: int) -> Array:
    """Where points (n, 2 or 3) lie in such a picture: (n, 2), columns and rows."""
    low, high = rest[:, :2].min(0), rest[:, :2].max(0)
    span = float((high - low).max()) * (1.0 + 2.0 * _MARGIN)
    middle = (low + high) / 2.0 - [0.0, 0.04 * span]
    return np.asarray((points[:, :2] - middle) * (size / span) * [1.0, -1.0] + size / 2.0)


def _inside(canvas: _Canvas, points: Array, rest: Array) -> None:
    """What shows through the openings of the mesh: the mouth's dark and teeth, the eyeballs."""
    ring = points[list(landmarks.LIPS_INNER)]
    width = float(np.ptp(rest[list(landmarks.LIPS_INNER), 0]))
    back = float(ring[:, 2].min()) - width
    canvas.disc(ring, back, _DARK)
    # The lower teeth go with the chin; both lie in the dark until the lips part.
    apart = (points[13] - points[14] - rest[13] + rest[14])[1] / width
    lit = float(np.clip(8.0 * apart, 0.0, 1.0))
    tooth = lit * np.array(_TOOTH) + (1.0 - lit) * np.array(_DARK)
    upper = rest[13, :2] - [0.0, 0.06 * width]
    lower = rest[13, :2] - [0.0, 0.14 * width] + (points[152] - rest[152])[:2]
    for edge, grows in ((upper, 1.0), (lower, -1.0)):
        sides = np.array([[-0.42, 0.0], [0.42, 0.0], [0.42, 0.2], [-0.42, 0.2]]) * width
        teeth = np.concatenate([edge + sides * [1.0, grows], np.zeros((4, 1))], axis=1)
        canvas.disc(teeth, back + 0.5 * width, tooth)
    for eye in _EYES:
        rim = points[list(eye)]
        at_rest = rest[list(eye)]
        reach = 0.5 * float(np.ptp(at_rest[:, 0]))
        middle = at_rest.mean(0)
        depth = float(rim[:, 2].min()) - 0.5 * reach
        canvas.disc(rim, depth, _WHITE)
        turn = np.linspace(0.0, 2.0 * np.pi, 24, endpoint=False)
        for share, colour in ((0.45, _IRIS), (0.2, _PUPIL)):
            round_ = np.stack([np.cos(turn), np.sin(turn), 0.0 * turn], 1) * share * reach
            depth += 1e-3 * reach
            canvas.disc(middle + round_, depth, colour)


def _normals(points: Array) -> Array:
    corners = landmark_head.triangles()
    a, b, c = (points[corners[:, i]] for i in range(3))
    each = np.cross(b - a, c - a)
    normals = np.zeros_like(points)
    for i in range(3):
        np.add.at(normals, corners[:, i], each)
    return np.asarray(normals / np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12))


class _Canvas:
    """Triangles by depth, colours blended over each from its corners."""

    def __init__(self, size: int, rest: Array) -> None:
        self._rest = rest
        self._colour = np.tile(np.array(BACKGROUND), (size, size, 1))
        self._depth = np.full((size, size), -np.inf)

    def disc(self, ring: Array, depth: float, colour: tuple[float, ...] | Array) -> None:
        """A filled polygon, a fan about its middle, all at one depth."""
        points = np.concatenate([ring.mean(0, keepdims=True), ring])
        points[:, 2] = depth
        follows = np.roll(np.arange(len(ring)), -1) + 1
        fan = np.stack([np.zeros_like(follows), np.arange(len(ring)) + 1, follows], axis=1)
        self.surface(points, fan, np.tile(colour, (len(points), 1)))

    def surface(self, points: Array, corners: NDArray[np.intp], colours: Array) -> None:
        """Triangles (n, 3) over points, a colour a point."""
        x, y = place(points, self._rest, len(self._colour)).T
        for triangle in corners:
            self._triangle(x[triangle], y[triangle], points[triangle, 2], colours[triangle])

    def _triangle(self, x: Array, y: Array, z: Array, colours: Array) -> None:
        area = (x[1] - x[0]) * (y[2] - y[0]) - (x[2] - x[0]) * (y[1] - y[0])
        last = len(self._colour) - 1
        left, right = max(0, int(x.min())), min(last, int(x.max()) + 1)
        top, bottom = max(0, int(y.min())), min(last, int(y.max()) + 1)
        if abs(area) < 1e-9 or right < left or bottom < top:
            return
        across, down = np.meshgrid(np.arange(left, right + 1), np.arange(top, bottom + 1))
        second = ((x[2] - across) * (y[0] - down) - (x[0] - across) * (y[2] - down)) / area
        third = ((x[0] - across) * (y[1] - down) - (x[1] - across) * (y[0] - down)) / area
        first = 1.0 - second - third
        box = (slice(top, bottom + 1), slice(left, right + 1))
        depth = first * z[0] + second * z[1] + third * z[2]
        seen = (np.minimum(np.minimum(first, second), third) >= -1e-6) & (depth > self._depth[box])
        if seen.any():
            self._depth[box][seen] = depth[seen]
            share = np.stack([first[seen], second[seen], third[seen]], axis=-1)
            self._colour[box][seen] = share @ colours

    def picture(self) -> Picture:
        return np.asarray(np.clip(self._colour, 0.0, 1.0) * 255.0 + 0.5, np.uint8)
