"""A glTF 2.0 file as it lies: its JSON, its bytes, numbers out of accessors, where nodes stand."""

from __future__ import annotations

import base64
import binascii
import json
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import numpy as np
import numpy.typing as npt

from .model import HeadError

#: More rows than any head has in one accessor; a damaged file may ask for any number.
MOST_ROWS = 6_000_000

_JSON, _BIN = 0x4E4F534A, 0x004E4942

# glTF is little-endian.
COMPONENTS: dict[int, np.dtype[Any]] = {
    5120: np.dtype("<i1"),
    5121: np.dtype("<u1"),
    5122: np.dtype("<i2"),
    5123: np.dtype("<u2"),
    5125: np.dtype("<u4"),
    5126: np.dtype("<f4"),
}
WIDTHS = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4, "MAT4": 16}


@dataclass(frozen=True)
class Document:
    """The JSON of a glTF and the bytes of its buffers, in their order."""

    json: dict[str, Any]
    buffers: tuple[memoryview, ...]
    #: Where the file lies, for what it names beside itself.
    folder: Path | None = None

    def beside(self, uri: str) -> memoryview:
        """The bytes that a URI names: data: or a file in the same folder. Raises HeadError."""
        return _named(uri, self.folder)

    def accessor(self, index: int) -> npt.NDArray[Any]:
        """(count, width) of an accessor, dense or sparse (glTF 2.0, section 3.6.2).

        Normalised integers become the float32 they stand for, others stay as stored. Raises
        HeadError where the file's figures cannot be.
        """
        accessor = self.json["accessors"][index]
        component = accessor["componentType"]
        if component not in COMPONENTS or accessor["type"] not in WIDTHS:
            raise HeadError(f"accessor {index}: {accessor['type']} of component type {component}")
        stored, width = COMPONENTS[component], WIDTHS[accessor["type"]]
        count = int(accessor["count"])
        if not 0 <= count <= MOST_ROWS:
            raise HeadError(f"accessor {index}: {count} rows, expected at most {MOST_ROWS}")
        values = np.zeros((count, width), stored)
        if "bufferView" in accessor:
            values = self._rows(accessor, count, stored, width)
        if "sparse" in accessor:
            sparse = accessor["sparse"]
            some = int(sparse["count"])
            kind = COMPONENTS[sparse["indices"]["componentType"]]
            at = self._rows(sparse["indices"], some, kind, 1)[:, 0]
            values[at.astype(np.int64)] = self._rows(sparse["values"], some, stored, width)
        if accessor.get("normalized") and stored.kind != "f":
            largest = np.float32(np.iinfo(stored).max)
            return np.asarray(np.maximum(values.astype(np.float32) / largest, np.float32(-1)))
        return values

    def numbers(self, index: int) -> npt.NDArray[np.float32]:
        """The same as float32."""
        return self.accessor(index).astype(np.float32)

    def _rows(
        self, where: dict[str, Any], count: int, kind: np.dtype[Any], width: int
    ) -> npt.NDArray[Any]:
        view = self.json["bufferViews"][where["bufferView"]]
        start = int(view.get("byteOffset", 0)) + int(where.get("byteOffset", 0))
        stride = int(view.get("byteStride", kind.itemsize * width))
        if start < 0 or stride < 1 or count < 0:
            raise HeadError(f"a view of {count} rows from byte {start}, {stride} apart")
        data = self.buffers[view.get("buffer", 0)]
        rows: npt.NDArray[Any] = np.ndarray(
            (count, width), kind, data, start, (stride, kind.itemsize)
        )
        return np.array(rows)

    def world(self, node: int) -> npt.NDArray[np.float64]:
        """(4, 4): where a node and all above it put what hangs on it."""
        nodes = self.json.get("nodes", [])
        above = {child: i for i, one in enumerate(nodes) for child in one.get("children", [])}
        whole = np.eye(4)
        at: int | None = node
        for _ in range(len(nodes)):  # a damaged file may have a ring
            if at is None:
                break
            whole = _local(nodes[at]) @ whole
            at = above.get(at)
        return whole

    def placing(self, node: int) -> npt.NDArray[np.float64]:
        """(4, 4): where a node puts its mesh.

        A skinned mesh stands where its joints put it, not where its node does (glTF 2.0, 3.7.3.3);
        a face hangs on one joint, or on joints that agree in the pose that the file rests in.
        """
        one = self.json["nodes"][node]
        if "skin" not in one:
            return self.world(node)
        skin = self.json["skins"][one["skin"]]
        joint = self.world(skin["joints"][0])
        if "inverseBindMatrices" not in skin:
            return joint
        bound = self.numbers(skin["inverseBindMatrices"])[0]
        return np.asarray(joint @ bound.reshape(4, 4).T, np.float64)


def _local(node: dict[str, Any]) -> npt.NDArray[np.float64]:
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


def read(file: Path) -> Document:
    """A .glb, .vrm or .gltf (with its .bin files beside it or inside).

    Raises FileNotFoundError, and HeadError for what is no whole glTF 2.0.
    """
    if not file.is_file():
        raise FileNotFoundError(f"no head {file}")
    data = file.read_bytes()
    if data[:4] == b"glTF":
        text, binary = _chunks(data)
    else:
        text, binary = data, None
    try:
        found = json.loads(text)
    except ValueError as error:  # UnicodeDecodeError is one too
        raise HeadError(f"no glTF: neither its magic nor JSON ({str(error)[:80]})") from error
    if not isinstance(found, dict) or "asset" not in found:
        raise HeadError("no glTF: JSON without an asset")
    version = str(found["asset"].get("version", ""))
    if not version.startswith("2."):
        raise HeadError(f"expected glTF 2, got {version or 'no version'}")
    buffers = [_buffer(one, binary, file.parent) for one in found.get("buffers", [])]
    return Document(found, tuple(buffers), file.parent)


def _chunks(data: bytes) -> tuple[bytes, memoryview | None]:
    """JSON and binary chunk of a GLB."""
    if len(data) < 20:
        raise HeadError(f"a glTF binary cut off at {len(data)} bytes")
    _, version, whole = struct.unpack_from("<4sII", data)
    if version != 2:
        raise HeadError(f"expected binary glTF 2, got version {version}")
    if whole > len(data):
        raise HeadError(f"cut off: {len(data)} of the {whole} bytes that it should have")
    text, binary, at = b"", None, 12
    while at + 8 <= whole:
        size, kind = struct.unpack_from("<II", data, at)
        if at + 8 + size > len(data):
            raise HeadError(f"a piece of {size} bytes goes beyond the file's end")
        piece = memoryview(data)[at + 8 : at + 8 + size]
        if kind == _JSON:
            text = bytes(piece)
        elif kind == _BIN:
            binary = piece
        at += 8 + size
    return text, binary


def _buffer(one: dict[str, Any], binary: memoryview | None, folder: Path) -> memoryview:
    uri = one.get("uri")
    if uri is not None:
        return _named(str(uri), folder)
    if binary is None and not one.get("extensions"):
        raise HeadError("a buffer without bytes")
    return binary if binary is not None else memoryview(b"")


def _named(uri: str, folder: Path | None) -> memoryview:
    if uri.startswith("data:"):
        try:
            return memoryview(base64.b64decode(uri.partition(",")[2], validate=True))
        except binascii.Error as error:
            raise HeadError(f"its data URI is damaged: {error}") from error
    if folder is None:
        raise HeadError(f"{uri[:80]} lies nowhere")
    beside = (folder / unquote(uri)).resolve()
    # A head from elsewhere must not make us read what lies elsewhere.
    if not beside.is_relative_to(folder.resolve()):
        raise HeadError(f"{uri[:80]} lies outside the file's folder")
    if not beside.is_file():
        raise HeadError(f"{uri[:80]} is not beside it")
    return memoryview(beside.read_bytes())
