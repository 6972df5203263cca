"""One stage of training: the loop that teacher and students share.

Everything random in a step follows from (seed, stage, epoch, step) and nothing is drawn from a
global generator, so a run that is cut anywhere goes on exactly where its last checkpoint stood.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from . import checkpoint
from .config import Config, Stage
from .identity import contrast_loss, match_logits, pool
from .model import Talker
from .streams import Batch, epoch_batches, load_streams

POOLED_MEMORY = 0.98  # share of the pooled mean that a step keeps


@dataclass(frozen=True)
class Window:
    """A batch in the model's units."""

    mel: Tensor  # (B, columns, 80)
    features: Tensor  # (B, F, A)
    x0: Tensor  # (B, F, 52), standardised
    voiced: Tensor  # (B, F)
    speaker: Tensor  # (B,)
    tokens: Tensor | None  # (B, n, width): the context's, which does not train here


#: What a stage minimises: (talker, window, generator) -> named loss terms, already weighted.
Objective = Callable[[Talker, Window, torch.Generator], dict[str, Tensor]]
#: Told after every step: (stage name, epoch, epochs, step of the epoch, steps, mean losses).
OnStep = Callable[[str, int, int, int, int, dict[str, float]], None]


def stage_name(stage: Stage, config: Config) -> str:
    return "teacher" if stage.steps == config.train_steps else f"student-{stage.steps}"


def build(config: Config, speakers: list[str]) -> Talker:
    """A fresh talker, initialised from the configuration's seed alone."""
    with torch.random.fork_rng():
        torch.manual_seed(config.seed)
        return Talker(
            speakers=len(speakers),
            channels=config.encoder.channels,
            dilations=tuple(config.encoder.dilations),
            lookahead_columns=config.encoder.lookahead_columns,
            train_steps=config.train_steps,
            step_dim=config.decoder.step_dim,
            hidden=config.decoder.hidden,
            layers=config.decoder.layers,
            identity_hidden=config.decoder.identity_hidden,
            rate=config.rate,
            context=config.context,
        )


def draw_steps(count: int, steps: int, generator: torch.Generator) -> Tensor:
    """(count,) steps 1..steps, spread evenly over the range so that few draws cover it."""
    offset = torch.rand(1, generator=generator)
    order = torch.randperm(count, generator=generator)
    return ((order + offset) / count * steps).long().clamp(max=steps - 1) + 1


def learning_rate(stage: Stage, step: int, progress: float) -> float:
    """Linear warm-up, then a cosine down to 2 % of the peak."""
    warm = min(1.0, (step + 1) / max(stage.warmup_steps, 1))
    return stage.learning_rate * warm * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * progress)))


def to_window(talker: Talker, batch: Batch, train_encoder: bool) -> Window:
    frames = batch.curves.shape[1]
    mel = torch.from_numpy(batch.mel)
    tokens = None if talker.encoder.context is None else torch.from_numpy(batch.tokens)
    with torch.set_grad_enabled(train_encoder):
        features = talker.features(mel, frames, tokens)
    x0 = (torch.from_numpy(batch.curves) - talker.mean) / talker.std
    voiced, speaker = torch.from_numpy(batch.voiced), torch.from_numpy(batch.speaker)
    return Window(mel, features, x0, voiced, speaker, tokens)


def identity_terms(talker: Talker, window: Window, config: Config) -> tuple[Tensor, float]:
    """L_con, and the share of windows matched to their own speaker; keeps the pooled mean."""
    pooled = pool(window.features, window.voiced)
    voiced = window.voiced.sum(dim=1)
    enough = voiced >= 30
    stored = talker.identity.pooled_mean
    if bool(enough.any()):
        mean = pooled[enough].detach().mean(dim=0)
        fresh = not bool(stored.any())
        stored.copy_(mean if fresh else POOLED_MEMORY * stored + (1 - POOLED_MEMORY) * mean)
    library = talker.identity()
    centred = pooled - stored
    loss = contrast_loss(centred, library, window.speaker, voiced, config.losses.temperature)
    with torch.no_grad():
        best = match_logits(centred, library, 1.0).argmax(dim=-1)
        hits = (best == window.speaker)[enough].float()
    return loss, float(hits.mean()) if len(hits) else float("nan")


def fit(
    talker: Talker,
    stage: Stage,
    stage_index: int,
    objective: Objective,
    *,
    config: Config,
    speakers: list[str],
    versions: list[Path],
    folder: Path,
    on_step: OnStep,
) -> None:
    """Train `talker` in place, from its checkpoint in `folder` if there is one.

    Leaves `folder`/final.pt. Raises ValueError when the checkpoint is of another configuration.
    """
    final = folder / "final.pt"
    resume = folder / "checkpoint.pt"
    described = json.dumps(config.describe(), sort_keys=True)
    if final.exists():
        done = checkpoint.load(final)
        _same_configuration(done["config"], described, final)
        talker.load_state_dict(done["talker"])
        return
    talker.encoder.requires_grad_(stage.train_encoder)
    if talker.encoder.context is not None:
        talker.encoder.context.requires_grad_(False)  # its tokens are cached with the streams
    trained = [p for p in talker.parameters() if p.requires_grad]
    optimiser = torch.optim.Adam(trained, lr=stage.learning_rate, betas=(0.9, 0.999))
    epoch, position, step = 0, 0, 0
    if resume.exists():
        saved = checkpoint.load(resume)
        _same_configuration(saved["config"], described, resume)
        talker.load_state_dict(saved["talker"])
        optimiser.load_state_dict(saved["optimiser"])
        epoch, position, step = saved["epoch"], saved["position"], saved["step"]

    def save() -> None:
        checkpoint.save(
            resume,
            {
                "config": described,
                "talker": talker.state_dict(),
                "optimiser": optimiser.state_dict(),
                "epoch": epoch,
                "position": position,
                "step": step,
            },
        )

    name = stage_name(stage, config)
    saved_at = time.monotonic()
    for epoch in range(epoch, stage.epochs):  # noqa: B020  (goes on from the checkpoint's epoch)
        batches = epoch_batches(
            load_streams(versions[epoch % len(versions)]),
            speakers,
            window_frames=stage.window_frames,
            batch=stage.batch,
            rate=config.rate,
            lookahead_columns=config.encoder.lookahead_columns,
            seed=[config.seed, stage_index, epoch],
        )
        if not batches:
            raise ValueError(
                f"no window of {stage.window_frames} frames fits the training streams; "
                "shorten window_frames or add data"
            )
        sums: dict[str, float] = {}
        started = time.monotonic()
        first = position
        for position in range(first, len(batches)):
            progress = (epoch + position / len(batches)) / stage.epochs
            for group in optimiser.param_groups:
                group["lr"] = learning_rate(stage, step, progress)
            generator = torch.Generator().manual_seed(
                int(np.random.SeedSequence([config.seed, stage_index, step]).generate_state(1)[0])
            )
            window = to_window(talker, batches[position](), stage.train_encoder)
            contrast, hits = identity_terms(talker, window, config)
            terms = objective(talker, window, generator)
            terms["contrast"] = config.losses.contrast * contrast
            loss = torch.stack(list(terms.values())).sum()
            optimiser.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(trained, 1.0)
            optimiser.step()
            step += 1
            for key, value in {**terms, "loss": loss}.items():
                sums[key] = sums.get(key, 0.0) + float(value.detach())
            if not math.isnan(hits):
                sums["identity_hits"] = sums.get("identity_hits", 0.0) + hits
            means = {key: value / (position + 1 - first) for key, value in sums.items()}
            on_step(name, epoch, stage.epochs, position + 1, len(batches), means)
            if time.monotonic() - saved_at > config.save_every_s:
                position += 1
                save()
                saved_at = time.monotonic()
        if not sums:  # the checkpoint stood at the very end of this epoch
            position = 0
            continue
        with (folder / "log.jsonl").open("a") as log:
            line = {"epoch": epoch, "seconds": round(time.monotonic() - started, 1), "step": step}
            log.write(json.dumps({**line, **{k: round(v, 5) for k, v in means.items()}}) + "\n")
        position = 0
    checkpoint.save(final, {"config": described, "talker": talker.state_dict(), "step": step})


def _same_configuration(saved: str, described: str, path: Path) -> None:
    if saved != described:
        raise ValueError(
            f"{path} belongs to another configuration: choose another --out, or remove that folder"
        )
