"""Jaw and mouth curves that move a head's landmarks as a face's landmarks moved.

For each picture, 0 <= w <= 1 with the least of

    |P (B w - d)|^2 + |G (gap(B w) - gap(d))|^2 + |V (seen(B w) - seen(d))|^2
    + sum (dear_i (w_i - w0_i))^2 + mu sum dear_i w_i
    + sum (pair (w_left - w_right))^2 + sum (against (w_to_left + w_to_right))^2
    + |smooth (w - w of the picture before)|^2

B are the head's shapes at the landmarks, d how far the landmarks moved from the neutral face; the
terms and their weights stand in `Weights`. The problem is convex and small (27 unknowns), and is
solved for all pictures at once by accelerated projected gradient. Lengths are in distances
between the inner corners of the eyes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ...curves import CURVES
from . import landmarks

Array = NDArray[np.float64]

#: Jaw and mouth, in ARKit's order.
SOLVED: tuple[str, ...] = tuple(n for n in CURVES if n.startswith(("jaw", "mouth")))

UPPER_LIP = [0, 37, 267]
CHIN = [152, 148, 377]
# The pictures agree to about this; what is left of the solution's error is far below it.
TOLERANCE = 1e-5
MOST_ROUNDS = 2000

#: What a unit of a curve costs beside one of error in the landmarks, over `Weights.unit`. Dear are
#: curves that would stand in for others: the lower lip's shrug lifts the chin that the jaw dropped
#: and leaves the mouth open over shut teeth, pressed lips undo the jaw, jawLeft with jawRight
#: pushes the jaw back. The lips' raise and drop are cheap: nothing else shows them.
DEAR: Mapping[str, float] = {
    "mouthShrugLower": 20.0,
    "mouthPress": 12.0,
    "mouthFunnel": 8.0,
    "mouthPucker": 8.0,  # around the network's own
    "mouthShrugUpper": 8.0,
    "mouthFrown": 7.0,
    "jawLeft": 6.0,
    "jawRight": 6.0,
    "jawForward": 3.0,
    "mouthClose": 0.5,
    "mouthUpperUp": 0.4,
    "mouthLowerDown": 0.1,
}


@dataclass(frozen=True)
class Weights:
    """How much each term counts; chosen on real clips of seven people and on made faces."""

    lips: float = 3.0  # a lip point, as if there were 40 of them
    face: float = 0.7  # another point that the shapes move, as if there were 50
    depth: float = 0.3  # of a point's z, which MediaPipe guesses
    gap: float = 4.0  # three pairs of the inner lips
    gap_closed: float = 8.0  # and where the lips meet, so that they stay closed
    upper: float = 20.0  # height of the upper lip
    width: float = 16.0  # distance of the corners
    chin: float = 7.0  # height of the chin, which tells the jaw from the lips
    unit: float = 0.05  # of `dear`
    mu: float = 0.1
    pair: float = 0.1  # left beside right
    against: float = 1.0  # jawLeft with jawRight, mouthLeft with mouthRight
    smooth: float = 0.1  # beside the picture before; not where the lips meet
    funnel_closed: float = 20.0  # `dear` of mouthFunnel where the lips meet
    closed: tuple[float, float] = (0.02, 0.08)  # lips meet below the first gap, are apart above
    dear: Mapping[str, float] = field(default_factory=lambda: DEAR)


def closedness(opening: Array, weights: Weights | None = None) -> Array:
    """1 where the lips meet, 0 where they are apart, between in between: (frames,)."""
    low, high = (weights or Weights()).closed
    return np.clip((high - opening) / (high - low), 0.0, 1.0)


def mirrored(name: str) -> str | None:
    """The right curve of a left one; None for any other, and for those that name a direction."""
    if name in ("jawLeft", "mouthLeft") or not name.endswith("Left"):
        return None
    return name.removesuffix("Left") + "Right"


class Solver:
    """One head's shapes on one person's face: `pulls` sums pictures up, `solve` finds curves."""

    def __init__(self, names: Sequence[str], shapes: Array, weights: Weights | None = None) -> None:
        """`shapes`: (k, 468, 3), what the named curves do, in inner eye distances."""
        self.names = tuple(names)
        self._weights = weights or Weights()
        self._points = _point_weights(shapes, self._weights)
        self._rows, self._gaps = self._terms(shapes)
        always = self._rows @ self._rows.T + self._weights.gap**2 * self._gaps @ self._gaps.T
        self._always = always + self._priors()
        # What closed lips add: a firm gap, and no funnel.
        self._more = self._weights.gap_closed**2 - self._weights.gap**2
        self._closed = self._more * self._gaps @ self._gaps.T
        if "mouthFunnel" in self.names:
            i = self.names.index("mouthFunnel")
            unit = self._weights.unit
            self._closed[i, i] += (self._weights.funnel_closed * unit) ** 2 - self._dear[i] ** 2

    @property
    def _dear(self) -> Array:
        dear = self._weights.dear
        bare = [name.removesuffix("Left").removesuffix("Right") for name in self.names]
        both = zip(self.names, bare, strict=True)
        return self._weights.unit * np.array([dear.get(n, dear.get(b, 1.0)) for n, b in both])

    def _terms(self, points: Array) -> tuple[Array, Array]:
        """Displacements (n, 468, 3) -> weighted rows (n, ...) and the bare gaps (n, 3)."""
        weights = self._weights
        x, y = points[..., 0], points[..., 1]
        each = points * (self._points[:, None] * np.array([1.0, 1.0, weights.depth]))
        upper, chin = y[:, UPPER_LIP].mean(1), y[:, CHIN].mean(1)
        seen = [weights.upper * upper, weights.width * (x[:, 291] - x[:, 61]), weights.chin * chin]
        gaps = y[:, landmarks.GAP[:, 0]] - y[:, landmarks.GAP[:, 1]]
        return np.concatenate([each.reshape(len(points), -1), np.stack(seen, 1)], axis=1), gaps

    def _priors(self) -> Array:
        prior = np.diag(self._dear**2)
        weights = self._weights
        for i, name in enumerate(self.names):
            right = mirrored(name)
            if right in self.names:
                both = np.ix_([i, self.names.index(right)], [i, self.names.index(right)])
                prior[both] += weights.pair**2 * np.array([[1.0, -1.0], [-1.0, 1.0]])
        for left, right in (("jawLeft", "jawRight"), ("mouthLeft", "mouthRight")):
            if left in self.names and right in self.names:
                pair = [self.names.index(left), self.names.index(right)]
                prior[np.ix_(pair, pair)] += weights.against**2
        return prior

    def pulls(self, moved: Array) -> tuple[Array, Array]:
        """What pictures ask of the curves: moved (frames, 468, 3) -> two arrays (frames, k).

        The second is added where the lips meet. Pictures can be summed up in parts.
        """
        rows, gaps = self._terms(moved)
        always = rows @ self._rows.T + self._weights.gap**2 * gaps @ self._gaps.T
        return always, self._more * gaps @ self._gaps.T

    def solve(
        self,
        pulls: tuple[Array, Array],
        closed: Array,
        guess: Mapping[str, Array] | None = None,
        joined: NDArray[np.bool_] | None = None,
    ) -> Array:
        """Curves (frames, k) in [0, 1].

        closed: (frames,), `closedness`. guess: w0 of some curves, (frames,) each; 0 for the
        others. joined: (frames - 1,), whether the next picture follows at once; all do if None.
        """
        weights, dear = self._weights, self._dear
        meets = closed[:, None]
        pull = pulls[0] + meets * pulls[1] - 0.5 * weights.mu * dear
        for name, values in (guess or {}).items():
            i = self.names.index(name)
            pull[:, i] += dear[i] ** 2 * values
        link = weights.smooth**2 * (1.0 - np.maximum(closed[1:], closed[:-1]))
        if joined is not None:
            link = link * joined
        return self._descend(pull, meets, link[:, None])

    def _descend(self, pull: Array, meets: Array, link: Array) -> Array:
        """Accelerated projected gradient (FISTA) with restarts, curves scaled to like steepness."""
        scale = 1.0 / np.sqrt(np.diag(self._always + self._closed))
        always, closed = (m * scale * scale[:, None] for m in (self._always, self._closed))
        pull, most = pull * scale, 1.0 / scale
        steepest = max(np.linalg.eigvalsh(m)[-1] for m in (always, always + closed))
        step = 1.0 / (steepest + 4.0 * self._weights.smooth**2 * (scale**2).max())
        here = ahead = np.zeros_like(pull)
        pace = 1.0
        for _ in range(MOST_ROUNDS):
            slope = ahead @ always + meets * (ahead @ closed) - pull
            change = link * (ahead[1:] - ahead[:-1]) * scale**2
            slope[1:] += change
            slope[:-1] -= change
            there = np.clip(ahead - step * slope, 0.0, most)
            moved = there - here
            if (np.abs(moved) * scale).max(initial=0.0) < TOLERANCE:
                return np.asarray(there * scale)
            if ((ahead - there) * moved).sum() > 0.0:  # it swings back: go on without pace
                pace = 1.0
            faster = 0.5 * (1.0 + np.sqrt(1.0 + 4.0 * pace**2))
            ahead = there + (pace - 1.0) / faster * moved
            here, pace = there, faster
        return np.asarray(here * scale)


def _point_weights(shapes: Array, weights: Weights) -> Array:
    """A weight a landmark, (468,): lips and face count the same however densely they are seen."""
    lips = np.zeros(landmarks.COUNT)
    lips[landmarks.LIPS] = 1.0
    face = (1.0 - lips) * (np.linalg.norm(shapes, axis=2).max(0) > 0.03)
    dense_lips, dense_face = np.sqrt(40.0 / lips.sum()), np.sqrt(50.0 / max(1.0, face.sum()))
    return np.asarray(weights.lips * dense_lips * lips + weights.face * dense_face * face)
