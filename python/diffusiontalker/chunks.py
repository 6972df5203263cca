"""What a caller hands in as sound, checked and made float32."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .scale import what_is_wrong

FloatArray = NDArray[np.float32]
#: What `Runtime.step` and `push` take: mono float32 with full scale 1.0, int16, or int16 as bytes
#: (this machine's byte order).
Chunk = NDArray[np.float32] | NDArray[np.int16] | bytes | bytearray | memoryview


def as_float32(chunk: object) -> FloatArray:
    """A chunk as float32; ValueError for a wrong dtype or rank."""
    if isinstance(chunk, bytes | bytearray | memoryview):
        chunk = _from_bytes(chunk)
    if not isinstance(chunk, np.ndarray):
        raise ValueError(f"chunk: expected a NumPy array, got {type(chunk).__name__}")
    if chunk.ndim != 1:
        raise ValueError(
            f"chunk: expected mono samples of shape (n,), got shape {chunk.shape}; "
            "mix or pick a channel first"
        )
    if chunk.dtype == np.int16:
        samples: FloatArray = chunk.astype(np.float32) / np.float32(32768)
        return samples
    if chunk.dtype != np.float32:
        raise ValueError(f"chunk: expected float32 or int16, got {chunk.dtype}")
    return np.ascontiguousarray(chunk, dtype=np.float32)


def _from_bytes(chunk: bytes | bytearray | memoryview) -> NDArray[np.int16] | FloatArray:
    """Bytes of int16; a memoryview that knows what it holds is taken at its word."""
    if isinstance(chunk, memoryview) and chunk.format.lstrip("@=<") not in ("B", "b", "c"):
        return np.asarray(chunk)
    size = chunk.nbytes if isinstance(chunk, memoryview) else len(chunk)
    if size % 2:
        raise ValueError(
            f"chunk: {size} bytes are no whole number of int16 samples; keep the odd byte for the "
            "next chunk"
        )
    # A bytearray may grow again, and a view may have holes: tobytes copies what need be.
    data = chunk.tobytes() if isinstance(chunk, memoryview) else bytes(chunk)
    return np.frombuffer(data, np.int16)


def about(index: int, value: float) -> str:
    return f"sample {index} is {what_is_wrong(value)}"
