"""The 52 ARKit curves: their names, their order and their groups."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

#: The order of Apple's ARFaceAnchor.BlendShapeLocation as Live Link Face sends it.
CURVES: tuple[str, ...] = (
    "eyeBlinkLeft", "eyeLookDownLeft", "eyeLookInLeft", "eyeLookOutLeft", "eyeLookUpLeft",
    "eyeSquintLeft", "eyeWideLeft",
    "eyeBlinkRight", "eyeLookDownRight", "eyeLookInRight", "eyeLookOutRight", "eyeLookUpRight",
    "eyeSquintRight", "eyeWideRight",
    "jawForward", "jawLeft", "jawRight", "jawOpen",
    "mouthClose", "mouthFunnel", "mouthPucker", "mouthLeft", "mouthRight",
    "mouthSmileLeft", "mouthSmileRight", "mouthFrownLeft", "mouthFrownRight",
    "mouthDimpleLeft", "mouthDimpleRight", "mouthStretchLeft", "mouthStretchRight",
    "mouthRollLower", "mouthRollUpper", "mouthShrugLower", "mouthShrugUpper",
    "mouthPressLeft", "mouthPressRight", "mouthLowerDownLeft", "mouthLowerDownRight",
    "mouthUpperUpLeft", "mouthUpperUpRight",
    "browDownLeft", "browDownRight", "browInnerUp", "browOuterUpLeft", "browOuterUpRight",
    "cheekPuff", "cheekSquintLeft", "cheekSquintRight", "noseSneerLeft", "noseSneerRight",
    "tongueOut",
)  # fmt: skip

#: Every curve that shapes the mouth: the honest set for lip errors.
LIPS: tuple[str, ...] = tuple(c for c in CURVES if c.startswith(("jaw", "mouth")))

#: The 12 curves that the paper's reference evaluation counts as lips.
LIPS_REFERENCE: tuple[str, ...] = (
    "jawLeft", "jawRight", "mouthDimpleLeft", "mouthDimpleRight", "mouthFunnel", "mouthPucker",
    "mouthRollLower", "mouthRollUpper", "mouthShrugLower", "mouthShrugUpper",
    "mouthUpperUpLeft", "mouthUpperUpRight",
)  # fmt: skip

#: Upper face of the reference evaluation: the 14 eye curves and the nose, without the brows.
UPPER_FACE_REFERENCE: tuple[str, ...] = tuple(c for c in CURVES if c.startswith(("eye", "nose")))

#: Upper face with the brows.
UPPER_FACE: tuple[str, ...] = tuple(c for c in CURVES if c.startswith(("eye", "nose", "brow")))

#: Curves that the silence gate brings to rest.
GATED: tuple[str, ...] = (*LIPS, "cheekPuff", "tongueOut")

#: Rotation of the head, in radians: what may follow the curves in a frame.
HEAD: tuple[str, ...] = ("headYaw", "headPitch", "headRoll")


def _beginning(*prefixes: str) -> tuple[str, ...]:
    return tuple(c for c in CURVES if c.startswith(prefixes))


#: Names for several curves at once, as the knobs take them (docs/live.md).
GROUPS: dict[str, tuple[str, ...]] = {
    "mouth": _beginning("mouth", "tongue"),
    "jaw": _beginning("jaw"),
    "lips": LIPS,
    "eyes": _beginning("eye"),
    "blink": _beginning("eyeBlink"),
    "gaze": _beginning("eyeLook"),
    "brows": _beginning("brow"),
    "cheeks": _beginning("cheek"),
    "nose": _beginning("nose"),
    "lower": tuple(c for c in CURVES if c not in UPPER_FACE),
    "upper": UPPER_FACE,
    "all": CURVES,
    "head": HEAD,
}

_INDEX = {name: i for i, name in enumerate(CURVES)}


def indices(names: Sequence[str]) -> list[int]:
    """Positions of `names` in `CURVES`. Raises ValueError for a name that is not a curve."""
    unknown = [n for n in names if n not in _INDEX]
    if unknown:
        raise ValueError(f"not ARKit curves: {', '.join(unknown)}")
    return [_INDEX[n] for n in names]


def remap(values: NDArray[np.floating], names: Sequence[str]) -> NDArray[np.float32]:
    """Puts columns that are named `names` (camelCase, any case accepted) into `CURVES` order.

    `values` is (frames, len(names)); the result is (frames, 52) float32 with zeros for the curves
    that `names` lacks. Columns that are no ARKit curve (head rotations, say) are left out. Raises
    ValueError when a name stands twice or the widths disagree.
    """
    if values.ndim != 2 or values.shape[1] != len(names):
        raise ValueError(
            f"remap: expected (frames, {len(names)}) values for {len(names)} names, "
            f"got shape {values.shape}"
        )
    known = {c.lower(): i for i, c in enumerate(CURVES)}
    out = np.zeros((values.shape[0], len(CURVES)), dtype=np.float32)
    seen: set[int] = set()
    for column, name in enumerate(names):
        target = known.get(name.lower())
        if target is None:
            continue
        if target in seen:
            raise ValueError(f"remap: curve {CURVES[target]} is named twice")
        seen.add(target)
        out[:, target] = values[:, column]
    return out


def pascal_case(name: str) -> str:
    """The spelling that Live Link and MetaHuman use: eyeBlinkLeft -> EyeBlinkLeft."""
    return name[0].upper() + name[1:]
