"""`dt-train add-speaker`: its options and what it says."""

from __future__ import annotations

import argparse
import math
from pathlib import Path
from typing import TYPE_CHECKING

from ..config import ConfigError
from .options import AddCommand

if TYPE_CHECKING:
    from rich.console import Console

    from ..recipes.add_speaker import Added


def register(add: AddCommand) -> None:
    """Give dt-train the command."""
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
    adding.set_defaults(run=run)


def run(arguments: argparse.Namespace, console: Console) -> None:
    """Write the bundle with one more voice. Raises ConfigError, ValueError, BundleError."""
    from ... import bundle as bundles
    from ..recipes import add_speaker
    from . import screen
    from .bars import bars_on

    if arguments.steps < 1:
        raise ConfigError(f"--steps: expected at least 1, got {arguments.steps}")
    bundle = bundles.read(None if arguments.bundle == "default" else arguments.bundle)
    add_speaker.refuse_name(bundle, arguments.name)
    paths = [Path(take).expanduser() for take in arguments.take]
    with bars_on(console) as progress:
        found = add_speaker.read_takes(paths, arguments.name, arguments.licence)
        takes = found.takes
        screen.tell_changes(progress.console, takes)
        if not takes:
            screen.tell_left_out(progress.console, found.skipped, found.passed_over)
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
    for line in _told(added, arguments.name):
        screen.say(console, line)
    screen.tell_in_the_end(console, found.skipped, found.passed_over)


def _told(added: Added, name: str) -> list[str]:
    """What was learnt, and what was too little for it, a line each."""
    from ..recipes.add_speaker import ENOUGH_VOICED_S, WINDOW_S

    lines = [
        f"started from {', '.join(added.nearest)}; the voice finds {name} in "
        f"{added.matched} of {added.windows} windows (cosine {added.cosine:.2f}, next "
        f"{added.runner_up} {added.runner_up_cosine:.2f})"
    ]
    little = added.voiced_s < ENOUGH_VOICED_S
    if little:
        lines.append(
            f"the takes hold {added.voiced_s:.1f} s of speech ({added.seconds:.1f} s of sound), "
            f"{ENOUGH_VOICED_S:.0f} s or more are wanted: the numbers above are of the very speech "
            "that it learnt from, and say little of other speech"
        )
    if math.isnan(added.decided_after_s):
        remedy = "add more takes" if little else "add more takes, or more --steps"
        lines.append(
            f"played as a stream, automatic identity does not settle on {name}: ask for "
            f"it by --identity {name}, or {remedy}"
        )
    else:
        lines.append(
            f"played as a stream, automatic identity settles on {name} after "
            f"{added.decided_after_s:.1f} s of speech"
        )
    if added.expression is not None:
        first, last = added.expression
        lines.append(f"expression loss {first:.4f} -> {last:.4f}")
    elif added.longest_face_s:
        lines.append(
            f"the face was not learnt: the longest take with curves has {added.longest_face_s:.1f} "
            f"s, {WINDOW_S:.0f} s in one piece are needed; it moves like the rows it started from"
        )
    else:
        lines.append("no curves among the takes: the face moves like the rows it started from")
    return [*lines, f"bundle in {added.bundle.path}"]
