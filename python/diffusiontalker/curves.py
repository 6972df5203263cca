"""The 52 ARKit curves: their names, their order and their groups."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import lru_cache

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


#: What trackers and modelling programs put before a curve's name.
_PREFIXES = frozenset(
    ("arkit", "bs", "blend", "blendshape", "blendshapes", "shape", "face", "head", "mesh", "morph")
)
_SIDES = {"l": "left", "r": "right", "lft": "left", "rgt": "right"}
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")


def _words(name: str) -> tuple[str, ...]:
    """The words of a name in camelCase, snake_case or with points, in order: sides in full."""
    words = (word.lower() for word in _WORD.findall(name))
    return tuple(_SIDES.get(word, word) for word in words)


_LOWER = {name.lower(): name for name in CURVES}
_SPELT = {tuple(sorted(_words(name))): name for name in CURVES}
_SHORT = {
    f"{name.removesuffix(side)}{side[0]}".lower(): name
    for name in CURVES
    for side in ("Left", "Right")
    if name.endswith(side)
}


def texts_in(array: Iterable[object]) -> list[str]:
    """What a NumPy array of names holds. Raises ValueError for what is no text: NumPy lets any
    number be a letter, Python's strings do not."""
    try:
        return [str(name).encode().decode() for name in array]
    except (SystemError, UnicodeError) as error:
        raise ValueError(f"a name that is no text: {error}") from error


@lru_cache(maxsize=4096)
def curve_of(name: str) -> tuple[str, str] | None:
    """The curve that a tracker's name means, and the side whose half it is; None for no curve.

    eyeBlinkLeft, EyeBlinkLeft, eyeblinkleft, eyeBlink_L, eye_blink_left, Eye_Left_Blink and
    blendShape1.eyeBlink_L are one curve. The side is "" but where a curve that has none comes in
    halves (browInnerUp_L and browInnerUp_R).
    """
    exact = _LOWER.get(name.lower())
    if exact is not None:
        return exact, ""
    words = _words(name)
    while words and (words[0] in _PREFIXES or words[0].isdigit()):
        words = words[1:]
    if not words:
        return None
    together = "".join(words)
    known = _LOWER.get(together) or _SPELT.get(tuple(sorted(words))) or _SHORT.get(together)
    if known is not None:
        return known, ""
    for side in ("left", "right"):
        rest = tuple(word for word in words if word != side)
        half = _LOWER.get("".join(rest)) or _SPELT.get(tuple(sorted(rest)))
        if half is not None and len(rest) == len(words) - 1:
            return half, side
    return None


def curves_of(names: Sequence[str]) -> list[str | None]:
    """The curve that each column is, None for columns that are none.

    A name that is a curve's own wins over other spellings of it, which are then left out. Raises
    ValueError where two columns are the same curve (or the same half of one).
    """
    found = [curve_of(name) for name in names]
    own = {_LOWER[name.lower()] for name in names if name.lower() in _LOWER}
    out: list[str | None] = []
    seen: dict[tuple[str, str], str] = {}
    for name, place in zip(names, found, strict=True):
        if place is None or (place[0] in own and name.lower() not in _LOWER):
            out.append(None)
            continue
        if place in seen:
            raise ValueError(
                f"remap: curve {place[0]} is named twice, as {seen[place]} and as {name}"
            )
        seen[place] = name
        out.append(place[0])
    if any((curve, "") in seen and side for curve, side in seen):
        whole = next(curve for curve, side in seen if side and (curve, "") in seen)
        raise ValueError(f"remap: curve {whole} is named whole and in halves")
    return out


def remap(values: NDArray[np.floating], names: Sequence[str]) -> NDArray[np.float32]:
    """Puts columns that are named `names` (as `curve_of` reads them) into `CURVES` order.

    `values` is (frames, len(names)); the result is (frames, 52) float32 with zeros for the curves
    that `names` lacks. Two halves of a curve become their mean. Columns that are no ARKit curve
    (head rotations, say) are left out. Raises ValueError when a name stands twice or the widths
    disagree.
    """
    if values.ndim != 2 or values.shape[1] != len(names):
        raise ValueError(
            f"remap: expected (frames, {len(names)}) values for {len(names)} names, "
            f"got shape {values.shape}"
        )
    out = np.zeros((values.shape[0], len(CURVES)), dtype=np.float32)
    placed = curves_of(names)
    columns = Counter(placed)
    for column, curve in enumerate(placed):
        if curve is None:
            continue
        if columns[curve] == 1:
            out[:, _INDEX[curve]] = values[:, column]
        else:
            out[:, _INDEX[curve]] += values[:, column] / columns[curve]
    return out


def pascal_case(name: str) -> str:
    """The spelling that Live Link and MetaHuman use: eyeBlinkLeft -> EyeBlinkLeft."""
    return name[0].upper() + name[1:]
