"""The renderer: what is compiled for the processor gives the bytes of what runs anywhere."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("diffusiontalker._picture")

from diffusiontalker import head
from diffusiontalker._picture import Canvas, Shapes, yuv420
from diffusiontalker.curves import CURVES
from diffusiontalker.film.portrait import Portrait, tones, wall


@pytest.mark.parametrize("size", [(321, 243), (64, 90)])
@pytest.mark.parametrize("lets_through", [False, True])
def test_both_paths_draw_the_same_bytes(size: tuple[int, int], lets_through: bool) -> None:
    draw = np.random.default_rng(5)
    shown = head.default()
    values = draw.uniform(0, 0.6, len(CURVES)).astype(np.float32)
    points = Portrait(shown, CURVES, size).posed(values)
    points = points - np.array([0.0, points[:, 1].mean(), points[:, 2].max() + 0.6], np.float32)
    surface = draw.integers(0, 2, len(shown.triangles)).astype(np.uint8)
    surfaces = np.array(
        [[0.2, 9.0, 1.0, 0.0, 1.0], [1.2, 240.0, 0.35, float(lets_through), 1.0]], np.float32
    )
    colours = np.ascontiguousarray(shown.colours, np.float32).copy()
    colours[:, 3] = draw.uniform(0, 1, len(colours))
    pictures = [
        Canvas(wall(size), tones(), plain=plain).draw(
            points.astype(np.float32),
            colours,
            np.arange(len(points), dtype=np.int32),
            np.ascontiguousarray(shown.triangles, np.uint32),
            surface,
            surfaces,
            1.4 * min(size),
            size[0] / 2,
            size[1] / 2,
        )
        for plain in (False, True)
    ]
    assert Canvas(wall(size), tones(), plain=True).shading == "plain"
    assert (pictures[0] != Canvas(wall(size), tones()).draw(
        points[:3] + np.float32(5), colours[:3], np.arange(3, dtype=np.int32),
        np.array([[0, 1, 2]], np.uint32), surface[:1] * 0, surfaces, 99.0, 0.0, 0.0,
    )).mean() > 0.1  # fmt: skip
    np.testing.assert_array_equal(pictures[0], pictures[1])


@pytest.mark.parametrize("size", [(64, 48), (70, 2), (2, 4)])
def test_colours_become_those_of_bt709(size: tuple[int, int]) -> None:
    width, height = size
    picture = np.random.default_rng(1).integers(0, 256, (height, width, 3)).astype(np.uint8)
    picture[0, 0], picture[1, 1] = 0, 255
    made = yuv420(picture)
    np.testing.assert_array_equal(made, yuv420(picture, plain=True))
    share = picture / 255.0
    luma = share @ (0.2126, 0.7152, 0.0722)
    fine = np.stack(
        (luma, (share[..., 2] - luma) / 1.8556, (share[..., 0] - luma) / 1.5748), axis=-1
    )
    coarse = fine.reshape(height // 2, 2, width // 2, 2, 3).mean(axis=(1, 3))
    np.testing.assert_allclose(made[:height], 16 + 219 * fine[..., 0], atol=0.51)
    chromas = made[height:].reshape(2, height // 2, width // 2)
    for plane, expected in zip(chromas, (coarse[..., 1], coarse[..., 2]), strict=True):
        np.testing.assert_allclose(plane, 128 + 224 * expected, atol=0.51)
    with pytest.raises(ValueError, match="even sides"):
        yuv420(picture[:-1])


def test_shapes_move_points_by_their_weights() -> None:
    draw = np.random.default_rng(2)
    points = draw.normal(size=(500, 3)).astype(np.float32)
    shapes = draw.normal(size=(4, 500, 3)).astype(np.float32)
    shapes[0, 70:] = 0
    shapes[2] = 0
    weights = np.array([0.5, 0.0, 1.0, -0.25], np.float32)
    expected = points + np.einsum("svi,s->vi", shapes, weights)
    np.testing.assert_allclose(Shapes(points, shapes).posed(weights), expected, atol=1e-6)
    with pytest.raises(ValueError, match="a weight a shape"):
        Shapes(points, shapes).posed(weights[:3])
