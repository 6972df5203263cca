"""What the lips do on a head when a curve goes from 0 to 1: five axes that a viewer sees.

The figures are displacements of the shapes of ICT-FaceKit's head (USC Institute for Creative
Technologies, MIT licence) at MediaPipe's landmarks: `gap` is the drop of the lower inner lip (14)
less that of the upper (13), `width` the distance of the mouth's corners (291 less 61, across),
`upper_raise` the rise of the upper lip (0), `lower_drop` the drop of the lower (17), `protrusion`
how far ten lip points come forward on average (0 17 13 14 37 267 84 314 61 291). Unit: the distance
between the inner corners of the eyes (133, 362), some 32 mm of a grown-up. Linear in the curves, as
blendshapes are.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..curves import CURVES

AXES = ("gap", "width", "upper_raise", "lower_drop", "protrusion")

#: Curve -> what one unit of it does, in the order of AXES. Curves that are not here do not move
#: lips.
TABLE: dict[str, tuple[float, float, float, float, float]] = {
    "jawForward": (0.035, 0.0246, -0.0021, 0.0312, 0.1348),
    "jawLeft": (-0.0062, 0.0139, 0.0008, -0.0089, 0.0119),
    "jawOpen": (0.888, -0.1545, -0.0639, 0.9505, -0.2912),
    "jawRight": (-0.0062, 0.0139, 0.0008, -0.0089, 0.0119),
    "mouthClose": (-1.0557, 0.0768, -0.014, -0.8506, 0.2267),
    "mouthDimpleLeft": (-0.0097, 0.0229, 0.0041, -0.0209, -0.0251),
    "mouthDimpleRight": (-0.0097, 0.0229, 0.0041, -0.0209, -0.0251),
    "mouthFrownLeft": (-0.0034, 0.0512, -0.0147, 0.0036, -0.0082),
    "mouthFrownRight": (-0.0034, 0.0512, -0.0147, 0.0036, -0.0082),
    "mouthFunnel": (0.3721, -0.1851, 0.1646, 0.2406, 0.1778),
    "mouthLeft": (-0.0179, -0.2541, 0.0223, -0.0193, -0.0452),
    "mouthLowerDownLeft": (0.0917, -0.0008, -0.0001, 0.0898, -0.0096),
    "mouthLowerDownRight": (0.0917, -0.0008, -0.0001, 0.0898, -0.0096),
    "mouthPressLeft": (-0.0344, -0.0032, -0.019, -0.0415, 0.0063),
    "mouthPressRight": (-0.0344, -0.0032, -0.019, -0.0415, 0.0063),
    "mouthPucker": (-0.014, -0.2516, 0.0998, 0.0511, 0.2177),
    "mouthRight": (-0.0179, -0.2541, 0.0223, -0.0193, -0.0452),
    "mouthRollLower": (-0.1016, 0.0182, 0, -0.2523, -0.0701),
    "mouthRollUpper": (0.0494, 0.0862, -0.1494, 0.0002, -0.0882),
    "mouthShrugLower": (-0.1864, 0.0378, 0.0003, -0.2072, 0.0663),
    "mouthShrugUpper": (0.1425, -0.0021, 0.1547, -0.0003, 0.0046),
    "mouthSmileLeft": (0.001, 0.1915, 0.0471, -0.0544, -0.0574),
    "mouthSmileRight": (0.001, 0.1915, 0.0471, -0.0544, -0.0574),
    "mouthStretchLeft": (-0.0042, 0.1787, -0.0115, -0.0137, -0.04),
    "mouthStretchRight": (-0.0042, 0.1787, -0.0115, -0.0137, -0.04),
    "mouthUpperUpLeft": (0.0962, 0.0048, 0.108, -0.0048, -0.0058),
    "mouthUpperUpRight": (0.0962, 0.0048, 0.108, -0.0048, -0.0058),
}

#: Standard deviation of each axis over the faces that the default learns from (GRID, speaker 1, the
#: 687 clips that train): what is much of an axis and what is little.
SPREAD = (0.126, 0.039, 0.0243, 0.103, 0.034)


def matrix() -> NDArray[np.float32]:
    """(52, 5): curves (frames, 52) @ matrix = axes (frames, 5)."""
    still = (0.0,) * len(AXES)
    return np.array([TABLE.get(name, still) for name in CURVES], np.float32)
