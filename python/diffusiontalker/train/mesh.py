"""A blendshape head that the user supplies: how far each ARKit curve moves each vertex.

Two forms: a glTF 2.0 file (.glb, .gltf) whose morph targets carry the curves' names (mesh extras
`targetNames`, as Blender and most exporters write them; quantised ones too, as gltfpack writes
them by KHR_mesh_quantization), and an .npz with `names` (n,), `deltas` (n, vertices, 3) and, for
`dt-train capture --head`, `positions` (vertices, 3).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..curves import CURVES, curves_of, texts_in
from ..head import HeadError as HeadError
from ..head import compressed, document
from ..head.document import Document

#: A vertex counts as lip from this share of the mouth curves' strongest pull on.
LIP_SHARE = 0.7

#: More than any head has; a damaged file may ask for any number.
MOST_VERTICES = 2_000_000


@dataclass(frozen=True)
class Head:
    """Displacements of a head's vertices at full curves, in the file's own unit of length."""

    deltas: NDArray[np.float32]  # (52, vertices, 3), zeros for curves that the file lacks
    positions: NDArray[np.float32] | None = None  # (vertices, 3) at rest; None where not told

    def lip_vertices(self) -> NDArray[np.intp]:
        """Indices of the lips: the vertices that the mouth curves move most.

        A vertex's pull is the sum over the 23 mouth curves of its displacement at full curve; lips
        are the vertices with at least 70 % of the largest pull. Jaw curves are left out of the
        choice, because they move the chin and the teeth as far as the lips.
        """
        mouth = [i for i, name in enumerate(CURVES) if name.startswith("mouth")]
        pull = np.linalg.norm(self.deltas[mouth], axis=2).sum(axis=0)
        return np.flatnonzero(pull >= LIP_SHARE * pull.max())


def read_head(path: str | Path) -> Head:
    """Read a .glb or .npz. Raises HeadError, or FileNotFoundError for a missing file."""
    file = Path(path)
    if not file.is_file():
        raise FileNotFoundError(f"no head {file}")
    names, deltas, positions = _read_npz(file) if file.suffix == ".npz" else _read_glb(file)
    try:
        curves = curves_of(names)
    except ValueError as error:
        raise HeadError(f"{file.name}: {error}") from error
    if not 0 < deltas.shape[1] <= MOST_VERTICES:
        raise HeadError(f"{file.name}: {deltas.shape[1]} vertices, expected 1 to {MOST_VERTICES}")
    if not np.isfinite(deltas).all():
        raise HeadError(f"{file.name}: its morph targets hold NaN or infinite values")
    placed = np.zeros((len(CURVES), deltas.shape[1], 3), np.float32)
    for curve, delta in zip(curves, deltas, strict=True):
        if curve is not None:
            placed[CURVES.index(curve)] += delta  # two halves of one add up
    if not any(placed[i].any() for i, name in enumerate(CURVES) if name.startswith("mouth")):
        found = sum(curve is not None for curve in curves)
        raise HeadError(f"{file.name}: expected ARKit mouth curves, got {found} ARKit names")
    return Head(placed, positions)


#: Names, deltas, positions.
_Parts = tuple[list[str], NDArray[np.float32], NDArray[np.float32] | None]


def _read_npz(file: Path) -> _Parts:
    try:
        with np.load(file, allow_pickle=False) as arrays:
            names = texts_in(arrays["names"])
            deltas = np.asarray(arrays["deltas"], np.float32)
            rest = np.asarray(arrays["positions"], np.float32) if "positions" in arrays else None
    except Exception as error:  # a damaged file can raise nearly anything
        raise HeadError(f"{file.name}: expected an npz with names and deltas: {error}") from error
    if deltas.ndim != 3 or deltas.shape[0] != len(names) or deltas.shape[2] != 3:
        raise HeadError(
            f"{file.name}: deltas: expected ({len(names)}, vertices, 3), got {deltas.shape}"
        )
    if rest is not None and rest.shape != deltas.shape[1:]:
        raise HeadError(f"{file.name}: positions: expected {deltas.shape[1:]}, got {rest.shape}")
    return names, deltas, rest


def _read_glb(file: Path) -> _Parts:
    try:
        return _targets(compressed.decoded(document.read(file)))
    except HeadError as error:
        raise HeadError(f"{file.name}: {error}") from error
    except OSError as error:
        raise HeadError(f"{file.name} cannot be read: {error}") from error
    except Exception as error:  # a damaged file can raise nearly anything
        said = f"{type(error).__name__} {error}"[:160]
        raise HeadError(f"{file.name} is not a whole glTF: {said}") from error


def _targets(source: Document) -> _Parts:
    """Of all meshes, each where its node puts it, in the order of the file's points."""
    names: list[str] = []
    parts: list[NDArray[np.float32]] = []
    rest: list[NDArray[np.float32]] = []
    seen: set[int] = set()
    nodes = source.json.get("nodes", [])
    for index, mesh in enumerate(source.json.get("meshes", [])):
        own = [str(name) for name in mesh.get("extras", {}).get("targetNames", [])]
        node = next((i for i, one in enumerate(nodes) if one.get("mesh") == index), None)
        placing = np.eye(4) if node is None else source.placing(node)
        for primitive in mesh["primitives"]:
            position = primitive["attributes"]["POSITION"]
            # Materials split a mesh into primitives that often share one vertex list.
            if not primitive.get("targets") or position in seen:
                continue
            seen.add(position)
            if names and own != names:
                raise HeadError("its meshes have different morph targets")
            names = own
            targets = [source.numbers(target["POSITION"]) for target in primitive["targets"]]
            turned, moved = placing[:3, :3].T, placing[:3, 3]
            parts.append((np.stack(targets) @ turned).astype(np.float32))
            rest.append((source.numbers(position) @ turned + moved).astype(np.float32))
    if not names or len(parts[0]) != len(names):
        raise HeadError(
            f"expected morph targets named in extras.targetNames, got {len(names)} names"
        )
    return names, np.concatenate(parts, axis=1), np.concatenate(rest)
