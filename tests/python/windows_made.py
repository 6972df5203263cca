"""A window of training made at random, and what is drawn for it."""

from __future__ import annotations

import torch

from diffusiontalker.train.stages.windows import Draws, Window


def window(windows: int = 6, frames: int = 30) -> Window:
    """Of two speakers in turn, the features of the tiny configuration."""
    generator = torch.Generator().manual_seed(5)
    return Window(
        mel=torch.zeros(windows, 60, 80),
        features=torch.randn(windows, frames, 32, generator=generator),
        x0=torch.randn(windows, frames, 52, generator=generator),
        seen=torch.ones(windows, frames, 52, dtype=torch.bool),
        voiced=torch.ones(windows, frames, dtype=torch.bool),
        speaker=torch.arange(windows) % 2,
        tokens=None,
    )


def draws(seed: int = 1) -> Draws:
    return Draws(torch.Generator().manual_seed(seed), 6, slice(0, 6), torch.device("cpu"))
