"""A head's pictures as colours of its points: heads are drawn by points' colours alone."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import numpy.typing as npt

from .document import Document
from .model import FloatArray

#: A file's pictures as they were read, by their number; None where one cannot be.
Pictures = dict[int, npt.NDArray[np.uint8] | None]


def painted(
    source: Document, primitive: dict[str, Any], material: dict[str, Any], read: Pictures
) -> FloatArray:
    """(V, 4) linear RGBA of a primitive's base colour picture at its points, white without one.

    `read` keeps pictures from one primitive to the next.
    Without Pillow (the extra [film]) a textured head stays in its material's plain colour, as it
    does where a picture is damaged.
    """
    count = source.json["accessors"][primitive["attributes"]["POSITION"]]["count"]
    white = np.ones((count, 4), np.float32)
    where = material.get("pbrMetallicRoughness", {}).get("baseColorTexture")
    if where is None:
        return white
    at = primitive["attributes"].get(f"TEXCOORD_{where.get('texCoord', 0)}")
    picture = None if at is None else _picture(source, where["index"], read)
    if picture is None:
        return white
    places = source.numbers(at)
    shift = where.get("extensions", {}).get("KHR_texture_transform", {})
    places = places * shift.get("scale", (1, 1)) + shift.get("offset", (0, 0))
    height, width = picture.shape[:2]
    # Pictures repeat beyond their edges; the nearest pixel is enough for points a millimetre apart.
    x = np.floor(places[:, 0] % 1.0 * width).astype(int).clip(0, width - 1)
    y = np.floor(places[:, 1] % 1.0 * height).astype(int).clip(0, height - 1)
    stored = picture[y, x].astype(np.float32) / 255
    rgb = stored[:, :3]
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    return np.concatenate([linear, stored[:, 3:]], axis=1).astype(np.float32)


def _picture(source: Document, texture: int, read: Pictures) -> npt.NDArray[np.uint8] | None:
    """(height, width, 4) sRGB, or None."""
    found = source.json["textures"][texture]
    others = (one.get("source") for one in found.get("extensions", {}).values())
    index = next((one for one in (found.get("source"), *others) if one is not None), None)
    if index is None:
        return None
    if index not in read:
        read[index] = _read(source, source.json["images"][index])
    return read[index]


def _read(source: Document, image: dict[str, Any]) -> npt.NDArray[np.uint8] | None:
    try:
        from PIL import Image
    except ImportError:
        return None
    if "bufferView" in image:
        view = source.json["bufferViews"][image["bufferView"]]
        start = int(view.get("byteOffset", 0))
        data = source.buffers[view.get("buffer", 0)][start : start + int(view["byteLength"])]
    elif "uri" in image:
        data = source.beside(image["uri"])
    else:
        return None
    try:
        with Image.open(io.BytesIO(data)) as opened:
            return np.asarray(opened.convert("RGBA"))
    except (OSError, ValueError, Image.DecompressionBombError):
        return None
