"""A face to see: points, triangles and the shapes that ARKit's curves move them by.

`default()` is the head that ships, `load(path)` any glTF or VRM with such shapes, `gltf.write` the
way back. The head that ships is made by `anatomy/`: `python -m diffusiontalker.head.build`.
"""

from . import gltf
from .load import default, load
from .model import Head, HeadError, Part, normals

__all__ = ["Head", "HeadError", "Part", "default", "gltf", "load", "normals"]
