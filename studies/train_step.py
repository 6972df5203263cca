"""Question: what does a training step cost with our recurrence and attention, beside PyTorch's own?

    python studies/train_step.py [WINDOWS ...]

Forward and backward through a talker of the embedded model's shape with random weights, context
included, in bfloat16 on one core; windows of 300 frames. In turn with train/networks/recurrence.py
and `attend_back`, and with nn.GRU and attention of all tokens to all under a mask, ten times each;
medians, and their ratio.

Answer (2026-11-29, docs/training.md): 0.68 of the time at 8 windows, 0.76 at 16.
"""

from __future__ import annotations

import math
import statistics
import sys
import time
from fractions import Fraction
from unittest import mock

import torch
from rich.progress import track
from torch import Tensor, nn
from torch.nn import functional

from diffusiontalker.train.clock import columns_for
from diffusiontalker.train.config import ContextConfig
from diffusiontalker.train.networks import context, recurrence
from diffusiontalker.train.networks.model import Talker

FRAMES = 300
TIMES = 10


def attend_masked(q: Tensor, k: Tensor, v: Tensor, distance: Tensor) -> Tensor:
    at = torch.arange(q.shape[2])
    back = at[:, None] - at[None, :]
    window = distance.shape[1]
    bias = distance[:, back.clamp(0, window - 1)]
    mask = bias.masked_fill((back < 0) | (back >= window), -math.inf)
    return functional.scaled_dot_product_attention(q, k, v, attn_mask=mask)


def step(talker: Talker, mel: Tensor) -> None:
    windows = len(mel)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        heard = talker.features(mel, FRAMES)
        who = talker.identity()[torch.zeros(windows, dtype=torch.long)]
        row = torch.zeros(windows, dtype=torch.long)
        x0, _ = talker.decoder(heard, who, row, torch.zeros(windows, FRAMES, 52))
    x0.float().square().mean().backward()  # type: ignore[no-untyped-call]


def seconds(talker: Talker, mel: Tensor) -> float:
    start = time.perf_counter()
    step(talker, mel)
    return time.perf_counter() - start


def main() -> None:
    torch.set_num_threads(1)
    shape = ContextConfig(layers=2, width=384, heads=6, hidden=1536, window=64)
    talker = Talker(
        speakers=34, channels=128, dilations=(), lookahead_columns=2, hidden=256, context=shape
    )
    theirs = (
        mock.patch.object(recurrence.Gru, "forward", nn.GRU.forward),
        mock.patch.object(context, "attend_back", attend_masked),
    )
    for windows in [int(text) for text in sys.argv[1:]] or [8, 16]:
        mel = torch.randn(windows, columns_for(FRAMES, Fraction(60), 2), 80)
        ours_s, theirs_s = [], []
        for _ in track(range(TIMES + 1), f"{windows} windows"):
            ours_s.append(seconds(talker, mel))
            with theirs[0], theirs[1]:
                theirs_s.append(seconds(talker, mel))
        ours, torchs = statistics.median(ours_s[1:]), statistics.median(theirs_s[1:])
        print(
            f"{windows} windows: {ours:.3f} s, PyTorch's {torchs:.3f} s, ratio {ours / torchs:.2f}"
        )


if __name__ == "__main__":
    main()
