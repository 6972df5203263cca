"""A piece of the head: points, triangles, colours and shapes of one material."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from .landmarks import MIRROR, other_side
from .surface import Floats, Ints


@dataclass(frozen=True)
class Piece:
    name: str
    points: Floats  # (V, 3)
    triangles: Ints  # (T, 3), counter-clockwise from outside
    colours: Floats  # (V, 3) or (3,) RGB, linear
    #: (V, 3) by curve; curves that leave the piece alone may be left out.
    shapes: dict[str, Floats] = field(default_factory=dict)
    roughness: float = 0.6

    def mirrored(self, name: str) -> Piece:
        """The same on the head's other side, its sides' curves exchanged."""
        return Piece(
            name,
            self.points * MIRROR,
            self.triangles[:, ::-1],
            self.colours,
            {other_side(curve): moved * MIRROR for curve, moved in self.shapes.items()},
            self.roughness,
        )

    def with_both(self) -> Piece:
        """The piece and its mirror image as one."""
        other = self.mirrored(self.name)
        curves = {**dict.fromkeys(self.shapes), **dict.fromkeys(other.shapes)}
        still = np.zeros_like(self.points)
        colours = np.broadcast_to(self.colours, self.points.shape)
        return Piece(
            self.name,
            np.concatenate([self.points, other.points]),
            np.concatenate([self.triangles, other.triangles + len(self.points)]),
            np.concatenate([colours, colours]),
            {
                curve: np.concatenate(
                    [self.shapes.get(curve, still), other.shapes.get(curve, still)]
                )
                for curve in curves
            },
            self.roughness,
        )


def rgb(text: str) -> Floats:
    """Linear RGB of "#rrggbb" (sRGB)."""
    stored = np.array([int(text[k : k + 2], 16) for k in (1, 3, 5)]) / 255
    return np.where(stored <= 0.04045, stored / 12.92, ((stored + 0.055) / 1.055) ** 2.4)


def blend(first: Floats, second: Floats, share: Floats) -> Floats:
    """(V, 3): `first` where share (V,) is 0, `second` where it is 1."""
    return first + (second - first) * share[:, None]


def smoothstep(value: Floats, start: float, end: float) -> Floats:
    """0 up to `start`, 1 from `end` on, smooth between; `start` may lie above `end`."""
    x = np.clip((value - start) / (end - start), 0, 1)
    return np.asarray(x * x * (3 - 2 * x))


def bell(value: Floats, middle: float, width: float) -> Floats:
    """1 at the middle, falling off on both sides as a Gaussian."""
    return np.asarray(np.exp(-0.5 * ((value - middle) / width) ** 2))
