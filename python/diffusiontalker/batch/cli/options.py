"""What may be said to `dt-batch`."""

from __future__ import annotations

import argparse
from collections import ChainMap

from ...spelling import meant
from ...stream import StreamError
from ...stream.cli.command import Parser
from ...stream.cli.options import add_face, use_preset
from ..formats import FORMATS, ON_A_HEAD
from ..run import REPORT
from ..work import Settings

_EXAMPLES = f"""\
examples:
  dt-batch lines/ --out faces/                      every sound in a folder and its folders
  dt-batch 'lines/**/anna_*.wav' --out faces/       those that a pattern names (quoted)
  dt-batch lines.csv --out faces/ --format npz,json a manifest; two files a line
  dt-batch lines/ --out faces/ --jobs 4             on four cores (default: all)
  dt-batch s3://bucket/lines --out s3://bucket/faces   URLs, through fsspec
  dt-batch lines/ --out faces/ --ray auto           on the Ray cluster that this machine belongs to

Formats: csv, a Live Link Face CSV, and json, JSON lines, both as dt-stream --out writes them; npz,
beat (BEAT's JSON), glb (glTF), usda, usdc, vrma (VRM animation), as dt-take convert does; visemes,
a CSV of the 15 of Oculus and OpenXR.

A manifest is a CSV (or .tsv) with a header, or JSON lines: audio, a path as seen from the manifest
or a URL; and where a line wants its own: out (a path below --out without an ending), identity,
seed. Other columns, a transcript say, are passed over.

Ctrl-C, a kill, a power cut: run it again, and it goes on with the first line that is not finished.
What is finished is never written again, unless its sound has changed; a journal in OUT/.dt-batch
knows. The same sound, model and options give the same bytes, whatever --jobs or --ray says.

Exit code: 0 all is done; 1 some lines failed, each with its reason in OUT/{REPORT};
2 a mistake in the command, in one line; 130 Ctrl-C (143 SIGTERM).
"""


def parser() -> Parser:
    """The parser of the command line."""
    made = Parser(
        "dt-batch",
        "Turns whole libraries of recorded lines into face curves, as fast as the machine can.",
        _EXAMPLES,
    )
    made.add_argument(
        "source", nargs="+", metavar="SOURCE",
        help="a folder, a pattern, a sound file, or a manifest (.csv, .tsv, .jsonl)",
    )  # fmt: skip
    made.add_argument("--out", required=True, metavar="OUT", help="folder (or URL) for the results")
    made.add_argument(
        "--format", default="csv", metavar="NAME,...",
        help=f"what is written of each line, of {', '.join(FORMATS)} (default: csv)",
    )  # fmt: skip
    made.add_argument(
        "--replace", action="store_true",
        help="overwrite files in OUT that came of other options, or of something else",
    )  # fmt: skip
    how = made.add_argument_group("who does it")
    how.add_argument(
        "--jobs", type=int, metavar="N",
        help="processes at once (default: one a core)",
    )  # fmt: skip
    how.add_argument(
        "--ray", metavar="ADDRESS",
        help="a Ray cluster in place of processes here: auto, HOST:PORT or ray://HOST:PORT",
    )  # fmt: skip
    add_face(made)
    look = made.add_argument_group("what is shown")
    look.add_argument(
        "--plain", action="store_true", help="a line now and then (default if not a terminal)"
    )
    look.add_argument("--quiet", action="store_true", help="nothing but errors")
    return made


def check(args: argparse.Namespace) -> None:
    """Refuses what cannot be, before anything is opened: StreamError."""
    formats(args)
    use_preset(args)
    if args.jobs is not None and not 1 <= args.jobs <= 1024:
        raise StreamError(f"--jobs: expected 1 to 1024, got {args.jobs}")
    if args.jobs is not None and args.ray is not None:
        raise StreamError("--jobs goes without --ray: a cluster knows its cores")
    if isinstance(args.head, str) and not set(ON_A_HEAD) & set(formats(args)):
        raise StreamError(
            f"--head {args.head}: a head's file goes with --format {', '.join(ON_A_HEAD)}; --head "
            "alone, for the head's rotation, stands after SOURCE"
        )
    if not 0 <= args.seed < 2**64:
        raise StreamError(f"--seed: expected 0 to {2**64 - 1}, got {args.seed}")


def formats(args: argparse.Namespace) -> tuple[str, ...]:
    """The forms that --format names, each once. Raises StreamError."""
    names = [name.strip() for name in args.format.split(",")]
    for name in names:
        if name not in FORMATS:
            raise StreamError(
                f"--format {name}: expected {', '.join(FORMATS)}{meant(name, FORMATS)}"
            )
    return tuple(dict.fromkeys(names))


def settings(args: argparse.Namespace) -> Settings:
    """How faces move."""
    return Settings(
        bundle=args.bundle,
        backend=args.backend,
        idle=args.idle,
        head=args.head is True,
        gain=tuple(sorted(ChainMap(*reversed(args.gain)).items())),
        offset=tuple(sorted(ChainMap(*reversed(args.offset)).items())),
        strength_lower=args.strength_lower,
        strength_upper=args.strength_upper,
        smooth_ms=args.smooth_ms,
        head_file=args.head if isinstance(args.head, str) else None,
    )
