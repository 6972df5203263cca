"""Progressive distillation: a student learns to do two of its teacher's steps in one."""

from __future__ import annotations

import copy

import torch
from torch import Tensor

from . import diffusion
from .config import Config, Stage
from .fit import Objective, Window, draw_steps
from .model import Talker
from .teacher import repeat_draws, supervised_terms


def student_objective(teacher: Talker, stage: Stage, config: Config) -> Objective:
    """L_stu = the teacher's losses + 0.1 L_dis; `teacher` samples in 2 x stage.steps steps.

    The teacher is copied as it stands; the student's own weights may start from it.
    """
    frozen = copy.deepcopy(teacher).eval().requires_grad_(False)
    abar_teacher = diffusion.alpha_bars(config.train_steps, 2 * stage.steps)
    abar_student = diffusion.alpha_bars(config.train_steps, stage.steps)

    def objective(talker: Talker, window: Window, generator: torch.Generator) -> dict[str, Tensor]:
        window = repeat_draws(window, stage.draws)
        n = draw_steps(len(window.x0), stage.steps, generator)
        eps = torch.randn(window.x0.shape, generator=generator)
        z_t = diffusion.diffuse(window.x0, eps, abar_student[n].float()[:, None, None])

        with torch.no_grad():
            known_identity = frozen.identity()[window.speaker]
            heard = window.features
            if stage.train_encoder:  # the student's encoder moves away from the teacher's
                heard = frozen.features(window.mel, window.x0.shape[1], window.tokens)

            def predict(z: Tensor, index: Tensor) -> Tensor:
                row = diffusion.table_row(index, 2 * stage.steps, config.train_steps)
                x0, _ = frozen.decoder(heard, known_identity, row, z)
                return torch.as_tensor(x0)

            target = diffusion.distillation_target(predict, z_t, n, abar_teacher)

        row = diffusion.table_row(n, stage.steps, config.train_steps)
        x0, _ = talker.decoder(window.features, talker.identity()[window.speaker], row, z_t)
        terms = supervised_terms(x0, window.x0, stage, config)
        weight = diffusion.distillation_weight(n, abar_student)
        terms["distillation"] = config.losses.distillation * diffusion.distillation_loss(
            x0, target, weight
        )
        return terms

    return objective
