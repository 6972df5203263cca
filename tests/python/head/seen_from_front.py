"""What a viewer in front of a head sees: how much of a window each part fills."""

from __future__ import annotations

import numpy as np

from diffusiontalker.head import Head

#: Triangles are drawn as points this many to an edge: finer than a place of the grid.
_FINE = 8
_B, _C = np.array([(i, j) for i in range(_FINE + 1) for j in range(_FINE + 1 - i)]).T / _FINE


def seen(
    head: Head,
    weights: dict[str, float],
    window: tuple[float, float, float, float],
    step: float = 0.0007,
) -> dict[str, int]:
    """Places of a grid of `step` metres that show each part; window: left, right, low, high."""
    points = head.posed(list(weights.values()), list(weights)).astype(np.float64)
    left, right, low, high = window
    columns, rows = int((right - left) / step), int((high - low) / step)
    place, depth, of_part = [], [], []
    for number, part in enumerate(head.parts):
        a, b, c = (points[part.triangles[:, k]] for k in range(3))
        near = (
            np.abs((a - [(left + right) / 2, (low + high) / 2, 0]) / step)[:, :2]
            < 0.75 * max(columns, rows)
        ).all(1)
        a, b, c = a[near], b[near], c[near]
        drawn = a[:, None] + _B[:, None] * (b - a)[:, None] + _C[:, None] * (c - a)[:, None]
        x = np.rint((drawn[..., 0] - left) / step).astype(int)
        y = np.rint((drawn[..., 1] - low) / step).astype(int)
        inside = (x >= 0) & (x < columns) & (y >= 0) & (y < rows)
        place.append((y * columns + x)[inside])
        depth.append(drawn[..., 2][inside])
        of_part.append(np.full(int(inside.sum()), number))
    places, parts = np.concatenate(place), np.concatenate(of_part)
    order = np.lexsort((np.concatenate(depth), places))
    nearest = np.append(places[order][1:] != places[order][:-1], True)
    counts = np.bincount(parts[order][nearest], minlength=len(head.parts))
    return {part.name: int(count) for part, count in zip(head.parts, counts, strict=True)}
