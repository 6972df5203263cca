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

from ... import __version__
from ... import bundle as bundles
from .. import checkpoint, corpora
from ..config import Config, ConfigError, load
from ..measure import evaluate, report
from ..measure.mesh import read_head
from ..networks import bundled as export
from ..networks.model import Talker
from ..recipes import run, tables
from ..stages import parallel
from ..stages.trainer import OnStep, build, stage_name
from . import speech as speech_cli
from . import takes as takes_cli
from .parser import Parser

EPILOG = """\
examples:
  dt-train run configs/default.toml                      train, distil, export, evaluate
  dt-train run configs/default.toml --data grid=~/grid   with a source's folder elsewhere
  dt-train run configs/beat.toml --data beat=~/beat --whisper tiny.en.pt   the paper's corpus
  dt-train run configs/finetune.toml --data takes=~/takes   the embedded model, taught your takes
  torchrun --nproc-per-node=2 -m diffusiontalker.train.cli run configs/default.toml
                                                         the same in two processes (or GPUs)
  dt-train export configs/default.toml --to my_bundle    write the bundle of a finished run again
  dt-train export default --onnx out/                    ONNX graphs of a bundle
  dt-train export default --tensorrt                     TensorRT engines for this machine's GPU
  dt-train export default --tensorrt --rtx --capability 8.6,8.9,12.0      for GPUs elsewhere
  dt-train evaluate my_bundle --config configs/default.toml
  dt-train evaluate default --data ~/takes --out report  any folder of takes, all of them
  dt-train table4 configs/default.toml --out tables --epochs 0.25 --clips 50
  dt-train capture film.mov -o takes/ --model face_landmarker.task        a face from a video
  dt-train add-speaker default takes/ --name anna -o my_bundle            one more voice
  dt-train speech -o ../speech                           the speech without faces, from Debian

A run keeps everything under runs/NAME (or --out): cache, checkpoints, log.jsonl a stage, data.json
(hours, held-out takes, broken takes) and the bundle. Cut it anywhere, even with kill -9: the same
command goes on from the last checkpoint, at most a minute back, and ends on the same weights.

Forms of takes, found at any depth of a folder, each beside a .wav or .flac (or its video):
  .json {"names": [...], "frames": [{"weights": [...], "time": seconds}]}   curves (BEAT's form)
  .csv  Timecode,BlendShapeCount,...      curves (Live Link Face, or dt-stream --out)
  .json {"speaker": "...", "phones": [{"phone": "a", "start": s, "end": s}]}  performed by rule
  .TextGrid with a tier of phones                                             performed by rule
and VOCASET's folder. See docs/training.md.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point; returns the exit status (2 for an error the user can mend)."""
    words = list(sys.argv[1:] if argv is None else argv)
    arguments = _parser().parse_args(words, argparse.Namespace(words=words))
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
    parser = Parser(
        prog="dt-train",
        description="Train the talker: teacher (32 steps), distilled to 16 and 8, to a bundle.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
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
    _whisper(training)
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
    judging.set_defaults(run=_evaluate)

    for number, kind in tables.TABLES.items():
        title = kind.title[0].lower() + kind.title[1:]
        making = add(f"table{number}", f"train and measure the rows of a table: {title}")
        making.add_argument("config", help="configuration file (TOML)")
        _sources(making)
        _whisper(making)
        making.add_argument(
            "--out",
            required=True,
            help="folder for runs, rows and tables; rows that it holds are not redone, and tables "
            "in one folder share their runs",
        )
        making.add_argument(
            "--epochs",
            type=float,
            default=1.0,
            metavar="FACTOR",
            help="scales every stage's epochs (default 1)",
        )
        making.add_argument("--clips", type=int, help="at most so many held-out clips a source")
        making.add_argument("--head", metavar="FILE", help="a .glb or .npz head: adds LVE")
        making.add_argument("--seed", type=int, default=0, help="seed of the noise (default 0)")
        making.add_argument("--threads", type=int, help="torch threads (default: the file's)")
        making.set_defaults(run=_table, table=number)
    takes_cli.register(add, _progress)
    speech_cli.register(add, _progress)
    return parser


def _sources(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--data",
        action="append",
        default=[],
        metavar="NAME=FOLDER",
        help="folder of one of the configuration's sources (repeatable)",
    )


def _whisper(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--whisper",
        metavar="FILE",
        help="Whisper tiny's weights, in place of the configuration's listening.weights: OpenAI's "
        "tiny.en.pt, or transformers' model.safetensors or its folder",
    )


def _to_train(arguments: argparse.Namespace) -> Config:
    """The configuration with what the command line changes in it."""
    config = load(arguments.config, _named_folders(arguments.data))
    if arguments.whisper:
        weights = str(Path(arguments.whisper).expanduser().resolve())
        config = replace(config, listening=replace(config.listening, weights=weights))
    return replace(config, threads=arguments.threads) if arguments.threads else config


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


def _read(config: Config, progress: Progress, cache: Path | None = None) -> run.Data:
    task = progress.add_task("reading takes", total=None, note="")
    data = run.read_data(config, lambda: progress.advance(task), cache)
    progress.update(task, total=progress.tasks[task].completed)
    for skip in data.skipped:
        progress.console.print(f"skipped {skip.path.name}: {skip.reason}")
    for take in (take for takes in (*data.train, *data.held_out) for take in takes):
        for note in corpora.changes(take):
            progress.console.print(f"{take.id}: {note}", highlight=False)
    kept = sum(len(takes) for takes in data.train)
    aside = sum(len(takes) for takes in data.held_out)
    progress.console.print(
        f"{kept} takes to train on, {aside} held out, {len(data.skipped)} skipped"
    )
    return data


def _stage_bars(progress: Progress) -> OnStep:
    """A progress bar a stage, with the epoch's loss."""
    bars: dict[str, TaskID] = {}

    def on_step(
        name: str, epoch: int, epochs: int, step: int, steps: int, means: dict[str, float]
    ) -> None:
        total, completed = epochs * steps, epoch * steps + step
        if name not in bars:
            bars[name] = progress.add_task(name, total=total, note="")
        note = f"epoch {epoch + 1}/{epochs} loss {means['loss']:.4f}"
        progress.update(bars[name], total=total, completed=completed, note=note)
        if step == steps and not progress.console.is_terminal:
            progress.console.print(f"{name} {note}")

    return on_step


def _run(arguments: argparse.Namespace, console: Console) -> None:
    config = _to_train(arguments)
    folder = Path(arguments.out) if arguments.out else Path("runs") / config.name
    ranks = parallel.join(config.device)
    if not ranks.writes:
        console = Console(quiet=True)
    started = time.monotonic()
    with _progress(console) as progress:
        data = _read(config, progress, folder / "cache" / "takes")
        cache = progress.add_task("features", total=config.augmentation.versions, note="")
        segments = progress.add_task("what Whisper hears", total=None, visible=False, note="")
        clips = progress.add_task("borrowed face", total=None, visible=False, note="")

        def on_segment(done: int, of: int) -> None:
            progress.update(segments, completed=done, total=of, visible=True)

        def on_clip(done: int, of: int) -> None:
            progress.update(clips, completed=done, total=of, visible=True)

        talker, speakers = run.train(
            config,
            data,
            folder,
            on_version=lambda version: progress.update(cache, completed=version + 1),
            on_step=_stage_bars(progress),
            ranks=ranks,
            on_segment=on_segment,
            on_clip=on_clip,
        )
    ranks.leave()
    if not ranks.writes:
        return
    if config.encoder.frozen.kind:
        console.print("no bundle: a frozen encoder stays in torch", highlight=False)
        if not arguments.no_evaluate:
            _evaluate_reference(
                run.reference_of(talker, speakers, config, data, folder),
                config,
                data,
                folder,
                console,
            )
        return
    target = folder / "bundle"
    _write_bundle(talker, speakers, config, data, folder, target)
    console.print(f"bundle in {target} after {(time.monotonic() - started) / 60:.1f} minutes")
    if not arguments.no_evaluate:
        bundle = bundles.read(target)
        with _progress(console) as progress:
            measured = _measure(
                bundle, _held_out(config, data), evaluate.runtime_engine(bundle), progress
            )
        numbers = report.plain({name: one.report for name, one in measured.items()})
        (folder / "report.json").write_text(json.dumps(numbers, indent=1) + "\n")
        # The bundle carries its own numbers.
        _write_bundle(talker, speakers, config, data, folder, target, metrics=numbers)
        _show(numbers, console)


def _evaluate_reference(
    reference: evaluate.Reference, config: Config, data: run.Data, folder: Path, console: Console
) -> None:
    """A run without a bundle, measured in torch: whole clips, no silence gate."""
    with _progress(console) as progress:
        engine = evaluate.torch_engine(reference)
        measured = _measure(reference, _held_out(config, data), engine, progress)
    numbers = report.plain({name: one.report for name, one in measured.items()})
    (folder / "report.json").write_text(json.dumps(numbers, indent=1) + "\n")
    _show(numbers, console)


def _table(arguments: argparse.Namespace, console: Console) -> None:
    config = _to_train(arguments)
    if arguments.epochs <= 0:
        raise ConfigError(f"--epochs: expected a factor above 0, got {arguments.epochs:g}")
    if arguments.clips is not None and arguments.clips < 1:
        raise ConfigError(f"--clips: expected at least 1, got {arguments.clips}")
    head = read_head(arguments.head) if arguments.head else None
    options = tables.Options(clips=arguments.clips, seed=arguments.seed, head=head)
    ranks = parallel.join(config.device)
    if not ranks.writes:
        console = Console(quiet=True)
    with _progress(console) as progress:
        data = _read(config, progress)
        rows = progress.add_task("rows", total=None, note="")
        clips = progress.add_task("clips measured", total=None, note="")
        target = tables.make(
            arguments.table,
            tables.scaled(config, arguments.epochs),
            data,
            Path(arguments.out),
            options,
            command="dt-train " + " ".join(arguments.words),
            ranks=ranks,
            on_row=lambda label, done, total: progress.update(
                rows, total=total, completed=done, note=label
            ),
            on_step=_stage_bars(progress),
            on_clips=lambda count: progress.advance(clips, count),
        )
    ranks.leave()
    if target is not None:
        console.print(f"table in {target}", highlight=False, soft_wrap=True)


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
        from ...tensorrt import graphs as onnx_export
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
        from ...tensorrt import build as tensorrt_build
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
        data = _read(config, progress, folder / "cache" / "takes")
    export.refuse_frozen(config)
    last = config.stages[-1]
    final = folder / f"{len(config.stages) - 1}-{stage_name(last, config)}" / "final.pt"
    if not final.exists():
        raise ConfigError(f"{final} does not exist: the run is not finished")
    talker = build(config, data.speakers)
    talker.load_state_dict(checkpoint.load(final)["talker"])
    run.average(talker, config.stages, config.average, config, folder)
    target = Path(arguments.to) if arguments.to else folder / "bundle"
    report_file = folder / "report.json"
    numbers = json.loads(report_file.read_text()) if report_file.exists() else None
    _write_bundle(talker, data.speakers, config, data, folder, target, metrics=numbers)
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
    run.finish(talker, speakers, config, data, folder)
    training = run.provenance(config, data, folder)
    if metrics is not None:
        training["metrics"] = metrics
    export.export(talker, config, speakers, training, target)


def _evaluate(arguments: argparse.Namespace, console: Console) -> None:
    bundle = bundles.read(None if arguments.bundle == "default" else arguments.bundle)
    if arguments.steps and arguments.engine != "torch":
        raise ConfigError("--steps needs --engine torch: the runtime samples as the bundle says")
    if arguments.clips is not None and arguments.clips < 1:
        raise ConfigError(f"--clips: expected at least 1, got {arguments.clips}")
    head = read_head(arguments.head) if arguments.head else None
    engine = (
        evaluate.torch_engine(bundle, arguments.steps)
        if arguments.engine == "torch"
        else evaluate.runtime_engine(bundle)
    )
    with _progress(console) as progress:
        sources = _sources_to_measure(bundle, arguments, progress)
        sources = {name: evaluate.some(takes, arguments.clips) for name, takes in sources.items()}
        if arguments.snr is not None:
            sources = {name: evaluate.in_noise(t, arguments.snr) for name, t in sources.items()}
        started = time.monotonic()
        measured = _measure(
            bundle,
            sources,
            engine,
            progress,
            seed=arguments.seed,
            head=head,
            core=arguments.engine == "runtime",
        )
    seconds = time.monotonic() - started
    speech_s = sum(take.duration_s for takes in sources.values() for take in takes)
    _show({name: one.report for name, one in measured.items()}, console)
    console.print(
        f"{seconds:.0f} s for {speech_s:.0f} s of speech: {seconds / speech_s:.2f} of its duration"
    )
    if arguments.out:
        about = {
            "bundle": bundle.name,
            "weights": bundle.sha256[:16],
            "command": "dt-train " + " ".join(arguments.words),
            "engine": arguments.engine,
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
            console.print(
                "no plots: they need matplotlib, pip install 'diffusiontalker[plots]'", markup=False
            )
        console.print(f"report in {arguments.out}", markup=False)


def _sources_to_measure(
    bundle: bundles.Bundle, arguments: argparse.Namespace, progress: Progress
) -> dict[str, list[corpora.Recording]]:
    """Name -> takes of what the command line gives, without those that the bundle learnt from."""
    if arguments.config:
        config = load(arguments.config, _named_folders(arguments.data))
        torch.set_num_threads(config.threads)
        return _held_out(config, _read(config, progress))
    if not arguments.data:
        raise ConfigError("evaluate needs --config or --data: there is nothing to measure on")
    sources: dict[str, list[corpora.Recording]] = {}
    for given in arguments.data:
        folder = Path(given).expanduser()
        task = progress.add_task(f"reading {folder.name}", total=None, note="")
        corpus = corpora.load(folder, on_take=lambda task=task: progress.advance(task))  # type: ignore[misc]
        progress.update(task, total=progress.tasks[task].completed)
        for skip in corpus.skipped:
            progress.console.print(f"skipped {skip.path.name}: {skip.reason}")
        if not corpus.train:
            raise ConfigError(f"{folder} holds no usable takes")
        takes = corpus.train if arguments.all else evaluate.fair_takes(bundle, corpus.train)
        if len(takes) < len(corpus.train):
            progress.console.print(
                f"{folder.name}: {len(takes)} recordings that the bundle's training kept aside; "
                f"{len(corpus.train) - len(takes)} others left out (--all takes them too)"
            )
        groups = evaluate.alike(takes)
        for kind, group in groups.items():
            sources[folder.name if len(groups) == 1 else f"{folder.name}, {kind}"] = group
    return sources


def _held_out(config: Config, data: run.Data) -> dict[str, list[corpora.Recording]]:
    pairs = zip(config.sources, data.held_out, strict=True)
    return {source.name: takes for source, takes in pairs if takes}


def _measure(
    judged: bundles.Bundle | evaluate.Reference,
    sources: dict[str, list[corpora.Recording]],
    engine: evaluate.Engine,
    progress: Progress,
    **options: Any,
) -> dict[str, evaluate.Measured]:
    """Every source measured, a progress bar each; `options` are those of evaluate.measure."""
    measured = {}
    for name, takes in sources.items():
        total = evaluate.clips_to_play(judged, takes)
        task = progress.add_task(f"measuring {name}", total=total, note="")
        measured[name] = evaluate.measure(
            judged,
            takes,
            engine,
            on_clips=lambda count, task=task: progress.advance(task, count),  # type: ignore[misc]
            **options,
        )
    return measured


def _show(numbers: dict[str, Any], console: Console) -> None:
    header, *rows = report.rows(numbers)
    if not console.is_terminal:  # into a file or a pipe: nothing may be cut to a width
        text = report.markdown_table([header, *rows])
        console.print(text, soft_wrap=True, highlight=False, markup=False, end="")
        return
    table = Table()
    for column in header:
        table.add_column(column, no_wrap=True)
    for row in rows:
        table.add_row(*row)
    console.print(table)


if __name__ == "__main__":
    sys.exit(main())
