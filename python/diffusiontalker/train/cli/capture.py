"""`dt-train capture`: its options."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from .options import AddCommand

if TYPE_CHECKING:
    from rich.console import Console

HELP = """\
Measures the face in films, one speaker a film, filmed from the front: a take in BEAT's form
(FILM.json with curves and head rotation, FILM.wav) each. Jaw and mouth are solved from MediaPipe's
468 landmarks against a head's shapes; eyes, gaze and brows are those of its blendshape network.
Curves that neither can see are not named in the takes, so that readers list them as missing.

  dt-train capture day1/*.mov -o takes/ --model face_landmarker.task --speaker one --report
  dt-train capture tape.mpg -o takes/ --model face_landmarker.task --pixel-aspect 16:15

The model is MediaPipe's face_landmarker.task (Apache-2.0), to be had from the page of its Face
Landmarker under Models; none is shipped. Run the same command again after a cut: what was measured
is kept in OUT/measured (which may be deleted), takes that are there are left as they are.
"""


def register(add: AddCommand) -> None:
    """Give dt-train the command."""
    parser = add("capture", "measure the face in videos: takes in BEAT's form")
    parser.description = HELP
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("video", nargs="+", help="film of one speaker's face, with sound")
    parser.add_argument("-o", "--out", required=True, metavar="DIR", help="folder of the takes")
    parser.add_argument(
        "--model", required=True, help="MediaPipe's face_landmarker.task (yours: none is shipped)"
    )
    parser.add_argument(
        "--speaker",
        choices=("film", "folder", "one"),
        default="film",
        help="whose face it is: another's in every film (default), one person a folder of films, "
        "or one person in all. A person's face at rest is found over all of his films: give it "
        "where it is so",
    )
    parser.add_argument(
        "--pixel-aspect",
        metavar="W:H",
        help="shape of a stored pixel, in place of what the films say: 16:15 for 4:3 PAL of 720 x "
        "576 or 360 x 288, 64:45 for 16:9 PAL, 8:9 and 32:27 for NTSC, 4:3 for 1440 x 1080, 1:1 "
        "for square pixels. A wrong shape makes faces narrow, and their jaws open too far",
    )
    parser.add_argument(
        "--curves",
        choices=("solved", "network"),
        default="solved",
        help="jaw and mouth: solved from the landmarks (default), or the blendshape network's, "
        "which hardly sees raised, lowered, spread and funnelled lips",
    )
    parser.add_argument(
        "--head",
        metavar="FILE",
        help="head with ARKit shapes (.glb, .npz) to solve against, with --landmark-table; the "
        "default's figures (ICT-FaceKit) ship with this package",
    )
    parser.add_argument(
        "--landmark-table",
        metavar="FILE",
        help="npz: `vertex` (468,) of --head at MediaPipe's landmarks; without --head: `names`, "
        "`neutral` (468, 3), `displacement` (names, 468, 3)",
    )
    parser.add_argument(
        "--report",
        action="store_true",
        help="OUT/report: each film's face beside the head that plays its take, how alike the lips "
        "move, what was left out and why",
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace, console: Console) -> None:
    """Measure what has no take yet.

    Raises ConfigError, CaptureError, HeadError, FileNotFoundError.
    """
    from . import films

    films.run(arguments, console)
