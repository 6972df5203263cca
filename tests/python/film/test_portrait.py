"""Pictures of a head: the right face, the same bytes, what covers what."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("diffusiontalker._picture")

from diffusiontalker import film, head
from diffusiontalker._picture import Canvas
from diffusiontalker.curves import CURVES, HEAD
from diffusiontalker.film import __main__ as command
from diffusiontalker.film.portrait import joints
from diffusiontalker.head import Head, Part

NAMES = (*CURVES, *HEAD)
FLAT = np.array([[0.0, 1.0, 0.0, 0.0, 1.0]], np.float32)


def pose(**curves: float) -> np.ndarray:
    return np.array([curves.get(name, 0.0) for name in NAMES], np.float32)


@pytest.fixture(scope="module")
def portrait() -> film.Portrait:
    return film.Portrait(head.default(), NAMES, (240, 240))


def test_the_same_curves_give_the_same_bytes(portrait: film.Portrait) -> None:
    first = portrait.picture(pose(jawOpen=0.5))
    portrait.picture(pose(headYaw=0.5))
    np.testing.assert_array_equal(portrait.picture(pose(jawOpen=0.5)), first)
    np.testing.assert_array_equal(
        film.picture(head.default(), pose(jawOpen=0.5), NAMES, (240, 240)), first
    )


def test_an_open_jaw_is_seen_at_the_mouth(portrait: film.Portrait) -> None:
    """What changes is where the lips are drawn, and the eyes stay as they are."""
    changed = np.abs(
        portrait.picture(pose(jawOpen=0.5)).astype(int) - portrait.picture(pose())
    ).max(axis=2)
    shown = head.default()

    def place(curve: str) -> tuple[int, int]:
        moves = np.linalg.norm(shown.shapes[curve], axis=1)
        x, y = portrait.on_picture(shown.points[moves > 0.8 * moves.max()]).mean(axis=0)
        return int(y), int(x)

    y, x = place("mouthClose")
    assert changed[y - 15 : y + 25, x - 10 : x + 10].max() > 60
    y, x = place("eyeBlinkLeft")
    assert changed[y - 6 : y + 6, x - 8 : x + 8].max() < 10


def test_left_is_the_heads_own_left(portrait: film.Portrait) -> None:
    changed = portrait.picture(pose(eyeBlinkLeft=1)).astype(int) - portrait.picture(pose())
    assert np.argwhere(np.abs(changed).max(axis=2) > 40)[:, 1].min() > 120
    turned = portrait.posed(pose(headYaw=0.3)) - portrait.posed(pose())
    nose = int(np.argmax(head.default().points[:, 2]))
    assert turned[nose, 0] > 0.01


def test_what_is_nearer_covers() -> None:
    """Two squares: the nearer one is seen from whichever side of the list it comes."""
    canvas = Canvas(np.zeros((40, 40, 3), np.float32), np.arange(256, dtype=np.uint8))
    square = np.array([[-1, -1, 0], [1, -1, 0], [1, 1, 0], [-1, 1, 0]], np.float32)
    points = np.concatenate([square, square * 0.5])
    points[:, 2] = [-5] * 4 + [-4] * 4
    colours = np.repeat(np.array([[1, 0, 0, 1], [0, 1, 0, 1]], np.float32), 4, axis=0)
    triangles = np.array([[0, 1, 2], [0, 2, 3], [4, 5, 6], [4, 6, 7]], np.uint32)
    for order in ([0, 1, 2, 3], [2, 3, 0, 1]):
        out = canvas.draw(
            points, colours, np.arange(8, dtype=np.int32), triangles[order],
            np.zeros(4, np.uint8), FLAT, 60.0, 20.0, 20.0,
        )  # fmt: skip
        assert out[20, 20, 1] > 20 > out[20, 20, 0]
        assert out[20, 10, 0] > 20 > out[20, 10, 1]
        assert not out[20, 2].any()


def test_edges_are_smooth() -> None:
    canvas = Canvas(np.zeros((40, 40, 3), np.float32), np.arange(256, dtype=np.uint8))
    points = np.array([[-1, -1, -4], [1, -0.8, -4], [-0.7, 1, -4]], np.float32)
    out = canvas.draw(
        points, np.ones((3, 4), np.float32), np.arange(3, dtype=np.int32),
        np.array([[0, 1, 2]], np.uint32), np.zeros(1, np.uint8), FLAT, 60.0, 20.0, 20.0,
    )  # fmt: skip
    levels = np.unique(out[:, :, 0])
    assert len(levels) >= 5  # nothing, all, and a quarter, a half, three quarters


def test_blended_parts_let_through_what_is_behind() -> None:
    points = np.array(
        [[-1, -1, 0], [1, -1, 0], [0, 1, 0], [-1, -1, 0.5], [1, -1, 0.5], [0, 1, 0.5]], np.float32
    )
    colours = np.array([[0.8, 0.1, 0.1, 1]] * 3 + [[0.1, 0.1, 0.8, 0.5]] * 3, np.float32)
    shape = np.zeros_like(points)
    shape[:] = (0, 0.5, 0)
    back = Part("skin", np.array([[0, 1, 2]], np.uint32))
    glass = np.array([[3, 4, 5]], np.uint32)

    def centre(transparent: bool) -> np.ndarray:
        parts = (back, Part("skin over", glass, transparent=transparent))
        made = Head(points, colours, parts, {"jawOpen": shape})
        return film.picture(made, [0.0], ["jawOpen"], (64, 64))[32, 32].astype(int)

    through, over = centre(True), centre(False)
    assert through[0] > over[0] + 40


def test_points_that_were_parted_by_an_exporter_share_a_normal() -> None:
    points = np.array([[0, 0, 0], [1, 0, 0], [0, 0, 0], [0, 0, 0]], np.float32)
    apart = np.zeros_like(points)
    apart[3] = (0, 1, 0)
    made = Head(points, np.ones((4, 4), np.float32), (), {"jawOpen": apart})
    assert list(joints(made)) == [0, 1, 0, 3]


@pytest.mark.parametrize(
    ("curves", "names", "said"),
    [
        ([0.0], ["jawOpen", "jawLeft"], r"curves: expected 2 values, got shape \(1,\)"),
        ([np.nan], ["jawOpen"], "curves: expected finite values"),
        ([0.0], ["nose"], "the head has none of the curves"),
    ],
)
def test_what_cannot_be_drawn(curves: list[float], names: list[str], said: str) -> None:
    with pytest.raises(film.FilmError, match=said):
        film.picture(head.default(), curves, names, (64, 64))


def test_the_canvas_refuses_what_would_read_beyond_its_arrays() -> None:
    canvas = Canvas(np.zeros((8, 8, 3), np.float32), np.arange(256, dtype=np.uint8))
    points, colours = np.zeros((3, 3), np.float32), np.ones((3, 4), np.float32)
    good = {
        "points": points, "colours": colours, "joints": np.arange(3, dtype=np.int32),
        "triangles": np.array([[0, 1, 2]], np.uint32), "surface": np.zeros(1, np.uint8),
        "surfaces": FLAT, "focal": 1.0, "centre_x": 4.0, "centre_y": 4.0,
    }  # fmt: skip
    canvas.draw(**good)
    for change in (
        {"triangles": np.array([[0, 1, 3]], np.uint32)},
        {"joints": np.array([0, 1, -1], np.int32)},
        {"surface": np.ones(1, np.uint8)},
        {"points": np.full((3, 3), np.nan, np.float32)},
        {"colours": colours[:2]},
    ):
        with pytest.raises(ValueError, match="Canvas: "):
            canvas.draw(**{**good, **change})


def test_a_sheet_and_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("PIL")
    made = film.sheet(head.default(), [("", {}), ("open", {"jawOpen": 1.0})], size=(64, 64))
    assert made.shape == (64, 128, 3)
    out = tmp_path / "still.png"
    assert command.main([str(out), "jawOpen=0.5", "--size", "64x64"]) == 0
    assert out.read_bytes().startswith(b"\x89PNG")
    assert command.main([str(out), "jawsOpen=0.5"]) == 2
    assert command.main([str(tmp_path / "still.xyz"), "--size", "64x64"]) == 2
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 2
    assert all(line.startswith("python -m diffusiontalker.film: ") for line in said)
