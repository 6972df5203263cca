"""One stage of training: the loop that teacher and students share.

Everything random in a step follows from (seed, stage, epoch, step) and nothing is drawn from a
global generator, so a run that is cut anywhere goes on exactly where its last checkpoint stood.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from . import checkpoint
from .config import Config, Stage
from .identity import LEAST_VOICED_FRAMES, contrast_loss, match_logits, pool
from .logs import StepLog
from .model import Talker
from .parallel import Ranks
from .streams import Batch, epoch_batches, load_streams

ALONE = Ranks()
POOLED_MEMORY = 0.98  # share of the pooled mean that a step keeps


@dataclass(frozen=True)
class Window:
    """A batch in the model's units."""

    mel: Tensor  # (B, columns, 80)
    features: Tensor  # (B, F, A)
    x0: Tensor  # (B, F, 52), standardised
    voiced: Tensor  # (B, F)
    speaker: Tensor  # (B,)
    #: (B, n, width): of a context or frozen encoder that does not train, so far
    tokens: Tensor | None


@dataclass(frozen=True)
class Draws:
    """Everything random in one step, drawn for the whole batch; a process keeps its own rows.

    So a batch that is shared out meets the noise that it would meet in one process.
    """

    generator: torch.Generator
    whole: int  # windows of the batch, all processes together
    rows: slice  # those of this process
    device: torch.device

    def _own(self, drawn: Tensor, draws: int) -> Tensor:
        each = drawn.view(draws, self.whole, *drawn.shape[1:])[:, self.rows]
        return each.reshape(-1, *drawn.shape[1:]).to(self.device)

    def steps(self, draws: int, steps: int) -> Tensor:
        """(draws x own rows,) steps 1..steps."""
        return self._own(draw_steps(draws * self.whole, steps, self.generator), draws)

    def step(self, steps: int) -> int:
        """One step 1..steps for all windows of the batch."""
        return int(torch.randint(1, steps + 1, (1,), generator=self.generator))

    def chance(self, likely: Tensor) -> Tensor:
        """(own rows,) true as often as `likely` (own rows,) says."""
        return self._own(torch.rand(self.whole, generator=self.generator), 1) < likely

    def kept(self, share: float, like: Tensor) -> Tensor:
        """(own rows, 1, A): 0 for that share of the channels, else 1 / (1 - share).

        One draw for all of a window's frames: what differs from frame to frame averages out in a
        recurrent network, and teaches it to lag.
        """
        drawn = torch.rand((self.whole, 1, like.shape[-1]), generator=self.generator)
        return self._own((drawn >= share).float() / (1.0 - share), 1)

    def noise(self, draws: int, like: Tensor) -> Tensor:
        """(draws x own rows, F, 52) of normal noise; `like` (own rows, F, 52) gives the shape."""
        shape = (draws * self.whole, *like.shape[1:])
        return self._own(torch.randn(shape, generator=self.generator), draws)


#: What a stage minimises: (talker, window, draws) -> named loss terms, already weighted.
Objective = Callable[[Talker, Window, Draws], dict[str, Tensor]]
#: Told after every step: (stage name, epoch, epochs, step of the epoch, steps, mean losses).
OnStep = Callable[[str, int, int, int, int, dict[str, float]], None]


def stage_name(stage: Stage, config: Config) -> str:
    if stage.regression:
        return "regression"
    from_nothing = stage.steps == config.stages[0].steps and not config.start_from
    return "teacher" if from_nothing else f"student-{stage.steps}"


def build(config: Config, speakers: list[str]) -> Talker:
    """A fresh talker, initialised from the configuration's seed alone."""
    with torch.random.fork_rng():
        torch.manual_seed(config.seed)
        talker = Talker(
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
            frozen_width=config.encoder.frozen.width if config.encoder.frozen.kind else 0,
        )
    if not config.identity:
        # Weights that meet zeros in training never move; at zero, they stay deaf afterwards too.
        audio_dim = config.encoder.channels
        inputs = talker.decoder.gru.get_parameter("weight_ih_l0")
        inputs.data[:, audio_dim : 2 * audio_dim] = 0.0
    return talker


def draw_steps(count: int, steps: int, generator: torch.Generator) -> Tensor:
    """(count,) steps 1..steps, spread evenly over the range so that few draws cover it."""
    offset = torch.rand(1, generator=generator)
    order = torch.randperm(count, generator=generator)
    return ((order + offset) / count * steps).long().clamp(max=steps - 1) + 1


def learning_rate(stage: Stage, step: int, progress: float) -> float:
    """Linear warm-up, then a cosine down to 2 % of the peak."""
    warm = min(1.0, (step + 1) / max(stage.warmup_steps, 1))
    return stage.learning_rate * warm * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * progress)))


def optimiser_of(trained: list[torch.nn.Parameter], stage: Stage) -> torch.optim.Optimizer:
    """Adam; with `weight_decay` AdamW, which shrinks matrices and leaves biases and norms alone."""
    betas = (0.9, 0.999)
    if not stage.weight_decay:
        return torch.optim.Adam(trained, lr=stage.learning_rate, betas=betas)
    matrices = [p for p in trained if p.ndim > 1]
    others = [p for p in trained if p.ndim <= 1]
    groups: list[dict[str, Any]] = [
        {"params": matrices, "weight_decay": stage.weight_decay},
        {"params": others},
    ]
    return torch.optim.AdamW(groups, lr=stage.learning_rate, betas=betas, weight_decay=0.0)


def to_window(
    talker: Talker, batch: Batch, train_encoder: bool, train_context: bool = False
) -> Window:
    """With `train_context` the context hears each window afresh, as the start of a stream."""
    device = talker.mean.device
    frames = batch.curves.shape[1]
    mel = torch.from_numpy(batch.mel).to(device)
    tokens = None
    if talker.encoder.mix is not None and not train_context:
        tokens = torch.from_numpy(batch.tokens).to(device)
    with torch.set_grad_enabled(train_encoder or train_context):
        features = talker.features(mel, frames, tokens)
    x0 = (torch.from_numpy(batch.curves).to(device) - talker.mean) / talker.std
    voiced, speaker = torch.from_numpy(batch.voiced), torch.from_numpy(batch.speaker)
    return Window(mel, features, x0, voiced.to(device), speaker.to(device), tokens)


def rows_of(batch: Batch, rows: slice) -> Batch:
    """Some rows of every array of a batch."""
    each = {field.name: getattr(batch, field.name) for field in dataclasses.fields(batch)}
    return Batch(**{name: array[rows] for name, array in each.items()})


def identity_terms(
    talker: Talker, window: Window, config: Config, ranks: Ranks
) -> tuple[Tensor, float]:
    """L_con, and the share of windows matched to their own speaker; keeps the pooled mean.

    With several processes the loss is this one's part: the parts of all add up to L_con.
    """
    pooled = pool(window.features.float(), window.voiced)
    voiced = window.voiced.sum(dim=1)
    enough = voiced >= LEAST_VOICED_FRAMES
    stored = talker.identity.pooled_mean
    own = enough.sum()
    summed = torch.cat([pooled[enough].detach().sum(dim=0), own[None].to(pooled.dtype)])
    count = float(ranks.add_up(summed)[-1])
    if count:
        mean = summed[:-1] / count
        fresh = not bool(stored.any())
        stored.copy_(mean if fresh else POOLED_MEMORY * stored + (1 - POOLED_MEMORY) * mean)
    library = talker.identity()
    centred = pooled - stored
    loss = contrast_loss(centred, library, window.speaker, voiced, config.losses.temperature)
    with torch.no_grad():
        best = match_logits(centred, library, 1.0).argmax(dim=-1)
        hits = ranks.add_up((best == window.speaker)[enough].sum().float())
    return loss * (own / max(count, 1.0)), float(hits) / count if count else float("nan")


def autocast(config: Config, device: torch.device) -> contextlib.AbstractContextManager[Any]:
    """The forward pass in the configuration's precision; weights and losses stay float32."""
    if config.precision == "fp32":
        return contextlib.nullcontext()
    kind = torch.bfloat16 if config.precision == "bf16" else torch.float16
    return torch.autocast(device.type, dtype=kind)


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
    ranks: Ranks = ALONE,
    lent: Tensor | None = None,
) -> None:
    """Train `talker` in place, from its checkpoint in `folder` if there is one.

    `lent` (identities,): how likely a window of each teaches the last of the identities in place of
    its own speaker.

    Leaves `folder`/final.pt. Raises ValueError when the checkpoint is of another configuration.
    Processes that train together (`ranks`) all call this; the first of them writes.
    """
    final = folder / "final.pt"
    resume = folder / "checkpoint.pt"
    described = json.dumps(config.describe(stage_index + 1), sort_keys=True)
    if final.exists():
        done = checkpoint.load(final)
        _same_configuration(done["config"], described, final)
        talker.load_state_dict(done["talker"])
        return
    device = talker.mean.device
    talker.encoder.requires_grad_(stage.train_encoder)
    if talker.encoder.context is not None:
        talker.encoder.context.requires_grad_(stage.train_context)
    # Once the context has trained, the tokens that were cached with the streams are not its own.
    live = config.context_trains(stage_index)
    trained = [p for p in talker.parameters() if p.requires_grad]
    optimiser = optimiser_of(trained, stage)
    # Gradients of float16 underflow: the loss is scaled up, and the scale is part of the state.
    scaler = torch.amp.GradScaler(device.type, enabled=config.precision == "fp16")
    epoch, position, step = 0, 0, 0
    if resume.exists():
        saved = checkpoint.load(resume)
        _same_configuration(saved["config"], described, resume)
        talker.load_state_dict(saved["talker"])
        optimiser.load_state_dict(saved["optimiser"])
        scaler.load_state_dict(saved.get("scaler", {}))
        epoch, position, step = saved["epoch"], saved["position"], saved["step"]

    def save() -> None:
        checkpoint.save(
            resume,
            {
                "config": described,
                "talker": talker.state_dict(),
                "optimiser": optimiser.state_dict(),
                "scaler": scaler.state_dict(),
                "epoch": epoch,
                "position": position,
                "step": step,
            },
        )

    name = stage_name(stage, config)
    steps_log = StepLog(folder, step) if ranks.writes else None
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
            batch = batches[position]()
            whole = len(batch.speaker)
            rows = ranks.rows(whole)
            draws = Draws(generator, whole, rows, device)
            with autocast(config, device):
                window = to_window(talker, rows_of(batch, rows), stage.train_encoder, live)
                contrast, hits = identity_terms(talker, window, config, ranks)
                if lent is not None:
                    given = draws.chance(lent[window.speaker.cpu()].to(device))
                    who = torch.where(given, len(speakers) - 1, window.speaker)
                    window = dataclasses.replace(window, speaker=who)
                if stage.dropout:
                    heard = window.features * draws.kept(stage.dropout, window.features)
                    window = dataclasses.replace(window, features=heard)
                terms = objective(talker, window, draws)
            # Losses are means over the rows: each process answers for its share of them.
            share = (rows.stop - rows.start) / whole
            terms = {key: value * share for key, value in terms.items()}
            terms["contrast"] = (config.losses.contrast if config.identity else 0.0) * contrast
            loss = torch.stack(list(terms.values())).sum()
            optimiser.zero_grad(set_to_none=True)
            scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
            ranks.add_gradients(trained)
            scaler.unscale_(optimiser)
            torch.nn.utils.clip_grad_norm_(trained, 1.0)
            scaler.step(optimiser)
            scaler.update()
            step += 1
            stacked = torch.stack([value.detach().float() for value in (*terms.values(), loss)])
            values = dict(zip((*terms, "loss"), ranks.add_up(stacked).tolist(), strict=True))
            if steps_log is not None:
                steps_log.write(values, step)
            for key, value in values.items():
                sums[key] = sums.get(key, 0.0) + value
            if not math.isnan(hits):
                sums["identity_hits"] = sums.get("identity_hits", 0.0) + hits
            means = {key: value / (position + 1 - first) for key, value in sums.items()}
            on_step(name, epoch, stage.epochs, position + 1, len(batches), means)
            if ranks.writes and time.monotonic() - saved_at > config.save_every_s:
                position += 1
                save()
                saved_at = time.monotonic()
        if not sums:  # the checkpoint stood at the very end of this epoch
            position = 0
            continue
        if ranks.writes:
            line = {"epoch": epoch, "seconds": round(time.monotonic() - started, 1), "step": step}
            with (folder / "log.jsonl").open("a") as log:
                log.write(json.dumps({**line, **{k: round(v, 5) for k, v in means.items()}}) + "\n")
        position = 0
    if steps_log is not None:
        checkpoint.save(final, {"config": described, "talker": talker.state_dict(), "step": step})
        steps_log.close()
    ranks.wait()


def _same_configuration(saved: str, described: str, path: Path) -> None:
    """Stages to come may differ: what is done can be gone on from in another way."""
    before, now = json.loads(saved), json.loads(described)
    before["stages"] = before["stages"][: len(now["stages"])]
    checkpoint.refuse_other(path, same=before == now)
