"""Compressed meshes as plain ones: Meshopt by meshoptimizer, Draco by DracoPy (extra [heads])."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from .document import COMPONENTS, WIDTHS, Document
from .model import HeadError

MESHOPT = ("EXT_meshopt_compression", "KHR_meshopt_compression")
DRACO = "KHR_draco_mesh_compression"
EXTENSIONS = (*MESHOPT, DRACO)


def decoded(source: Document) -> Document:
    """The same file without compression. Raises HeadError, also where a package is missing."""
    used = {*source.json.get("extensionsUsed", []), *source.json.get("extensionsRequired", [])}
    for name, decode in (*((one, _meshopt) for one in MESHOPT), (DRACO, _draco)):
        if name in used:
            source = decode(_Growing(source), name)
    return source


class _Growing:
    """A copy of a document to which bytes are added."""

    def __init__(self, source: Document) -> None:
        self.source = source
        self.json = copy.deepcopy(source.json)
        self.buffers = list(source.buffers)

    def view(self, data: npt.NDArray[Any]) -> int:
        """A new view of bytes in a new buffer."""
        self.buffers.append(memoryview(np.ascontiguousarray(data).tobytes()))
        view = {"buffer": len(self.buffers) - 1, "byteOffset": 0, "byteLength": data.nbytes}
        self.json["bufferViews"].append(view)
        return len(self.json["bufferViews"]) - 1

    def bytes_of(self, where: dict[str, Any]) -> bytes:
        start = int(where.get("byteOffset", 0))
        data = self.source.buffers[where["buffer"]][start : start + int(where["byteLength"])]
        if len(data) != where["byteLength"]:
            raise HeadError("its compressed bytes are cut off")
        return bytes(data)

    def document(self) -> Document:
        return Document(self.json, tuple(self.buffers), self.source.folder)


def _meshopt(growing: _Growing, extension: str) -> Document:
    try:
        import meshoptimizer
    except ImportError as error:
        raise _lacking(extension, "meshoptimizer") from error
    filters: dict[str, Callable[..., Any]] = {
        "OCTAHEDRAL": meshoptimizer.decode_filter_oct,
        "QUATERNION": meshoptimizer.decode_filter_quat,
        "EXPONENTIAL": meshoptimizer.decode_filter_exp,
    }
    for index, view in enumerate(growing.json.get("bufferViews", [])):
        how = view.get("extensions", {}).get(extension)
        if how is None:
            continue
        count, stride, mode = int(how["count"]), int(how["byteStride"]), how["mode"]
        data = growing.bytes_of(how)
        try:
            if mode == "ATTRIBUTES":
                row = np.dtype((np.uint8, stride))
                plain = meshoptimizer.decode_vertex_buffer(count, stride, data, dtype=row)
                kind = how.get("filter", "NONE")
                if kind != "NONE":
                    plain = filters[kind](plain, count, stride)
            else:
                decode = {
                    "TRIANGLES": meshoptimizer.decode_index_buffer,
                    "INDICES": meshoptimizer.decode_index_sequence,
                }[mode]
                # Asked for 2 bytes an index it returns pairs of them in one number.
                plain = decode(count, 4, data).astype(np.uint16 if stride == 2 else np.uint32)
        except (ValueError, RuntimeError) as error:
            raise HeadError(f"its Meshopt bytes are damaged: {error}") from error
        new = growing.view(plain)
        kept = {key: view[key] for key in ("byteStride", "target") if key in view}
        growing.json["bufferViews"][index] = kept | growing.json["bufferViews"].pop(new)
    return growing.document()


def _draco(growing: _Growing, extension: str) -> Document:
    try:
        import DracoPy
    except ImportError as error:
        raise _lacking(extension, "DracoPy") from error
    accessors = growing.json["accessors"]

    def plain(values: npt.NDArray[Any], like: dict[str, Any]) -> int:
        """An accessor of values in the component type that the file says."""
        rows = values.reshape(len(values), -1).astype(COMPONENTS[like["componentType"]])
        if rows.shape[1] != WIDTHS[like["type"]]:
            raise HeadError(f"its Draco bytes hold {rows.shape[1]} numbers for {like['type']}")
        new = {key: like[key] for key in ("componentType", "type", "normalized") if key in like}
        accessors.append(new | {"bufferView": growing.view(rows), "count": len(rows)})
        return len(accessors) - 1

    for mesh in growing.json.get("meshes", []):
        for primitive in mesh["primitives"]:
            how = primitive.get("extensions", {}).get(extension)
            if how is None:
                continue
            view = growing.json["bufferViews"][how["bufferView"]]
            try:
                found = DracoPy.decode(growing.bytes_of(view))
            except HeadError:
                raise
            except Exception as error:  # its exceptions have no base of their own
                raise HeadError(f"its Draco bytes are damaged: {error}") from error
            for name, number in how["attributes"].items():
                attribute = found.get_attribute_by_unique_id(number)
                like = accessors[primitive["attributes"][name]]
                primitive["attributes"][name] = plain(attribute["data"], like)
            corners = np.asarray(found.faces).reshape(-1, 1)
            whole = {"componentType": 5125, "type": "SCALAR"}
            primitive["indices"] = plain(corners, whole)
            primitive["mode"] = 4
    return growing.document()


def _lacking(extension: str, package: str) -> HeadError:
    return HeadError(
        f"it is compressed ({extension}): pip install {package}, or undo it by: "
        "npx @gltf-transform/cli copy IN.glb OUT.glb"
    )
