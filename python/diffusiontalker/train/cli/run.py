"""`dt-train run`: its options, and a run from takes to a measured bundle."""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .options import AddCommand, add_sources, add_whisper, config_of, run_folder

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress as Bars

    from ..measure.evaluate import Measured
    from ..recipes.run import Progress


def register(add: AddCommand) -> None:
    """Give dt-train the command."""
    training = add("run", "run every stage of a configuration that is not done yet")
    training.add_argument("config", help="configuration file (TOML)")
    add_sources(training)
    add_whisper(training)
    training.add_argument("--out", help="run folder (default: runs/NAME)")
    training.add_argument("--threads", type=int, help="torch threads (default: the file's)")
    training.add_argument("--no-evaluate", action="store_true", help="stop after the export")
    training.set_defaults(run=run)


def run(arguments: argparse.Namespace, console: Console) -> None:
    """Train what is not done yet, write the bundle, measure it. Raises what the recipe raises."""
    from rich.console import Console

    from ..measure.players import runtime_player, torch_player
    from ..networks.bundled import add_metrics
    from ..recipes.run import reference_of, train, train_bundle
    from ..stages import parallel
    from . import screen
    from .bars import bars_on

    config = config_of(arguments)
    folder = run_folder(arguments, config)
    ranks = parallel.join(config.device)
    if not ranks.writes:
        console = Console(quiet=True)
    started = time.monotonic()
    frozen = bool(config.encoder.frozen.kind)
    with bars_on(console) as bars:
        data = screen.read_takes(config, bars, folder / "cache" / "takes")
        screen.tell_amount(bars.console, config, data, folder)
        progress = _progress(bars, config.augmentation.versions)
        if frozen:
            talker, speakers = train(config, data, folder, progress, ranks=ranks)
        else:
            bundle = train_bundle(config, folder, progress, data=data, ranks=ranks)
    ranks.leave()
    if not ranks.writes:
        return
    sources = screen.held_out(config, data)
    if frozen:
        console.print("no bundle: a frozen encoder stays in torch", highlight=False)
        if not arguments.no_evaluate:
            reference = reference_of(talker, speakers, config, data, folder)
            with bars_on(console) as bars:
                measured = screen.measured(reference, sources, torch_player(reference), bars)
            screen.show(_report(measured, folder), console)
        screen.tell_in_the_end(console, data.skipped, data.passed_over)
        return
    assert bundle is not None
    minutes = (time.monotonic() - started) / 60
    screen.say(console, f"bundle in {bundle.path} after {minutes:.1f} minutes")
    if not arguments.no_evaluate and not sources:
        screen.say(console, "nothing was measured: no take is kept aside")
    elif not arguments.no_evaluate:
        with bars_on(console) as bars:
            measured = screen.measured(bundle, sources, runtime_player(bundle), bars)
        numbers = _report(measured, folder)
        add_metrics(bundle, numbers)  # the bundle carries its own numbers
        screen.show(numbers, console)
    screen.tell_in_the_end(console, data.skipped, data.passed_over)


def _progress(bars: Bars, versions: int) -> Progress:
    """A bar for each of the things that a run goes through."""
    from ..recipes.run import Progress
    from . import screen

    cache = bars.add_task("features", total=versions, note="")
    segments = bars.add_task("what Whisper hears", total=None, visible=False, note="")
    clips = bars.add_task("borrowed face", total=None, visible=False, note="")
    matrices = bars.add_task("context in 4 bits", total=None, visible=False, note="")
    return Progress(
        on_matrix=lambda done, of: bars.update(matrices, completed=done, total=of, visible=True),
        on_version=lambda version: bars.update(cache, completed=version + 1),
        on_segment=lambda done, of: bars.update(segments, completed=done, total=of, visible=True),
        on_clip=lambda done, of: bars.update(clips, completed=done, total=of, visible=True),
        on_step=screen.stage_bars(bars),
        on_note=lambda note: screen.say(bars.console, note),
    )


def _report(measured: dict[str, Measured], folder: Path) -> dict[str, Any]:
    """The numbers as JSON values, kept in the run's report.json."""
    from ..measure import report

    numbers: dict[str, Any] = report.plain({name: one.report for name, one in measured.items()})
    (folder / "report.json").write_text(json.dumps(numbers, indent=1) + "\n")
    return numbers
