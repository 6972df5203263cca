import numpy as np
from numpy.typing import NDArray

def log_mel(
    samples: NDArray[np.float32], pad_end: bool = False
) -> tuple[NDArray[np.float32], NDArray[np.float32]]: ...
def noise(
    seed: int, first_frame: int, frames: int, curves: int = 52
) -> NDArray[np.float32]: ...
