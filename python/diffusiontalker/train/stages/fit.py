"""One stage of the talker's training: windows of the streams through an objective and L_con."""

from __future__ import annotations

import contextlib
import dataclasses
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from .. import checkpoint
from ..config import Config, Stage
from ..data.streams import Batch, epoch_batches, load_streams
from ..logs import StepLog
from ..networks.identity import LEAST_VOICED_FRAMES, contrast_loss, match_logits, pool
from ..networks.model import Talker
from .parallel import ALONE, Ranks
from .trainer import Losses, OnStep, Trainer, learning_rate
from .windows import Draws, Objective, Window, rows_of, to_window

POOLED_MEMORY = 0.98  # share of the pooled mean that a step keeps


def identity_terms(
    talker: Talker, window: Window, config: Config, ranks: Ranks
) -> tuple[Tensor, float | None]:
    """L_con, and the share of windows matched to their own speaker (None: nobody spoke).

    Keeps the pooled mean. With several processes the loss is this one's part: the parts of all add
    up to L_con.
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
    return loss * (own / max(count, 1.0)), float(hits) / count if count else None


def autocast(config: Config, device: torch.device) -> contextlib.AbstractContextManager[Any]:
    """The forward pass in the configuration's precision; weights and losses stay float32."""
    if config.precision == "fp32":
        return contextlib.nullcontext()
    kind = torch.bfloat16 if config.precision == "bf16" else torch.float16
    return torch.autocast(device.type, dtype=kind)


def optimiser_of(trained: list[torch.nn.Parameter], stage: Stage) -> torch.optim.Optimizer:
    """Adam; with `weight_decay` AdamW, which shrinks matrices and leaves biases and norms alone."""
    betas = (0.9, 0.999)
    if not stage.weight_decay:
        return torch.optim.Adam(trained, lr=stage.learning_rate, betas=betas)
    groups: list[dict[str, Any]] = [
        {"params": [p for p in trained if p.ndim > 1], "weight_decay": stage.weight_decay},
        {"params": [p for p in trained if p.ndim <= 1]},
    ]
    return torch.optim.AdamW(groups, lr=stage.learning_rate, betas=betas, weight_decay=0.0)


@dataclass
class TalkerTask:
    """Stage `index` of a configuration, as what a Trainer learns."""

    talker: Talker
    index: int
    objective: Objective
    config: Config
    speakers: list[str]
    versions: list[Path]  # of the streams; an epoch goes through one
    ranks: Ranks
    #: (identities,): how likely a window of each teaches the last identity in its speaker's place
    lent: Tensor | None = None
    batches: list[Callable[[], Batch]] = field(default_factory=list)  # of the epoch

    @property
    def stage(self) -> Stage:
        return self.config.stages[self.index]

    @property
    def name(self) -> str:
        return self.config.stage_name(self.index)

    @property
    def epochs(self) -> int:
        return self.stage.epochs

    def begin(self, epoch: int) -> int:
        # Where so little was recorded that a version has no window (takes are sped up in it), the
        # next one that has is gone through.
        for version in range(epoch, epoch + len(self.versions)):
            self.batches = epoch_batches(
                load_streams(self.versions[version % len(self.versions)]),
                self.speakers,
                window_frames=self.stage.window_frames,
                batch=self.stage.batch,
                rate=self.config.rate,
                lookahead_columns=self.config.encoder.lookahead_columns,
                seed=[self.config.seed, self.index, epoch],
            )
            if self.batches:
                break
        if not self.batches:
            raise ValueError(
                f"no window of {self.stage.window_frames} frames fits the training streams; "
                "shorten window_frames or add data"
            )
        return len(self.batches)

    def rate(self, at: Trainer, steps: int) -> float:
        progress = (at.epoch + at.position / steps) / self.stage.epochs
        return learning_rate(self.stage.learning_rate, self.stage.warmup_steps, at.steps, progress)

    def losses(self, at: Trainer) -> Losses:
        seed = np.random.SeedSequence([self.config.seed, self.index, at.steps]).generate_state(1)
        batch = self.batches[at.position]()
        whole = len(batch.speaker)
        rows = self.ranks.rows(whole)
        device = self.talker.mean.device
        draws = Draws(torch.Generator().manual_seed(int(seed[0])), whole, rows, device)
        # Once the context has trained, the tokens cached with the streams are not its own.
        live = self.config.context_trains(self.index)
        with autocast(self.config, device):
            window = to_window(self.talker, rows_of(batch, rows), self.stage.train_encoder, live)
            contrast, hits = identity_terms(self.talker, window, self.config, self.ranks)
            window = self.disguised(window, draws)
            terms = self.objective(self.talker, window, draws)
        # Losses are means over the rows: each process answers for its share of them.
        share = (rows.stop - rows.start) / whole
        terms = {key: value * share for key, value in terms.items()}
        terms["contrast"] = (
            self.config.losses.contrast if self.config.identity else 0.0
        ) * contrast
        loss = torch.stack(list(terms.values())).sum()
        return Losses(loss, terms, {} if hits is None else {"identity_hits": hits})

    def disguised(self, window: Window, draws: Draws) -> Window:
        """As the objective meets it: some windows lent to the last identity, channels left out."""
        if self.lent is not None:
            given = draws.chance(self.lent[window.speaker.cpu()].to(window.speaker.device))
            who = torch.where(given, len(self.speakers) - 1, window.speaker)
            window = dataclasses.replace(window, speaker=who)
        if self.stage.dropout:
            heard = window.features * draws.kept(self.stage.dropout, window.features)
            window = dataclasses.replace(window, features=heard)
        return window

    def line(self, at: Trainer, seconds: float, means: dict[str, float]) -> dict[str, float]:
        rounded = {key: round(value, 5) for key, value in means.items()}
        return {"epoch": at.epoch, "seconds": round(seconds, 1), "step": at.steps, **rounded}


def fit(
    talker: Talker,
    index: int,
    objective: Objective,
    *,
    config: Config,
    speakers: list[str],
    versions: list[Path],
    folder: Path,
    on_step: OnStep,
    on_note: Callable[[str], None] = lambda note: None,
    ranks: Ranks = ALONE,
    lent: Tensor | None = None,
) -> None:
    """Train `talker` through stage `index` in place, from its checkpoint in `folder` if it has one.

    `lent` (identities,): how likely a window of each teaches the last of the identities in place of
    its own speaker.

    Leaves `folder`/final.pt. A damaged file counts as missing, and `on_note` is told. Raises
    ValueError when the checkpoint is of another configuration.
    Processes that train together (`ranks`) all call this; the first of them writes.
    """
    final = folder / "final.pt"
    described = json.dumps(config.describe(index + 1), sort_keys=True)
    done = checkpoint.load_whole(final, on_note)
    if done is not None:
        _refuse_other(final, done, described)
        with checkpoint.restoring(final):
            talker.load_state_dict(done["talker"])
        return
    trainer = trainer_of(talker, config, index, ranks)
    going_on = checkpoint.resume(folder, on_note)
    if going_on is not None:
        path, saved = going_on
        _refuse_other(path, saved, described)
        with checkpoint.restoring(path):
            trainer.restore(saved)
    task = TalkerTask(talker, index, objective, config, speakers, versions, ranks, lent)
    log = StepLog(folder, trainer.steps) if ranks.writes else None
    trainer.train(
        task, folder, described, save_every_s=config.save_every_s, on_step=on_step, log=log
    )
    if log is not None:
        ended = {"config": described, "talker": talker.state_dict(), "step": trainer.steps}
        checkpoint.save(final, ended)
        log.close()
    ranks.wait()


def trainer_of(talker: Talker, config: Config, index: int, ranks: Ranks = ALONE) -> Trainer:
    """The optimiser over what stage `index` trains of the talker."""
    stage = config.stages[index]
    talker.encoder.requires_grad_(stage.train_encoder)
    if talker.encoder.context is not None:
        talker.encoder.context.requires_grad_(stage.train_context)
    trained = [p for p in talker.parameters() if p.requires_grad]
    optimiser = optimiser_of(trained, stage)
    # Gradients of float16 underflow: the loss is scaled up, and the scale is part of the state.
    device = talker.mean.device.type
    scaler = torch.amp.GradScaler(device, enabled=config.precision == "fp16")
    return Trainer({"talker": talker}, optimiser, scaler=scaler, largest_norm=1.0, ranks=ranks)


def _refuse_other(path: Path, saved: dict[str, Any], described: str) -> None:
    """Raises ValueError where what `path` holds belongs to another configuration.

    Stages to come may differ: what is done can be gone on from in another way.
    """
    before, now = json.loads(saved["config"]), json.loads(described)
    before["stages"] = before["stages"][: len(now["stages"])]
    checkpoint.refuse_other(path, same=before == now)
