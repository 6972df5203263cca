"""The whole head, put together."""

from __future__ import annotations

import numpy as np

from ...curves import CURVES
from ..model import FloatArray, Head, IndexArray, Part, welded
from . import brows, ears, eyes, hair, lids, mouth, nose, shirt, skull, teeth, tongue
from .cage import Cage, Skin
from .landmarks import face
from .piece import Piece, bell, blend, rgb, smoothstep
from .surface import Floats, Ints

#: Metres from cheek to cheek (landmark 234 to 454).
FACE_WIDTH_M = 0.14
#: The file's figures are whole multiples of this, so that its bytes do not hang on the last bit of
#: an arithmetic that differs between processors: a micrometre, about.
STEP_M = 2.0**-20


SKIN = "#c98f74"
ROUGHNESS = {"face": 0.55, "mouth": 0.9, "neck": 0.55, "scalp": 0.55}


def head() -> Head:
    """Made anew; the same figures on every machine."""
    cage = Cage.of(face())
    lids.fit(cage)
    mouth.seal(cage)
    lids.thicken(cage)
    mouth.hollow(cage)
    skull.grow(cage)
    skin = cage.smooth(_fine(cage))
    lids.ride(skin)
    nose.nostrils(skin)
    skin.quiet()
    return _joined(
        skin,
        [
            eyes.left(),
            eyes.left().mirrored("eye right"),
            brows.left(skin).with_both(),
            brows.lashes_left(cage).with_both(),
            teeth.upper(),
            teeth.lower(),
            tongue.tongue(),
            ears.left(rgb(SKIN)).with_both(),
            hair.hair(),
            shirt.shirt(),
        ],
    )


def _colours(skin: Skin) -> Floats:
    colours = np.broadcast_to(rgb(SKIN), skin.points.shape)
    x, y, z = np.abs(skin.points[:, 0]), skin.points[:, 1], skin.points[:, 2]
    front = smoothstep(z, -0.35, -0.15)
    blush = bell(np.hypot(x - 0.27, (y + 0.29) * 1.2), 0.0, 0.13) + bell(
        np.hypot(x, y + 0.28), 0.0, 0.07
    )
    colours = blend(colours, rgb("#c9776a"), 0.38 * blush * front)
    colours = blend(colours, rgb("#a5694f"), 0.35 * bell(y, -1.05, 0.16))
    colours = blend(colours, rgb("#8a5340"), 0.5 * lids.crease(skin.points))
    colours = blend(colours, rgb("#8a5f4a"), 0.55 * brows.shade(skin.points))
    colours = blend(colours, rgb("#b0605a"), smoothstep(skin.marks["lip"], 0.25, 0.70))
    colours = blend(colours, rgb("#b98074"), 0.6 * skin.marks["wet"])
    colours = blend(colours, rgb("#3d1413"), 0.85 * nose.shade(skin.points))
    colours = blend(colours, rgb("#5a1c1e"), skin.marks["inside"])
    return blend(colours, rgb("#2a0b0d"), skin.marks["inside"] * smoothstep(-z, 0.12, 0.42))


def _fine(cage: Cage) -> Floats:
    """(V,): 1 at corners whose surroundings are divided twice: eyes, nose, mouth."""
    x, y, z = cage.points.T
    x = np.abs(x)
    eye = np.hypot((x - eyes.MIDDLE[0]) / 0.115, (y - eyes.MIDDLE[1] - 0.01) / 0.085) < 1
    nose = (x < 0.11) & (np.abs(y + 0.28) < 0.075)
    lips = np.hypot(x / 0.205, (y + 0.51) / 0.09) < 1
    ahead = (z > -0.25) & (cage.marks["inside"] < 0.85)
    return np.where((eye | nose | lips) & ahead, 1.0, 0.0)


def _regions(skin: Skin) -> dict[str, Ints]:
    """The skin's triangles by how they move, so that each region carries only the shapes it has."""
    inside = (skin.marks["inside"][skin.triangles] > 0.9).all(axis=1)
    beyond = (skin.marks["beyond"][skin.triangles] > 0.45).all(axis=1)
    moving = np.any([moved.any(axis=1) for moved in skin.shapes.values()], axis=0)
    still = ~moving[skin.triangles].any(axis=1)
    return {
        "face": skin.triangles[~inside & ~beyond],
        "mouth": skin.triangles[inside],
        "neck": skin.triangles[beyond & ~still],
        "scalp": skin.triangles[beyond & still],
    }


def _joined(skin: Skin, pieces: list[Piece]) -> Head:
    count = len(skin.points) + sum(len(piece.points) for piece in pieces)
    points = np.zeros((count, 3))
    colours = np.ones((count, 4))
    shapes = {name: np.zeros((count, 3)) for name in CURVES}
    parts = [
        Part(name, triangles.astype(np.uint32), ROUGHNESS[name])
        for name, triangles in _regions(skin).items()
    ]
    whole = Piece("skin", skin.points, skin.triangles, _colours(skin), skin.shapes)
    first = 0
    for piece in (whole, *pieces):
        own = slice(first, first + len(piece.points))
        points[own] = piece.points
        colours[own, :3] = piece.colours
        for name, moved in piece.shapes.items():
            shapes[name][own] = moved
        if piece is not whole:
            triangles = (piece.triangles + first).astype(np.uint32)
            parts.append(Part(piece.name, triangles, piece.roughness))
        first = own.stop
    head = Head(
        _rounded(points),
        (np.rint(colours * 65535) / 65535).astype(np.float32),
        tuple(parts),
        {name: _rounded(moved) for name, moved in shapes.items() if moved.any()},
    )
    return _ordered(welded(head))


def _ordered(head: Head) -> Head:
    """Points in the order of the first part that uses them, as they come out of a file."""
    seen = np.zeros(len(head.points), bool)
    order: list[Ints] = []
    for part in head.parts:
        own = np.unique(part.triangles)
        order.append(own[~seen[own]].astype(np.intp))
        seen[own] = True
    old = np.concatenate(order)
    new = np.zeros(len(head.points), np.uint32)
    new[old] = np.arange(len(old))
    return Head(
        head.points[old],
        head.colours[old],
        tuple(Part(part.name, _real(new[part.triangles]), part.roughness) for part in head.parts),
        {name: moved[old] for name, moved in head.shapes.items()},
    )


def _real(triangles: IndexArray) -> IndexArray:
    """Without those that the poles of a grid leave with two equal corners."""
    a, b, c = triangles.T
    return np.asarray(triangles[(a != b) & (b != c) & (c != a)])


def _rounded(lengths: Floats) -> FloatArray:
    """Metres on the grid, without negative zeros."""
    return (np.rint(lengths * (FACE_WIDTH_M / STEP_M)) * STEP_M + 0.0).astype(np.float32)
