"""Compressed meshes: refused with the command that undoes them."""

from __future__ import annotations

from .document import Document
from .model import HeadError

EXTENSIONS = ("EXT_meshopt_compression", "KHR_draco_mesh_compression")


def decoded(source: Document) -> Document:
    """The same file without compression. Raises HeadError."""
    for name in EXTENSIONS:
        if name in source.json.get("extensionsRequired", []):
            raise HeadError(
                f"it is compressed ({name}): undo it by: "
                "npx @gltf-transform/cli copy IN.glb OUT.glb"
            )
    return source
