"""A blendshape head that the user supplies: how far each ARKit curve moves each vertex.

Two forms: a binary glTF 2.0 file (.glb) whose morph targets carry the curves' names (mesh extras
`targetNames`, as Blender and most exporters write them), and an .npz with `names` (n,), `deltas`
(n, vertices, 3) and, for `dt-train capture --head`, `positions` (vertices, 3).
"""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..curves import CURVES

#: A vertex counts as lip from this share of the mouth curves' strongest pull on.
LIP_SHARE = 0.7

_COMPONENTS: dict[int, type[np.generic]] = {
    5121: np.uint8,
    5123: np.uint16,
    5125: np.uint32,
    5126: np.float32,
}


class HeadError(ValueError):
    """A head file that cannot be used; the message says what was expected and found."""


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
    known = {name.lower(): i for i, name in enumerate(CURVES)}
    placed = np.zeros((len(CURVES), deltas.shape[1], 3), np.float32)
    found = 0
    for name, delta in zip(names, deltas, strict=True):
        if name.lower() in known:
            placed[known[name.lower()]] = delta
            found += 1
    if not any(placed[i].any() for i, name in enumerate(CURVES) if name.startswith("mouth")):
        raise HeadError(f"{file.name}: expected ARKit mouth curves, got {found} ARKit names")
    return Head(placed, positions)


#: Names, deltas, positions.
_Parts = tuple[list[str], NDArray[np.float32], NDArray[np.float32] | None]


def _read_npz(file: Path) -> _Parts:
    try:
        with np.load(file, allow_pickle=False) as arrays:
            names = [str(name) for name in arrays["names"]]
            deltas = np.asarray(arrays["deltas"], np.float32)
            rest = np.asarray(arrays["positions"], np.float32) if "positions" in arrays else None
    except (KeyError, ValueError, OSError) as error:
        raise HeadError(f"{file.name}: expected an npz with names and deltas: {error}") from error
    if deltas.ndim != 3 or deltas.shape[0] != len(names) or deltas.shape[2] != 3:
        raise HeadError(
            f"{file.name}: deltas: expected ({len(names)}, vertices, 3), got {deltas.shape}"
        )
    if rest is not None and rest.shape != deltas.shape[1:]:
        raise HeadError(f"{file.name}: positions: expected {deltas.shape[1:]}, got {rest.shape}")
    return names, deltas, rest


def _read_glb(file: Path) -> _Parts:
    data = file.read_bytes()
    try:
        magic, version, _ = struct.unpack_from("<4sII", data)
        if magic != b"glTF" or version != 2:
            raise HeadError(f"{file.name}: expected binary glTF 2, got {magic!r} {version}")
        length = struct.unpack_from("<I", data, 12)[0]
        document = json.loads(data[20 : 20 + length])
        binary = memoryview(data)[20 + length + 8 :]
        names: list[str] = []
        parts: list[NDArray[np.float32]] = []
        rest: list[NDArray[np.float32]] = []
        seen: set[int] = set()
        for mesh in document.get("meshes", []):
            own = mesh.get("extras", {}).get("targetNames", [])
            for primitive in mesh["primitives"]:
                position = primitive["attributes"]["POSITION"]
                # Materials split a mesh into primitives that often share one vertex list.
                if not primitive.get("targets") or position in seen:
                    continue
                seen.add(position)
                if names and own != names:
                    raise HeadError(f"{file.name}: its meshes have different morph targets")
                names = own
                targets = [_accessor(document, binary, t["POSITION"]) for t in primitive["targets"]]
                parts.append(np.stack(targets))
                rest.append(_accessor(document, binary, position))
        if not names or len(parts[0]) != len(names):
            raise HeadError(
                f"{file.name}: expected morph targets named in extras.targetNames, "
                f"got {len(names)} names"
            )
        return names, np.concatenate(parts, axis=1), np.concatenate(rest)
    except (struct.error, KeyError, IndexError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise HeadError(f"{file.name} is not a whole glTF binary: {error!r}") from error


def _accessor(document: dict[str, Any], binary: memoryview, index: int) -> NDArray[np.float32]:
    """A VEC3 float accessor, dense or sparse (glTF 2.0, section 3.6.2), as (count, 3)."""
    accessor = document["accessors"][index]
    if accessor["type"] != "VEC3" or accessor["componentType"] != 5126:
        raise HeadError(f"accessor {index}: expected float32 VEC3, got {accessor['type']}")
    count = int(accessor["count"])
    values = np.zeros((count, 3), np.float32)
    if "bufferView" in accessor:
        values[:] = _view(document, binary, accessor, count, np.float32, 3)
    if "sparse" in accessor:
        sparse = accessor["sparse"]
        kind = _COMPONENTS[sparse["indices"]["componentType"]]
        rows = _view(document, binary, sparse["indices"], sparse["count"], kind, 1)[:, 0]
        values[rows] = _view(document, binary, sparse["values"], sparse["count"], np.float32, 3)
    return values


def _view(
    document: dict[str, Any],
    binary: memoryview,
    where: dict[str, Any],
    count: int,
    kind: type[np.generic],
    width: int,
) -> NDArray[Any]:
    view = document["bufferViews"][where["bufferView"]]
    start = view.get("byteOffset", 0) + where.get("byteOffset", 0)
    size = np.dtype(kind).itemsize * width
    stride = view.get("byteStride", size)
    rows = np.ndarray((count, width), kind, binary, start, (stride, np.dtype(kind).itemsize))
    return np.array(rows)
