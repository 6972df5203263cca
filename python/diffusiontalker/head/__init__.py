"""A face to see: points, triangles and the shapes that ARKit's curves move them by."""

from .model import Head, Part

__all__ = ["Head", "Part"]
