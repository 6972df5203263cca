"""The road from recordings to a bundle: corpora -> streams -> teacher -> students -> export."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

from ...bundle import Bundle
from ...curves import CURVES
from .. import checkpoint, corpora
from ..config import Config
from ..data import streams
from ..measure import plots
from ..measure.players import Reference
from ..networks import frozen
from ..networks.bundled import save_talker
from ..networks.context import Context
from ..networks.manifest import noise_factors, refuse_frozen
from ..networks.model import Talker, build
from ..stages import borrow, listen, performing, start_from
from ..stages.distil import student_objective
from ..stages.finish import BEGUN, average, finish_pooled_mean
from ..stages.fit import fit
from ..stages.keys import learn_keys
from ..stages.parallel import ALONE, Ranks, processes_here
from ..stages.rounding import OnMatrix, narrow_context
from ..stages.settled import settled_objective
from ..stages.teacher import regression_objective, teacher_objective, with_sampling
from ..stages.trainer import OnStep
from ..stages.windows import Objective
from . import spread


@dataclass(frozen=True)
class Data:
    """What the sources gave, one entry a source."""

    train: list[list[corpora.Recording]]
    held_out: list[list[corpora.Recording]]
    skipped: list[corpora.Skipped]
    passed_over: list[corpora.Skipped] = field(default_factory=list)

    @property
    def speakers(self) -> list[str]:
        return sorted({take.speaker for takes in self.train for take in takes})


@dataclass(frozen=True)
class Progress:
    """Whom a run tells how far it is; what is left out hears nothing."""

    on_take: Callable[[], None] = lambda: None  # a take was read
    on_version: Callable[[int], None] = lambda version: None  # of the features, made or found
    on_segment: Callable[[int, int], None] = lambda done, of: None  # for the context to learn from
    on_clip: borrow.OnClip = lambda done, of: None  # of the borrowed face
    on_step: OnStep = lambda *_: None
    on_matrix: OnMatrix = lambda done, of: None  # of the context, rounded to 4 bits
    on_note: Callable[[str], None] = lambda note: None  # a damaged file, and what is done about it


def train_bundle(
    config: Config,
    folder: Path,
    progress: Progress = Progress(),
    *,
    data: Data | None = None,
    target: Path | None = None,
    shared: Path | None = None,
    sample_steps: int | None = None,
    ranks: Ranks = ALONE,
) -> Bundle | None:
    """From recordings to a bundle in `target` (`folder`/bundle), through whatever is not done yet.

    `data` is given where it is read already; `shared` is that of `train`; `sample_steps` are others
    than the last stage's. None in the processes that only help to train. Raises ConfigError for a
    configuration that no bundle comes of, ValueError where `folder` is of another one.
    """
    refuse_frozen(config)
    data = data or read_data(config, progress.on_take, folder / "cache" / "takes")
    talker, speakers = train(config, data, folder, progress, shared=shared, ranks=ranks)
    if not ranks.writes:
        return None
    target = target or folder / "bundle"
    return write_bundle(
        talker,
        speakers,
        config,
        data,
        folder,
        target,
        shared=shared,
        sample_steps=sample_steps,
        on_matrix=progress.on_matrix,
    )


def write_bundle(
    talker: Talker,
    speakers: list[str],
    config: Config,
    data: Data,
    folder: Path,
    target: Path,
    *,
    shared: Path | None = None,
    sample_steps: int | None = None,
    metrics: Mapping[str, Any] | None = None,
    on_matrix: OnMatrix = lambda done, of: None,
) -> Bundle:
    """The bundle of a run whose stages are done, with what `train` has returned."""
    torch.set_num_threads(config.threads)
    finish(talker, speakers, config, data, shared or folder)
    learnt = [take for takes in data.train for take in takes]
    talker = spread.matched(talker, config, speakers, learnt)
    made_of = provenance(config, data, folder)
    if metrics is not None:
        made_of["metrics"] = metrics
    rounded: Mapping[str, Any] = {}
    if config.export.context_bits != 8:
        narrowed = narrow_context(talker.encoder.context, data.train, config, on_matrix)
        rounded, made_of["context_rounding"] = narrowed.tensors, narrowed.about
    return save_talker(talker, config, speakers, made_of, target, sample_steps, rounded)


def read_data(
    config: Config, on_take: Callable[[], None] = lambda: None, cache: Path | None = None
) -> Data:
    """Read, split and calibrate every source; takes read before come from the folder `cache`.

    Raises FileNotFoundError for a missing folder.
    """
    train, held_out, skipped, passed_over = [], [], [], []
    for source in config.sources:
        corpus = corpora.load(
            config.source_path(source),
            kind=source.kind,
            speaker="" if "*" in source.speaker else source.speaker,
            licence=source.licence,
            hold_out=source.hold_out,
            hold_out_per_speaker=source.hold_out_per_speaker,
            sync=source.sync,
            max_offset_s=source.max_offset_ms / 1000.0,
            deltas=config.deltas_path(source),
            cache=cache,
            on_take=on_take,
        )
        if "*" in source.speaker:
            corpus = replace(
                corpus,
                train=[_renamed(take, source.speaker) for take in corpus.train],
                held_out=[_renamed(take, source.speaker) for take in corpus.held_out],
            )
        unheard = [take for take in corpus.train if take.speaker in config.strangers]
        if unheard:
            corpus = replace(
                corpus,
                train=[take for take in corpus.train if take.speaker not in config.strangers],
                held_out=corpus.held_out + unheard,
            )
        if source.rest_curves or source.gain:
            corpus = corpora.calibrate(
                corpus,
                rest_percentile=source.rest_percentile,
                rest_curves=list(source.rest_curves),
                gain=source.gain,
            )
        train.append(corpus.train)
        held_out.append(corpus.held_out)
        skipped += corpus.skipped
        passed_over += corpus.passed_over
    return Data(train, held_out, skipped, passed_over)


def _renamed(take: corpora.Recording, pattern: str) -> corpora.Recording:
    return replace(take, speaker=pattern.replace("*", take.speaker))


def identities_of(config: Config, data: Data) -> list[str]:
    """Names of the library's rows: the speakers, and `config.anyone` after them."""
    if config.anyone in data.speakers:
        raise ValueError(f"anyone = {config.anyone!r} is the name of a speaker: choose another")
    return data.speakers + ([config.anyone] if config.anyone else [])


def lent_windows(config: Config, data: Data) -> torch.Tensor | None:
    """(identities,) how likely a window of each speaker teaches `config.anyone` in place of him.

    Alike for all, so that anyone is what the sound tells of a face when nobody says whose it is.
    """
    if not config.anyone or not config.anyone_share:
        return None
    return torch.tensor([config.anyone_share] * len(data.speakers) + [0.0])


def lent_takes(
    config: Config, data: Data, cache: Path, on_clip: borrow.OnClip
) -> list[list[corpora.Recording]]:
    """Takes whose face is not their voice's own, a list a version of the data."""
    borrowed = borrow.borrowed(config, data.train, cache, on_clip)
    performed = performing.performed(config, data.train, cache, on_clip)
    versions = config.augmentation.versions
    return [
        borrowed[version::versions]
        + performing.of_version(performed, version, config.performing.share)
        for version in range(versions)
    ]


def data_report(config: Config, data: Data) -> dict[str, object]:
    """What the sources hold and what was dropped or moved, as JSON values.

    Hours, speakers, rates, missing curves, held-out ids, offsets of faces against their sound,
    notes on takes that were cut, broken takes.
    """
    report: dict[str, object] = {}
    for source, train, held_out in zip(config.sources, data.train, data.held_out, strict=True):
        takes = train + held_out
        seen = {name for take in takes for name in take.curve_names}
        measured = [take for take in takes if take.curves is not None]
        report[source.name] = {
            "takes": len(train),
            "hours": round(sum(take.duration_s for take in train) / 3600, 4),
            "held_out": sorted(take.id for take in held_out),
            "speakers": sorted({take.speaker for take in takes}),
            "curves": "measured" if measured else "made by rule from phone times",
            "rates_hz": sorted({round(take.rate_hz or 0, 2) for take in measured}),
            "missing_curves": sorted(set(CURVES) - seen) if measured else [],
            "offsets": corpora.offset_report(takes),
            "notes": {take.id: list(take.notes) for take in takes if take.notes},
        }
    report["skipped"] = _lines(data.skipped)
    report["passed_over"] = _lines(data.passed_over)
    return report


def _lines(left_out: list[corpora.Skipped]) -> list[str]:
    return [f"{corpora.printable(skip.path.name)}: {skip.reason}" for skip in left_out]


def provenance(config: Config, data: Data, folder: Path) -> dict[str, Any]:
    """What the bundle says about its own making."""
    report = data_report(config, data)
    sources = []
    for source in config.sources:
        entry: Any = report[source.name]
        sources.append(
            {
                "name": source.name,
                "citation": source.citation,
                "licence": source.licence,
                "takes": entry["takes"],
                "hours": entry["hours"],
                "held_out_takes": len(entry["held_out"]),
                "held_out": entry["held_out"],
                "curves": entry["curves"],
                "rest_taken_out": {
                    "percentile": source.rest_percentile,
                    "curves": list(source.rest_curves),
                },
                "gain": dict(source.gain),
            }
        )
    stages = []
    for index, stage in enumerate(config.stages):
        lines = plots.read_log(folder / config.stage_folder(index) / "log.jsonl")
        stages.append(
            {
                "name": config.stage_name(index),
                "sampler_steps": stage.steps,
                "epochs": stage.epochs,
                "context_trains": stage.train_context,
                "optimiser_steps": lines[-1]["step"] if lines else 0,
                "minutes": round(sum(line["seconds"] for line in lines) / 60, 1),
                "final_losses": {
                    k: v for k, v in (lines[-1] if lines else {}).items() if k != "seconds"
                },
            }
        )
    made_of: dict[str, Any] = {"sources": sources, "stages": stages, "seed": config.seed}
    if config.average > 1:
        made_of["average_of_last_stages"] = config.average
    if config.borrowing.face:
        made_of["borrowing"] = {
            "face": config.borrowing.face,
            "voices": list(config.borrowing.voices),
            "hours_a_version": config.borrowing.hours,
        }
    if config.performing.voices:
        made_of["performing"] = {
            "faces": list(config.performing.faces),
            "voices": list(config.performing.voices),
            "teachers": config.performing.teachers,
            "share_a_version": config.performing.share,
        }
    start = start_from.read(config)
    if start is not None:
        made_of["starts_from"] = {
            "name": start.name,
            "weights": start.sha256,
            "training": {k: v for k, v in start.manifest["training"].items() if k != "metrics"},
        }
    elif config.context is not None:
        options = config.listening
        made_of["context"] = {
            "starts_from": {"citation": options.citation, "licence": options.licence},
            "speech": [
                {"name": s.name, "citation": s.citation, "licence": s.licence}
                for s in options.speech
            ],
            "epochs": options.epochs,
            "delay_tokens": options.delay_tokens,
        }
    return made_of


def train(
    config: Config,
    data: Data,
    folder: Path,
    progress: Progress = Progress(),
    *,
    shared: Path | None = None,
    ranks: Ranks = ALONE,
) -> tuple[Talker, list[str]]:
    """Run every stage that `folder` has not finished; returns the last student, speaker names.

    `shared` is where the features' cache and the context are kept, by default in `folder`, for
    runs that differ in neither. Processes that train together (`ranks`) all call this.
    """
    torch.set_num_threads(max(1, config.threads // processes_here()))
    if not data.speakers:
        raise ValueError(
            f"no usable takes: {len(data.skipped)} skipped, {len(data.passed_over)} other files "
            "passed over"
        )
    speakers = identities_of(config, data)
    lent = lent_windows(config, data)
    folder.mkdir(parents=True, exist_ok=True)
    shared = shared or folder
    if ranks.writes:
        (folder / "data.json").write_text(json.dumps(data_report(config, data), indent=1) + "\n")
    else:
        ranks.wait()  # the first process makes the context and the cache, which this one reads
    start = start_from.read(config)
    talker = build(config, speakers)
    context, hear, digest = ears(config, data, shared, start, progress)
    if talker.encoder.context is not None and context is not None:
        talker.encoder.context.load_state_dict(context.state_dict())
    cache = shared / "cache"
    versions = streams.prepare(
        data.train,
        config,
        cache,
        progress.on_version,
        hear,
        digest,
        lambda: lent_takes(config, data, cache, progress.on_clip),
    )
    if ranks.writes:
        ranks.wait()
    mean, std = streams.statistics(streams.load_streams(versions[0]))
    talker.mean.copy_(torch.from_numpy(mean))
    talker.std.copy_(torch.from_numpy(std))
    if start is not None and config.start_with == "all":
        start_from.begin(talker, start, speakers, own_units=config.start_units == "data")
        # One step is the first of the others: a regression is a network of the same use.
        counts = start.manifest["diffusion"]["sample_steps"] in (1, config.stages[0].steps)
        if ranks.writes and counts:
            begun = {"config": json.dumps(config.describe(0)), "talker": talker.state_dict()}
            checkpoint.save(folder / BEGUN, begun)
    talker.to(ranks.device)
    for index, stage in enumerate(config.stages):
        if stage.average > 1:
            average(talker, config.stages[:index], stage.average, config, folder)
        objective = objective_of(talker, index, config)
        stage_folder = folder / config.stage_folder(index)
        stage_folder.mkdir(parents=True, exist_ok=True)
        fit(
            talker,
            index,
            objective,
            config=config,
            speakers=speakers,
            versions=versions,
            folder=stage_folder,
            on_step=progress.on_step,
            on_note=progress.on_note,
            ranks=ranks,
            lent=lent,
        )
        if ranks.writes and plots.available():
            plots.loss_curve(folder, folder / "loss.png")
    average(talker, config.stages, config.average, config, folder)
    return talker.cpu(), speakers


def ears(
    config: Config,
    data: Data,
    shared: Path,
    start: Bundle | None,
    progress: Progress,
) -> tuple[Context | None, streams.Hear, str]:
    """What makes the streams' tokens: the context, tuned here or the bundle's, or a frozen encoder.

    Returns the context if it is one, the function that hears, and a digest of its weights.
    """
    if config.encoder.frozen.kind:
        encoder = frozen.load(config.encoder.frozen, Path(config.folder))
        return None, encoder.tokens, encoder.digest
    if config.context is None:
        return None, streams.hear_nothing, ""
    if start is not None:
        context = start_from.context_of(start)
    else:
        takes = [take for takes in data.train for take in takes]
        context = listen.train_context(
            config,
            takes,
            shared / "context",
            on_step=progress.on_step,
            on_segment=progress.on_segment,
            on_note=progress.on_note,
        )
    digest = checkpoint.weights_digest(context.state_dict())
    return context, listen.hearing(context, config.context), digest


def finish(
    talker: Talker,
    speakers: list[str],
    config: Config,
    data: Data,
    shared: Path,
    frozen_digest: str = "",
) -> None:
    """What training leaves to do: the mean that voices are matched against, over one whole pass,
    and the rows that they are matched with, where these are their own (`config.matching`).

    `shared` is that of `train`. Without its cache, the running mean of training stays, and
    ValueError is raised where keys are asked for. `frozen_digest` is that of the frozen encoder,
    where it is loaded already.
    """
    digest = frozen_digest
    if config.context is not None:
        # The cache is named after the context as training met it, whatever has moved it since.
        start, listened = start_from.read(config), shared / "context" / "final.pt"
        if start is not None:
            digest = checkpoint.weights_digest(start_from.context_of(start).state_dict())
        elif listened.exists():
            digest = checkpoint.weights_digest(checkpoint.load(listened)["context"])
        else:
            return
    elif config.encoder.frozen.kind and not digest:
        digest = frozen.load(config.encoder.frozen, Path(config.folder)).digest
    versions = streams.files(data.train, config, shared / "cache", digest)
    if versions[0].exists():
        live = config.context_trains()
        finish_pooled_mean(talker, streams.load_streams(versions[0]), speakers, live=live)
    if config.matching.steps:
        lacking = [path for path in versions if not path.exists()]
        if lacking:
            raise ValueError(
                f"{lacking[0]} is missing: voices are matched by what is heard there; "
                "run the configuration again, which makes it"
            )
        talker.identity.keys = learn_keys(talker, versions, speakers, config)


def reference_of(
    talker: Talker, speakers: list[str], config: Config, data: Data, folder: Path
) -> Reference:
    """The talker of a finished run behind its frozen encoder, to be measured without a bundle."""
    encoder = frozen.load(config.encoder.frozen, Path(config.folder))
    finish(talker, speakers, config, data, folder, encoder.digest)
    return Reference(
        talker.eval().requires_grad_(False),
        tuple(speakers),
        config.sample_steps,
        config.train_steps,
        torch.from_numpy(noise_factors(config)),
        encoder.tokens,
    )


def objective_of(talker: Talker, index: int, config: Config) -> Objective:
    """What stage `index` minimises; `talker` is as the stage before has left it."""
    stage = config.stages[index]
    if stage.regression:
        return regression_objective(stage, config)
    if stage.settled:
        objective = settled_objective(stage, config)
        return with_sampling(objective, stage, config) if stage.rollout else objective
    fewer = index > 0 and stage.steps < config.stages[index - 1].steps
    if fewer and config.losses.distillation:
        objective = student_objective(copy.deepcopy(talker), stage, config)
    else:
        objective = teacher_objective(stage, config)
    return with_sampling(objective, stage, config) if stage.start or stage.rollout else objective
