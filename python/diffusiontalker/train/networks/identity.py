"""The identity library's contrast loss and matching (the paper's personalisation)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

#: Half a second at 60 fps: windows with less speech say too little about a voice.
LEAST_VOICED_FRAMES = 30


def pool(audio: Tensor, voiced: Tensor) -> Tensor:
    """Mean of audio features (B, F, A) over voiced frames (B, F); zero voiced frames give 0."""
    weight = voiced.to(audio.dtype)[..., None]
    return (audio * weight).sum(dim=1) / weight.sum(dim=1).clamp(min=1.0)


def match_logits(pooled: Tensor, library: Tensor, temperature: float) -> Tensor:
    """(B, S) cosine similarities over temperature; pooled (B, A) has its mean subtracted."""
    a = functional.normalize(pooled, dim=-1)
    g = functional.normalize(library, dim=-1)
    return a @ g.T / temperature


def contrast_loss(
    pooled: Tensor, library: Tensor, speaker: Tensor, voiced: Tensor, temperature: float
) -> Tensor:
    """L_con: cross-entropy over the whole library, for windows with half a second of speech.

    `voiced` (B,) counts voiced frames. Returns 0 when no window qualifies.
    """
    enough = voiced >= LEAST_VOICED_FRAMES
    if not bool(enough.any()):
        return pooled.sum() * 0.0
    logits = match_logits(pooled[enough], library, temperature)
    return functional.cross_entropy(logits, speaker[enough])


def matched(pooled: Tensor, library: Tensor) -> Tensor:
    """(B,) the library row of largest cosine, as the runtime decides it."""
    return torch.argmax(match_logits(pooled, library, 1.0), dim=-1)
