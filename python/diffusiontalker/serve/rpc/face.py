"""Audio2Face-3D's parameters of a face, applied to frames."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from ...chunks import FloatArray
from ...curves import CURVES, GROUPS
from ..limits import Refusal

#: The curves as Audio2Face-3D spells them.
BLEND_SHAPES = tuple(name[0].upper() + name[1:] for name in CURVES)
_INDEX = {name.lower(): i for i, name in enumerate(CURVES)}
_UPPER = np.array([name in GROUPS["upper"] for name in CURVES])
_BLINK = np.array([name in GROUPS["blink"] for name in CURVES])

#: Parameters that are honoured.
HONOURED = (
    "upperFaceStrength", "lowerFaceStrength", "upperFaceSmoothing", "lowerFaceSmoothing",
    "blinkStrength",
)  # fmt: skip


class Face:
    """Strength, smoothing, multiplier, offset, clamp: in this order; neutral ones change no bit.

    Args:
        header: an AudioStreamHeader.
        frame_seconds: between frames.

    Raises:
        Refusal: a parameter is no finite number.
    """

    def __init__(self, header: Any, frame_seconds: float) -> None:
        face = header.face_params
        given = {**face.float_params, **face.integer_params}
        _check("face_params", given)
        strength = np.where(
            _UPPER, given.get("upperFaceStrength", 1.0), given.get("lowerFaceStrength", 1.0)
        )
        self._strength = _factors(strength * np.where(_BLINK, given.get("blinkStrength", 1.0), 1.0))
        # The share of a new frame, by time constants in seconds.
        upper, lower = (
            1.0 - math.exp(-frame_seconds / seconds) if seconds > 0 else 1.0
            for seconds in (given.get(f"{part}FaceSmoothing", 0.0) for part in ("upper", "lower"))
        )
        self._share = _factors(np.where(_UPPER, upper, lower))
        shapes = header.blendshape_params
        _check("bs_weight_multipliers", shapes.bs_weight_multipliers)
        _check("bs_weight_offsets", shapes.bs_weight_offsets)
        self._multipliers = _factors(_by_curve(shapes.bs_weight_multipliers, 1.0))
        offsets = _by_curve(shapes.bs_weight_offsets, 0.0)
        self._offsets = offsets if offsets.any() else None
        self._clamp = bool(shapes.enable_clamping_bs_weight)
        self._last: FloatArray | None = None
        self.left_out = left_out(header, given)

    def __call__(self, frames: FloatArray) -> FloatArray:
        """(n, 52), in order -> the same as asked for."""
        if self._strength is not None:
            frames = frames * self._strength
        if self._share is not None:
            frames = frames.copy()
            for frame in frames:
                if self._last is not None:
                    frame[:] = self._last + self._share * (frame - self._last)
                self._last = frame
        if self._multipliers is not None:
            frames = frames * self._multipliers
        if self._offsets is not None:
            frames = frames + self._offsets
        return np.clip(frames, np.float32(0), np.float32(1)) if self._clamp else frames


def left_out(header: Any, face: Mapping[str, float]) -> list[str]:
    """What the client asks for and does not get, by name."""
    names = [name for name in face if name not in HONOURED]
    names += list(header.face_params.float_array_params)
    shapes = header.blendshape_params
    names += [
        name
        for name in {**shapes.bs_weight_multipliers, **shapes.bs_weight_offsets}
        if name.lower() not in _INDEX
    ]
    names += [
        field
        for field in ("emotion_post_processing_params", "emotion_params")
        if header.HasField(field)
    ]
    return sorted(names)


def _check(what: str, given: Mapping[str, float]) -> None:
    for name, value in given.items():
        if not math.isfinite(value):
            raise Refusal("invalid", f"{what}: {name}: expected a finite number, got {value}")


def _by_curve(given: Mapping[str, float], neutral: float) -> FloatArray:
    values = np.full(len(CURVES), neutral, np.float32)
    for name, value in given.items():
        if name.lower() in _INDEX:
            values[_INDEX[name.lower()]] = value
    return values


def _factors(values: Any) -> FloatArray | None:
    """As float32, or None where all are one."""
    factors = np.asarray(values, np.float32)
    return None if (factors == 1).all() else factors
