"""`dt-train export`: its options; a run's bundle again, a bundle's weights in another type, ONNX
graphs, TensorRT engines."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..config import ConfigError, check, load
from .options import AddCommand, add_sources, named_folders, run_folder

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from rich.console import Console
    from rich.progress import TaskID

    from ...bundle import Bundle
    from ..stages.rounding import Narrowed


def register(add: AddCommand) -> None:
    """Give dt-train the command."""
    exporting = add(
        "export",
        "write the bundle of a finished run; or, of a bundle, the same in another type, ONNX "
        "graphs or TensorRT engines",
    )
    exporting.add_argument(
        "config",
        metavar="CONFIG | BUNDLE",
        help="configuration file (TOML); or, with --dtype, --onnx or --tensorrt, a bundle "
        'folder or "default"',
    )
    add_sources(exporting)
    exporting.add_argument(
        "--out",
        help="run folder (default: runs/NAME); with --tensorrt the engines' folder (default: "
        "engines/ in the bundle's)",
    )
    exporting.add_argument("--to", help="bundle folder (default: the run folder's bundle)")
    exporting.add_argument(
        "--dtype",
        choices=("float32", "float16", "int8"),
        help="how the bundle's weights are stored (default: as the configuration says)",
    )
    exporting.add_argument(
        "--context-bits",
        type=int,
        choices=(4, 8),
        help="with int8: weights of the context's layers; 4 are fitted on takes that training "
        "learns from (default: as the configuration says; of a bundle, as they are)",
    )
    exporting.add_argument(
        "--config",
        dest="takes_of",
        metavar="CONFIG",
        help="with --context-bits 4 and a bundle: the configuration whose takes these are",
    )
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
        help="frames a launch of the sampler alone, a graph or an engine each "
        "(default: 1,2,4,8 for --onnx; none for --tensorrt, whose engine is the whole path)",
    )
    exporting.add_argument(
        "--streams", type=int, default=1, help="most voices a launch of an engine (default 1)"
    )
    exporting.add_argument(
        "--precision",
        default="float32",
        metavar="LIST",
        help="float32 (default), float16, and of the whole path int8, fp8, with commas",
    )
    exporting.set_defaults(run=run)


def run(arguments: argparse.Namespace, console: Console) -> None:
    """Write what was asked for. Raises ConfigError, BundleError, or BackendError for an engine."""
    from ... import bundle as bundles

    graphs = arguments.onnx or arguments.tensorrt
    embedded = arguments.config == "default"
    if graphs and arguments.dtype:
        raise ConfigError("--dtype is of a bundle's weights; of graphs and engines say --precision")
    if graphs and arguments.context_bits:
        raise ConfigError("--context-bits is of a bundle's weights, not of graphs and engines")
    path = Path(arguments.config)
    if not graphs and not embedded and (path.suffix == ".toml" or path.is_file()):
        _export_run(arguments, console)
        return
    bundle = bundles.read(None if embedded else arguments.config)
    if not graphs:
        _export_bundle(bundle, arguments, console)
    if arguments.onnx:
        _export_onnx(bundle, arguments, console)
    if arguments.tensorrt:
        _export_tensorrt(bundle, arguments, console)


def _export_bundle(bundle: Bundle, arguments: argparse.Namespace, console: Console) -> None:
    """The same bundle with its weights in another type."""
    from ... import bundle as bundles

    if not arguments.dtype or not arguments.to:
        raise ConfigError(
            f"{arguments.config} is a bundle: expected --dtype and --to, --onnx or --tensorrt"
        )
    target = Path(arguments.to).expanduser()
    manifest = bundle.manifest
    # As they lie: what is int8 already is not rounded again.
    tensors: Mapping[str, NDArray[Any]] = (
        bundle.core_tensors() if arguments.dtype == "int8" else bundle.tensors
    )
    in_type = f"weights in {arguments.dtype}"
    if arguments.context_bits == 4:
        narrowed = _narrowed(bundle, arguments, console)
        in_type += f", the context's in 4 bits ({narrowed.in_words()})"
        manifest = {
            **manifest,
            "training": {**manifest["training"], "context_rounding": narrowed.about},
        }
        tensors = {**tensors, **narrowed.tensors}
    written = bundles.write(target, manifest, tensors, dtype=arguments.dtype)
    size = (written.path / bundles.WEIGHTS).stat().st_size
    console.print(
        f"bundle in {target}, {in_type}: {size / 1e6:.1f} MB", highlight=False, soft_wrap=True
    )


def _narrowed(bundle: Bundle, arguments: argparse.Namespace, console: Console) -> Narrowed:
    """The bundle's context, rounded on takes of `--config`."""
    if arguments.dtype != "int8":
        raise ConfigError(f"--context-bits 4: expected --dtype int8, got {arguments.dtype}")
    if not arguments.takes_of:
        raise ConfigError(
            "--context-bits 4 of a bundle is fitted on takes: expected --config with their sources"
        )
    if "context" not in bundle.manifest["encoder"]:
        raise ConfigError(
            f"--context-bits 4: {bundle.path} has no encoder.context; leave --context-bits out"
        )
    import torch

    from ..networks.bundled import load_talker
    from ..stages.rounding import narrow_context
    from . import screen
    from .bars import bars_on

    config = load(arguments.takes_of, named_folders(arguments.data))
    config = replace(config, export=replace(config.export, context_bits=4))
    torch.set_num_threads(config.threads)
    with bars_on(console) as progress:
        data = screen.read_takes(config, progress)
        task = progress.add_task("context in 4 bits", total=None, note="")
        return narrow_context(
            load_talker(bundle).encoder.context,
            data.train,
            config,
            lambda done, of: progress.update(task, completed=done, total=of),
        )


def _export_onnx(bundle: Bundle, arguments: argparse.Namespace, console: Console) -> None:
    try:
        from ...tensorrt import graphs
    except ImportError as error:
        raise ConfigError(f"--onnx needs more ({error}); pip install '.[train]'") from None
    frames = _whole_numbers("--frames", arguments.frames) or graphs.FRAME_COUNTS
    with console.status("writing graphs") as status:
        paths = graphs.export_onnx(
            bundle,
            Path(arguments.onnx),
            frames=frames,
            precisions=arguments.precision.split(","),
            note=lambda name: status.update(f"writing {name}"),
        )
    for path in paths:
        console.print(f"{path}  {path.stat().st_size / 1e6:.1f} MB", highlight=False)


def _export_tensorrt(bundle: Bundle, arguments: argparse.Namespace, console: Console) -> None:
    try:
        from ...tensorrt import build
    except ImportError as error:
        raise ConfigError(f"--tensorrt needs more ({error}); pip install '.[train]'") from None
    from .bars import bars_on

    if arguments.streams < 1:
        raise ConfigError(f"--streams: expected at least 1, got {arguments.streams}")
    plan = build.Plan(
        rtx=arguments.rtx,
        capabilities=tuple(arguments.capability.split(",")) if arguments.capability else (),
        streams=arguments.streams,
        precisions=tuple(arguments.precision.split(",")),
    )
    if arguments.frames:
        plan = replace(plan, frames=_whole_numbers("--frames", arguments.frames))
    bars: dict[str, TaskID] = {}
    with bars_on(console) as shown:

        def progress(name: str, share: float) -> None:
            if name not in bars:
                bars[name] = shown.add_task(f"engine {name}", total=100, note="")
                if not console.is_terminal:
                    console.print(f"building the engine {name}")
            shown.update(bars[name], completed=round(100 * share))

        folder = Path(arguments.out) if arguments.out else None
        built = build.build(bundle, plan, folder, progress)
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
    from .. import checkpoint
    from ..networks.manifest import refuse_frozen
    from ..networks.model import build
    from ..recipes.run import identities_of, write_bundle
    from ..stages.finish import average
    from . import screen
    from .bars import bars_on

    config = load(arguments.config, named_folders(arguments.data))
    bits = arguments.context_bits
    if not bits:  # those of the configuration are of int8
        bits = 8 if arguments.dtype in ("float32", "float16") else config.export.context_bits
    config = replace(
        config,
        dtype=arguments.dtype or config.dtype,
        export=replace(config.export, context_bits=bits),
    )
    check(config, arguments.config)
    folder = run_folder(arguments, config)
    with bars_on(console) as progress:
        data = screen.read_takes(config, progress, folder / "cache" / "takes")
    refuse_frozen(config)
    final = folder / config.stage_folder(len(config.stages) - 1) / "final.pt"
    if not final.exists():
        raise ConfigError(f"{final} does not exist: the run is not finished")
    talker = build(config, identities_of(config, data))
    talker.load_state_dict(checkpoint.load(final)["talker"])
    average(talker, config.stages, config.average, config, folder)
    target = Path(arguments.to) if arguments.to else folder / "bundle"
    report_file = folder / "report.json"
    numbers = json.loads(report_file.read_text()) if report_file.exists() else None
    with bars_on(console) as progress:
        matrices = progress.add_task("context in 4 bits", total=None, visible=False, note="")
        write_bundle(
            talker,
            identities_of(config, data),
            config,
            data,
            folder,
            target,
            metrics=numbers,
            on_matrix=lambda done, of: progress.update(
                matrices, completed=done, total=of, visible=True
            ),
        )
    console.print(f"bundle in {target}")
