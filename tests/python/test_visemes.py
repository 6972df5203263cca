"""Visemes: weights that mix the shapes to the mouth."""

from __future__ import annotations

import numpy as np
import pytest

from diffusiontalker.curves import CURVES
from diffusiontalker.visemes import (
    SHAPES,
    UNSPOKEN,
    VISEME_NAMES,
    VISEMES,
    columns,
    viseme_weights,
)  # fmt: skip


def mouth(**parts: float) -> np.ndarray:
    """(1, 52) of curves, both sides for a name without one."""
    curves = np.zeros((1, len(CURVES)), np.float32)
    for part, value in parts.items():
        curves[0, list(columns(part))] = value
    return curves


def random_mouths(count: int) -> np.ndarray:
    rng = np.random.default_rng(7)
    quiet = rng.random((count, 1)) ** 2
    return (rng.random((count, len(CURVES))) ** 3 * quiet).astype(np.float32)


def test_names_are_those_of_the_receivers() -> None:
    assert VISEMES == ("sil", "PP", "FF", "TH", "DD", "kk", "CH", "SS", "nn", "RR",
                       "aa", "E", "ih", "oh", "ou")  # fmt: skip
    assert VISEME_NAMES["viseme"][-4:] == ("viseme_E", "viseme_I", "viseme_O", "viseme_U")
    assert not {"jawOpen", "mouthClose", "tongueOut"} & set(UNSPOKEN)
    assert {"eyeBlinkLeft", "browInnerUp"} <= set(UNSPOKEN)


def test_every_part_of_a_shape_is_a_curve() -> None:
    for shape in SHAPES.values():
        for part, value in shape.items():
            assert columns(part)
            assert 0 < value <= 1


@pytest.mark.parametrize("viseme", VISEMES)
def test_a_shape_is_mostly_its_own_viseme(viseme: str) -> None:
    weights = viseme_weights(mouth(**SHAPES[viseme]))[0]
    assert VISEMES[int(weights.argmax())] == viseme
    assert weights.max() > 0.75


def test_rest_is_silence_alone_and_eyes_say_nothing() -> None:
    silence = np.eye(len(VISEMES))[0]
    assert (viseme_weights(mouth())[0] == silence).all()
    assert (viseme_weights(mouth(eyeBlink=1, browInnerUp=1))[0] == silence).all()


def test_half_open_is_half_aa() -> None:
    shape = {part: value / 2 for part, value in SHAPES["aa"].items()}
    weights = dict(zip(VISEMES, viseme_weights(mouth(**shape))[0].tolist(), strict=True))
    assert weights["aa"] == pytest.approx(0.5, abs=0.08)
    assert weights["sil"] == pytest.approx(0.5, abs=0.1)


def test_weights_are_the_nearest_of_all_that_sum_to_one() -> None:
    """No other mixture, of 200 at random and of all steps towards one viseme, comes nearer."""
    parts = list(dict.fromkeys(part for shape in SHAPES.values() for part in shape))
    mix = np.array([[shape.get(part, 0.0) for part in parts] for shape in SHAPES.values()])
    ridge = np.array([0.0] + [0.02] * (len(VISEMES) - 1))
    others = np.random.default_rng(1).dirichlet(np.full(len(VISEMES), 0.3), 200)
    for curves in random_mouths(40):
        aim = np.array([np.mean(curves[list(columns(part))]) for part in parts])

        def error(w: np.ndarray, aim: np.ndarray = aim) -> np.ndarray:
            return ((w @ mix - aim) ** 2).sum(-1) + ((ridge * w) ** 2).sum(-1)

        weights = viseme_weights(curves[None])[0].astype(np.float64)
        near = weights + 1e-2 * (np.eye(len(VISEMES)) - weights)
        assert error(weights) <= error(others).min()
        assert error(weights) <= error(near).min() + 1e-7


def test_weights_sum_to_one_and_none_is_negative() -> None:
    weights = viseme_weights(random_mouths(500))
    assert weights.dtype == np.float32
    assert weights.min() >= 0
    assert weights.sum(axis=1) == pytest.approx(np.ones(500), abs=1e-6)


def test_a_frame_does_not_depend_on_its_neighbours() -> None:
    curves = random_mouths(64)
    whole = viseme_weights(curves)
    alone = np.concatenate([viseme_weights(frame[None]) for frame in curves])
    assert (whole == alone).all()
    assert viseme_weights(curves[:0]).shape == (0, len(VISEMES))


def test_weights_move_without_jumps() -> None:
    a, b = random_mouths(2)
    path = np.linspace(0, 1, 2001)[:, None] * (b - a) + a
    assert np.abs(np.diff(viseme_weights(path), axis=0)).max() < 0.02


def test_other_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match=r"expected \(frames, 52\), got shape \(52,\)"):
        viseme_weights(np.zeros(52))
