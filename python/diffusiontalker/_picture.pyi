from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

class Canvas:
    BRIGHTEST: ClassVar[float]
    def __init__(self, background: NDArray[np.float32], tones: NDArray[np.uint8]) -> None: ...
    def draw(
        self,
        points: NDArray[np.float32],
        colours: NDArray[np.float32],
        joints: NDArray[np.int32],
        triangles: NDArray[np.uint32],
        surface: NDArray[np.uint8],
        surfaces: NDArray[np.float32],
        focal: float,
        centre_x: float,
        centre_y: float,
    ) -> NDArray[np.uint8]: ...
