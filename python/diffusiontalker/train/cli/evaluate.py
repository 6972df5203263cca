"""`dt-train evaluate`: its options, and what a measurement says."""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import TYPE_CHECKING

from ..config import ConfigError, load
from .options import AddCommand, named_folders

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress as Bars

    from ...bundle import Bundle
    from ..corpora import Corpus, Recording


def register(add: AddCommand) -> None:
    """Give dt-train the command."""
    judging = add("evaluate", "measure a bundle on held-out takes")
    judging.add_argument("bundle", help='bundle folder, or "default" for the embedded one')
    judging.add_argument("--config", help="measure on the takes that this configuration holds out")
    judging.add_argument(
        "--data",
        action="append",
        default=[],
        metavar="[NAME=]FOLDER",
        help="a folder of takes, or with --config another place for its source NAME",
    )
    judging.add_argument(
        "--engine",
        choices=("runtime", "torch"),
        default="runtime",
        help="the shipped C++ runtime, or the torch reference without the silence gate",
    )
    judging.add_argument(
        "--precision",
        choices=("int8", "float32"),
        help="runtime: of its products (default int8)",
    )
    judging.add_argument("--steps", type=int, help="torch engine: another number of DDIM steps")
    judging.add_argument("--seed", type=int, default=0, help="seed of the noise (default 0)")
    judging.add_argument("--clips", type=int, help="at most so many clips of each source")
    judging.add_argument(
        "--all", action="store_true", help="with --data: recordings that the bundle learnt from too"
    )
    judging.add_argument(
        "--snr", type=float, metavar="DB", help="in pink noise so far below each clip's own power"
    )
    judging.add_argument(
        "--head", metavar="FILE", help="a .glb or .npz of ARKit blendshapes: adds LVE"
    )
    judging.add_argument(
        "--run", dest="run_folder", metavar="FOLDER", help="a run folder: draws its losses too"
    )
    judging.add_argument("--out", help="folder for report.json, report.md and plots")
    judging.set_defaults(run=run)


def run(arguments: argparse.Namespace, console: Console) -> None:
    """Measure the bundle and show its numbers; --out keeps them. Raises ConfigError."""
    from ... import bundle as bundles
    from ..measure import report
    from ..measure.players import runtime_player, torch_player
    from ..measure.sounds import in_noise
    from ..measure.takes import some
    from ..mesh import read_head
    from . import screen
    from .bars import bars_on

    bundle = bundles.read(None if arguments.bundle == "default" else arguments.bundle)
    if arguments.steps and arguments.engine != "torch":
        raise ConfigError("--steps needs --engine torch: the runtime samples as the bundle says")
    if arguments.precision and arguments.engine != "runtime":
        raise ConfigError("--precision needs --engine runtime: the torch reference has float32")
    precision = arguments.precision or "int8"
    if arguments.clips is not None and arguments.clips < 1:
        raise ConfigError(f"--clips: expected at least 1, got {arguments.clips}")
    head = read_head(arguments.head) if arguments.head else None
    player = (
        torch_player(bundle, arguments.steps)
        if arguments.engine == "torch"
        else runtime_player(bundle, precision=precision)
    )
    with bars_on(console) as progress:
        sources, left_out = _sources_to_measure(bundle, arguments, progress)
        sources = {name: some(takes, arguments.clips) for name, takes in sources.items()}
        if arguments.snr is not None:
            sources = {name: in_noise(t, arguments.snr) for name, t in sources.items()}
        started = time.monotonic()
        measured = screen.measured(
            bundle,
            sources,
            player,
            progress,
            seed=arguments.seed,
            head=head,
            core=arguments.engine == "runtime",
            precision=precision,
        )
    seconds = time.monotonic() - started
    speech_s = sum(take.duration_s for takes in sources.values() for take in takes)
    screen.show({name: one.report for name, one in measured.items()}, console)
    console.print(
        f"{seconds:.0f} s for {speech_s:.0f} s of speech: {seconds / speech_s:.2f} of its duration"
    )
    if arguments.out:
        about = {
            "bundle": bundle.name,
            "weights": bundle.sha256[:16],
            "command": "dt-train " + " ".join(arguments.words),
            "engine": arguments.engine,
            "precision": precision if arguments.engine == "runtime" else "float32",
            "sampler steps": arguments.steps or bundle.manifest["diffusion"]["sample_steps"],
            "seed": arguments.seed,
            "clips": sum(map(len, sources.values())),
            "signal to noise, dB": "clean" if arguments.snr is None else arguments.snr,
            "speech_s": round(speech_s, 1),
            "seconds": round(seconds, 1),
            "seconds a second of speech": round(seconds / speech_s, 3),
        }
        run_folder = Path(arguments.run_folder) if arguments.run_folder else None
        pictures = report.write(Path(arguments.out), about, measured, run_folder)
        if not pictures:
            screen.say(
                console, "no plots: they need matplotlib, pip install 'diffusiontalker[plots]'"
            )
        screen.say(console, f"report in {arguments.out}")
    screen.tell_in_the_end(console, left_out.skipped, left_out.passed_over)


def _sources_to_measure(
    bundle: Bundle, arguments: argparse.Namespace, progress: Bars
) -> tuple[dict[str, list[Recording]], Corpus]:
    """Name -> takes of what the command line gives, without those that the bundle learnt from.

    With them what was left out, in a Corpus without takes.
    """
    import torch

    from .. import corpora
    from ..measure.takes import alike, fair_takes
    from . import screen

    left_out = corpora.Corpus([], [], [])
    if arguments.config:
        config = load(arguments.config, named_folders(arguments.data))
        torch.set_num_threads(config.threads)
        data = screen.read_takes(config, progress)
        left_out.skipped.extend(data.skipped)
        left_out.passed_over.extend(data.passed_over)
        sources = screen.held_out(config, data)
        if not sources:
            raise ConfigError(f"{arguments.config} holds no takes out: there is nothing to measure")
        return sources, left_out
    if not arguments.data:
        raise ConfigError("evaluate needs --config or --data: there is nothing to measure on")
    sources = {}
    for given in arguments.data:
        folder = Path(given).expanduser()
        task = progress.add_task(f"reading {folder.name}", total=None, note="")
        corpus = corpora.load(folder, on_take=lambda task=task: progress.advance(task))  # type: ignore[misc]
        progress.update(task, total=progress.tasks[task].completed)
        left_out.skipped.extend(corpus.skipped)
        left_out.passed_over.extend(corpus.passed_over)
        screen.tell_changes(progress.console, corpus.train)
        if not corpus.train:
            screen.tell_left_out(progress.console, corpus.skipped, corpus.passed_over)
            raise ConfigError(f"{folder} holds no usable takes")
        takes = corpus.train if arguments.all else fair_takes(bundle, corpus.train)
        if len(takes) < len(corpus.train):
            screen.say(
                progress.console,
                f"{folder.name}: {len(takes)} recordings that the bundle's training kept aside; "
                f"{len(corpus.train) - len(takes)} others left out (--all takes them too)",
            )
        groups = alike(takes)
        for kind, group in groups.items():
            sources[folder.name if len(groups) == 1 else f"{folder.name}, {kind}"] = group
    return sources, left_out
