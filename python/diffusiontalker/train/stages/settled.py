"""What a sampler learns whose lips have no noise: to hear, and to better what it heard. Ours.

Where a curve's `noise_scale` is 0, x_T says nothing of it and later x_t hold nothing but the
sampler's own guesses, scaled down. Trained as in the paper (x_t holds the true face under noise)
the network learns to average x_t over the past, since that is how a causal reader takes noise out;
fed with its own smooth guesses it then comes late and moves too little. So here x_t holds what it
will hold: a DDIM jump from the network's own first prediction. The other curves do not follow from
their noise, so they learn from the truth under noise, as in the paper, in windows of their own:
beside true eyes and brows, lips would be read off those, which sampling does not have.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ..config import Config, Stage
from ..networks import diffusion
from ..networks.manifest import noise_factors
from ..networks.model import Talker
from .teacher import known_identity, supervised_terms
from .windows import Draws, Objective, Window


def settled_objective(stage: Stage, config: Config) -> Objective:
    """The losses of the first prediction, and of one at a random later step, half each."""
    steps = stage.steps
    scale = torch.from_numpy(noise_factors(config))
    settled = scale == 0.0
    table = diffusion.alpha_bars(config.train_steps, steps).float()

    def objective(talker: Talker, window: Window, draws: Draws) -> dict[str, Tensor]:
        device = window.x0.device
        identity = known_identity(talker, window, config)
        eps = draws.noise(1, window.x0)
        abar = table.to(device)

        def predict(x: Tensor, n: Tensor) -> Tensor:
            row = diffusion.table_row(n, steps, config.train_steps)
            assert isinstance(row, Tensor)
            x0, _ = talker.decoder(window.features, identity, row, x)
            return torch.as_tensor(x0)

        start = eps * scale.to(device)
        last = torch.full((len(eps),), steps, device=device)
        first = predict(start, last)
        n = draws.steps(1, steps - 1)
        at = abar[n][:, None, None]
        jumped = diffusion.ddim_step(start, first.detach(), abar[steps], at)
        # Every second row asks for the lips, beside a face as the sampler draws it, the others for
        # the rest, beside lips as it draws them.
        row = torch.arange(draws.rows.start, draws.rows.stop, device=device)
        lips = (row % 2 == 0)[:, None, None]
        ours = settled.to(device)
        x_n = torch.where(ours | lips, jumped, diffusion.diffuse(window.x0, eps, at))
        later = predict(x_n, n)
        asked = torch.where(ours == lips, window.x0, later.detach())
        terms: dict[str, Tensor] = {}
        for name, x0, truth, weight in (
            ("first", first, window.x0, 0.5),
            ("later", later, asked, 1.0),  # of which every row asks half
        ):
            losses = supervised_terms(x0, truth, window.seen, stage, config, talker)
            terms |= {f"{name}_{key}": weight * value for key, value in losses.items()}
        return terms

    return objective
