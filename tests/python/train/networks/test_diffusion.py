"""The schedule, the sampler and distillation's target, each held to its definition."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from diffusiontalker.train.networks import diffusion  # noqa: E402


def test_schedule_matches_the_published_numbers() -> None:
    abar = diffusion.alpha_bars(32, 8)[1:]
    expected = [0.873, 0.538, 0.227, 0.063, 0.0109, 1.1e-3, 6e-5, 2e-6]
    np.testing.assert_allclose(abar.numpy(), expected, rtol=0.2)
    assert diffusion.table_row(8, 8, 32) == 31
    assert diffusion.table_row(1, 16, 32) == 1
    with pytest.raises(ValueError, match="at least 21"):
        diffusion.alpha_bars(16)


def test_ddim_recovers_x0_from_a_perfect_network() -> None:
    x0 = torch.randn(2, 5, 52, dtype=torch.float64)
    abar = diffusion.alpha_bars(32, 8)
    seen: list[int] = []

    def perfect(x: torch.Tensor, n: int) -> torch.Tensor:
        seen.append(n)
        return x0

    out = diffusion.sample(perfect, torch.randn_like(x0), abar)
    assert seen == [8, 7, 6, 5, 4, 3, 2, 1]
    assert torch.equal(out, x0)


def test_ddim_step_stays_on_the_path_of_its_noise() -> None:
    abar = diffusion.alpha_bars(32, 16)
    x0, eps = torch.randn(2, 3, 4, 52, dtype=torch.float64)
    x_t = diffusion.diffuse(x0, eps, abar[9])
    x_s = diffusion.ddim_step(x_t, x0, abar[9], abar[8])
    torch.testing.assert_close(x_s, diffusion.diffuse(x0, eps, abar[8]))


def test_distillation_target_of_a_consistent_teacher_is_its_x0() -> None:
    abar = diffusion.alpha_bars(32, 16)
    x0 = torch.randn(8, 3, 52, dtype=torch.float64)
    eps = torch.randn_like(x0)
    n = torch.arange(1, 9)
    z_t = diffusion.diffuse(x0, eps, abar[2 * n][:, None, None])
    target = diffusion.distillation_target(lambda z, index: x0, z_t, n, abar)
    torch.testing.assert_close(target, x0)
    weight = diffusion.distillation_weight(n, diffusion.alpha_bars(32, 8))
    assert float(diffusion.distillation_loss(x0, target, weight)) < 1e-20
    assert float(weight.min()) == 1.0
    assert float(weight[0]) == pytest.approx(0.873 / 0.127, rel=0.02)


def test_distillation_target_is_two_ddim_steps_and_at_one_the_second() -> None:
    abar = diffusion.alpha_bars(32, 16)
    guess = torch.randn(17, 2, 52, dtype=torch.float64)
    z_t = torch.randn(8, 2, 52, dtype=torch.float64)
    n = torch.arange(1, 9)
    target = diffusion.distillation_target(lambda z, index: guess[index], z_t, n, abar)
    torch.testing.assert_close(target[0], guess[1])
    for i in range(1, 8):
        t = 2 * int(n[i])
        z_m = diffusion.ddim_step(z_t[i], guess[t], abar[t], abar[t - 1])
        z_s = diffusion.ddim_step(z_m, guess[t - 1], abar[t - 1], abar[t - 2])
        # One student step from z_t with this x0 must land where two teacher steps do.
        student = diffusion.ddim_step(z_t[i], target[i], abar[t], abar[t - 2])
        torch.testing.assert_close(student, z_s)
