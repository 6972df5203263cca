"""A blendshape head that the user supplies: how far each ARKit curve moves each vertex.

Two forms: a binary glTF 2.0 file (.glb) whose morph targets carry the curves' names (mesh extras
`targetNames`, as Blender and most exporters write them; quantised ones too, as gltfpack writes
them by KHR_mesh_quantization), and an .npz with `names` (n,), `deltas` (n, vertices, 3) and, for
`dt-train capture --head`, `positions` (vertices, 3).
"""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..curves import CURVES, curves_of

#: A vertex counts as lip from this share of the mouth curves' strongest pull on.
LIP_SHARE = 0.7

#: More than any head has; a damaged file may ask for any number.
MOST_VERTICES = 2_000_000

# glTF is little-endian.
_COMPONENTS: dict[int, np.dtype[Any]] = {
    5120: np.dtype("<i1"),
    5121: np.dtype("<u1"),
    5122: np.dtype("<i2"),
    5123: np.dtype("<u2"),
    5125: np.dtype("<u4"),
    5126: np.dtype("<f4"),
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
            names = [str(name) for name in arrays["names"]]
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
    if file.suffix.lower() == ".gltf":
        raise HeadError(f"{file.name}: export it as .glb, one binary file")
    try:
        return _targets(file.read_bytes())
    except HeadError as error:
        raise HeadError(f"{file.name}: {error}") from error
    except OSError as error:
        raise HeadError(f"{file.name} cannot be read: {error}") from error
    except Exception as error:  # a damaged file can raise nearly anything
        said = f"{type(error).__name__} {error}"[:160]
        raise HeadError(f"{file.name} is not a whole glTF binary: {said}") from error


def _targets(data: bytes) -> _Parts:
    """Of all meshes, each where its node puts it."""
    magic, version, _ = struct.unpack_from("<4sII", data)
    if magic != b"glTF" or version != 2:
        raise HeadError(f"expected binary glTF 2, got {magic!r} {version}")
    length = struct.unpack_from("<I", data, 12)[0]
    document = json.loads(data[20 : 20 + length])
    compressed = {"EXT_meshopt_compression", "KHR_draco_mesh_compression"}
    for name in compressed & set(document.get("extensionsRequired", [])):
        raise HeadError(f"it is compressed ({name}): export it without")
    binary = memoryview(data)[20 + length + 8 :]
    names: list[str] = []
    parts: list[NDArray[np.float32]] = []
    rest: list[NDArray[np.float32]] = []
    seen: set[int] = set()
    for index, mesh in enumerate(document.get("meshes", [])):
        own = [str(name) for name in mesh.get("extras", {}).get("targetNames", [])]
        for primitive in mesh["primitives"]:
            position = primitive["attributes"]["POSITION"]
            # Materials split a mesh into primitives that often share one vertex list.
            if not primitive.get("targets") or position in seen:
                continue
            seen.add(position)
            if names and own != names:
                raise HeadError("its meshes have different morph targets")
            names = own
            targets = [_accessor(document, binary, t["POSITION"]) for t in primitive["targets"]]
            placing = _placing(document, binary, index)
            turned, moved = placing[:3, :3].T, placing[:3, 3]
            parts.append((np.stack(targets) @ turned).astype(np.float32))
            still = _accessor(document, binary, position) @ turned + moved
            rest.append(still.astype(np.float32))
    if not names or len(parts[0]) != len(names):
        raise HeadError(
            f"expected morph targets named in extras.targetNames, got {len(names)} names"
        )
    return names, np.concatenate(parts, axis=1), np.concatenate(rest)


def _placing(document: dict[str, Any], binary: memoryview, mesh: int) -> NDArray[np.float64]:
    """(4, 4): how the scene turns, scales and moves a mesh; displacements are not moved.

    Quantised meshes need it: their scale is in the node, or in the skin, and each has its own. A
    skinned mesh stands where its joints put it, not where its node does (glTF 2.0, 3.7.3.3).
    """
    nodes = document.get("nodes", [])
    index = next((i for i, node in enumerate(nodes) if node.get("mesh") == mesh), None)
    if index is None:
        return np.eye(4)
    if "skin" not in nodes[index]:
        return _world(nodes, index)
    skin = document["skins"][nodes[index]["skin"]]
    joint = _world(nodes, skin["joints"][0])
    if "inverseBindMatrices" not in skin:
        return joint
    bound = _accessor(document, binary, skin["inverseBindMatrices"], "MAT4")[0]
    return np.asarray(joint @ bound.reshape(4, 4).T, np.float64)


def _world(nodes: list[dict[str, Any]], index: int) -> NDArray[np.float64]:
    """(4, 4) of a node and all above it."""
    parents = {child: i for i, node in enumerate(nodes) for child in node.get("children", [])}
    whole = np.eye(4)
    at: int | None = index
    for _ in range(len(nodes)):  # a damaged file may have a ring
        if at is None:
            break
        whole = _local(nodes[at]) @ whole
        at = parents.get(at)
    return whole


def _local(node: dict[str, Any]) -> NDArray[np.float64]:
    if "matrix" in node:
        return np.asarray(np.array(node["matrix"], np.float64).reshape(4, 4).T)
    x, y, z, w = (float(part) for part in node.get("rotation", (0, 0, 0, 1)))
    turned = np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
            [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
            [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
        ]
    )
    whole = np.eye(4)
    whole[:3, :3] = turned * np.array(node.get("scale", (1, 1, 1)), np.float64)
    whole[:3, 3] = node.get("translation", (0, 0, 0))
    return whole


def _accessor(
    document: dict[str, Any], binary: memoryview, index: int, kind: str = "VEC3"
) -> NDArray[np.float32]:
    """A VEC3 (or MAT4) accessor, dense or sparse (glTF 2.0, section 3.6.2), as (count, width).

    Integers, plain or normalised, become what they stand for (KHR_mesh_quantization).
    """
    accessor = document["accessors"][index]
    component, width = accessor["componentType"], {"VEC3": 3, "MAT4": 16}[kind]
    if accessor["type"] != kind or component not in _COMPONENTS:
        raise HeadError(
            f"accessor {index}: expected {kind} of a component type that glTF has, got "
            f"{accessor['type']} of {component}"
        )
    count = int(accessor["count"])
    if not 0 <= count <= MOST_VERTICES:
        raise HeadError(f"accessor {index}: {count} vertices, expected at most {MOST_VERTICES}")
    stored = _COMPONENTS[component]
    values = np.zeros((count, width), np.float32)
    if "bufferView" in accessor:
        values[:] = _plain(_view(document, binary, accessor, count, stored, width), accessor)
    if "sparse" in accessor:
        sparse = accessor["sparse"]
        rows_kind = _COMPONENTS[sparse["indices"]["componentType"]]
        some = int(sparse["count"])
        rows = _view(document, binary, sparse["indices"], some, rows_kind, 1)[:, 0]
        new = _view(document, binary, sparse["values"], some, stored, width)
        values[rows.astype(np.int64)] = _plain(new, accessor)
    return values


def _plain(values: NDArray[Any], accessor: dict[str, Any]) -> NDArray[np.float32]:
    """Components as numbers: normalised integers are parts of their largest (section 3.11)."""
    if not accessor.get("normalized") or values.dtype.kind == "f":
        return values.astype(np.float32)
    largest = np.float32(np.iinfo(values.dtype).max)
    return np.asarray(np.maximum(values / largest, -1.0), np.float32)


def _view(
    document: dict[str, Any],
    binary: memoryview,
    where: dict[str, Any],
    count: int,
    kind: np.dtype[Any],
    width: int,
) -> NDArray[Any]:
    view = document["bufferViews"][where["bufferView"]]
    start = view.get("byteOffset", 0) + where.get("byteOffset", 0)
    size = kind.itemsize * width
    stride = view.get("byteStride", size)
    if start < 0 or stride < 1 or count < 0:
        raise HeadError(f"a view of {count} from byte {start}, {stride} apart")
    rows = np.ndarray((count, width), kind, binary, start, (stride, kind.itemsize))
    return np.array(rows)
