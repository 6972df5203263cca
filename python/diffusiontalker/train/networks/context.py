"""Whisper's audio encoder, and a copy of it that hears only the past (docs/bundle.md).

The unmasked encoder (Radford et al. 2022) is the teacher of `listen.py`; the causal copy, the
*context*, starts from the same weights and becomes part of the talker's audio encoder. Both read
the runtime's log-mel, which is Whisper's with a fixed reference in place of a clip's maximum.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from ..clock import COLUMNS_A_TOKEN
from ..config import ContextConfig

BANDS = 80
LAYERS = ContextConfig.layers  # of Whisper tiny


class ContextLayer(nn.Module):
    """Pre-norm self-attention and feed-forward, as in Whisper, with a bias by distance."""

    def __init__(self, shape: ContextConfig) -> None:
        super().__init__()
        self.heads = shape.heads
        self.attention_norm = nn.LayerNorm(shape.width)
        self.qkv = nn.Linear(shape.width, 3 * shape.width)
        self.distance = nn.Parameter(torch.zeros(shape.heads, shape.window))
        self.out = nn.Linear(shape.width, shape.width)
        self.mlp_norm = nn.LayerNorm(shape.width)
        self.fc1 = nn.Linear(shape.width, shape.hidden)
        self.fc2 = nn.Linear(shape.hidden, shape.width)

    def forward(self, h: Tensor, causal: bool = True) -> Tensor:
        """(batch, tokens, width) -> the same shape; not causal: every token sees every other."""
        batch, tokens, width = h.shape
        q, k, v = (
            part.view(batch, tokens, self.heads, -1).transpose(1, 2)
            for part in self.qkv(self.attention_norm(h)).chunk(3, dim=-1)
        )
        if causal:
            heard = attend_back(q, k, v, self.distance)
        else:
            heard = functional.scaled_dot_product_attention(q, k, v)
        h = h + self.out(heard.transpose(1, 2).reshape(batch, tokens, width))
        out: Tensor = h + self.fc2(functional.gelu(self.fc1(self.mlp_norm(h))))
        return out


def attend_back(q: Tensor, k: Tensor, v: Tensor, distance: Tensor) -> Tensor:
    """Attention of (batch, heads, tokens, d) to the newest `window` tokens, with a bias by distance
    (heads, window).

    In blocks of a window's length, each of which sees itself and the one before it: an attention of
    all to all would spend most of its products on what the window leaves out.
    """
    batch, heads, tokens, d = q.shape
    window = distance.shape[1]
    blocks = -(-tokens // window)
    after = blocks * window - tokens
    q = functional.pad(q, (0, 0, 0, after)).view(batch, heads, blocks, window, d)
    # (batch, heads, blocks, 2 window, d)
    k, v = (_with_block_before(functional.pad(x, (0, 0, window, after)), window) for x in (k, v))
    to = torch.arange(2 * window, device=q.device)
    back = torch.arange(window, device=q.device)[:, None] + window - to
    seen = (back >= 0) & (back < window)
    there = torch.arange(blocks, device=q.device)[:, None, None] * window + to >= window
    bias = distance[:, back.clamp(0, window - 1)][:, None].masked_fill(~(seen & there), -math.inf)
    weights = torch.softmax(torch.matmul(q * d**-0.5, k.transpose(-1, -2)) + bias, dim=-1)
    heard = torch.matmul(weights.to(v.dtype), v)
    return heard.view(batch, heads, blocks * window, d)[:, :, :tokens]


def _with_block_before(x: Tensor, size: int) -> Tensor:
    """(batch, heads, (n + 1) size, d) -> (batch, heads, n, 2 size, d)."""
    blocks = x.view(*x.shape[:2], -1, size, x.shape[3])
    return torch.cat([blocks[:, :, :-1], blocks[:, :, 1:]], dim=3)


class Context(nn.Module):
    """Log-mel (batch, columns, 80) at 100 Hz -> tokens (batch, n, width) at 50 Hz.

    Token i needs columns up to 2 i + 2 and no later one; there is no absolute position, so that a
    stream never runs out of them.
    """

    def __init__(self, shape: ContextConfig) -> None:
        super().__init__()
        self.conv1 = nn.Conv1d(BANDS, shape.width, 3)
        self.conv2 = nn.Conv1d(shape.width, shape.width, 3, stride=COLUMNS_A_TOKEN)
        self.position = nn.Parameter(torch.zeros(shape.width))
        self.layers = nn.ModuleList([ContextLayer(shape) for _ in range(shape.layers)])
        self.norm = nn.LayerNorm(shape.width)

    def between(self, mel: Tensor) -> Tensor:
        """What the second convolution meets, (batch, width, 1 + columns)."""
        h = functional.gelu(self.conv1(functional.pad(mel.transpose(1, 2), (1, 0))))
        return functional.pad(h, (1, 0))

    def enter(self, mel: Tensor) -> Tensor:
        """What the first layer meets, (batch, n, width)."""
        return functional.gelu(self.conv2(self.between(mel))).transpose(1, 2) + self.position

    def forward(self, mel: Tensor) -> Tensor:
        h = self.enter(mel)
        for layer in self.layers:
            h = layer(h)
        tokens: Tensor = self.norm(h)
        return tokens


def hold(tokens: Tensor, columns: int) -> Tensor:
    """Tokens (batch, n, width) as mel columns 0.. hear them, (batch, columns, width).

    Column c hears the newest token that the columns up to c allow, floor((c - 2) / 2); the first
    two hear none, which is zero.
    """
    rows = functional.pad(tokens, (0, 0, 1, 0))
    return rows.repeat_interleave(COLUMNS_A_TOKEN, dim=1)[:, :columns]


class Whisper(nn.Module):
    """The encoder of Whisper tiny as it was published: whole clips, up to 30 s."""

    position: Tensor

    def __init__(self, shape: ContextConfig) -> None:
        super().__init__()
        self.trunk = Context(shape)
        self.register_buffer("position", torch.zeros(1500, shape.width))

    def forward(self, mel: Tensor, layers: int = LAYERS) -> Tensor:
        """(batch, columns, 80) -> (batch, ceil(columns / 2), width), every token hears all.

        With fewer layers than all, the hidden state after so many, which is not normalised.
        """
        trunk = self.trunk
        h = functional.gelu(trunk.conv1(functional.pad(mel.transpose(1, 2), (1, 1))))
        h = functional.gelu(trunk.conv2(functional.pad(h, (1, 1)))).transpose(1, 2)
        h = h + self.position[: h.shape[1]]
        for layer in list(trunk.layers)[:layers]:
            h = layer(h, causal=False)
        features: Tensor = trunk.norm(h) if layers == LAYERS else h
        return features


def causal_copy(whisper: Whisper, shape: ContextConfig) -> Context:
    """A context of Whisper's first layers, to be tuned by `listen.py`.

    Absolute positions give way to their mean over the first three seconds.
    """
    if shape.layers > LAYERS:
        raise ValueError(f"encoder.context.layers: at most {LAYERS}, got {shape.layers}")
    context = Context(shape)
    own = context.state_dict()
    given = whisper.trunk.state_dict()
    state = {n: own[n] if n.endswith("distance") else given[n].clone() for n in own}
    state["position"] = whisper.position[:150].mean(dim=0)
    context.load_state_dict(state)
    return context
