"""Does each shape of the head move the right places, the right way, as far as a real head's?

    python studies/head_shapes.py [--head FILE.glb] [--reference ict_head_arkit52.glb]

Compares the head that ships with the measured table that it grew from (468 landmarks,
head/tables), and with a whole head of ARKit shapes, if one is given (ICT-FaceKit's light head as
glTF, which is not part of the project), at every point of its face. For each shape: which region
it moves most, which way and how far over the face's width; then cosine and ratio of lengths of all
displacements against each of the two. Prints a table for docs/head.md.

Asked 2026-11-29: yes. Against the table every cosine is over 0.95 but for those changed on purpose
(a blink that closes, lips that meet); docs/head.md has the table.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import resources
from pathlib import Path

import numpy as np

import diffusiontalker.head as heads
from diffusiontalker.curves import CURVES
from diffusiontalker.train.mesh import read_head

#: Metres from landmark 234 to 454 of the head that ships.
WIDTH_M = 0.14
#: A reference head is compared at its points so near to a landmark, in face widths.
REACH = 0.04

# Landmarks by region; the right side's are the mirror images of the left's.
REGIONS = {
    "brow, inner": (336, 296, 285, 295, 107, 66, 55, 65),
    "left brow, outer": (334, 293, 300, 282, 283, 276),
    "right brow, outer": (105, 63, 70, 52, 53, 46),
    "left upper lid": (384, 385, 386, 387, 388),
    "right upper lid": (157, 158, 159, 160, 161),
    "left lower lid": (381, 380, 374, 373, 390),
    "right lower lid": (154, 153, 145, 144, 163),
    "nose": (1, 2, 4, 5, 48, 278, 98, 327),
    "left cheek": (280, 425, 266, 330, 347),
    "right cheek": (50, 205, 36, 101, 118),
    "upper lip": (0, 11, 12, 13, 37, 267, 82, 312),
    "lower lip": (14, 15, 16, 17, 84, 314, 87, 317),
    "left mouth corner": (291, 306, 308, 409, 375),
    "right mouth corner": (61, 76, 78, 185, 146),
    "chin": (152, 175, 199, 148, 377, 200),
}
_WAYS = (("left", "right"), ("up", "down"), ("forward", "back"))


def at_table(head: heads.Head) -> tuple[list[str], np.ndarray, np.ndarray]:
    """Names, the head's displacements (k, 468, 3) where the table's landmarks lie, the table's.

    Both over the face's width.
    """
    with _table() as arrays:
        names = [str(name) for name in arrays["names"]]
        neutral = arrays["neutral"].astype(np.float64)
        moved = arrays["displacement"].astype(np.float64)
    return names, at_points(head, names, neutral, moved[names.index("jawOpen")]), moved


@contextmanager
def _table() -> Iterator[np.lib.npyio.NpzFile]:
    path = resources.files("diffusiontalker.head") / "tables" / "ict_at_mediapipe.npz"
    with resources.as_file(path) as file, np.load(file) as arrays:
        yield arrays


def at_points(
    head: heads.Head, names: list[str], places: np.ndarray, opening: np.ndarray
) -> np.ndarray:
    """(k, N, 3): how the head's face moves, over the face's width, nearest to places (N, 3).

    opening: (N, 3), how jawOpen moves the places: where lips touch, it tells the upper one's
    points from the lower one's.
    """
    face = np.unique(np.concatenate([p.triangles for p in head.parts if p.name == "face"]))
    points = np.concatenate([head.points[face], head.shapes["jawOpen"][face]], 1) / WIDTH_M
    wanted = np.concatenate([places, opening], 1)
    nearest = np.concatenate(
        [((some[:, None] - points[None]) ** 2).sum(-1).argmin(1) for some in _runs(wanted)]
    )
    still = np.zeros_like(head.points)
    return np.stack([head.shapes.get(name, still)[face][nearest] / WIDTH_M for name in names])


def agreement(own: np.ndarray, other: np.ndarray) -> tuple[float, float]:
    """Cosine and ratio of lengths of displacements (N, 3) taken as one vector each."""
    lengths = np.linalg.norm(own), np.linalg.norm(other)
    if min(lengths) == 0:
        return 0.0, 0.0
    return float((own * other).sum() / lengths[0] / lengths[1]), float(lengths[0] / lengths[1])


def strongest(moved: np.ndarray) -> tuple[str, np.ndarray]:
    """The region that displacements (468, 3) move most, and its mean displacement."""
    means = {name: moved[list(at)].mean(axis=0) for name, at in REGIONS.items()}
    name = max(means, key=lambda one: float(np.linalg.norm(means[one])))
    return name, means[name]


def way(mean: np.ndarray) -> str:
    """A direction in words: its parts that are at least a third of its length."""
    length = np.linalg.norm(mean)
    words = [
        _WAYS[axis][int(mean[axis] < 0)]
        for axis in np.argsort(-np.abs(mean))
        if abs(mean[axis]) > length / 3
    ]
    return ", ".join(words)


def _runs(places: np.ndarray) -> list[np.ndarray]:
    return [places[i : i + 500] for i in range(0, len(places), 500)]


def at_reference(head: heads.Head, path: Path) -> tuple[list[str], np.ndarray, np.ndarray]:
    """The same at all points of a reference head's face within the landmarks' reach.

    path: the glTF that the table was made from: its points at the landmarks say where the bridge
    of its nose is and how wide its face.
    """
    with _table() as arrays:
        vertex, landmarks = arrays["vertex"], arrays["neutral"].astype(np.float64)
    raw = read_head(path).positions
    assert raw is not None
    bridge, width = raw[vertex[168]], float(np.linalg.norm(raw[vertex[234]] - raw[vertex[454]]))
    reference = heads.load(path)
    skin = np.unique(reference.parts[0].triangles)
    points = (reference.points[skin].astype(np.float64) - bridge) / width
    apart = [((some[:, None] - landmarks[None]) ** 2).sum(-1).min(1) for some in _runs(points)]
    near = np.concatenate(apart) < REACH**2
    names = [name for name in reference.shapes if name in head.shapes]
    moved = np.stack([reference.shapes[name][skin][near] / width for name in names])
    opening = moved[names.index("jawOpen")]
    return names, at_points(head, names, points[near], opening), moved


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--head", type=Path, help="instead of the head that ships")
    parser.add_argument("--reference", type=Path, help="ict_head_arkit52.glb")
    options = parser.parse_args()
    head = heads.load(options.head) if options.head else heads.default()
    names, own, table = at_table(head)
    other = {}
    if options.reference:
        of, mine, theirs = at_reference(head, options.reference)
        other = {name: agreement(a, b) for name, a, b in zip(of, mine, theirs, strict=True)}
    print(
        "| shape | moves most | which way | how far | table: cosine, ratio | head: cosine, ratio |"
    )
    print("|---|---|---|---|---|---|")
    for name in (name for name in CURVES if name in names):
        k = names.index(name)
        region, mean = strongest(own[k])
        cosine, ratio = agreement(own[k], table[k])
        there = "{:.2f}, {:.2f}".format(*other[name]) if name in other else ""
        print(
            f"| {name} | {region} | {way(mean)} | {100 * np.linalg.norm(mean):.1f} % "
            f"| {cosine:.2f}, {ratio:.2f} | {there} |"
        )


if __name__ == "__main__":
    main()
