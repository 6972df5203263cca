"""What a head's ARKit shapes do at MediaPipe's landmarks: the small table that solving needs."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...curves import CURVES, texts_in
from ..mesh import HeadError, read_head
from . import landmarks

# How far around a landmark (in inner eye distances) the two faces are compared, and how strongly
# the comparison is held to "alike", which decides where the surface is flat and says nothing.
REACH = 0.6
HOLD = 0.03
_TABLES = resources.files("diffusiontalker.head") / "tables"


@dataclass(frozen=True)
class LandmarkHead:
    """A head at the 468 landmarks; x to the face's left, y up, z forward, any unit."""

    names: tuple[str, ...]  # ARKit names, (k,)
    neutral: NDArray[np.float64]  # (468, 3)
    displacement: NDArray[np.float64]  # (k, 468, 3) at full curves

    def only(self, names: tuple[str, ...]) -> LandmarkHead:
        """Those of the named curves that the head has."""
        kept = [i for i, name in enumerate(self.names) if name in names]
        return LandmarkHead(
            tuple(self.names[i] for i in kept), self.neutral, self.displacement[kept]
        )

    def moved(self, curves: NDArray[np.floating]) -> NDArray[np.float64]:
        """The head's points as curves (frames, k) in the order of `names` move them."""
        return np.asarray(self.neutral + np.einsum("tk,kpi->tpi", curves, self.displacement))

    def fitted(self, face: NDArray[np.float64]) -> NDArray[np.float64]:
        """The shapes as that face would make them: (k, 468, 3) for a neutral (468, 3).

        The face lies on this head. Around every landmark the head is brought to the face by a
        linear map (weighted least squares), which stretches and turns the shapes' displacements: a
        wider mouth spreads further.
        """
        reach = REACH * float(landmarks.eye_distance(self.neutral))
        apart = self.neutral[None] - self.neutral[:, None]  # (468, 468, 3): from i to j
        there = face[None] - face[:, None]
        weight = np.exp(-0.5 * (apart**2).sum(-1) / reach**2)
        weight /= weight.sum(1, keepdims=True)
        held = HOLD * reach**2 * np.eye(3)
        own = (apart * weight[..., None]).swapaxes(1, 2) @ apart + held
        cross = (there * weight[..., None]).swapaxes(1, 2) @ apart + held
        local = np.linalg.solve(own, cross.swapaxes(1, 2)).swapaxes(1, 2)  # cross own^-1
        return np.asarray(np.einsum("iab,kib->kia", local, self.displacement))


def default() -> LandmarkHead:
    """ICT-FaceKit's light head, whose figures ship with the package (head/tables/NOTICE.md)."""
    with resources.as_file(_TABLES / "ict_at_mediapipe.npz") as path:
        return read(path)


@cache
def triangles() -> NDArray[np.intp]:
    """(852, 3) landmarks: a surface, wound outward, open at the eyes and the mouth."""
    with resources.as_file(_TABLES / "face_triangles.npz") as path, np.load(path) as arrays:
        return np.asarray(arrays["T"], np.intp)


def read(table: Path, head: Path | None = None) -> LandmarkHead:
    """A head from its files. Raises HeadError, or FileNotFoundError for a missing file.

    table: an .npz with `names` (k,), `neutral` (468, 3) and `displacement` (k, 468, 3); or, beside
    a head's glTF (.glb, ARKit names; .npz with `positions`, see `read_head`), one with `vertex`
    (468,): the head's vertex at each landmark, in the order of the file's meshes. Heads look along
    +z, with y up.
    """
    if not table.is_file():
        raise FileNotFoundError(f"no landmark table {table}")
    try:
        with np.load(table, allow_pickle=False) as arrays:
            if head is not None:
                return _at_vertices(head, table, np.asarray(arrays["vertex"], np.intp))
            found = LandmarkHead(
                tuple(texts_in(arrays["names"])),
                np.asarray(arrays["neutral"], np.float64),
                np.asarray(arrays["displacement"], np.float64),
            )
    except (KeyError, ValueError, OSError, EOFError, zipfile.BadZipFile) as error:
        if isinstance(error, HeadError):
            raise
        wanted = "vertex (468,)" if head else "names, neutral (468, 3) and displacement"
        raise HeadError(f"{table.name}: expected an npz with {wanted}: {error}") from error
    return _checked(found, table.name)


def _at_vertices(head: Path, table: Path, vertex: NDArray[np.intp]) -> LandmarkHead:
    whole = read_head(head)
    if whole.positions is None:
        raise HeadError(f"{head.name}: expected positions of its vertices beside the deltas")
    count = len(whole.positions)
    if vertex.shape != (landmarks.COUNT,) or vertex.min() < 0 or vertex.max() >= count:
        raise HeadError(
            f"{table.name}: vertex: expected ({landmarks.COUNT},) below {count}, the vertices of "
            f"{head.name}, got {vertex.shape} up to {vertex.max(initial=-1)}"
        )
    moving = [i for i, delta in enumerate(whole.deltas) if delta.any()]
    return _checked(
        LandmarkHead(
            tuple(CURVES[i] for i in moving),
            whole.positions[vertex].astype(np.float64),
            whole.deltas[moving][:, vertex].astype(np.float64),
        ),
        head.name,
    )


def _checked(head: LandmarkHead, name: str) -> LandmarkHead:
    points = (landmarks.COUNT, 3)
    if head.neutral.shape != points or head.displacement.shape != (len(head.names), *points):
        raise HeadError(
            f"{name}: expected neutral {points} and displacement ({len(head.names)}, "
            f"{landmarks.COUNT}, 3), got {head.neutral.shape} and {head.displacement.shape}"
        )
    if not (np.isfinite(head.neutral).all() and np.isfinite(head.displacement).all()):
        raise HeadError(f"{name}: holds NaN or infinite figures")
    if not {"jawOpen", "mouthClose"} <= set(head.names):
        raise HeadError(f"{name}: expected ARKit names with jawOpen and mouthClose")
    x, y = head.neutral[:, 0], head.neutral[:, 1]
    if x[291] <= x[61] or y[168] <= y[152]:
        raise HeadError(
            f"{name}: the head must look along +z with y up: its left mouth corner lies at x "
            f"{x[291]:.3g}, the right at {x[61]:.3g}, the bridge of the nose at y {y[168]:.3g}, "
            f"the chin at {y[152]:.3g}"
        )
    return head
