"""The rows of the paper's tables on the data given: each from a run, none done twice.

Rows share runs and runs share the features' cache, so that the four tables in one folder train
each model once:

    OUT/cache/, context/ features, and the encoder's context where there is one
    OUT/runs/VARIANT/    as `dt-train run` leaves them
    OUT/rows/ROW.json    the numbers of a finished row
    OUT/bundles/ROW/     what was measured
    OUT/tableN.md        the table
"""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

import torch

from ...bundle import Bundle
from ...files import replaced
from ..config import Config
from ..corpora import Recording
from ..measure import report, scores
from ..measure.players import OnClips, play, runtime_player
from ..measure.plots import read_log
from ..measure.takes import some
from ..mesh import Head
from ..networks.manifest import noise_scale_of, postprocess_of, refuse_frozen
from ..stages.parallel import ALONE, Ranks
from . import run
from .tables import PARTS, TABLES, Row, plan


@dataclass(frozen=True)
class Options:
    """How the rows are measured."""

    clips: int | None = None  # at most so many held-out clips a source
    seed: int = 0
    head: Head | None = None

    def describe(self) -> dict[str, Any]:
        return {"clips": self.clips, "seed": self.seed, "lve": self.head is not None}


@dataclass(frozen=True)
class Progress(run.Progress):
    """Whom the making of a table tells how far it is."""

    on_row: Callable[[str, int, int], None] = lambda label, done, rows: None
    on_clips: OnClips = lambda count: None


def make(
    number: int,
    config: Config,
    data: run.Data,
    out: Path,
    options: Options,
    progress: Progress = Progress(),
    *,
    command: str,
    ranks: Ranks = ALONE,
) -> Path | None:
    """Train and measure the rows that `out` lacks, write OUT/tableN.md and return its path.

    None in the processes that only help to train. Raises ConfigError for a variant that could not
    be trained, ValueError where `out` holds rows or runs of another configuration, or where no
    source holds recordings out.
    """
    refuse_frozen(config)  # rows are measured through the runtime
    if not any(data.held_out):
        raise ValueError("no source holds recordings out: set hold_out or hold_out_per_speaker")
    rows = plan(number, config)
    results: list[dict[str, Any]] = []
    for done, row in enumerate(rows):
        progress.on_row(row.label, done, len(rows))
        file = out / "rows" / f"{row.key}.json"
        saved = _read(file) if file.exists() else None
        if saved is not None and saved["asked"] != _asked(row, data, options):
            raise ValueError(
                f"{file} belongs to another configuration or other options: choose another --out, "
                "or remove that file"
            )
        known = [] if saved is None else saved.get("parts", [*PARTS])
        lacking = [part for part in TABLES[number].parts if part not in known]
        if lacking:
            fresh = _finish(row, data, out, options, lacking, progress, ranks)
            if saved is not None and ranks.writes:
                fresh["parts"] = known + lacking
                for source, numbers in fresh["sources"].items():
                    numbers.update(saved["sources"][source])
            saved = fresh
            if ranks.writes:
                with replaced(file) as part:
                    part.write_text(json.dumps(report.plain(saved), indent=1) + "\n")
        results.append(report.plain(saved))
    progress.on_row("", len(rows), len(rows))
    if not ranks.writes:
        return None
    target = out / f"table{number}.md"
    target.write_text(_markdown(number, rows, results, config, data, command))
    return target


def _read(file: Path) -> dict[str, Any]:
    """The numbers of a finished row. Raises ValueError where the file is damaged."""
    try:
        saved = json.loads(file.read_text(encoding="utf-8"))
        return {**saved, "asked": saved["asked"]}
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise ValueError(f"{file} is damaged ({error}): remove it, it is made again") from error


def _asked(row: Row, data: run.Data, options: Options) -> dict[str, Any]:
    """What decides a row's numbers, as plain JSON values."""
    config = row.config
    report = run.data_report(config, data)
    del report["passed_over"]  # what is no take decides nothing
    asked: dict[str, Any] = {
        "run": config.describe(row.stage + 1),
        "data": report,
        "noise_scale": noise_scale_of(config),
        "postprocess": postprocess_of(config),
        "measured": options.describe(),
    }
    if config.average > 1:
        asked["average"] = config.average
    plain: dict[str, Any] = json.loads(json.dumps(asked))
    return plain


def _finish(
    row: Row,
    data: run.Data,
    out: Path,
    options: Options,
    parts: Sequence[str],
    progress: Progress,
    ranks: Ranks,
) -> dict[str, Any]:
    """Train what the row's run lacks, write its bundle, measure these parts of it."""
    config = replace(row.config, stages=row.stages)
    folder = out / "runs" / row.variant
    bundle = run.train_bundle(
        config,
        folder,
        progress,
        data=data,
        target=out / "bundles" / row.key,
        shared=out,
        sample_steps=row.steps,
        ranks=ranks,
    )
    if bundle is None:
        return {"asked": _asked(row, data, options)}
    sources = {}
    for source, takes in zip(config.sources, data.held_out, strict=True):
        if takes:
            chosen = some(takes, options.clips)
            sources[source.name] = measure(bundle, chosen, options, parts, progress.on_clips)
    logs = [
        read_log(folder / config.stage_folder(index) / "log.jsonl")
        for index in range(len(row.stages))
    ]
    return {
        "label": row.label,
        "asked": _asked(row, data, options),
        "epochs": sum(stage.epochs for stage in row.stages),
        "minutes": round(sum(line["seconds"] for log in logs for line in log) / 60, 1),
        "date": date.today().isoformat(),
        "parts": [*parts],
        "sources": sources,
    }


def measure(
    bundle: Bundle,
    takes: Sequence[Recording],
    options: Options,
    parts: Sequence[str],
    on_clips: OnClips = lambda count: None,
) -> dict[str, Any]:
    """A row's numbers on one source: the shipped runtime, identity pinned to the speaker.

    `parts` are some of `PARTS`: a sampler of 256 steps takes its time for each.
    """
    player = runtime_player(bundle)
    rate = bundle.frame_rate
    numbers: dict[str, Any] = {}
    if "scores" in parts:
        predicted = play(player, takes, options.seed, "own", on_clips)
        pairs = scores.at_true_instants(takes, predicted, rate)
        numbers |= scores.scores(takes, pairs, predicted, rate, options.head)
    if "diversity" in parts:
        numbers |= scores.diversity(player, takes[: scores.SPREAD_CLIPS], "own", on_clips)
    if "identity" in parts:
        numbers |= scores.identity_matching(bundle, takes)
        numbers |= scores.identity_decisions(bundle, takes)
    if "time" in parts:
        numbers |= scores.inference_time(bundle, takes)
    return numbers


def _markdown(
    number: int,
    rows: Sequence[Row],
    results: Sequence[Mapping[str, Any]],
    config: Config,
    data: run.Data,
    command: str,
) -> str:
    kind = TABLES[number]
    about: Any = run.data_report(config, data)
    gpu = torch.cuda.get_device_name(0) if torch.cuda.is_available() else "no GPU"
    text = f"# Table {number}: {kind.title}\n\n`{command}`\n\n{kind.note}\n\n"
    text += f"Rows measured {results[0]['date']} to {results[-1]['date']} on {os.cpu_count()} CPUs "
    text += f"({platform.machine()}, {gpu}), C++ runtime, identity pinned.\n"
    text += "Epochs and minutes are those of all stages behind a row; rows share stages.\n"
    for source in config.sources:
        if source.name not in results[0]["sources"]:
            continue
        entry = about[source.name]
        clips = results[0]["sources"][source.name]["clips"]
        licence = source.licence or "no licence given"
        text += f"\n## {source.name}\n\n{source.citation or source.name} ({licence}): "
        text += f"{entry['takes']} takes, {entry['hours']} h to train on; {clips} held-out clips "
        text += f"measured; curves {entry['curves']}.\n\n"
        numbers = [result["sources"][source.name] for result in results]
        shown = {name: key for name, key in kind.columns.items() if any(key in n for n in numbers)}
        table = [["", "steps", "epochs", "min", *shown]]
        for row, result, own in zip(rows, results, numbers, strict=True):
            cells = [report.number(own.get(key)) for key in shown.values()]
            spent = [str(result["epochs"]), report.number(result["minutes"])]
            table.append([row.label, str(row.steps), *spent, *cells])
        text += report.markdown_table(table)
    text += "\n## Published, on another corpus\n\n"
    text += "The paper's own figures, on data that was not at hand here: no row above may be "
    text += "compared with them.\n\n" + report.markdown_table(kind.published)
    return text + "\n## Definitions\n\n" + report.definitions()
