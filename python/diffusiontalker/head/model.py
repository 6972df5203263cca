"""What a head is: one set of points, parts of one material each, a shape a curve."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from ..curves import CURVES

FloatArray = npt.NDArray[np.float32]
IndexArray = npt.NDArray[np.uint32]
Real = TypeVar("Real", np.float32, np.float64)
Index = TypeVar("Index", np.uint32, np.intp)


class HeadError(ValueError):
    """A head file that cannot be used; the message says what was expected and found."""


@dataclass(frozen=True)
class Part:
    """Triangles of one material: skin, an eye, teeth."""

    name: str
    #: (T, 3): which of the head's points, counter-clockwise seen from outside.
    triangles: IndexArray
    #: 0, a mirror, to 1, chalk (glTF's roughnessFactor).
    roughness: float = 0.7
    #: The part hides nothing behind it where its colour lets light through (glTF's BLEND).
    transparent: bool = False


@dataclass(frozen=True)
class Head:
    """A neutral face and where each curve moves it.

    Metres; +y up, +z out of the face, +x the head's own left (glTF's axes). All parts share one
    set of points, so one list of weights moves all of them.
    """

    #: (V, 3) neutral.
    points: FloatArray
    #: (V, 4) RGBA, linear, 0 to 1.
    colours: FloatArray
    parts: tuple[Part, ...]
    #: (V, 3) displacement at weight 1, by curve; curves that the head lacks are not there.
    shapes: Mapping[str, FloatArray]

    @property
    def triangles(self) -> IndexArray:
        """(T, 3) of all parts, in their order."""
        return np.concatenate([part.triangles for part in self.parts])

    def posed(self, weights: Sequence[float] | FloatArray, names: Sequence[str]) -> FloatArray:
        """(V, 3): the points with `weights` of the curves `names`; curves it lacks do nothing."""
        points: FloatArray = self.points.copy()
        for name, weight in zip(names, weights, strict=True):
            if weight != 0.0 and name in self.shapes:
                points += np.float32(weight) * self.shapes[name]
        return points

    def missing(self) -> tuple[str, ...]:
        """The curves that move nothing on this head, in the order of `CURVES`."""
        return tuple(name for name in CURVES if name not in self.shapes)


def normals(points: npt.NDArray[Real], triangles: npt.NDArray[Index]) -> npt.NDArray[Real]:
    """(V, 3) unit normals: the mean of a point's triangles', weighted by area; 0 without any."""
    corners = points[triangles]
    of_triangles = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    found = np.zeros_like(points)
    for corner in range(3):
        np.add.at(found, triangles[:, corner], of_triangles)
    length = np.linalg.norm(found, axis=1, keepdims=True)
    unit: npt.NDArray[Real] = np.zeros_like(found)
    np.divide(found, length, out=unit, where=length > 0)
    return unit


def welded(head: Head) -> Head:
    """Points that lie and move alike become one, so that normals run on across a file's seams.

    Lips that touch at rest stay two: they move apart.
    """

    def rows(values: FloatArray) -> npt.NDArray[np.void]:
        return np.ascontiguousarray(values + np.float32(0)).view(f"V{4 * values.shape[1]}")[:, 0]

    _, group, uses = np.unique(rows(head.points), return_inverse=True, return_counts=True)
    twins = np.flatnonzero(uses[group.reshape(-1)] > 1)
    if not len(twins):
        return head
    # A number for each point's way and colour: equal for equal ones, and for hardly any others.
    mark = group.reshape(-1)[twins].astype(np.uint64)
    for values in (head.colours, *head.shapes.values()):
        for column in (values[twins] + np.float32(0)).view(np.uint32).T:
            mark = (mark ^ column) * np.uint64(0x9E3779B97F4A7C15) + (mark >> np.uint64(29))
    _, first, which = np.unique(mark, return_index=True, return_inverse=True)
    to = np.arange(len(head.points))
    to[twins] = twins[first[which.reshape(-1)]]
    kept = to == np.arange(len(to))
    new = (np.cumsum(kept) - 1)[to].astype(np.uint32)
    return Head(
        head.points[kept],
        head.colours[kept],
        tuple(
            Part(part.name, new[part.triangles], part.roughness, part.transparent)
            for part in head.parts
        ),
        {name: moved[kept] for name, moved in head.shapes.items()},
    )
