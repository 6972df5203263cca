"""`dt-train`: the parser of all commands, and what starts one.

A command's module registers its options; what the command itself needs is imported once it runs,
so that `--help` works and is quick on a machine without torch.
"""

from __future__ import annotations

import argparse
import io
import sys
from collections.abc import Sequence

from ... import __version__
from . import add_speaker, capture, evaluate, export, run, speech, table
from .parser import Parser

COMMANDS = (run, export, evaluate, table, capture, add_speaker, speech)
EPILOG = """\
examples:
  dt-train run configs/default.toml                      train, distil, export, evaluate
  dt-train run configs/default.toml --data grid=~/grid   with a source's folder elsewhere
  dt-train run configs/beat.toml --data beat=~/beat --whisper tiny.en.pt   the paper's corpus
  dt-train run configs/finetune.toml --data takes=~/takes   the embedded model, taught your takes
  torchrun --nproc-per-node=2 -m diffusiontalker.train.cli run configs/default.toml
                                                         the same in two processes (or GPUs)
  dt-train export configs/default.toml --to my_bundle    write the bundle of a finished run again
  dt-train export my_bundle --dtype int8 --to smaller    its weights in 8 bits
  dt-train export default --onnx out/                    ONNX graphs of a bundle
  dt-train export default --tensorrt                     TensorRT engines for this machine's GPU
  dt-train export default --tensorrt --rtx --capability 8.6,8.9,12.0      for GPUs elsewhere
  dt-train evaluate my_bundle --config configs/default.toml
  dt-train evaluate default --data ~/takes --out report  any folder of takes, all of them
  dt-train table4 configs/tables.toml --out tables --epochs 0.25 --clips 50
  dt-train capture film.mov -o takes/ --model face_landmarker.task        a face from a video
  dt-train add-speaker default takes/ --name anna -o my_bundle            one more voice
  dt-train speech -o ../speech                           the speech without faces, from Debian

A run keeps everything under runs/NAME (or --out): cache, checkpoints, log.jsonl a stage, data.json
(hours, held-out takes, broken takes) and the bundle. Cut it anywhere, even with kill -9: the same
command goes on from the last checkpoint, at most a minute back, and ends on the same weights; where
a file of it is damaged, from the one before.

Forms of takes, found at any depth of a folder, each beside its sound (.wav, .flac, .mp3, .ogg, ...)
or video; what cannot be used is skipped, and listed with the reason:
  .json {"names": [...], "frames": [{"weights": [...], "time": seconds}]}   curves (BEAT's form)
  .json {"facsNames": [...], "weightMat": [[...]], "exportFps": rate}       curves (Audio2Face's)
  .csv  Timecode,BlendShapeCount,...      curves (Live Link Face, or dt-stream --out)
  .json {"speaker": "...", "phones": [{"phone": "a", "start": s, "end": s}]}  performed by rule
  .TextGrid with a tier of phones                                             performed by rule
and VOCASET's folder. See docs/training.md.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point; returns the exit status (2 for an error the user can mend)."""
    words = list(sys.argv[1:] if argv is None else argv)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # whatever a terminal cannot show is escaped
            stream.reconfigure(errors="backslashreplace")
    arguments = parser().parse_args(words, argparse.Namespace(words=words))
    try:
        from rich.console import Console

        arguments.run(arguments, Console())
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("diffusiontalker"):
            raise
        print(f"dt-train: {error.name} is missing: pip install '.[train]'", file=sys.stderr)
        return 2
    except (OSError, ValueError) as error:
        print(f"dt-train: {error}", file=sys.stderr)
        return 2
    except MemoryError:
        print("dt-train: out of memory: take fewer or shorter takes at once", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("dt-train: interrupted; the same command goes on from here", file=sys.stderr)
        return 130
    return 0


def parser() -> argparse.ArgumentParser:
    """Of the command line: every command with its options."""
    whole = Parser(
        prog="dt-train",
        description="Train the talker: teacher (32 steps), distilled to 16 and 8, to a bundle.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    whole.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    commands = whole.add_subparsers(required=True, metavar="COMMAND")

    def add(name: str, help_text: str) -> argparse.ArgumentParser:
        return commands.add_parser(
            name,
            help=help_text,
            description=help_text,
            epilog=EPILOG,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )

    for command in COMMANDS:
        command.register(add)
    return whole
