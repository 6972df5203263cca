"""MediaPipe's 468 face landmarks as a face's own geometry: scale, axes, neutral, openings.

Pictures have x right, y down and z away from the camera. A face here has x to its own left (the
picture's right), y up, z forward, and the unit of the head that it is laid on.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float64]

#: Points of the face that have a neighbour in the heads' tables; the irises' ten come after them.
COUNT = 468
EYE_INNER = (133, 362)
#: Speech leaves these alone: bridge of the nose, corners of the eyes, forehead, temples. MediaPipe
#: smears the hairline's other points, which are left out.
STABLE = np.array(
    [168, 6, 197, 195, 5, 33, 133, 362, 263, 10, 151, 9, 8, 162, 127, 389, 356, 234, 454]
)
#: Upper and lower inner lip, in pairs: the middle and to its sides.
GAP = np.array([[13, 14], [82, 87], [312, 317]])
# fmt: off
LIPS_OUTER: tuple[int, ...] = (
    61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291, 409, 270, 269, 267, 0, 37, 39, 40, 185,
)
LIPS_INNER: tuple[int, ...] = (
    78, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308, 415, 310, 311, 312, 13, 82, 81, 80, 191,
)
#: The red of the lips between the two, which MediaPipe refines as it does the rims.
LIPS_BETWEEN: tuple[int, ...] = (
    76, 77, 90, 180, 85, 16, 315, 404, 320, 307, 306, 408, 304, 303, 302, 11, 72, 73, 74, 184,
    62, 96, 89, 179, 86, 15, 316, 403, 319, 325, 292, 407, 272, 271, 268, 12, 38, 41, 42, 183,
)
# fmt: on
LIPS = np.array([*LIPS_OUTER, *LIPS_INNER, *LIPS_BETWEEN])
#: Mean of their depth: how far the lips come forward.
FORWARD = np.array([0, 17, 13, 14, 37, 267, 84, 314, 61, 291])


def eye_distance(points: Points) -> NDArray[np.float64]:
    """Between the inner corners of the eyes: (..., 468, 3) -> (...)."""
    left, right = EYE_INNER
    return np.asarray(np.linalg.norm(points[..., left, :] - points[..., right, :], axis=-1))


def lip_axes(points: Points) -> dict[str, NDArray[np.float64]]:
    """What a viewer sees of the lips, in the points' unit: (frames, 468, 3) -> (frames,) each.

    gap of the inner lips, width between the corners, raise of the upper and drop of the lower lip,
    protrusion. Linear in the points, so displacements may be given as well.
    """
    x, y, z = np.moveaxis(points, -1, 0)
    return {
        "gap": y[..., 13] - y[..., 14],
        "width": x[..., 291] - x[..., 61],
        "upper_raise": y[..., 0],
        "lower_drop": -y[..., 17],
        "protrusion": z[..., FORWARD].mean(-1),
    }


def from_picture(pixels: Points) -> Points:
    """Points in pixels of true shape (x right, y down, z like x, away) -> a face's axes."""
    return np.asarray(pixels[..., :COUNT, :] * np.array([1.0, -1.0, -1.0]))


def reference_of(faces: Points, head: Points) -> Points:
    """A person's own face (468, 3) to lay pictures on: the median of his faces laid on a head.

    faces: (frames, 468, 3). Whose proportions are a head's would bend the alignment.
    """
    first = np.median(lay(faces, head), axis=0)
    again = np.median(lay(faces, first), axis=0)
    return np.asarray(lay(again[None], head)[0])


def lay(faces: Points, target: Points) -> Points:
    """Faces (frames, 468, 3) turned, moved and scaled as wholes onto a target (468, 3).

    Least squares over the points that speech leaves alone (Umeyama 1991).
    """
    source, goal = faces[:, STABLE], target[STABLE]
    middle, goal_middle = source.mean(1, keepdims=True), goal.mean(0)
    source, goal = source - middle, goal - goal_middle
    u, s, vt = np.linalg.svd(np.einsum("tpi,pj->tij", source, goal))
    flip = np.sign(np.linalg.det(u @ vt))
    u[:, :, 2] *= flip[:, None]
    s[:, 2] *= flip
    scale = s.sum(1) / (source**2).sum((1, 2))
    turned: Points = scale[:, None, None] * ((faces - middle) @ (u @ vt)) + goal_middle
    return turned


def neutral_of(faces: Points) -> Points:
    """The face at rest: the median over the quarter of pictures with the smallest lip gap.

    (frames, 468, 3), laid on one face -> (468, 3).
    """
    opening = lip_axes(faces)["gap"]
    quarter = np.argsort(opening, kind="stable")[: max(1, len(faces) // 4)]
    middle: Points = np.median(faces[quarter], axis=0)
    return middle
