"""The head that ships: it closes, seals, mirrors, and comes out of its code byte for byte."""

from __future__ import annotations

from functools import cache
from importlib import resources
from pathlib import Path

import numpy as np
import pytest
from seen_from_front import seen

from diffusiontalker import head as heads
from diffusiontalker.curves import CURVES
from diffusiontalker.head import build
from diffusiontalker.head.anatomy import whole
from diffusiontalker.head.anatomy.landmarks import other_side

WIDTH = whole.FACE_WIDTH_M
LEFT_EYE = (0.10 * WIDTH, 0.35 * WIDTH, -0.12 * WIDTH, 0.12 * WIDTH)
MOUTH = (-0.3 * WIDTH, 0.3 * WIDTH, -0.9 * WIDTH, -0.35 * WIDTH)
INSIDE = ("mouth", "upper teeth", "lower teeth", "tongue")


def eye(weights: dict[str, float]) -> int:
    return seen(heads.default(), weights, LEFT_EYE)["eye left"]


@cache
def gape() -> int:
    """Of the jaw wide open."""
    return inside({"jawOpen": 1.0})


def inside(weights: dict[str, float]) -> int:
    shown = seen(heads.default(), weights, MOUTH, step=0.001)
    return sum(shown[name] for name in INSIDE)


def both(curve: str, weight: float = 1.0) -> dict[str, float]:
    return {curve + "Left": weight, curve + "Right": weight}


def test_has_every_curve() -> None:
    assert tuple(heads.default().shapes) == CURVES
    assert heads.default().missing() == ()


def test_its_file_is_what_its_code_makes(tmp_path: Path) -> None:
    assert build.main([str(tmp_path / "made.glb")]) == 0
    ships = resources.files("diffusiontalker.head") / "default.glb"
    assert (tmp_path / "made.glb").read_bytes() == ships.read_bytes()


def test_a_blink_closes_the_eye_whatever_else_the_eye_does() -> None:
    open_wide = eye({})
    assert open_wide > 300
    for beside in ("", "eyeLookDownLeft", "eyeLookUpLeft", "eyeLookInLeft", "eyeSquintLeft"):
        weights = {"eyeBlinkLeft": 1.0} | ({beside: 1.0} if beside else {})
        assert eye(weights) < 0.05 * open_wide, beside


def test_a_lid_on_its_way_shows_less_and_less_of_the_eye() -> None:
    shown = [eye({"eyeBlinkLeft": weight}) for weight in (0.0, 0.25, 0.5, 0.75, 1.0)]
    assert shown == sorted(shown, reverse=True)
    assert 0.25 * shown[0] < shown[2] < 0.65 * shown[0]


def test_mouth_close_undoes_jaw_open() -> None:
    assert gape() > 600
    for weight in (0.2, 0.6, 1.0):
        assert inside({"jawOpen": weight, "mouthClose": weight}) <= 0.01 * weight * gape()


@pytest.mark.parametrize(
    "weights",
    [
        {},
        both("mouthSmile"),
        both("mouthFrown"),
        both("mouthPress"),
        {"mouthPucker": 1.0},
        {"mouthRollLower": 1.0, "mouthRollUpper": 1.0},
        {"cheekPuff": 1.0},
        {"jawLeft": 1.0},
    ],
    ids=lambda weights: "+".join(weights) or "rest",
)
def test_lips_stay_shut(weights: dict[str, float]) -> None:
    assert inside(weights) <= 0.01 * gape()


def test_lips_apart_before_a_shut_jaw_show_teeth() -> None:
    weights = both("mouthUpperUp", 0.7) | both("mouthLowerDown", 0.7)
    shown = seen(heads.default(), weights, MOUTH, step=0.001)
    teeth = shown["upper teeth"] + shown["lower teeth"]
    assert teeth > 150
    assert teeth > 0.9 * sum(shown[name] for name in INSIDE)


def test_the_tongue_comes_out_between_the_teeth() -> None:
    head = heads.default()
    tongue = np.unique(next(part for part in head.parts if part.name == "tongue").triangles)
    face = np.unique(head.parts[0].triangles)
    out = head.posed([1.0], ["tongueOut"])
    lips = out[face][np.abs(out[face][:, 0]) < 0.02 * WIDTH]
    lips = lips[(lips[:, 1] < -0.48 * WIDTH) & (lips[:, 1] > -0.62 * WIDTH)]
    assert out[tongue, 2].max() > lips[:, 2].max() + 0.05 * WIDTH
    assert head.points[tongue, 2].max() < -0.04 * WIDTH


def test_lower_teeth_go_with_the_jaw_and_upper_ones_stay() -> None:
    head = heads.default()
    parts = {part.name: np.unique(part.triangles) for part in head.parts}
    opened = head.shapes["jawOpen"]
    assert np.abs(opened[parts["upper teeth"]]).max() == 0
    front = parts["lower teeth"][head.points[parts["lower teeth"], 2] > -0.1 * WIDTH]
    assert (opened[front, 1] < -0.08 * WIDTH).all()
    # A bone: what is between two of its points stays as long as it was.
    apart = np.linalg.norm(np.diff(head.points[front], axis=0), axis=1)
    then = np.linalg.norm(np.diff((head.points + opened)[front], axis=0), axis=1)
    np.testing.assert_allclose(then, apart, atol=1e-5)


def test_left_and_right_mirror() -> None:
    head = heads.default()
    face = np.unique(head.parts[0].triangles)
    mirror = np.array([-1, 1, 1], np.float32)
    # Where lips touch, the way of opening tells one's points from the other's.
    both_ways = [head.points[face], head.shapes["jawOpen"][face], head.shapes["mouthPucker"][face]]
    own = np.concatenate(both_ways, 1)
    image = np.concatenate([one * mirror for one in both_ways], 1)
    pair = np.concatenate(
        [((some[:, None] - own[None]) ** 2).sum(-1).argmin(1) for some in np.array_split(image, 40)]
    )
    assert np.abs(head.points[face][pair] - head.points[face] * mirror).max() < 1e-5
    for curve, moved in head.shapes.items():
        other = head.shapes[other_side(curve)][face][pair] * mirror
        assert np.abs(moved[face] - other).max() < 1e-5, curve


@pytest.mark.parametrize(
    ("curve", "axis", "sign"),
    [
        ("eyeLookUpLeft", 1, 1),
        ("eyeLookDownLeft", 1, -1),
        ("eyeLookInLeft", 0, -1),
        ("eyeLookOutLeft", 0, 1),
    ],
)
def test_gaze_turns_the_pupil(curve: str, axis: int, sign: int) -> None:
    head = heads.default()
    eye_left = np.unique(next(p for p in head.parts if p.name == "eye left").triangles)
    pupil = eye_left[head.points[eye_left, 2].argmax()]
    moved = head.shapes[curve][pupil] * sign
    assert moved[axis] > 0.035 * WIDTH
    assert np.abs(np.delete(moved, [axis, 2])).max() < 1e-6


def test_nothing_tears_when_the_jaw_opens() -> None:
    head = heads.default()
    skin = np.concatenate(
        [p.triangles for p in head.parts if p.name in ("face", "mouth", "neck", "scalp")]
    )
    edges = np.unique(np.sort(np.concatenate([skin[:, [0, 1]], skin[:, [1, 2]]]), axis=1), axis=0)
    rest = np.linalg.norm(np.diff(head.points[edges], axis=1)[:, 0], axis=1)
    pose = head.posed([1.0, 1.0], ["jawOpen", "mouthFunnel"])
    then = np.linalg.norm(np.diff(pose[edges], axis=1)[:, 0], axis=1)
    assert then.max() < 0.18 * WIDTH
    assert np.abs(then - rest).max() < 0.13 * WIDTH
