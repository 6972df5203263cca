from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

class Canvas:
    BRIGHTEST: ClassVar[float]
    def __init__(
        self,
        background: NDArray[np.float32],
        tones: NDArray[np.uint8],
        *,
        plain: bool = False,
    ) -> None: ...
    @property
    def shading(self) -> str: ...
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

class Shapes:
    def __init__(self, points: NDArray[np.float32], shapes: NDArray[np.float32]) -> None: ...
    def posed(self, weights: NDArray[np.float32]) -> NDArray[np.float32]: ...

def yuv420(picture: NDArray[np.uint8], *, plain: bool = False) -> NDArray[np.uint8]: ...
