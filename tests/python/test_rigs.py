"""Rigs: direct names, else morphs derived from their ARKit parts, never both."""

from __future__ import annotations

import numpy as np
import pytest

from diffusiontalker.curves import CURVES, pascal_case
from diffusiontalker.rigs import Rig
from diffusiontalker.visemes import VISEME_NAMES, VISEMES, viseme_weights

FACE = np.random.default_rng(3).random((5, len(CURVES))).astype(np.float32)


def by_name(rig: Rig, curves: np.ndarray = FACE) -> dict[str, np.ndarray]:
    return dict(zip(rig.morphs, rig.weights(curves).T, strict=True))


def of(*names: str) -> np.ndarray:
    return np.mean([FACE[:, CURVES.index(name)] for name in names], axis=0)


def test_a_rig_of_all_curves_gets_them_as_they_are() -> None:
    for names in (CURVES, [pascal_case(c) for c in CURVES]):
        rig = Rig(names)
        assert (rig.weights(FACE) == FACE).all()
        assert rig.still == rig.missing == ()


def test_what_a_curve_of_its_own_shows_no_other_morph_shows_again() -> None:
    more = ("mouthOpen", "mouthSmile", "eyesClosed", *VISEME_NAMES["viseme"])
    rig = Rig((*more, *CURVES))
    found = by_name(rig)
    assert rig.still == ("mouthOpen", "mouthSmile", "eyesClosed")
    assert all((found[name] == 0).all() for name in more if name != "viseme_sil")
    assert (rig.weights(FACE)[:, len(more) :] == FACE).all()


def test_both_sides_in_one_and_halves_of_one() -> None:
    rig = Rig(("mouthSmile", "eyesClosed", "browInnerUpLeft", "browInnerUp_R", "mouthOpen", "hat"))
    found = by_name(rig)
    assert found["mouthSmile"] == pytest.approx(of("mouthSmileLeft", "mouthSmileRight"))
    assert found["eyesClosed"] == pytest.approx(of("eyeBlinkLeft", "eyeBlinkRight"))
    assert found["browInnerUpLeft"] == pytest.approx(of("browInnerUp"))
    assert found["browInnerUp_R"] == pytest.approx(of("browInnerUp"))
    assert found["mouthOpen"] == pytest.approx(of("jawOpen"))
    assert rig.still == ("hat",)


def test_one_side_alone_keeps_the_merged_morph_still() -> None:
    rig = Rig(("mouthSmileLeft", "mouthSmile"))
    assert rig.still == ("mouthSmile",)
    assert "mouthSmileRight" in rig.missing


@pytest.mark.parametrize("prefix", ["", "viseme_", "vrc.v_", "v_"])
def test_visemes_however_they_are_called(prefix: str) -> None:
    rig = Rig(["eyeBlinkLeft", *(prefix + name for name in VISEMES)])
    assert (rig.weights(FACE)[:, 1:] == viseme_weights(FACE)).all()
    assert (rig.weights(FACE)[:, 0] == FACE[:, 0]).all()


def test_visemes_do_not_say_what_a_direct_curve_shows() -> None:
    rig = Rig(["jawOpen", *VISEME_NAMES["viseme"]])
    shut = FACE.copy()
    shut[:, CURVES.index("jawOpen")] = 0
    assert (rig.weights(FACE)[:, 1:] == viseme_weights(shut)).all()
    assert "jawOpen" not in rig.parts["viseme_aa"]


def test_five_vowels_are_no_visemes() -> None:
    assert Rig(("aa", "ih", "ou", "ee", "oh")).still == ("aa", "ih", "ou", "ee", "oh")


def test_of_two_spellings_one_moves() -> None:
    rig = Rig(("jaw_open", "jawOpen"))
    assert rig.still == ("jaw_open",)
    assert (rig.weights(FACE)[:, 1] == of("jawOpen")).all()
