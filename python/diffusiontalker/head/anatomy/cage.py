"""The coarse skin that subdivision makes smooth: corners, how shapes move them, and marks."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from .landmarks import Face
from .piece import smoothstep
from .surface import Floats, Ints, divided, edges

#: What a corner may be marked as, 0 to 1: lip's red, inside of the mouth, the lids' wet edge,
#: beyond the face's oval.
MARKS = ("lip", "inside", "wet", "beyond")


@dataclass
class Cage:
    """Corners (V, 3), shapes (V, 3) by curve, marks (V,) by name, triangles (T, 3), creased edges.

    It starts as the face between forehead and chin, open at eyes and mouth; lids, mouth and skull
    add to it.
    """

    points: Floats
    shapes: dict[str, Floats]
    triangles: Ints
    marks: dict[str, Floats] = field(default_factory=dict)
    sharp: set[tuple[int, int]] = field(default_factory=set)

    @classmethod
    def of(cls, face: Face) -> Cage:
        count = len(face.points)
        shapes = {name: moved.copy() for name, moved in face.shapes.items()}
        shapes["tongueOut"] = np.zeros((count, 3))
        marks = {name: np.zeros(count) for name in MARKS}
        return cls(face.points.copy(), shapes, face.triangles, marks)

    def add(
        self,
        points: Floats,
        like: Ints | list[int] | tuple[int, ...],
        share: Floats | float = 1.0,
        **marks: float,
    ) -> Ints:
        """Adds corners (N, 3) that move `share` as far as the corners `like` (N); their numbers."""
        first = len(self.points)
        self.points = np.concatenate([self.points, points])
        part = np.broadcast_to(np.asarray(share, float), len(points))[:, None]
        for name, moved in self.shapes.items():
            self.shapes[name] = np.concatenate([moved, moved[list(like)] * part])
        for name in MARKS:
            own = np.full(len(points), marks.get(name, 0.0))
            self.marks[name] = np.concatenate([self.marks[name], own])
        return np.arange(first, len(self.points))

    def join(self, triangles: Ints) -> None:
        self.triangles = np.concatenate([self.triangles, triangles])

    def crease(self, row: Ints | tuple[int, ...], *, closed: bool = False) -> None:
        """Keeps the edges along a row of corners sharp."""
        ends = zip(row, (*row[1:], *(row[:1] if closed else ())), strict=False)
        self.sharp |= {(int(min(pair)), int(max(pair))) for pair in ends}

    def smooth(self, fine: Floats) -> Skin:
        """Divided once everywhere and once more where `fine` (V,) of the corners is over a half."""
        names = list(self.shapes)
        values = np.concatenate(
            [
                self.points,
                *self.shapes.values(),
                np.stack([self.marks[name] for name in MARKS] + [fine], 1),
            ],
            axis=1,
        )
        once, coarse, sharp = divided(values, self.triangles, self.sharp)
        twice, _, _ = divided(once, coarse, sharp)
        wanted = once[:, -1][coarse].mean(axis=1) > 0.4
        values, triangles = _where(twice, coarse, wanted)
        return Skin(
            values[:, :3],
            {name: values[:, 3 * k + 3 : 3 * k + 6] for k, name in enumerate(names)},
            {name: values[:, 3 * len(names) + 3 + k] for k, name in enumerate(MARKS)},
            triangles,
        )


@dataclass
class Skin:
    """What a cage becomes."""

    points: Floats
    shapes: dict[str, Floats]
    marks: dict[str, Floats]
    triangles: Ints

    def quiet(self) -> None:
        """Takes away what is below seeing: a shape's last tenth of a millimetre, fading."""
        for name, moved in self.shapes.items():
            length = np.linalg.norm(moved, axis=1)
            self.shapes[name] = moved * smoothstep(length, 0.0004, 0.0014)[:, None]


def _where(twice: Floats, coarse: Ints, wanted: np.ndarray) -> tuple[Floats, Ints]:
    """Triangles divided where `wanted`, their neighbours cut to fit, others left.

    twice: values once more divided, new points numbered by the edges of `coarse`.
    """
    found = edges(coarse)
    count = len(twice) - len(found.ends)
    cut = np.zeros(len(found.ends), bool)
    cut[found.of_triangles[wanted].reshape(-1)] = True
    # A triangle with two cut edges is divided whole, which may cut more edges.
    while (more := (cut[found.of_triangles].sum(axis=1) == 2)).any():
        cut[found.of_triangles[more].reshape(-1)] = True
    edge = found.of_triangles + count
    cuts = cut[found.of_triangles]
    (p, q, r), (ab, bc, ca) = coarse.T, edge.T
    whole = cuts.all(axis=1)
    pieces = [np.stack(t, 1)[whole] for t in ((p, ab, ca), (ab, q, bc), (ca, bc, r), (ab, bc, ca))]
    for k in range(3):
        one = cuts[:, k] & ~whole
        a, b, c = (coarse[one][:, (k + j) % 3] for j in range(3))
        middle = edge[one][:, k]
        pieces += [np.stack([a, middle, c], 1), np.stack([middle, b, c], 1)]
    pieces.append(coarse[~cuts.any(axis=1)])
    triangles = np.concatenate(pieces)
    used, triangles = np.unique(triangles, return_inverse=True)
    return twice[used], triangles.reshape(-1, 3)


def spread(at: Floats, sources: Floats, moved: Floats, reach: float) -> Floats:
    """(V, 3): displacements `moved` (N, 3) of `sources` (N, 3), carried on to the points `at`.

    Whole at a source, faded out beyond `reach`; between sources their mean, weighted by nearness.
    """
    apart = np.sqrt(((at[:, None] - sources[None]) ** 2).sum(-1))
    weight = 1 / (apart + 1e-6) ** 3
    mean = (weight[:, :, None] * moved[None]).sum(1) / weight.sum(1)[:, None]
    near = np.clip(1 - apart.min(axis=1) / reach, 0, 1)
    return np.asarray(mean * (near * near * (3 - 2 * near))[:, None])
