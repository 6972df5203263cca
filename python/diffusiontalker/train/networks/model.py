"""The talker in torch: causal audio encoder, identity encoder, GRU denoiser (docs/bundle.md).

Names of modules are the tensor names of the bundle, so that export is a plain copy.
"""

from __future__ import annotations

from fractions import Fraction

import torch
from torch import Tensor, nn
from torch.nn import functional

from ...curves import CURVES
from ..clock import column_positions
from ..config import Config, ContextConfig
from .context import BANDS, Context, hold
from .recurrence import Gru

IDENTITY_DIM = 32


class CausalConv(nn.Conv1d):
    """A convolution that sees the present column and columns before it; outside is zero."""

    def forward(self, x: Tensor) -> Tensor:  # (batch, channels, columns)
        reach = (self.kernel_size[0] - 1) * self.dilation[0]
        out: Tensor = super().forward(functional.pad(x, (reach, 0)))
        return out


class Mix(nn.Linear):
    """A 1x1 convolution, stored as the matrix that it is."""


class EncoderBlock(nn.Module):
    def __init__(self, channels: int, dilation: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(channels)
        self.conv = CausalConv(channels, channels, 3, dilation=dilation)
        self.mix = Mix(channels, channels)

    def forward(self, h: Tensor) -> Tensor:  # (batch, columns, channels)
        y = self.conv(self.norm(h).transpose(1, 2)).transpose(1, 2)
        out: Tensor = h + self.mix(functional.relu(y))
        return out


class AudioEncoder(nn.Module):
    """Log-mel (batch, columns, 80) -> features (batch, columns, channels), both at 100 Hz.

    Tokens of a context, or of a frozen encoder outside (frozen.py), `frozen_width` wide, are mixed
    into the columns that can hear them.
    """

    def __init__(
        self,
        channels: int,
        dilations: tuple[int, ...],
        context: ContextConfig | None = None,
        frozen_width: int = 0,
    ) -> None:
        super().__init__()
        self.input = CausalConv(BANDS, channels, 3)
        self.blocks = nn.ModuleList([EncoderBlock(channels, d) for d in dilations])
        self.norm = nn.LayerNorm(channels)
        self.context = Context(context) if context else None
        width = context.width if context else frozen_width
        self.mix = nn.Linear(width, channels, bias=False) if width else None

    def forward(self, mel: Tensor, tokens: Tensor | None = None) -> Tensor:
        """`tokens` (batch, n, width) of this mel: a context can make them itself.

        Raises ValueError where they are those of a frozen encoder and are not given.
        """
        h = functional.relu(self.input(mel.transpose(1, 2))).transpose(1, 2)
        for block in self.blocks:
            h = block(h)
        if self.mix is not None:
            if tokens is None:
                if self.context is None:
                    raise ValueError("this talker reads a frozen encoder: it needs its tokens")
                tokens = self.context(mel)
            h = h + self.mix(hold(tokens, mel.shape[1]))
        features: Tensor = self.norm(h)
        return features


class IdentityEncoder(nn.Module):
    """The library of speakers: learnable 32-d embeddings and the MLP that lifts them to G."""

    pooled_mean: Tensor
    #: (speakers, audio_dim) rows of their own that voices are matched with (keys.py); None: G's
    keys: Tensor | None

    def __init__(self, speakers: int, hidden: int, audio_dim: int) -> None:
        super().__init__()
        self.embeddings = nn.Parameter(torch.randn(speakers, IDENTITY_DIM))
        self.mlp = nn.Sequential(
            nn.Linear(IDENTITY_DIM, hidden), nn.ReLU(), nn.Linear(hidden, audio_dim)
        )
        self.register_buffer("pooled_mean", torch.zeros(audio_dim))
        self.register_buffer("keys", None)

    def forward(self) -> Tensor:
        """G, (speakers, audio_dim)."""
        features: Tensor = self.mlp(self.embeddings)
        return features

    def matching(self) -> Tensor:
        """What voices are compared with, (speakers, audio_dim)."""
        return self() if self.keys is None else self.keys


class Denoiser(nn.Module):
    """concat(audio, identity, step, x_t) -> 2-layer GRU -> x0 prediction, standardised units."""

    def __init__(
        self, audio_dim: int, train_steps: int, step_dim: int, hidden: int, layers: int
    ) -> None:
        super().__init__()
        curves = len(CURVES)
        self.steps = nn.Embedding(train_steps, step_dim)
        self.gru = Gru(2 * audio_dim + step_dim + curves, hidden, layers)
        self.head = nn.Linear(hidden, curves)

    def forward(
        self, audio: Tensor, identity: Tensor, row: Tensor, x: Tensor, state: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """audio (B, F, A), identity (B, A), row (B,) of the step table, x (B, F, 52).

        Returns x0 (B, F, 52) and the GRU state (layers, B, hidden) after the last frame.
        """
        frames = x.shape[1]
        fixed = torch.cat([identity, self.steps(row)], dim=-1)[:, None].expand(-1, frames, -1)
        u = torch.cat([audio, fixed, x], dim=-1)
        # The order of u's columns is audio, identity, step, x_t: the runtime splits them there.
        hidden, state = self.gru(u, state)
        x0: Tensor = self.head(hidden)
        return x0, state


class Talker(nn.Module):
    """Everything that the bundle holds."""

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        *,
        speakers: int,
        channels: int = 128,
        dilations: tuple[int, ...] = (1, 2, 4, 8, 16, 32),
        lookahead_columns: int = 4,
        train_steps: int = 32,
        step_dim: int = 64,
        hidden: int = 256,
        layers: int = 2,
        identity_hidden: int = 64,
        rate: Fraction = Fraction(60),
        context: ContextConfig | None = None,
        frozen_width: int = 0,
    ) -> None:
        super().__init__()
        self.encoder = AudioEncoder(channels, dilations, context, frozen_width)
        self.identity = IdentityEncoder(speakers, identity_hidden, channels)
        self.decoder = Denoiser(channels, train_steps, step_dim, hidden, layers)
        self.register_buffer("mean", torch.zeros(len(CURVES)))
        self.register_buffer("std", torch.ones(len(CURVES)))
        self.rate = rate
        self.lookahead_columns = lookahead_columns

    def features(self, mel: Tensor, frames: int, tokens: Tensor | None = None) -> Tensor:
        """Audio features a_f (batch, frames, A) of frames 0.. of mel (batch, columns, 80)."""
        return at_frames(self.encoder(mel, tokens), frames, self.rate, self.lookahead_columns)


def at_frames(e: Tensor, frames: int, rate: Fraction, lookahead_columns: int) -> Tensor:
    """Encoder output (batch, columns, A) at motion frames: frame f reads the position
    p_f = 100 f / rate + lookahead, between two columns linearly."""
    columns, shares = column_positions(frames, rate, lookahead_columns)
    index = torch.from_numpy(columns).to(e.device)
    share = torch.from_numpy(shares).to(e)
    after = torch.where(share > 0, index + 1, index)
    return e[:, index] * (1 - share)[:, None] + e[:, after] * share[:, None]


def build(config: Config, speakers: list[str]) -> Talker:
    """A fresh talker, initialised from the configuration's seed alone."""
    with torch.random.fork_rng():
        torch.manual_seed(config.seed)
        talker = Talker(
            speakers=len(speakers),
            channels=config.encoder.channels,
            dilations=tuple(config.encoder.dilations),
            lookahead_columns=config.encoder.lookahead_columns,
            train_steps=config.train_steps,
            step_dim=config.decoder.step_dim,
            hidden=config.decoder.hidden,
            layers=config.decoder.layers,
            identity_hidden=config.decoder.identity_hidden,
            rate=config.rate,
            context=config.context,
            frozen_width=config.encoder.frozen.width if config.encoder.frozen.kind else 0,
        )
    if not config.identity:
        # Weights that meet zeros in training never move; at zero, they stay deaf afterwards too.
        audio_dim = config.encoder.channels
        inputs = talker.decoder.gru.get_parameter("weight_ih_l0")
        inputs.data[:, audio_dim : 2 * audio_dim] = 0.0
    return talker
