"""Pictures that stand still: many poses of a head on one sheet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ..curves import CURVES, HEAD
from . import text
from .errors import FilmError
from .portrait import Portrait

if TYPE_CHECKING:
    from ..head import Head

ByteArray = npt.NDArray[np.uint8]

_LABEL = (236, 240, 245)


def sheet(
    head: Head,
    poses: Sequence[tuple[str, Mapping[str, float]]],
    *,
    columns: int = 4,
    size: tuple[int, int] = (320, 320),
) -> ByteArray:
    """(rows x height, columns x width, 3) sRGB: `head` in each pose, in reading order.

    A pose is a label, which may be empty, and curves by name; headYaw, headPitch and headRoll
    (radians) turn the head. Labels need Pillow. Raises FilmError.
    """
    names = (*CURVES, *HEAD)
    portrait = Portrait(head, names, size)
    width, height = size
    columns = min(columns, len(poses))
    if columns < 1:
        raise FilmError("sheet: expected one pose and one column or more")
    rows = -(-len(poses) // columns)
    made = np.zeros((rows * height, columns * width, 3), np.uint8)
    for number, (label, pose) in enumerate(poses):
        unknown = [name for name in pose if name not in names]
        if unknown:
            raise FilmError(f"sheet: not ARKit curves: {', '.join(unknown)}")
        picture = portrait.picture(np.array([pose.get(name, 0.0) for name in names], np.float32))
        if label:
            high = max(10, round(height * 0.05))
            text.write(picture, label, (round(0.04 * width), height - 2 * high), high, _LABEL)
        y, x = number // columns * height, number % columns * width
        made[y : y + height, x : x + width] = picture
    return made
