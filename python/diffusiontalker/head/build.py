"""Makes the head that ships: python -m diffusiontalker.head.build [OUT.glb]."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from importlib import resources

from . import gltf
from .anatomy import whole


def main(arguments: Sequence[str] | None = None) -> int:
    """Writes the file; its bytes are the same on every machine."""
    parser = argparse.ArgumentParser(
        prog="python -m diffusiontalker.head.build", description=__doc__
    )
    parser.add_argument(
        "out",
        nargs="?",
        default=str(resources.files("diffusiontalker.head") / "default.glb"),
        help="where to (default: the package's own file)",
    )
    out = parser.parse_args(arguments).out
    head = whole.head()
    gltf.write(head, out)
    print(
        f"{out}: {len(head.points)} points, {len(head.triangles)} triangles, "
        f"{len(head.shapes)} shapes"
    )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
