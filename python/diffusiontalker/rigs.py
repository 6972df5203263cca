"""Rigs that nobody has described: which of a face's morphs the curves drive (docs/visemes.md)."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from .curves import CURVES, curve_of
from .visemes import SHAPES, VISEMES, columns, viseme_weights

# Both sides as one morph, where its name is not the curve's without the side.
_MERGED = {
    "eyesclosed": "eyeBlink",
    "blink": "eyeBlink",
    "eyeslookup": "eyeLookUp",
    "eyeslookdown": "eyeLookDown",
    "mouthopen": "jawOpen",
}
_PREFIX = re.compile(r"^(?:vrc\.)?(?:v|viseme)[_. ]?(?=[A-Za-z]{1,3}$)")


class Rig:
    """The morphs of a face, each driven directly, or by what its ARKit parts say, or not at all.

    A morph that is named as a curve (in any spelling that `curve_of` reads) shows that curve. What
    curves are left then goes into morphs that are made of several: both sides in one (mouthSmile,
    eyesClosed) or a half of one (browInnerUpLeft), and what is left after those into visemes. So no
    curve ever moves a face twice, whatever morphs it has.
    """

    def __init__(self, morphs: Sequence[str]) -> None:
        """`morphs`: their names, in the order of the weights."""
        self.morphs = tuple(morphs)
        #: By morph, the curves that it shows: one, or the parts that it is made of.
        self.parts: dict[str, tuple[str, ...]] = {}
        left = dict.fromkeys(CURVES)
        taken = [self._direct(left), self._parted(left)]
        self._shares = np.zeros((len(CURVES), len(self.morphs)))
        for found in taken:
            for morph, (curve_indices, scale) in found.items():
                self._shares[list(curve_indices), self.morphs.index(morph)] = scale
                self.parts[morph] = tuple(CURVES[i] for i in curve_indices)
        # What goes into visemes: the curves that nothing else shows.
        self._left = np.array([curve in left for curve in CURVES], np.float64)
        self._visemes = self._find_visemes(left)

    @property
    def still(self) -> tuple[str, ...]:
        """The morphs that nothing moves."""
        return tuple(m for m in self.morphs if m not in self.parts)

    @property
    def missing(self) -> tuple[str, ...]:
        """The curves that no morph shows."""
        shown = {curve for parts in self.parts.values() for curve in parts}
        return tuple(curve for curve in CURVES if curve not in shown)

    def weights(self, curves: NDArray[np.floating]) -> NDArray[np.float32]:
        """(frames, morphs) for curves (frames, 52) in `CURVES` order; 0 for what is still."""
        values = np.asarray(curves, np.float64)
        shown = np.matmul(self._shares.T, values[:, :, None])[:, :, 0]
        out: NDArray[np.float32] = shown.astype(np.float32)
        if self._visemes:
            found = viseme_weights(values * self._left)
            for column, viseme in self._visemes.items():
                out[:, column] = found[:, viseme]
        return out

    def _direct(self, left: dict[str, None]) -> dict[str, tuple[tuple[int, ...], float]]:
        """Morphs that are a curve each; of two spellings of one, the curve's own or the first."""
        found: dict[str, tuple[tuple[int, ...], float]] = {}
        for morph in sorted(self.morphs, key=lambda m: m not in CURVES):
            curve, side = curve_of(morph) or ("", "")
            if curve in left and not side:
                found[morph] = (columns(curve), 1.0)
                del left[curve]
        return found

    def _parted(self, left: dict[str, None]) -> dict[str, tuple[tuple[int, ...], float]]:
        """Halves of a curve, and both sides of one together."""
        found: dict[str, tuple[tuple[int, ...], float]] = {}
        shown: set[str] = set()
        for morph in self.morphs:
            if morph in found:
                continue
            curve, side = curve_of(morph) or ("", "")
            parts = columns(curve) if side else _sides(morph)
            names = [CURVES[i] for i in parts]
            once = {f"{name}{side}" for name in names}
            if parts and all(name in left for name in names) and not once & shown:
                found[morph] = (parts, 1.0 / len(parts))
                shown |= once
        for parts, _ in found.values():
            for i in parts:
                left.pop(CURVES[i], None)
        return found

    def _find_visemes(self, left: dict[str, None]) -> dict[int, int]:
        """Column of a morph -> viseme; none unless there are enough to be a set of them."""
        spelt = {"i": "ih", "o": "oh", "u": "ou"}
        known = {name.lower(): i for i, name in enumerate(VISEMES)}
        found: dict[int, int] = {}
        for column, morph in enumerate(self.morphs):
            name = _PREFIX.sub("", morph).lower()
            viseme = known.get(spelt.get(name, name))
            if viseme is not None and morph not in self.parts and viseme not in found.values():
                found[column] = viseme
        if len(found) < len(VISEMES) - 1:  # some leave out sil; five vowels are VRM's, not these
            return {}
        for column, viseme in found.items():
            parts = [CURVES[i] for part in SHAPES[VISEMES[viseme]] for i in columns(part)]
            self.parts[self.morphs[column]] = tuple(part for part in parts if part in left)
        return found


def _sides(morph: str) -> tuple[int, ...]:
    """The two curves whose common name a morph has; empty where it has none."""
    plain = re.sub(r"[^a-z]", "", morph.lower())
    name = _MERGED.get(plain) or next(
        (c.removesuffix("Left") for c in CURVES
         if c.endswith("Left") and c.removesuffix("Left").lower() == plain), ""
    )  # fmt: skip
    return columns(name) if name else ()
