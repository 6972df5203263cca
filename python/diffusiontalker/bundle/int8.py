"""Weights in 8 bits: whole numbers from -127 to 127 with a scale a row (docs/bundle.md).

`quantise` gives the very numbers that the runtime gives floats when it packs them, so a bundle in
floats and the same in int8 play alike, bit for bit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..curves import CURVES
from .manifest import Fault

#: What follows the name of int8 values in that of their scales.
SCALE = ".scale"

_MOST = np.float32(127)
# A row of less is a row of zeros.
_LEAST = np.float32(1e-30)
# Any more, and a weight might be infinite.
_MOST_SCALE = np.finfo(np.float32).max / _MOST

FloatArray = NDArray[np.float32]
Int8Array = NDArray[np.int8]


def product_columns(
    manifest: Mapping[str, Any], shapes: Mapping[str, tuple[int, ...]]
) -> dict[str, tuple[int, ...]]:
    """Weights that multiply activations -> the columns of each of their blocks.

    `shapes` are all tensors'. A row (of a convolution: all that makes one channel) has a scale a
    block; there is one block, but for what the decoder hears.
    """
    columns: dict[str, tuple[int, ...]] = {
        name: (int(np.prod(shape[1:])),)
        for name, shape in shapes.items()
        if name.startswith(("encoder.", "decoder.")) and ".weight" in name and len(shape) > 1
    }
    del columns["decoder.steps.weight"]  # a table
    channels = int(manifest["encoder"]["channels"])
    columns["decoder.gru.weight_ih_l0"] = (  # audio, identity, step, x_t
        *(channels, channels),
        *(int(manifest["decoder"]["step_dim"]), len(CURVES)),
    )
    return columns


def quantise(weights: FloatArray, columns: Sequence[int]) -> tuple[Int8Array, FloatArray]:
    """(rows, ...) finite weights -> values of that shape, and scales (rows, blocks).

    A block's greatest magnitude becomes 127; halves are rounded away from zero.
    """
    values, scales = [], []
    for part in _blocks(weights.astype(np.float32), columns):
        most = np.abs(part).max(axis=1, keepdims=True)
        scale = np.where(most > _LEAST, most / _MOST, np.float32(0))
        ratio = part / np.where(scale > 0, scale, np.float32(1))
        values.append(np.copysign(np.floor(np.abs(ratio) + np.float32(0.5)), ratio))
        scales.append(scale)
    whole = np.concatenate(values, axis=1).astype(np.int8)
    return whole.reshape(weights.shape), np.concatenate(scales, axis=1)


def dequantise(values: Int8Array, scales: FloatArray, columns: Sequence[int]) -> FloatArray:
    """The weights that int8 values stand for, of their shape: each times its scale, in float32."""
    factors = np.repeat(scales, columns, axis=1)
    return (values.reshape(factors.shape) * factors).reshape(values.shape)


def fault(name: str, values: Int8Array, scales: FloatArray, columns: Sequence[int]) -> Fault | None:
    """What is wrong with weights `name` of the right shapes, None if nothing is."""
    if values.min() < -_MOST:
        return Fault(name, "int8 values from -127 to 127", int(values.min()))
    wrong = ~((scales >= 0) & (scales <= _MOST_SCALE))
    if (scales == 0).any():
        used = [part.any(axis=1) for part in _blocks(values, columns)]
        wrong |= np.stack(used, axis=1) & (scales == 0)
    if not wrong.any():
        return None
    row, block = np.argwhere(wrong)[0]
    expected = f"scales above 0 (0 for zeros alone), at most {_MOST_SCALE:.3g}"
    return Fault(name + SCALE, expected, f"{scales[row, block]:g} in row {row}")


def _blocks(rows: NDArray[Any], columns: Sequence[int]) -> list[NDArray[Any]]:
    return np.split(rows.reshape(len(rows), -1), np.cumsum(columns)[:-1], axis=1)
