"""Surfaces: Loop's subdivision of a cage, with every shape and colour carried along."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.intp]


@dataclass(frozen=True)
class Edges:
    """Edges of a triangle mesh, each once, lower end first."""

    ends: Ints  # (E, 2)
    opposite: Ints  # (E, 2): the corner across on either side; -1 beyond a border
    of_triangles: Ints  # (T, 3): the edge from corner k to corner k + 1

    @property
    def border(self) -> npt.NDArray[np.bool_]:
        return np.asarray(self.opposite[:, 1] < 0)


def edges(triangles: Ints) -> Edges:
    """Raises ValueError where three triangles share an edge."""
    directed = np.concatenate([triangles[:, [k, (k + 1) % 3]] for k in range(3)])
    across = np.concatenate([triangles[:, (k + 2) % 3] for k in range(3)])
    ends, which, uses = np.unique(
        np.sort(directed, axis=1), axis=0, return_inverse=True, return_counts=True
    )
    if uses.max() > 2:
        raise ValueError(f"three triangles share the edge {ends[uses.argmax()]}")
    which = which.reshape(-1)
    opposite = np.full((len(ends), 2), -1, np.intp)
    order = np.argsort(which, kind="stable")
    second = np.concatenate([[False], which[order][1:] == which[order][:-1]])
    opposite[which[order], second.astype(np.intp)] = across[order]
    return Edges(ends, opposite, which.reshape(3, -1).T)


def divided(
    values: Floats, triangles: Ints, sharp: set[tuple[int, int]] | None = None
) -> tuple[Floats, Ints, set[tuple[int, int]]]:
    """One step of Loop's subdivision of (V, C) values: points, shapes and colours alike.

    Old points keep their numbers, a new one on every edge follows. `sharp` edges (lower end
    first) are creased: the curve along them is the one that a border would have. Returns
    values, triangles and the sharp edges' halves.
    """
    found = edges(triangles)
    a, b = found.ends.T
    count = len(values)
    hard = found.border.copy()
    if sharp:
        key = {end: i for i, end in enumerate(map(tuple, found.ends.tolist()))}
        hard[[key[edge] for edge in sorted(sharp)]] = True
    middle = (values[a] + values[b]) / 2
    soft = ~hard
    c, d = found.opposite[soft].T
    on_edges = middle.copy()
    on_edges[soft] = middle[soft] * 0.75 + (values[c] + values[d]) * 0.125

    around = np.zeros_like(values)
    valence = np.zeros(count)
    hard_around = np.zeros_like(values)
    hard_valence = np.zeros(count)
    for one, other in ((a, b), (b, a)):
        np.add.at(around, one, values[other])
        np.add.at(valence, one, 1)
        np.add.at(hard_around, one[hard], values[other[hard]])
        np.add.at(hard_valence, one[hard], 1)
    beta = np.where(valence == 3, 3 / 16, 3 / (8 * np.maximum(valence, 1)))[:, None]
    old = values * (1 - valence[:, None] * beta) + around * beta
    crease = hard_valence == 2
    old[crease] = values[crease] * 0.75 + hard_around[crease] * 0.125
    corner = hard_valence > 2
    old[corner] = values[corner]

    ab, bc, ca = (found.of_triangles[:, k] + count for k in range(3))
    p, q, r = triangles.T
    finer = np.concatenate(
        [np.stack(t, 1) for t in ((p, ab, ca), (ab, q, bc), (ca, bc, r), (ab, bc, ca))]
    )
    halves = set()
    for at in np.flatnonzero(hard & ~found.border):
        halves |= {(int(a[at]), count + int(at)), (int(b[at]), count + int(at))}
    return np.concatenate([old, on_edges]), finer, halves


def strip(
    first: Ints, second: Ints, *, closed: bool = False, other_way: npt.ArrayLike = False
) -> Ints:
    """(T, 3): the band between two rows of equally many points, seen with `second` to the right.

    other_way: one a quad or one for all, which of its diagonals cuts it: a mirrored quad wants the
    mirrored one.
    """
    if closed:
        first, second = np.append(first, first[0]), np.append(second, second[0])
    a, b, c, d = first[:-1], first[1:], second[:-1], second[1:]
    turned = np.broadcast_to(np.asarray(other_way, bool), a.shape)[:, None]
    one = np.where(turned, np.stack([a, c, d], 1), np.stack([a, c, b], 1))
    two = np.where(turned, np.stack([a, d, b], 1), np.stack([b, c, d], 1))
    return np.concatenate([one, two])


def grid(rows: int, columns: int, *, closed: bool = False, first: int = 0) -> Ints:
    """(T, 3) over rows x columns points in row order; `closed`: the last column joins the first."""
    at = np.arange(rows * columns).reshape(rows, columns) + first
    return np.concatenate([strip(at[i], at[i + 1], closed=closed) for i in range(rows - 1)])
