"""What everything that learns goes through: steps of an optimiser, checkpoints, a line an epoch."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from .. import checkpoint
from ..logs import StepLog
from .parallel import ALONE, Ranks

#: Told after every step: (task's name, epoch, epochs, step of the epoch, steps, mean losses).
OnStep = Callable[[str, int, int, int, int, dict[str, float]], None]


def learning_rate(peak: float, warmup_steps: int, step: int, progress: float) -> float:
    """Linear warm-up over steps, then a cosine down to 2 % of the peak; `progress` is 0 to 1."""
    warm = min(1.0, (step + 1) / max(warmup_steps, 1))
    return peak * warm * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * progress)))


@dataclass(frozen=True)
class Losses:
    """Of one step; with several processes, this one's share of them."""

    loss: Tensor  # what is minimised
    terms: dict[str, Tensor] = field(default_factory=dict)  # the parts that it is the sum of
    others: dict[str, float] = field(default_factory=dict)  # logged beside them, the same in all


@dataclass
class Means:
    """Means over the steps of an epoch, as far as they have been gone through."""

    sums: dict[str, float] = field(default_factory=dict)
    steps: int = 0

    def add(self, values: Mapping[str, float]) -> dict[str, float]:
        """The means, once one more step is counted; a value that it lacks counts as 0."""
        for key, value in values.items():
            self.sums[key] = self.sums.get(key, 0.0) + value
        self.steps += 1
        return {key: value / self.steps for key, value in self.sums.items()}


class Task(Protocol):
    """What a Trainer learns."""

    @property
    def name(self) -> str: ...
    @property
    def epochs(self) -> int: ...

    def begin(self, epoch: int) -> int:
        """Make an epoch ready; how many steps it has. Raises ValueError where it has none."""

    def rate(self, at: Trainer, steps: int) -> float:
        """Learning rate of the coming step; its epoch has so many `steps`."""

    def losses(self, at: Trainer) -> Losses:
        """Of the coming step. Everything drawn follows from where `at` stands, for resumption."""

    def line(self, at: Trainer, seconds: float, means: dict[str, float]) -> dict[str, float]:
        """What log.jsonl says of an epoch."""


class Trainer:
    """Modules, the optimiser that moves them, and where they stand in their task.

    `modules` are what a checkpoint holds, by their names in it. Where every epoch has the same
    number of steps (`steps_an_epoch`), the place follows from the step alone, and no more is kept.
    """

    def __init__(
        self,
        modules: Mapping[str, nn.Module],
        optimiser: torch.optim.Optimizer,
        *,
        scaler: torch.amp.GradScaler | None = None,
        largest_norm: float | None = None,  # gradients beyond it are scaled down
        steps_an_epoch: int | None = None,
        ranks: Ranks = ALONE,
    ) -> None:
        self.modules = modules
        self.optimiser = optimiser
        self.parameters = [p for group in optimiser.param_groups for p in group["params"]]
        self.scaler = scaler
        self._scaling = scaler or torch.amp.GradScaler("cpu", enabled=False)
        self.largest_norm = largest_norm
        self.steps_an_epoch = steps_an_epoch
        self.ranks = ranks
        self.epoch = 0
        self.position = 0  # steps of the epoch that are done
        self.steps = 0  # done in all

    def step(self, loss: Tensor) -> None:
        """One step of the optimiser down the gradient of all processes' losses."""
        self.optimiser.zero_grad(set_to_none=True)
        self._scaling.scale(loss).backward()  # type: ignore[no-untyped-call]
        self.ranks.add_gradients(self.parameters)
        self._scaling.unscale_(self.optimiser)
        if self.largest_norm is not None:
            torch.nn.utils.clip_grad_norm_(self.parameters, self.largest_norm)
        self._scaling.step(self.optimiser)
        self._scaling.update()
        self.steps += 1
        self.position += 1

    def state(self) -> dict[str, Any]:
        """All that going on from here depends on."""
        state: dict[str, Any] = {name: m.state_dict() for name, m in self.modules.items()}
        state["optimiser"] = self.optimiser.state_dict()
        if self.scaler is not None:
            state["scaler"] = self.scaler.state_dict()
        if self.steps_an_epoch is None:
            state |= {"epoch": self.epoch, "position": self.position}
        return {**state, "step": self.steps}

    def save(self, folder: Path, described: str) -> None:
        """A checkpoint of the configuration that `described` tells from others.

        The one before it stays beside it: it is what is left where the newest is damaged.
        """
        state = {"config": described, **self.state()}
        checkpoint.save(folder / checkpoint.NEWEST, state, folder / checkpoint.PREVIOUS)

    def restore(self, state: Mapping[str, Any]) -> None:
        """Stand where `state` was taken."""
        for name, module in self.modules.items():
            module.load_state_dict(state[name])
        self.optimiser.load_state_dict(state["optimiser"])
        if self.scaler is not None:
            self.scaler.load_state_dict(state.get("scaler", {}))
        self.steps = state["step"]
        if self.steps_an_epoch is None:
            self.epoch, self.position = state["epoch"], state["position"]
        else:
            self.epoch, self.position = divmod(self.steps, self.steps_an_epoch)

    def train(
        self,
        task: Task,
        folder: Path,
        described: str,
        *,
        save_every_s: float,
        on_step: OnStep = lambda *_: None,
        log: StepLog | None = None,
    ) -> None:
        """All that is left of `task`; folder/checkpoint.pt now and then, folder/log.jsonl."""
        saved_at = time.monotonic()
        while self.epoch < task.epochs:
            steps = task.begin(self.epoch)
            means: dict[str, float] = {}
            so_far, started = Means(), time.monotonic()
            while self.position < steps:
                for group in self.optimiser.param_groups:
                    group["lr"] = task.rate(self, steps)
                losses = task.losses(self)
                self.step(losses.loss)
                values = self._added_up(losses)
                if log is not None:
                    log.write(values, self.steps)
                means = so_far.add({**values, **losses.others})
                on_step(task.name, self.epoch, task.epochs, self.position, steps, means)
                if self.ranks.writes and time.monotonic() - saved_at > save_every_s:
                    self.save(folder, described)
                    saved_at = time.monotonic()
            if means and self.ranks.writes:  # none: the checkpoint stood at the epoch's very end
                line = task.line(self, time.monotonic() - started, means)
                with (folder / "log.jsonl").open("a") as lines:
                    lines.write(json.dumps(line) + "\n")
            self.epoch, self.position = self.epoch + 1, 0

    def _added_up(self, losses: Losses) -> dict[str, float]:
        """Terms and loss of all processes together."""
        every = (*losses.terms.values(), losses.loss)
        stacked = torch.stack([value.detach().float() for value in every])
        return dict(zip((*losses.terms, "loss"), self.ranks.add_up(stacked).tolist(), strict=True))
