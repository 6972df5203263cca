"""Schedule, sampler, losses and the distillation target, in the paper's symbols.

Chen et al., "DiffusionTalker", arXiv 2311.16565v2, whose equation 1 drops the bar over alpha and
whose equations 8, 9 and 16 are corrected here after Salimans & Ho 2022 ("Progressive
distillation for fast sampling of diffusion models"). The schedule's scale is this project's own:
with the usual 1e-4..0.02 over 32 steps the last step would still be far from noise.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from ...curves import LIPS, indices
from .. import lip_axes

LIP_INDEX = indices(LIPS)
SHUT_GAP = 1.0  # gap of the lips, in its spreads, from which they no longer count as shut

#: T(z, n) -> x0: the network at step n of its own schedule.
Network = Callable[[Tensor, int], Tensor]


def alpha_bars(train_steps: int, sample_steps: int | None = None) -> Tensor:
    """abar_0..abar_K in float64; abar_0 = 1 (clean). K steps are taken out of the T = 32 table.

    beta = linspace(0.1/T, 20/T, T); the K-step schedule keeps every (T/K)-th abar.
    """
    beta = torch.linspace(0.1 / train_steps, 20.0 / train_steps, train_steps, dtype=torch.float64)
    if (beta >= 1).any():
        raise ValueError(f"{train_steps} steps: beta reaches {float(beta.max()):.2f}; at least 21")
    abar = torch.cat([torch.ones(1, dtype=torch.float64), torch.cumprod(1 - beta, dim=0)])
    stride = train_steps // (sample_steps or train_steps)
    if sample_steps and train_steps % sample_steps:
        raise ValueError(f"{sample_steps} steps do not divide {train_steps}")
    return abar[::stride]


def table_row(n: Tensor | int, sample_steps: int, train_steps: int) -> Tensor | int:
    """Row (0-based) of the step table that step n (1..K) of a K-step sampler looks up."""
    return n * (train_steps // sample_steps) - 1


def diffuse(x0: Tensor, eps: Tensor, abar: Tensor) -> Tensor:
    """Eq. 1: x_t = sqrt(abar_t) x0 + sqrt(1 - abar_t) eps."""
    return abar.sqrt() * x0 + (1 - abar).sqrt() * eps


def ddim_step(x: Tensor, x0: Tensor, abar_t: Tensor, abar_s: Tensor) -> Tensor:
    """x_t and the network's x0 -> x_s, deterministic (eta = 0)."""
    eps = (x - abar_t.sqrt() * x0) / (1 - abar_t).sqrt()
    return abar_s.sqrt() * x0 + (1 - abar_s).sqrt() * eps


def sample(network: Network, noise: Tensor, abar: Tensor) -> Tensor:
    """x_K = noise -> x0 by K DDIM steps; abar is abar_0..abar_K."""
    x = noise
    abar = abar.to(noise.dtype)
    for n in range(len(abar) - 1, 0, -1):
        x0 = network(x, n)
        x = x0 if n == 1 else ddim_step(x, x0, abar[n], abar[n - 1])
    return x


def distillation_target(
    teacher: Callable[[Tensor, Tensor], Tensor], z_t: Tensor, n: Tensor, abar: Tensor
) -> Tensor:
    """Where two teacher steps lead from z_t, said as an x0 for one student step.

    teacher(z, index) predicts x0; abar is the teacher's (abar_0 = 1); n (B,) are student steps,
    z_t (B, F, 52) lies at teacher index t = 2n. Salimans & Ho 2022, appendix G.
    """
    alpha, sigma = abar.sqrt().to(z_t.dtype), (1 - abar).sqrt().to(z_t.dtype)

    def at(table: Tensor, index: Tensor) -> Tensor:
        return table[index][:, None, None]

    t, m, s = 2 * n, 2 * n - 1, 2 * n - 2
    x1 = teacher(z_t, t)
    z_m = at(alpha, m) * x1 + at(sigma, m) / at(sigma, t) * (z_t - at(alpha, t) * x1)
    x2 = teacher(z_m, m)
    z_s = at(alpha, s) * x2 + at(sigma, s) / at(sigma, m) * (z_m - at(alpha, m) * x2)
    ratio = at(sigma, s) / at(sigma, t)
    target = (z_s - ratio * z_t) / (at(alpha, s) - ratio * at(alpha, t))
    # At n = 1 sigma_s is 0 and the formula reduces to x2; saying so avoids rounding.
    return torch.where(n[:, None, None] == 1, x2, target)


def distillation_weight(n: Tensor, abar_student: Tensor) -> Tensor:
    """max(alpha_t^2 / sigma_t^2, 1), the truncated signal-to-noise weight, (B,)."""
    abar_t = abar_student[n]
    return torch.clamp(abar_t / (1 - abar_t), min=1.0)


def expression_loss(x0: Tensor, truth: Tensor) -> Tensor:
    """L_exp: squared error, mean over batch, frames and curves."""
    return (x0 - truth).square().mean()


def lip_loss(x0: Tensor, truth: Tensor) -> Tensor:
    """L_lip: the same over the jaw and mouth curves."""
    return (x0 - truth)[..., LIP_INDEX].square().mean()


def axes_loss(x0: Tensor, truth: Tensor, std: Tensor, velocity: float = 0.0) -> Tensor:
    """Squared error of the lips' five axes (lip_axes.py), each over its spread, and `velocity`
    times that of their change from frame to frame. Ours: a curve counts for what a viewer sees of
    it, and so do curves that share a movement. `std` (52,) brings back the curves' own units."""
    axes = torch.from_numpy(lip_axes.matrix() / np.array(lip_axes.SPREAD, np.float32))
    error = ((x0 - truth) * std) @ axes.to(x0)
    change = error[:, 1:] - error[:, :-1]
    return error.square().mean() + velocity * change.square().mean()


def closing_loss(x0: Tensor, truth: Tensor, mean: Tensor, std: Tensor) -> Tensor:
    """Squared gap between the lips beyond the true one, over its spread, where the true lips meet
    or nearly do. Ours: a mean over what the sound leaves open never quite shuts. `mean` and `std`
    (52,) bring back the curves' own units."""
    gap = torch.from_numpy(lip_axes.matrix()[:, 0] / np.float32(lip_axes.SPREAD[0])).to(x0)
    true = (truth * std + mean) @ gap
    beyond = ((x0 - truth) * std) @ gap
    shut = (1.0 - true / SHUT_GAP).clamp(0.0, 1.0)
    return (shut * beyond.clamp(min=0.0).square()).mean()


def velocity_loss(x0: Tensor, truth: Tensor) -> Tensor:
    """L_vel: squared error of the frame-to-frame change."""
    error = x0 - truth
    return (error[:, 1:] - error[:, :-1]).square().mean()


def distillation_loss(x0: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    """L_dis (eq. 16, with its square): weighted squared distance to the two teacher steps."""
    return (weight.to(x0.dtype)[:, None, None] * (target - x0).square()).mean()
