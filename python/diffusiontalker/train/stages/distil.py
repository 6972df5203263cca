"""Progressive distillation: a student learns to do two of its teacher's steps in one."""

from __future__ import annotations

import copy

import torch
from torch import Tensor

from ..config import Config, Stage
from ..networks import diffusion
from ..networks.model import Talker
from .teacher import known_identity, repeat_draws, supervised_terms
from .windows import Draws, Objective, Window


def student_objective(teacher: Talker, stage: Stage, config: Config) -> Objective:
    """L_stu = the teacher's losses + 0.1 L_dis; `teacher` samples in 2 x stage.steps steps.

    The teacher is copied as it stands; the student's own weights may start from it.
    """
    frozen = copy.deepcopy(teacher).eval().requires_grad_(False)
    device = frozen.mean.device
    abar_teacher = diffusion.alpha_bars(config.train_steps, 2 * stage.steps).to(device)
    abar_student = diffusion.alpha_bars(config.train_steps, stage.steps).to(device)

    def objective(talker: Talker, window: Window, draws: Draws) -> dict[str, Tensor]:
        n = draws.steps(stage.draws, stage.steps)
        eps = draws.noise(stage.draws, window.x0)
        window = repeat_draws(window, stage.draws)
        z_t = diffusion.diffuse(window.x0, eps, abar_student[n].float()[:, None, None])

        with torch.no_grad():
            frozen_identity = known_identity(frozen, window, config)
            heard = window.features
            # The student's encoder moves away from the teacher's.
            if stage.train_encoder or stage.train_context:
                heard = frozen.features(window.mel, window.x0.shape[1], window.tokens)

            def predict(z: Tensor, index: Tensor) -> Tensor:
                row = diffusion.table_row(index, 2 * stage.steps, config.train_steps)
                x0, _ = frozen.decoder(heard, frozen_identity, row, z)
                return torch.as_tensor(x0)

            target = diffusion.distillation_target(predict, z_t, n, abar_teacher)

        row = diffusion.table_row(n, stage.steps, config.train_steps)
        x0, _ = talker.decoder(window.features, known_identity(talker, window, config), row, z_t)
        terms = supervised_terms(x0, window.x0, window.seen, stage, config, talker)
        weight = diffusion.distillation_weight(n, abar_student)
        terms["distillation"] = config.losses.distillation * diffusion.distillation_loss(
            x0, target, weight
        )
        return terms

    return objective
