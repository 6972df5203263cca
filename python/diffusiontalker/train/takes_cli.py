"""`dt-train capture` and `dt-train add-speaker`: their options and what they say."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable
from pathlib import Path

from rich.console import Console
from rich.progress import Progress

from .. import bundle as bundles
from . import add_speaker, corpora
from .collect import command as capture
from .config import ConfigError

AddCommand = Callable[[str, str], argparse.ArgumentParser]
MakeProgress = Callable[[Console], Progress]


def register(add: AddCommand, progress: MakeProgress) -> None:
    """Give dt-train the two commands."""
    capturing = add("capture", "measure the face in videos: takes in BEAT's form")
    capture.options(capturing)
    capturing.set_defaults(run=lambda arguments, console: capture.run(arguments, console, progress))

    adding = add("add-speaker", "add a voice to a bundle; the others' matches stay as they are")
    adding.add_argument("bundle", help='bundle folder, or "default" for the embedded one')
    adding.add_argument(
        "take",
        nargs="+",
        help="a take with curves, a sound file, or a folder of takes; 10 s of speech or more",
    )
    adding.add_argument("--name", required=True, help="the new identity's name")
    adding.add_argument(
        "-o", "--out", required=True, metavar="DIR", help="folder of the new bundle"
    )
    adding.add_argument("--licence", default="", help="of the takes, for the bundle's manifest")
    adding.add_argument("--steps", type=int, default=200, help="of the optimiser (default 200)")
    adding.add_argument("--seed", type=int, default=0, help="of its draws (default 0)")
    adding.set_defaults(run=lambda arguments, console: _add_speaker(arguments, console, progress))


def _add_speaker(
    arguments: argparse.Namespace, console: Console, make_progress: MakeProgress
) -> None:
    if arguments.steps < 1:
        raise ConfigError(f"--steps: expected at least 1, got {arguments.steps}")
    bundle = bundles.read(None if arguments.bundle == "default" else arguments.bundle)
    add_speaker.refuse_name(bundle, arguments.name)
    paths = [Path(take).expanduser() for take in arguments.take]
    with make_progress(console) as progress:
        takes, skipped = add_speaker.read_takes(paths, arguments.name, arguments.licence)
        for skip in skipped:
            progress.console.print(f"skipped {skip.path.name}: {skip.reason}")
        for take in takes:
            for note in corpora.changes(take):
                progress.console.print(f"{take.id}: {note}", highlight=False)
        if not takes:
            raise ConfigError("no usable take: nothing to learn the voice from")
        task = progress.add_task(f"adding {arguments.name}", total=arguments.steps, note="")

        def on_step(step: int, losses: dict[str, float]) -> None:
            note = ", ".join(f"{key} {value:.4f}" for key, value in losses.items())
            progress.update(task, completed=step, note=note)

        added = add_speaker.add_speaker(
            bundle,
            takes,
            arguments.name,
            Path(arguments.out).expanduser(),
            licence=arguments.licence,
            steps=arguments.steps,
            seed=arguments.seed,
            on_step=on_step,
        )
    console.print(
        f"started from {', '.join(added.nearest)}; the voice finds {arguments.name} in "
        f"{added.matched} of {added.windows} windows (cosine {added.cosine:.2f}, next "
        f"{added.runner_up} {added.runner_up_cosine:.2f})",
        highlight=False,
        soft_wrap=True,
    )
    if math.isnan(added.decided_after_s):
        console.print(
            f"played as a stream, automatic identity does not settle on {arguments.name}: ask for "
            f"it by --identity {arguments.name}, or add more takes, or more --steps",
            soft_wrap=True,
        )
    else:
        console.print(
            f"played as a stream, automatic identity settles on {arguments.name} after "
            f"{added.decided_after_s:.1f} s of speech",
            highlight=False,
            soft_wrap=True,
        )
    if added.expression is None:
        console.print("no curves among the takes: the face moves like the rows it started from")
    else:
        first, last = added.expression
        console.print(f"expression loss {first:.4f} -> {last:.4f}", highlight=False)
    console.print(f"bundle in {added.bundle.path}", soft_wrap=True)
