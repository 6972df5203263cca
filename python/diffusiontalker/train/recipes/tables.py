"""The shape of the paper's tables on the data given: each row from a run, none done twice.

Rows are samplers: a run (a variant of the given configuration), the stage of it after which the
talker is taken, and the steps in which it is sampled. Rows share runs and runs share the features'
cache, so that the four tables in one folder train each model once:

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

from ... import bundle as bundles
from ..config import Config, Stage, check
from ..corpora import Recording
from ..measure import evaluate, report
from ..measure.mesh import Head
from ..measure.plots import read_log
from ..networks import bundled as export
from ..stages.parallel import Ranks
from ..stages.trainer import ALONE, OnStep, stage_name
from . import run

FROM_SCRATCH = (256, 128, 64, 32, 16, 8)
#: What a row's numbers are measured as, and how the keys of all but the first begin.
PARTS = {
    "scores": (),
    "diversity": ("seed_spread",),
    "identity": ("identity", "decided"),
    "time": ("itf",),
}


@dataclass(frozen=True)
class Row:
    """One line of a table."""

    label: str
    variant: str  # the run's folder
    config: Config  # of the run
    stage: int  # the talker as this stage leaves it ...
    steps: int  # ... sampled in so many steps

    @property
    def key(self) -> str:
        return f"{self.variant}-{self.stage}-{self.steps}"

    @property
    def stages(self) -> tuple[Stage, ...]:
        """The stages that the row's talker has gone through."""
        return self.config.stages[: self.stage + 1]


@dataclass(frozen=True)
class TableKind:
    """What a table shows, and what the paper published in its place."""

    title: str
    columns: dict[str, str]  # heading -> key of a row's numbers
    note: str
    published: tuple[tuple[str, ...], ...]  # header and rows

    @property
    def parts(self) -> list[str]:
        """Those of `PARTS` that the columns come from."""

        def shown(beginnings: tuple[str, ...]) -> bool:
            return any(key.startswith(beginnings) for key in self.columns.values())

        return [name for name, begins in PARTS.items() if not begins or shown(begins)]


ERRORS = {"MBE": "mbe", "LBE": "lbe", "LBE, reference 12": "lbe_reference_12"}
TABLES: dict[int, TableKind] = {
    1: TableKind(
        "Metrics beside a deterministic regression and the respaced teacher",
        {
            **ERRORS,
            "LBE / mean face's": "lbe_ratio",
            "FDD": "fdd_signed",
            "FDD, absolute": "fdd_absolute",
            "LVE": "lve",
            "r jawOpen": "r_jawOpen_clip",
            "velocity error": "velocity_error_lips",
            "jerk ratio, lips": "jerk_ratio_lips",
            "spread, upper": "seed_spread_upper",
            "ITF, s": "itf_s",
            "of it the sampler": "itf_sampler_s",
        },
        "The regression is the same network with zeros in place of x_t, one step, trained for as "
        "many epochs as all stages together. Respaced: the teacher's own weights in fewer DDIM "
        "steps, not distilled.",
        (
            ("BEAT, V100", "MBE", "LBE", "FDD", "ITF, 1e-4 s a frame"),
            ("EmoTalk", "1.0537", "0.2628", "0.0751", "9.3"),
            ("FaceDiffuser, 1000 steps", "0.4332", "0.1071", "0.1786", "1000.9"),
            ("FaceDiffuser, 8 steps", "0.8372", "0.2115", "0.0589", "8.2"),
            ("DiffusionTalker, 8 steps", "0.4094", "0.0969", "0.1558", "7.1 (TensorRT: 3.9)"),
        ),
    ),
    2: TableKind(
        "Identity matching over held-out recordings",
        {
            "precision": "identity_precision",
            "recall": "identity_recall",
            "F1": "identity_f1",
            "accuracy": "identity_accuracy",
            "speakers": "identity_speakers",
            "decided, share": "decided_share",
            "after, s of speech": "decided_after_s_median",
            "worst": "decided_after_s_worst",
        },
        "The library holds the speakers of all sources; a recording counts as matched when its own "
        "speaker's row wins over every other.",
        (
            ("BEAT", "precision", "recall", "F1"),
            ("DiffusionTalker", "99.996 %", "99.986 %", "99.991 %"),
        ),
    ),
    4: TableKind(
        "Number of steps: trained from scratch, and distilled",
        {
            **ERRORS,
            "FDD, absolute": "fdd_absolute",
            "r jawOpen": "r_jawOpen_clip",
            "spread, upper": "seed_spread_upper",
            "ITF, s": "itf_s",
        },
        "From scratch: the teacher's settings at that number of steps; below 32 the schedule is "
        "taken out of that of 32. Distilled: each student starts from the one above it.",
        (
            ("BEAT", "LBE, from scratch", "LBE, distilled"),
            ("256", "0.1050", ""),
            ("128", "0.1059", ""),
            ("64", "0.1063", ""),
            ("32", "0.1053", ""),
            ("16", "0.1097", "0.0957"),
            ("8", "0.1177", "0.0969"),
        ),
    ),
    5: TableKind(
        "Ablation of losses, identity and distillation",
        {
            **ERRORS,
            "FDD, absolute": "fdd_absolute",
            "r jawOpen": "r_jawOpen_clip",
            "velocity error": "velocity_error_lips",
            "jerk ratio, lips": "jerk_ratio_lips",
        },
        "Each row trains every stage anew with that part left out. Without distillation: every "
        "stage at the last one's steps. Without identity: the decoder is not told who speaks, no "
        "L_con. Without start or rollout (not the paper's): nothing is asked of the sampler's "
        "first prediction, or of its later ones.",
        (
            ("BEAT, 8 steps", "MBE", "LBE"),
            ("without distillation", "0.4545", "0.1177"),
            ("without L_lip", "0.4222", "0.1037"),
            ("without L_vel", "0.4414", "0.1129"),
            ("without identity", "0.4306", "0.1034"),
            ("whole", "0.4094", "0.0969"),
        ),
    ),
}


def scaled(config: Config, factor: float) -> Config:
    """The configuration with every stage's epochs multiplied, at least one each."""
    stages = tuple(replace(s, epochs=max(1, round(s.epochs * factor))) for s in config.stages)
    return replace(config, stages=stages)


def plan(number: int, config: Config) -> list[Row]:
    """The rows of a table. Raises ConfigError where a variant could not be trained."""
    last = len(config.stages) - 1
    steps = config.sample_steps
    whole = Row(f"student, {steps} steps, distilled", "whole", config, last, steps)
    if number == 1:
        first = config.stages[0]
        epochs = sum(stage.epochs for stage in config.stages)
        alone = replace(first, steps=1, epochs=epochs, start=0.0, rollout=0.0, regression=True)
        regression = replace(config, stages=(alone,))
        rows = [
            Row("regression, same network", "regression", regression, 0, 1),
            Row(f"teacher, {first.steps} steps", "whole", config, 0, first.steps),
            Row(f"teacher, respaced to {steps} steps", "whole", config, 0, steps),
            whole,
        ]
    elif number == 2:
        rows = [whole]
    elif number == 4:
        rows = [from_scratch(config, count) for count in FROM_SCRATCH]
        longer = down_to_one(config)
        rows += [
            Row(f"{stage.steps}, distilled", "whole", longer, index, stage.steps)
            for index, stage in enumerate(longer.stages)
            if stage.steps < longer.stages[0].steps
            and (index + 1 == len(longer.stages) or longer.stages[index + 1].steps < stage.steps)
        ]
    else:
        losses = config.losses
        still = tuple(replace(stage, velocity=0.0) for stage in config.stages)
        stages = config.stages
        alike = tuple(replace(stage, steps=steps) for stage in stages)
        variants = {
            "distillation": replace(config, stages=alike),
            "L_lip": replace(config, losses=replace(losses, lips=0.0)),
            "L_vel": replace(config, losses=replace(losses, velocity=0.0), stages=still),
            "identity": replace(config, identity=False),
        }
        if any(stage.start for stage in stages):
            bare = tuple(replace(stage, start=0.0) for stage in stages)
            variants["start"] = replace(config, stages=bare)
        if any(stage.rollout for stage in stages):
            bare = tuple(replace(stage, rollout=0.0) for stage in stages)
            variants["rollout"] = replace(config, stages=bare)
        rows = [
            Row(f"without {name}", f"without_{name}", variant, last, steps)
            for name, variant in variants.items()
        ]
        rows.append(replace(whole, label="whole"))
    for row in rows:
        check(row.config, f"table {number}, {row.label}")
    return rows


def from_scratch(config: Config, steps: int) -> Row:
    """The teacher trained at another number of steps; the configuration's own where it fits."""
    label = f"{steps}, from scratch"
    if steps == config.stages[0].steps:
        return Row(label, "whole", config, 0, steps)
    alone = replace(
        config,
        train_steps=max(steps, config.train_steps),
        stages=(replace(config.stages[0], steps=steps),),
    )
    return Row(label, f"scratch_{steps}", alone, 0, steps)


def down_to_one(config: Config) -> Config:
    """The configuration with further halvings, like its last stage, until one step is left."""
    stages = list(config.stages)
    while stages[-1].steps > 1:
        half = stages[-1].steps // 2
        rollout = stages[-1].rollout if half > 1 else 0.0
        stages.append(replace(stages[-1], steps=half, rollout=rollout, average=1))
    return replace(config, stages=tuple(stages))


@dataclass(frozen=True)
class Options:
    """How the rows are measured."""

    clips: int | None = None  # at most so many held-out clips a source
    seed: int = 0
    head: Head | None = None

    def describe(self) -> dict[str, Any]:
        return {"clips": self.clips, "seed": self.seed, "lve": self.head is not None}


def make(
    number: int,
    config: Config,
    data: run.Data,
    out: Path,
    options: Options,
    *,
    command: str,
    ranks: Ranks = ALONE,
    on_row: Callable[[str, int, int], None] = lambda label, done, rows: None,
    on_step: OnStep = lambda *_: None,
    on_clips: evaluate.OnClips = lambda count: None,
) -> Path | None:
    """Train and measure the rows that `out` lacks, write OUT/tableN.md and return its path.

    None in the processes that only help to train. Raises ConfigError for a variant that could not
    be trained, ValueError where `out` holds rows or runs of another configuration, or where no
    source holds recordings out.
    """
    export.refuse_frozen(config)  # rows are measured through the runtime
    if not any(data.held_out):
        raise ValueError("no source holds recordings out: set hold_out or hold_out_per_speaker")
    rows = plan(number, config)
    results: list[dict[str, Any]] = []
    for done, row in enumerate(rows):
        on_row(row.label, done, len(rows))
        file = out / "rows" / f"{row.key}.json"
        saved = json.loads(file.read_text()) if file.exists() else None
        if saved is not None and saved["asked"] != _asked(row, data, options):
            raise ValueError(
                f"{file} belongs to another configuration or other options: choose another --out, "
                "or remove that file"
            )
        known = [] if saved is None else saved.get("parts", [*PARTS])
        lacking = [part for part in TABLES[number].parts if part not in known]
        if lacking:
            fresh = _finish(row, data, out, options, lacking, ranks, on_step, on_clips)
            if saved is not None and ranks.writes:
                fresh["parts"] = known + lacking
                for source, numbers in fresh["sources"].items():
                    numbers.update(saved["sources"][source])
            saved = fresh
            if ranks.writes:
                file.parent.mkdir(parents=True, exist_ok=True)
                part = file.with_suffix(".part")
                part.write_text(json.dumps(report.plain(saved), indent=1) + "\n")
                part.replace(file)
        results.append(report.plain(saved))
    on_row("", len(rows), len(rows))
    if not ranks.writes:
        return None
    target = out / f"table{number}.md"
    target.write_text(_markdown(number, rows, results, config, data, command))
    return target


def _asked(row: Row, data: run.Data, options: Options) -> dict[str, Any]:
    """What decides a row's numbers, as plain JSON values."""
    config = row.config
    asked: dict[str, Any] = {
        "run": config.describe(row.stage + 1),
        "data": run.data_report(config, data),
        "noise_scale": export.noise_scale_of(config),
        "postprocess": export.postprocess_of(config),
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
    ranks: Ranks,
    on_step: OnStep,
    on_clips: evaluate.OnClips,
) -> dict[str, Any]:
    """Train what the row's run lacks, write its bundle, measure these parts of it."""
    config = replace(row.config, stages=row.stages)
    folder = out / "runs" / row.variant
    talker, speakers = run.train(config, data, folder, on_step=on_step, shared=out, ranks=ranks)
    if not ranks.writes:
        return {"asked": _asked(row, data, options)}
    run.finish(talker, speakers, config, data, out)
    bundle = export.export(
        talker,
        config,
        speakers,
        run.provenance(config, data, folder),
        out / "bundles" / row.key,
        sample_steps=row.steps,
    )
    sources = {}
    for source, takes in zip(config.sources, data.held_out, strict=True):
        if takes:
            chosen = evaluate.some(takes, options.clips)
            sources[source.name] = measure(bundle, chosen, options, parts, on_clips)
    logs = [
        read_log(folder / f"{index}-{stage_name(stage, config)}" / "log.jsonl")
        for index, stage in enumerate(row.stages)
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
    bundle: bundles.Bundle,
    takes: Sequence[Recording],
    options: Options,
    parts: Sequence[str],
    on_clips: evaluate.OnClips = lambda count: None,
) -> dict[str, Any]:
    """A row's numbers on one source: the shipped runtime, identity pinned to the speaker.

    `parts` are some of `PARTS`: a sampler of 256 steps takes its time for each.
    """
    engine = evaluate.runtime_engine(bundle)
    rate = bundle.frame_rate
    numbers: dict[str, Any] = {}
    if "scores" in parts:
        predicted = evaluate.play(engine, takes, options.seed, "own", on_clips)
        pairs = evaluate.at_true_instants(takes, predicted, rate)
        numbers |= evaluate.scores(takes, pairs, predicted, rate, options.head)
    if "diversity" in parts:
        numbers |= evaluate.diversity(engine, takes[: evaluate.SPREAD_CLIPS], "own", on_clips)
    if "identity" in parts:
        numbers |= evaluate.identity_matching(bundle, takes)
        numbers |= evaluate.identity_decisions(bundle, takes)
    if "time" in parts:
        numbers |= evaluate.inference_time(bundle, takes)
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
