"""`python -m diffusiontalker.film`: a still of a head, or a sheet of all its shapes."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from .. import head as heads
from ..curves import CURVES, HEAD
from . import text
from .errors import FilmError
from .portrait import size_of
from .stills import sheet

_EXAMPLES = """\
examples:
  python -m diffusiontalker.film neutral.png
  python -m diffusiontalker.film smile.png mouthSmileLeft=0.8 mouthSmileRight=0.8 headYaw=0.4
  python -m diffusiontalker.film shapes.png --shapes --head avatar.vrm --size 240x240
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Writes the picture; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m diffusiontalker.film",
        description="Draws a head, without a display.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("out", metavar="OUT.png", type=Path)
    parser.add_argument(
        "pose", metavar="CURVE=VALUE", nargs="*", help="headYaw, headPitch, headRoll in radians"
    )
    parser.add_argument("--head", metavar="FILE", help=".glb or .vrm (default: the shipped one)")
    parser.add_argument("--size", metavar="WxH", default="720x720", help="(default: 720x720)")
    parser.add_argument("--shapes", action="store_true", help="a sheet of all shapes at 1")
    args = parser.parse_args(argv)
    try:
        pose = _pose(args.pose)
        head = heads.default() if args.head is None else heads.load(args.head, slow=_aside)
        poses = [("", pose)]
        if args.shapes:
            shapes = [name for name in CURVES if name in head.shapes]
            poses = [("neutral", pose)] + [(name, {**pose, name: 1.0}) for name in shapes]
        text.save(args.out, sheet(head, poses, columns=8, size=size_of("--size", args.size)))
    except (FilmError, heads.HeadError, OSError) as error:
        print(f"{parser.prog}: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    return 0


def _aside(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _pose(pairs: Sequence[str]) -> dict[str, float]:
    pose = {}
    for pair in pairs:
        name, _, value = pair.partition("=")
        if name not in CURVES and name not in HEAD:
            raise FilmError(f"{pair}: expected an ARKit curve and its value, as in jawOpen=0.7")
        try:
            pose[name] = float(value)
        except ValueError:
            raise FilmError(f"{pair}: expected a number, as in {name}=0.7") from None
    return pose


if __name__ == "__main__":
    sys.exit(main())
