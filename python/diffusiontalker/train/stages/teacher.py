"""The teacher: x0 prediction at all T steps, supervised by the curves (L_exp, L_lip, L_vel).

Beside it the deterministic regression that it is measured against: the same network and losses,
but nothing of diffusion at its input.
"""

from __future__ import annotations

from typing import Any, Protocol

import torch
from torch import Tensor

from ..config import Config, Stage
from ..networks import diffusion
from ..networks.manifest import noise_factors
from ..networks.model import Talker
from .windows import Draws, Objective, Window


class Units(Protocol):
    """What holds the units of standardised curves, (52,) each: a talker."""

    mean: Tensor
    std: Tensor


def repeat_draws(window: Window, draws: int) -> Window:
    """The same windows several times, for several diffusion steps over one encoder pass."""
    if draws == 1:
        return window
    several: dict[str, Any] = {
        name: tensor if tensor is None else torch.cat([tensor] * draws)
        for name, tensor in vars(window).items()
    }
    return Window(**several)


def known_identity(talker: Talker, window: Window, config: Config) -> Tensor:
    """G of each window's speaker, (B, A); zeros where the configuration leaves identity out."""
    library = talker.identity()
    return library[window.speaker] if config.identity else torch.zeros_like(library)[window.speaker]


def supervised_terms(
    x0: Tensor, truth: Tensor, seen: Tensor, stage: Stage, config: Config, units: Units
) -> dict[str, Tensor]:
    """L_exp + L_lip + L_vel and the lips' axes, weighted; L_con is added by the loop.

    `units` are the talker's: x0 and truth (B, F, 52) are in them. Where nobody saw
    (`seen`, (B, F, 52)), no prediction is wrong.
    """
    x0, truth = (torch.where(seen, tensor, x0.detach()) for tensor in (x0, truth))
    weights = config.losses
    velocity = stage.velocity or weights.velocity
    terms = {
        "expression": weights.expression * diffusion.expression_loss(x0, truth),
        "lips": weights.lips * diffusion.lip_loss(x0, truth),
        "velocity": velocity * diffusion.velocity_loss(x0, truth),
    }
    if weights.axes:
        terms["axes"] = weights.axes * diffusion.axes_loss(x0, truth, units.std, velocity)
    if stage.closing:
        closing = diffusion.closing_loss(x0, truth, units.mean, units.std)
        terms["closing"] = stage.closing * closing
    return terms


def teacher_objective(stage: Stage, config: Config) -> Objective:
    """L_exp + L_lip + L_vel of x0 at a random step of the stage's own schedule."""
    table = diffusion.alpha_bars(config.train_steps, stage.steps).float()

    def objective(talker: Talker, window: Window, draws: Draws) -> dict[str, Tensor]:
        n = draws.steps(stage.draws, stage.steps)
        eps = draws.noise(stage.draws, window.x0)
        window = repeat_draws(window, stage.draws)
        x_t = diffusion.diffuse(window.x0, eps, table.to(n.device)[n][:, None, None])
        row = diffusion.table_row(n, stage.steps, config.train_steps)
        assert isinstance(row, Tensor)
        x0, _ = talker.decoder(window.features, known_identity(talker, window, config), row, x_t)
        return supervised_terms(x0, window.x0, window.seen, stage, config, talker)

    return objective


def with_sampling(objective: Objective, stage: Stage, config: Config) -> Objective:
    """`objective`, and the same losses where the sampler itself goes. Ours, not the paper's.

    At a random step x_t holds the true face, and the network learns to read it there; in sampling
    x_t holds nothing but its own guesses. `stage.start` weights the losses of the sampler's first
    prediction, from x_T alone: of a curve whose noise is scaled by 0 not even that is given, so
    what it knows of the lips, it has heard. `stage.rollout` weights those of a random later step of
    the sampler's own course, of the curves whose noise is scaled by 0: for the others the truth
    does not follow from the noise, and to ask for it there would leave all seeds one face.
    """
    steps = stage.steps
    scale = torch.from_numpy(noise_factors(config))
    settled = scale == 0.0
    table = diffusion.alpha_bars(config.train_steps, steps).float()

    def whole(talker: Talker, window: Window, draws: Draws) -> dict[str, Tensor]:
        terms = objective(talker, window, draws)
        device = window.x0.device
        identity = known_identity(talker, window, config)

        def predict(x: Tensor, n: int) -> Tensor:
            row = diffusion.table_row(n, steps, config.train_steps)
            rows = torch.full((len(x),), int(row), device=device)
            x0, _ = talker.decoder(window.features, identity, rows, x)
            return torch.as_tensor(x0)

        x = draws.noise(1, window.x0) * scale.to(device)
        if stage.start:
            first = predict(x, steps)
            losses = supervised_terms(first, window.x0, window.seen, stage, config, talker)
            terms["start"] = stage.start * torch.stack([*losses.values()]).sum()
        if stage.rollout:
            until = draws.step(steps - 1)
            with torch.no_grad():
                abar = table.to(device)
                for n in range(steps, until, -1):
                    x = diffusion.ddim_step(x, predict(x, n), abar[n], abar[n - 1])
            x0 = predict(x, until)
            truth = torch.where(settled.to(device), window.x0, x0.detach())
            losses = supervised_terms(x0, truth, window.seen, stage, config, talker)
            terms["rollout"] = stage.rollout * torch.stack([*losses.values()]).sum()
        return terms

    return whole


def regression_objective(stage: Stage, config: Config) -> Objective:
    """The same losses of a prediction from audio and identity alone: x_t is zero, one step."""
    last = diffusion.table_row(1, 1, config.train_steps)

    def objective(talker: Talker, window: Window, draws: Draws) -> dict[str, Tensor]:
        row = torch.full((len(window.x0),), int(last), device=window.x0.device)
        identity = known_identity(talker, window, config)
        x0, _ = talker.decoder(window.features, identity, row, torch.zeros_like(window.x0))
        return supervised_terms(x0, window.x0, window.seen, stage, config, talker)

    return objective
