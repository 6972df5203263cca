"""The 15 visemes of Oculus and OpenXR, as weights from the curves (docs/visemes.md)."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from .curves import CURVES, LIPS

#: What each viseme of full weight looks like, in curves; a name without a side is both sides. The
#: names are Oculus's and OpenXR's, in their order; `sil` is the face at rest.
SHAPES: Mapping[str, Mapping[str, float]] = {
    "sil": {},
    # p b m: the lips pressed together
    "PP": {"mouthPress": 0.45, "mouthRollLower": 0.35, "mouthRollUpper": 0.35, "mouthClose": 0.08,
           "jawOpen": 0.06},
    # f v: the lower lip at the upper teeth
    "FF": {"mouthRollLower": 0.5, "mouthUpperUp": 0.3, "mouthShrugUpper": 0.15, "jawOpen": 0.06},
    # th: the tongue between the teeth
    "TH": {"tongueOut": 0.4, "jawOpen": 0.16, "mouthLowerDown": 0.2, "mouthUpperUp": 0.15},
    # t d: the teeth nearly shut, the lips apart
    "DD": {"jawOpen": 0.12, "mouthLowerDown": 0.35, "mouthUpperUp": 0.2, "mouthStretch": 0.1},
    # k g: the mouth a little open, the lips slack
    "kk": {"jawOpen": 0.22, "mouthLowerDown": 0.15, "mouthUpperUp": 0.15},
    # ch j sh: the lips pushed forward, the teeth shut
    "CH": {"mouthFunnel": 0.5, "mouthPucker": 0.2, "mouthShrugUpper": 0.15, "jawOpen": 0.06,
           "mouthUpperUp": 0.2, "mouthLowerDown": 0.2},
    # s z: the teeth shut, the lips drawn wide
    "SS": {"mouthStretch": 0.35, "mouthLowerDown": 0.4, "mouthUpperUp": 0.2, "mouthDimple": 0.15,
           "jawOpen": 0.04},
    # n l: as t d, the jaw lower
    "nn": {"jawOpen": 0.2, "mouthLowerDown": 0.25, "mouthUpperUp": 0.1, "mouthStretch": 0.05},
    # r: a little round
    "RR": {"mouthFunnel": 0.3, "mouthPucker": 0.25, "jawOpen": 0.12, "mouthLowerDown": 0.1},
    # father
    "aa": {"jawOpen": 0.65, "mouthLowerDown": 0.3, "mouthUpperUp": 0.2},
    # bed
    "E": {"jawOpen": 0.38, "mouthStretch": 0.3, "mouthSmile": 0.2, "mouthLowerDown": 0.35,
          "mouthUpperUp": 0.25},
    # see
    "ih": {"jawOpen": 0.18, "mouthSmile": 0.45, "mouthStretch": 0.3, "mouthDimple": 0.15,
           "mouthLowerDown": 0.25, "mouthUpperUp": 0.2},
    # go
    "oh": {"jawOpen": 0.42, "mouthFunnel": 0.55, "mouthPucker": 0.2},
    # you
    "ou": {"jawOpen": 0.14, "mouthPucker": 0.7, "mouthFunnel": 0.35},
}  # fmt: skip

#: Their names.
VISEMES: tuple[str, ...] = tuple(SHAPES)

#: How they may be called: as Oculus and OpenXR do, or as most avatars for the web do.
VISEME_NAMES: Mapping[str, tuple[str, ...]] = {
    "oculus": VISEMES,
    "viseme": tuple(
        "viseme_" + {"ih": "I", "oh": "O", "ou": "U"}.get(name, name) for name in VISEMES
    ),
}

# What keeps the weights apart where shapes are alike: it lets them move smoothly with the curves.
_RIDGE = 0.02
# How much more the sum counts than the shape: it is 1 to a few millionths before it is made 1.
_SUM = 100.0


def columns(name: str) -> tuple[int, ...]:
    """Where a curve, or both sides of one, stand in `CURVES`; empty for a name that is none."""
    found = (c for c in (name, f"{name}Left", f"{name}Right") if c in CURVES)
    return tuple(CURVES.index(c) for c in found)


#: The curves that visemes say nothing of: eyes, brows, nose and cheeks go by their own names.
UNSPOKEN: tuple[str, ...] = tuple(
    c for c in CURVES if c not in LIPS and c not in ("tongueOut", "cheekPuff")
)

_PARTS = tuple(dict.fromkeys(part for shape in SHAPES.values() for part in shape))
# Curves to parts: (52, parts), sides as their mean.
_FOLD = np.zeros((len(CURVES), len(_PARTS)))
for _i, _part in enumerate(_PARTS):
    _FOLD[list(columns(_part)), _i] = 1.0 / len(columns(_part))
# (visemes, parts); weights that sum to 1 mix them.
_MIX = np.array([[shape.get(part, 0.0) for part in _PARTS] for shape in SHAPES.values()])
_GRAM = _MIX @ _MIX.T + _SUM**2
_GRAM[np.diag_indices(len(SHAPES))] += np.where(np.arange(len(SHAPES)) == 0, 0.0, _RIDGE**2)
_INVERSE = np.linalg.inv(_GRAM)
_AIM = _MIX @ _FOLD.T
# Slopes below this are none: rounding leaves as much.
_LEVEL = 1e-7
_MOST_ROUNDS = 100


def viseme_weights(curves: NDArray[np.floating]) -> NDArray[np.float32]:
    """Weights (frames, 15) of `VISEMES` for curves (frames, 52) in `CURVES` order.

    They are at least 0 and sum to 1, and of all such weights they mix the shapes to what is nearest
    to the mouth. A mouth at rest is `sil` alone. They follow the curves without jumps, and a
    frame's do not depend on what else is asked for with it. Raises ValueError for another shape.
    """
    if curves.ndim != 2 or curves.shape[1] != len(CURVES):
        raise ValueError(f"curves: expected (frames, {len(CURVES)}), got shape {curves.shape}")
    # Frame by frame, as products of whole matrices round otherwise with other numbers of frames.
    values = np.clip(curves.astype(np.float64), 0.0, 1.0)[:, :, None]
    weights = _nearest(np.matmul(_AIM, values)[:, :, 0] + _SUM**2)
    found: NDArray[np.float32] = (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)
    return found


def _nearest(aims: NDArray[np.float64]) -> NDArray[np.float64]:
    """Non-negative least squares of each row, by block principal pivoting on normal equations.

    A weight is free or 0; solved for the free ones, those that come out negative are held at 0 and
    those that would help are let go, all at once while that makes fewer of them, else one by one.
    """
    count = len(VISEMES)
    weights = np.zeros_like(aims)
    free = np.matmul(_INVERSE, aims[:, :, None])[:, :, 0] > 0.0
    open_rows = np.arange(len(aims))
    fewest = np.full(len(aims), count + 1)
    for _ in range(_MOST_ROUNDS):
        if not len(open_rows):
            break
        some = free[open_rows]
        matrix = np.where(some[:, :, None] & some[:, None, :], _GRAM, np.eye(count))
        found = np.linalg.solve(matrix, np.where(some, aims[open_rows], 0.0)[:, :, None])
        slope = aims[open_rows] - np.matmul(_GRAM, found)[:, :, 0]
        weights[open_rows] = found = found[:, :, 0]
        wrong = np.where(some, found < 0.0, slope > _LEVEL)
        wrongs = wrong.sum(axis=1)
        stuck = wrongs >= fewest[open_rows]
        fewest[open_rows] = np.minimum(fewest[open_rows], wrongs)
        last = count - 1 - np.argmax(wrong[:, ::-1], axis=1)
        one = np.arange(count)[None, :] == last[:, None]
        free[open_rows] ^= wrong & (one | ~stuck[:, None])
        open_rows = open_rows[wrongs > 0]
    return np.maximum(weights, 0.0)
