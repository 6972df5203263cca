"""The curve names: order, groups, remapping by name."""

from __future__ import annotations

import numpy as np
import pytest

from diffusiontalker import CURVES, curves


def test_the_52_names() -> None:
    assert len(CURVES) == len(set(CURVES)) == 52
    assert CURVES[0] == "eyeBlinkLeft"
    assert CURVES[17] == "jawOpen"
    assert CURVES[51] == "tongueOut"


def test_groups() -> None:
    assert len(curves.LIPS) == 27
    assert len(curves.LIPS_REFERENCE) == 12
    assert len(curves.UPPER_FACE_REFERENCE) == 16
    assert len(curves.UPPER_FACE) == 21
    assert set(curves.LIPS_REFERENCE) <= set(curves.LIPS)
    assert not set(curves.LIPS) & set(curves.UPPER_FACE)


def test_remap_goes_by_name() -> None:
    names = ["JawRight", "Timecode", "jawLeft"]
    out = curves.remap(np.array([[1.0, 9.0, 2.0]]), names)
    expected = np.zeros(52)
    expected[CURVES.index("jawRight")] = 1
    expected[CURVES.index("jawLeft")] = 2
    np.testing.assert_array_equal(out, expected[None])


def test_remap_refuses() -> None:
    with pytest.raises(ValueError, match="named twice"):
        curves.remap(np.zeros((1, 2)), ["jawOpen", "JawOpen"])
    with pytest.raises(ValueError, match=r"got shape \(1, 3\)"):
        curves.remap(np.zeros((1, 3)), ["jawOpen", "jawLeft"])
    with pytest.raises(ValueError, match="not ARKit curves: jawopen"):
        curves.indices(["jawopen"])


def test_pascal_case() -> None:
    assert curves.pascal_case("eyeBlinkLeft") == "EyeBlinkLeft"


def test_a_name_that_is_no_text_is_refused() -> None:
    names = np.array(["jawOpen", "mouthFunnel", "x"])
    assert curves.texts_in(names) == ["jawOpen", "mouthFunnel", "x"]
    for number in (0xD800, 0x110000, 0x7F000078):
        names.view(np.uint32)[-5] = number
        with pytest.raises(ValueError, match="a name that is no text"):
            curves.texts_in(names)
