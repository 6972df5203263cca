"""A head as one binary glTF: a node, a mesh, a primitive a part, a target a curve.

What every importer reads: dense float32 targets, names in the mesh's extras.targetNames and
nowhere else. Each part has points of its own, and a shape that leaves a part still lies upon one
run of zeros, so that hair costs no 52 shapes. The bytes depend on the head alone.
"""

from __future__ import annotations

import json
import os
import struct
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..curves import CURVES
from .model import FloatArray, Head, normals

_FLOAT, _USHORT, _UINT = 5126, 5123, 5125
_VERTICES, _INDICES = 34962, 34963
GENERATOR = "diffusiontalker"


@dataclass
class Writer:
    """The JSON and the bytes of a glTF while it grows."""

    json: dict[str, Any] = field(default_factory=dict)
    data: bytearray = field(default_factory=bytearray)

    def accessor(
        self,
        values: npt.NDArray[Any],
        kind: str,
        *,
        target: int | None = None,
        bounds: bool = False,
        normalized: bool = False,
    ) -> int:
        """Appends `values` (count, width) and returns the number of their accessor.

        kind: SCALAR, VEC3, VEC4; target: 34962 for vertices, 34963 for indices, None else.
        """
        component = {"f": _FLOAT, "u": _USHORT if values.dtype.itemsize == 2 else _UINT}
        little = np.ascontiguousarray(values, values.dtype.newbyteorder("<"))
        view: dict[str, Any] = {
            "buffer": 0,
            "byteOffset": len(self.data),
            "byteLength": little.nbytes,
        }
        if target is not None:
            view["target"] = target
        self.data += little.tobytes() + bytes(-little.nbytes % 4)
        views = self.json.setdefault("bufferViews", [])
        views.append(view)
        accessor: dict[str, Any] = {
            "bufferView": len(views) - 1,
            "componentType": component[values.dtype.kind],
            "count": len(values),
            "type": kind,
        }
        if normalized:
            accessor["normalized"] = True
        if bounds:
            flat = little.reshape(len(values), -1)
            accessor["min"] = [float(one) for one in flat.min(axis=0)]
            accessor["max"] = [float(one) for one in flat.max(axis=0)]
        accessors: list[dict[str, Any]] = self.json.setdefault("accessors", [])
        accessors.append(accessor)
        return len(accessors) - 1

    def zeros(self, counts: list[int]) -> dict[int, int]:
        """Accessors of so many (0, 0, 0) each, by their count, upon one run of bytes."""
        if not counts:
            return {}
        longest = self.accessor(np.zeros((max(counts), 3), np.float32), "VEC3", target=_VERTICES)
        accessors, views = self.json["accessors"], self.json["bufferViews"]
        accessors[longest] |= {"min": [0.0] * 3, "max": [0.0] * 3}
        run = views[accessors[longest]["bufferView"]]
        found = {max(counts): longest}
        for count in counts:
            if count not in found:
                views.append(run | {"byteLength": 12 * count})
                accessors.append(
                    accessors[longest] | {"bufferView": len(views) - 1, "count": count}
                )
                found[count] = len(accessors) - 1
        return found

    def glb(self) -> bytes:
        """The whole file."""
        self.json["buffers"] = [{"byteLength": len(self.data)}]
        text = json.dumps(self.json, separators=(",", ":"), sort_keys=True).encode()
        text += b" " * (-len(text) % 4)
        data = bytes(self.data) + bytes(-len(self.data) % 4)
        whole = 12 + 8 + len(text) + 8 + len(data)
        head = struct.pack("<4sIIII", b"glTF", 2, whole, len(text), 0x4E4F534A)
        return head + text + struct.pack("<II", len(data), 0x004E4942) + data


def document(head: Head, *, morph_normals: bool = False) -> Writer:
    """The head as a glTF to which more (an animation) may be added before `Writer.glb`.

    Node 0 is the head, mesh 0 its mesh, targets in the order of the mesh's extras.targetNames:
    `names(head)`. morph_normals: targets carry normals too (the difference at weight 1), for
    viewers that do not work them out; the file becomes twice as large.
    """
    curves = names(head)
    writer = Writer(
        {
            "asset": {"version": "2.0", "generator": GENERATOR},
            "scene": 0,
            "scenes": [{"nodes": [0]}],
            "nodes": [{"mesh": 0, "name": "head"}],
            "materials": [],
        }
    )
    rest = normals(head.points, head.triangles)
    moved: dict[str, FloatArray] = {}
    if morph_normals:
        for name in curves:
            moved[name] = normals(head.points + head.shapes[name], head.triangles) - rest
    still = writer.zeros(_still_counts(head))
    primitives = []
    for number, part in enumerate(head.parts):
        material: dict[str, Any] = {
            "name": part.name,
            "pbrMetallicRoughness": {
                "baseColorFactor": [1, 1, 1, 1],
                "metallicFactor": 0,
                "roughnessFactor": round(float(part.roughness), 4),
            },
        }
        material["doubleSided"] = True
        if part.transparent:
            material["alphaMode"] = "BLEND"
        writer.json["materials"].append(material)
        at, corners = np.unique(part.triangles, return_inverse=True)

        def target(values: FloatArray, at: npt.NDArray[Any] = at, *, bounds: bool) -> int:
            own = values[at]
            if own.any():
                return writer.accessor(own, "VEC3", target=_VERTICES, bounds=bounds)
            return still[len(at)]

        kind = np.uint16 if len(at) < 65535 else np.uint32
        colours = np.rint(head.colours[at] * 65535).astype(np.uint16)
        targets = []
        for name in curves:
            one = {"POSITION": target(head.shapes[name], bounds=True)}
            if morph_normals:
                one["NORMAL"] = target(moved[name], bounds=False)
            targets.append(one)
        primitives.append(
            {
                "attributes": {
                    "POSITION": writer.accessor(
                        head.points[at], "VEC3", target=_VERTICES, bounds=True
                    ),
                    "NORMAL": writer.accessor(_unit(rest[at]), "VEC3", target=_VERTICES),
                    "COLOR_0": writer.accessor(colours, "VEC4", target=_VERTICES, normalized=True),
                },
                "indices": writer.accessor(
                    corners.reshape(-1, 1).astype(kind), "SCALAR", target=_INDICES
                ),
                "material": number,
                "targets": targets,
            }
        )
    writer.json["meshes"] = [
        {"name": "head", "primitives": primitives, "extras": {"targetNames": curves}}
    ]
    spell_out(writer.json)
    return writer


def spell_out(found: dict[str, Any]) -> None:
    """Says in a glTF what panda3d-gltf does not take as said; its bytes stay.

    A mesh with targets states its weights, 0 by default, or it is not moved. A target has an
    accessor and a view of its own, over the same bytes where it shared them: those of one view are
    taken for the columns of one table.
    """
    for mesh in found.get("meshes", []):
        seen: set[int] = set()
        count = 0
        for primitive in mesh["primitives"]:
            targets = primitive.get("targets", [])
            count = max(count, len(targets))
            for target in targets:
                for attribute, index in target.items():
                    target[attribute] = _again(found, index) if index in seen else index
                    seen.add(target[attribute])
        if count:
            mesh.setdefault("weights", [0.0] * count)


def _again(found: dict[str, Any], index: int) -> int:
    """An accessor as this one, with a view of its own."""
    accessor = dict(found["accessors"][index])
    if "bufferView" in accessor:
        found["bufferViews"].append(dict(found["bufferViews"][accessor["bufferView"]]))
        accessor["bufferView"] = len(found["bufferViews"]) - 1
    found["accessors"].append(accessor)
    return len(found["accessors"]) - 1


def _still_counts(head: Head) -> list[int]:
    """How many points the parts have that some shape leaves alone."""
    counts = []
    for part in head.parts:
        at = np.unique(part.triangles)
        if not all(moved[at].any() for moved in head.shapes.values()):
            counts.append(len(at))
    return counts


def names(head: Head) -> list[str]:
    """The curves that the head has, in the order of `CURVES`: that of the file's targets."""
    return [name for name in CURVES if name in head.shapes]


def write(head: Head, path: str | os.PathLike[str], *, morph_normals: bool = False) -> None:
    """Writes the head as one .glb. Raises OSError where it cannot."""
    Path(path).write_bytes(document(head, morph_normals=morph_normals).glb())


def _unit(directions: FloatArray) -> FloatArray:
    """Points that no triangle uses have no normal, which glTF forbids: they get +z."""
    length = np.linalg.norm(directions, axis=1, keepdims=True)
    ahead = np.array([0, 0, 1], np.float32)
    return np.where(length > 0.5, directions / np.maximum(length, 1e-9), ahead).astype(np.float32)
