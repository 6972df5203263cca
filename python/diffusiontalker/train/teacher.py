"""The teacher: x0 prediction at all T steps, supervised by the curves (L_exp, L_lip, L_vel)."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from . import diffusion
from .config import Config, Stage
from .fit import Objective, Window, draw_steps
from .model import Talker


def repeat_draws(window: Window, draws: int) -> Window:
    """The same windows several times, for several diffusion steps over one encoder pass."""
    if draws == 1:
        return window
    several: dict[str, Any] = {
        name: tensor if tensor is None else torch.cat([tensor] * draws)
        for name, tensor in vars(window).items()
    }
    return Window(**several)


def supervised_terms(x0: Tensor, truth: Tensor, stage: Stage, config: Config) -> dict[str, Tensor]:
    """L_exp + L_lip + L_vel, weighted; L_con is added by the loop."""
    weights = config.losses
    velocity = stage.velocity or weights.velocity
    return {
        "expression": weights.expression * diffusion.expression_loss(x0, truth),
        "lips": weights.lips * diffusion.lip_loss(x0, truth),
        "velocity": velocity * diffusion.velocity_loss(x0, truth),
    }


def teacher_objective(stage: Stage, config: Config) -> Objective:
    abar = diffusion.alpha_bars(config.train_steps, stage.steps).float()

    def objective(talker: Talker, window: Window, generator: torch.Generator) -> dict[str, Tensor]:
        window = repeat_draws(window, stage.draws)
        n = draw_steps(len(window.x0), stage.steps, generator)
        eps = torch.randn(window.x0.shape, generator=generator)
        x_t = diffusion.diffuse(window.x0, eps, abar[n][:, None, None])
        row = diffusion.table_row(n, stage.steps, config.train_steps)
        identity = talker.identity()[window.speaker]
        assert isinstance(row, Tensor)
        x0, _ = talker.decoder(window.features, identity, row, x_t)
        return supervised_terms(x0, window.x0, stage, config)

    return objective
