"""--record: a take beside what is sent."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from ... import Runtime, __version__
from ..outputs.fan_out import FanOut
from ..outputs.file_queue import FileQueue
from ..outputs.take import TAKE_EVERY_S, TAKE_QUEUE, TakeOutput
from ..sources.source import Source
from .options import Face

if TYPE_CHECKING:
    from ..sources.wav import WavSource


def add(
    args: argparse.Namespace,
    face: Face,
    source: Source | WavSource,
    runtime: Runtime,
    outputs: FanOut,
) -> TakeOutput:
    """Adds the take to the outputs and returns it. Raises StreamError."""
    take = made(args, face, source, runtime, Path(args.record))
    # While it is live the session knows better, and says so instead.
    take.found = lambda: {"identity": runtime.identity}
    outputs.tell = getattr(source, "notices", []).append
    outputs.add(take if args.fast else FileQueue(take, TAKE_QUEUE, every_s=TAKE_EVERY_S))
    return take


def made(
    args: argparse.Namespace,
    face: Face,
    source: Source | WavSource,
    runtime: Runtime,
    folder: Path,
    **settings: object,
) -> TakeOutput:
    """A take that begins in a folder; `settings` on top of those of the options. Raises
    StreamError.
    """
    kind = "mic" if args.mic else "demo" if args.demo else Path(source.name).stem
    several = len(args.subject) > 1
    return TakeOutput(
        folder,
        source=f"{kind} {face.subject}" if several else kind,
        settings={**_settings(args, source, runtime), **settings},
        paced=not args.fast,
    )


def _settings(
    args: argparse.Namespace, source: Source | WavSource, runtime: Runtime
) -> dict[str, object]:
    """What a take keeps of how it was made."""
    knobs = runtime.settings
    return {
        "made_by": f"diffusiontalker {__version__}",
        "source": source.name,
        "bundle": runtime.bundle.name,
        "bundle_sha256": runtime.bundle.sha256,
        "identity": args.identity,
        "seed": args.seed,
        "idle": args.idle,
        "head": runtime.head,
        "backend": runtime.backend,
        "gain": dict(knobs.gain),
        "offset": dict(knobs.offset),
        "strength_lower": knobs.strength_lower,
        "strength_upper": knobs.strength_upper,
        "smooth_ms": knobs.smooth_ms,
    }
