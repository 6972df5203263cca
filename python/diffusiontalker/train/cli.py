"""`dt-train`: train, export and evaluate the talker."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table

from .. import bundle as bundles
from . import checkpoint, corpora, evaluate, export, run, streams
from .config import Config, ConfigError, load
from .fit import build, stage_name
from .model import Talker

EPILOG = """\
examples:
  dt-train run configs/default.toml                      train, distil, export, evaluate
  dt-train run configs/default.toml --data grid=~/grid   with a source's folder elsewhere
  dt-train export configs/default.toml --to my_bundle    write the bundle of a finished run again
  dt-train export default --onnx out/                    ONNX graphs of a bundle
  dt-train export default --tensorrt                     TensorRT engines for this machine's GPU
  dt-train export default --tensorrt --rtx --capability 8.6,8.9,12.0      for GPUs elsewhere
  dt-train evaluate my_bundle --config configs/default.toml
  dt-train evaluate default --data ~/takes               any folder of takes, all of them

A run keeps everything under runs/NAME (or --out): cache, checkpoints, log.jsonl a stage, data.json
(hours, held-out takes, broken takes) and the bundle. Cut it anywhere, even with kill -9: the same
command goes on from the last checkpoint, at most a minute back, and ends on the same weights.

Forms of takes, found by looking into every .json of a folder, each beside a .wav or .flac:
  {"names": [...], "frames": [{"weights": [...], "time": seconds}]}   measured curves (BEAT's form)
  {"speaker": "...", "phones": [{"phone": "a", "start": s, "end": s}]}  curves performed by rule
See docs/training.md.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point; returns the exit status (2 for an error the user can mend)."""
    arguments = _parser().parse_args(argv)
    console = Console()
    try:
        arguments.run(arguments, console)
    except (ConfigError, FileNotFoundError, ValueError) as error:
        print(f"dt-train: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("dt-train: interrupted; the same command goes on from here", file=sys.stderr)
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="dt-train",
        description="Train the talker: teacher (32 steps), distilled to 16 and 8, to a bundle.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def add(name: str, help_text: str) -> argparse.ArgumentParser:
        return commands.add_parser(
            name,
            help=help_text,
            description=help_text,
            epilog=EPILOG,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )

    training = add("run", "run every stage of a configuration that is not done yet")
    training.add_argument("config", help="configuration file (TOML)")
    _sources(training)
    training.add_argument("--out", help="run folder (default: runs/NAME)")
    training.add_argument("--threads", type=int, help="torch threads (default: the file's)")
    training.add_argument("--no-evaluate", action="store_true", help="stop after the export")
    training.set_defaults(run=_run)

    exporting = add(
        "export",
        "write the bundle of a finished run; or, of a bundle, ONNX graphs or TensorRT engines",
    )
    exporting.add_argument(
        "config",
        metavar="CONFIG | BUNDLE",
        help='configuration file (TOML); with --onnx or --tensorrt a bundle folder or "default"',
    )
    _sources(exporting)
    exporting.add_argument(
        "--out",
        help="run folder (default: runs/NAME); with --tensorrt the engines' folder (default: "
        "engines/ in the bundle's)",
    )
    exporting.add_argument("--to", help="bundle folder (default: the run folder's bundle)")
    exporting.add_argument("--onnx", metavar="FOLDER", help="write ONNX graphs there")
    exporting.add_argument("--tensorrt", action="store_true", help="build TensorRT engines")
    exporting.add_argument(
        "--rtx", action="store_true", help="with TensorRT for RTX, which needs no GPU to build"
    )
    exporting.add_argument(
        "--capability",
        metavar="LIST",
        help="compute capabilities to build for (RTX), such as 8.6,8.9,12.0 "
        "(default: this machine's GPU)",
    )
    exporting.add_argument(
        "--frames",
        metavar="LIST",
        help="frames a launch, a graph or an engine each "
        "(default: 1,2,4,8 for --onnx, 1,4 for --tensorrt)",
    )
    exporting.add_argument(
        "--streams", type=int, default=1, help="most voices a launch of an engine (default 1)"
    )
    exporting.add_argument(
        "--precision", default="float32", metavar="LIST", help="float32 (default), float16, or both"
    )
    exporting.set_defaults(run=_export)

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
    judging.add_argument("--steps", type=int, help="torch engine: another number of DDIM steps")
    judging.add_argument("--seed", type=int, default=0, help="seed of the noise (default 0)")
    judging.add_argument("--out", help="folder for report.json and report.md")
    judging.set_defaults(run=_evaluate)
    return parser


def _sources(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--data",
        action="append",
        default=[],
        metavar="NAME=FOLDER",
        help="folder of one of the configuration's sources (repeatable)",
    )


def _named_folders(entries: Sequence[str]) -> dict[str, str]:
    folders: dict[str, str] = {}
    for entry in entries:
        name, equals, folder = entry.partition("=")
        if not equals:
            raise ConfigError(f"--data {entry}: expected NAME=FOLDER")
        folders[name] = str(Path(folder).expanduser())
    return folders


def _progress(console: Console) -> Progress:
    return Progress(
        TextColumn("[bold]{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
        console=console,
    )


def _read(config: Config, progress: Progress) -> run.Data:
    task = progress.add_task("reading takes", total=None, note="")
    data = run.read_data(config, lambda: progress.advance(task))
    progress.update(task, total=progress.tasks[task].completed)
    for skip in data.skipped:
        progress.console.print(f"skipped {skip.path.name}: {skip.reason}")
    kept = sum(len(takes) for takes in data.train)
    aside = sum(len(takes) for takes in data.held_out)
    progress.console.print(
        f"{kept} takes to train on, {aside} held out, {len(data.skipped)} skipped"
    )
    return data


def _run(arguments: argparse.Namespace, console: Console) -> None:
    config = load(arguments.config, _named_folders(arguments.data))
    if arguments.threads:
        config = replace(config, threads=arguments.threads)
    folder = Path(arguments.out) if arguments.out else Path("runs") / config.name
    started = time.monotonic()
    with _progress(console) as progress:
        data = _read(config, progress)
        cache = progress.add_task("features", total=config.augmentation.versions, note="")
        bars: dict[str, TaskID] = {}

        def on_step(
            name: str, epoch: int, epochs: int, step: int, steps: int, means: dict[str, float]
        ) -> None:
            if name not in bars:
                bars[name] = progress.add_task(name, total=epochs * steps, note="")
            note = f"epoch {epoch + 1}/{epochs} loss {means['loss']:.4f}"
            progress.update(
                bars[name], total=epochs * steps, completed=epoch * steps + step, note=note
            )
            if step == steps and not console.is_terminal:
                progress.console.print(f"{name} {note}")

        def on_segment(done: int, of: int) -> None:
            if "segments" not in bars:
                bars["segments"] = progress.add_task("what Whisper hears", total=of, note="")
            progress.update(bars["segments"], completed=done)

        talker, speakers = run.train(
            config,
            data,
            folder,
            on_version=lambda version: progress.update(cache, completed=version + 1),
            on_step=on_step,
            on_segment=on_segment,
        )
    target = folder / "bundle"
    _write_bundle(talker, speakers, config, data, folder, target)
    console.print(f"bundle in {target} after {(time.monotonic() - started) / 60:.1f} minutes")
    if not arguments.no_evaluate:
        bundle = bundles.read(target)
        report = _measure(bundle, config, data, evaluate.runtime_engine(bundle))
        (folder / "report.json").write_text(json.dumps(report, indent=1) + "\n")
        # The bundle carries its own numbers.
        _write_bundle(talker, speakers, config, data, folder, target, metrics=report)
        _show(report, console)


def _export(arguments: argparse.Namespace, console: Console) -> None:
    if arguments.onnx or arguments.tensorrt:
        bundle = bundles.read(None if arguments.config == "default" else arguments.config)
        if arguments.onnx:
            _export_onnx(bundle, arguments, console)
        if arguments.tensorrt:
            _export_tensorrt(bundle, arguments, console)
        return
    _export_run(arguments, console)


def _export_onnx(bundle: bundles.Bundle, arguments: argparse.Namespace, console: Console) -> None:
    try:
        from . import onnx_export
    except ImportError as error:
        raise ConfigError(f"--onnx needs more ({error}); pip install '.[train]'") from None
    frames = _whole_numbers("--frames", arguments.frames) or onnx_export.FRAME_COUNTS
    with console.status("writing graphs") as status:
        paths = onnx_export.export_onnx(
            bundle,
            Path(arguments.onnx),
            frames=frames,
            precisions=arguments.precision.split(","),
            note=lambda name: status.update(f"writing {name}"),
        )
    for path in paths:
        console.print(f"{path}  {path.stat().st_size / 1e6:.1f} MB", highlight=False)


def _export_tensorrt(
    bundle: bundles.Bundle, arguments: argparse.Namespace, console: Console
) -> None:
    try:
        from . import tensorrt_build
    except ImportError as error:
        raise ConfigError(f"--tensorrt needs more ({error}); pip install '.[train]'") from None
    if arguments.streams < 1:
        raise ConfigError(f"--streams: expected at least 1, got {arguments.streams}")
    plan = tensorrt_build.Plan(
        rtx=arguments.rtx,
        capabilities=tuple(arguments.capability.split(",")) if arguments.capability else (),
        streams=arguments.streams,
        precisions=tuple(arguments.precision.split(",")),
    )
    if arguments.frames:
        plan = replace(plan, frames=_whole_numbers("--frames", arguments.frames))
    bars: dict[str, TaskID] = {}
    with _progress(console) as shown:

        def progress(name: str, share: float) -> None:
            if name not in bars:
                bars[name] = shown.add_task(f"engine {name}", total=100, note="")
                if not console.is_terminal:
                    console.print(f"building the engine {name}")
            shown.update(bars[name], completed=round(100 * share))

        folder = Path(arguments.out) if arguments.out else None
        built = tensorrt_build.build(bundle, plan, folder, progress)
    for one in built:
        how = "from the cache" if one.cached else f"built in {one.seconds:.1f} s"
        console.print(
            f"{one.engine.path}  {one.engine.bytes / 1e6:.1f} MB, {how}",
            highlight=False,
            soft_wrap=True,
        )


def _whole_numbers(option: str, text: str | None) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in text.split(",")) if text else ()
    except ValueError:
        raise ConfigError(f"{option} {text}: expected whole numbers with commas") from None


def _export_run(arguments: argparse.Namespace, console: Console) -> None:
    config = load(arguments.config, _named_folders(arguments.data))
    folder = Path(arguments.out) if arguments.out else Path("runs") / config.name
    with _progress(console) as progress:
        data = _read(config, progress)
    last = config.stages[-1]
    final = folder / f"{len(config.stages) - 1}-{stage_name(last, config)}" / "final.pt"
    if not final.exists():
        raise ConfigError(f"{final} does not exist: the run is not finished")
    talker = build(config, data.speakers)
    talker.load_state_dict(checkpoint.load(final)["talker"])
    target = Path(arguments.to) if arguments.to else folder / "bundle"
    report_file = folder / "report.json"
    report = json.loads(report_file.read_text()) if report_file.exists() else None
    _write_bundle(talker, data.speakers, config, data, folder, target, metrics=report)
    console.print(f"bundle in {target}")


def _write_bundle(
    talker: Talker,
    speakers: list[str],
    config: Config,
    data: run.Data,
    folder: Path,
    target: Path,
    metrics: dict[str, Any] | None = None,
) -> None:
    torch.set_num_threads(config.threads)
    digest = run.context_digest(talker)
    first = folder / "cache" / f"{streams.cache_key(data.train, config, digest)}-0.npz"
    if first.exists():
        export.finish_pooled_mean(talker, streams.load_streams(first), speakers)
    training = run.provenance(config, data, folder)
    if metrics is not None:
        training["metrics"] = metrics
    export.export(talker, config, speakers, training, target)


def _evaluate(arguments: argparse.Namespace, console: Console) -> None:
    bundle = bundles.read(None if arguments.bundle == "default" else arguments.bundle)
    if arguments.steps and arguments.engine != "torch":
        raise ConfigError("--steps needs --engine torch: the runtime samples as the bundle says")
    engine = (
        evaluate.torch_engine(bundle, arguments.steps)
        if arguments.engine == "torch"
        else evaluate.runtime_engine(bundle)
    )
    if arguments.config:
        config = load(arguments.config, _named_folders(arguments.data))
        torch.set_num_threads(config.threads)
        with _progress(console) as progress:
            data = _read(config, progress)
        report = _measure(bundle, config, data, engine, arguments.seed)
    elif arguments.data:
        report = {}
        for folder in arguments.data:
            corpus = corpora.load(Path(folder).expanduser())
            for skip in corpus.skipped:
                console.print(f"skipped {skip.path.name}: {skip.reason}")
            if not corpus.train:
                raise ConfigError(f"{folder} holds no usable takes")
            name = Path(folder).name
            report[name] = evaluate.evaluate(bundle, corpus.train, engine, seed=arguments.seed)
    else:
        raise ConfigError("evaluate needs --config or --data: there is nothing to measure on")
    _show(report, console)
    if arguments.out:
        out = Path(arguments.out)
        out.mkdir(parents=True, exist_ok=True)
        (out / "report.json").write_text(json.dumps(report, indent=1) + "\n")
        (out / "report.md").write_text(_markdown(report))
        console.print(f"report in {out}")


def _measure(
    bundle: bundles.Bundle,
    config: Config,
    data: run.Data,
    engine: evaluate.Engine,
    seed: int = 0,
) -> dict[str, Any]:
    return {
        source.name: evaluate.evaluate(bundle, takes, engine, seed=seed)
        for source, takes in zip(config.sources, data.held_out, strict=True)
        if takes
    }


def _rows(report: dict[str, Any]) -> list[list[str]]:
    columns = [(source, part) for source, parts in report.items() for part in parts]
    keys = list(dict.fromkeys(key for source, part in columns for key in report[source][part]))
    rows = []
    for key in keys:
        cells = [report[source][part].get(key) for source, part in columns]
        rows.append([key] + ["" if c is None else f"{c:.4g}" for c in cells])
    return [["metric"] + [f"{source} {part}" for source, part in columns], *rows]


def _show(report: dict[str, Any], console: Console) -> None:
    header, *rows = _rows(report)
    table = Table()
    for column in header:
        table.add_column(column, no_wrap=True)
    for row in rows:
        table.add_row(*row)
    console.print(table)


def _markdown(report: dict[str, Any]) -> str:
    header, *rows = _rows(report)
    lines = [header, ["---"] * len(header), *rows]
    return "".join("| " + " | ".join(line) + " |\n" for line in lines)


if __name__ == "__main__":
    sys.exit(main())
