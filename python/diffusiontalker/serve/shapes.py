"""What a session's frames hold: the 52 curves, or what a face without them is moved by."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from ..chunks import FloatArray
from ..curves import CURVES
from ..rigs import Rig
from ..visemes import UNSPOKEN, VISEME_NAMES, viseme_weights
from ..vrm_presets import PRESETS, VRM0_NAMES, preset_weights
from .limits import Refusal

#: Names that stand for lists of them.
STYLES = ("arkit", *VISEME_NAMES, "vrm", "vrm1")
#: Most morphs of a face.
MOST_MORPHS = 256
_MOST_LETTERS = 100
_UNSPOKEN = [CURVES.index(name) for name in UNSPOKEN]


class Shapes:
    """Values by name, from the curves of the same frames.

    Args:
        asked: a style, or the names of a face's morphs, which `Rig`'s rule drives: direct names,
            else morphs that are derived from their ARKit parts, never both.

    Raises:
        Refusal: it is neither.
    """

    def __init__(self, asked: object = "arkit") -> None:
        self._weights: Callable[[FloatArray], FloatArray] | None
        if asked == "arkit":
            self.names: tuple[str, ...] = CURVES
            self._weights = None
        elif isinstance(asked, str) and asked in VISEME_NAMES:
            # Visemes say nothing of eyes, brows, nose and cheeks, which keep their own names.
            self.names = (*VISEME_NAMES[asked], *UNSPOKEN)
            self._weights = _visemes
        elif asked in ("vrm", "vrm1"):
            self.names = VRM0_NAMES if asked == "vrm" else PRESETS
            self._weights = _presets
        elif isinstance(asked, list | tuple):
            self.names = _checked(asked)
            self._weights = Rig(self.names).weights
        else:
            raise Refusal(
                "invalid",
                f"names: expected {', '.join(STYLES)}, or the names of a face's morphs, got "
                f"{asked!r}",
            )

    @property
    def are_curves(self) -> bool:
        return self._weights is None

    def __call__(self, curves: FloatArray) -> FloatArray:
        """(frames, 52) -> (frames, names)."""
        return curves if self._weights is None else self._weights(curves)


def _checked(morphs: Sequence[object]) -> tuple[str, ...]:
    names = tuple(m for m in morphs if isinstance(m, str) and 0 < len(m) <= _MOST_LETTERS)
    if len(names) != len(morphs) or not 0 < len(names) <= MOST_MORPHS:
        raise Refusal(
            "invalid",
            f"names: expected 1 to {MOST_MORPHS} names of morphs, each of 1 to {_MOST_LETTERS} "
            "letters",
        )
    if len(set(names)) != len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise Refusal("invalid", f"names: {twice!r} is there twice")
    return names


def _visemes(curves: FloatArray) -> FloatArray:
    return np.concatenate([viseme_weights(curves), curves[:, _UNSPOKEN]], axis=1)


def _presets(curves: FloatArray) -> FloatArray:
    weights: FloatArray = preset_weights(curves).astype(np.float32)
    return weights
