"""A batch in the model's units, and everything random that one step of training draws for it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from ..data.streams import Batch
from ..networks.model import Talker


@dataclass(frozen=True)
class Window:
    """A batch in the model's units."""

    mel: Tensor  # (B, columns, 80)
    features: Tensor  # (B, F, A)
    x0: Tensor  # (B, F, 52), standardised; 0 where nobody saw
    seen: Tensor  # (B, F, 52): curves that were measured or performed, and count
    voiced: Tensor  # (B, F)
    speaker: Tensor  # (B,)
    #: (B, n, width): of a context or frozen encoder that does not train, so far
    tokens: Tensor | None


@dataclass(frozen=True)
class Draws:
    """Everything random in one step, drawn for the whole batch; a process keeps its own rows.

    So a batch that is shared out meets the noise that it would meet in one process.
    """

    generator: torch.Generator
    whole: int  # windows of the batch, all processes together
    rows: slice  # those of this process
    device: torch.device

    def _own(self, drawn: Tensor, draws: int) -> Tensor:
        each = drawn.view(draws, self.whole, *drawn.shape[1:])[:, self.rows]
        return each.reshape(-1, *drawn.shape[1:]).to(self.device)

    def steps(self, draws: int, steps: int) -> Tensor:
        """(draws x own rows,) steps 1..steps."""
        return self._own(draw_steps(draws * self.whole, steps, self.generator), draws)

    def step(self, steps: int) -> int:
        """One step 1..steps for all windows of the batch."""
        return int(torch.randint(1, steps + 1, (1,), generator=self.generator))

    def chance(self, likely: Tensor) -> Tensor:
        """(own rows,) true as often as `likely` (own rows,) says."""
        return self._own(torch.rand(self.whole, generator=self.generator), 1) < likely

    def kept(self, share: float, like: Tensor) -> Tensor:
        """(own rows, 1, A): 0 for that share of the channels, else 1 / (1 - share).

        One draw for all of a window's frames: what differs from frame to frame averages out in a
        recurrent network, and teaches it to lag.
        """
        drawn = torch.rand((self.whole, 1, like.shape[-1]), generator=self.generator)
        return self._own((drawn >= share).float() / (1.0 - share), 1)

    def noise(self, draws: int, like: Tensor) -> Tensor:
        """(draws x own rows, F, 52) of normal noise; `like` (own rows, F, 52) gives the shape."""
        shape = (draws * self.whole, *like.shape[1:])
        return self._own(torch.randn(shape, generator=self.generator), draws)


#: What a stage minimises: (talker, window, draws) -> named loss terms, already weighted.
Objective = Callable[[Talker, Window, Draws], dict[str, Tensor]]


def draw_steps(count: int, steps: int, generator: torch.Generator) -> Tensor:
    """(count,) steps 1..steps, spread evenly over the range so that few draws cover it."""
    offset = torch.rand(1, generator=generator)
    order = torch.randperm(count, generator=generator)
    return ((order + offset) / count * steps).long().clamp(max=steps - 1) + 1


def to_window(
    talker: Talker, batch: Batch, train_encoder: bool, train_context: bool = False
) -> Window:
    """With `train_context` the context hears each window afresh, as the start of a stream."""
    device = talker.mean.device
    frames = batch.curves.shape[1]
    mel = torch.from_numpy(batch.mel).to(device)
    tokens = None
    if talker.encoder.mix is not None and not train_context:
        tokens = torch.from_numpy(batch.tokens).to(device)
    with torch.set_grad_enabled(train_encoder or train_context):
        features = talker.features(mel, frames, tokens)
    x0 = (torch.from_numpy(batch.curves).to(device) - talker.mean) / talker.std
    seen = ~x0.isnan()
    x0 = torch.where(seen, x0, torch.zeros_like(x0))
    voiced, speaker = torch.from_numpy(batch.voiced), torch.from_numpy(batch.speaker)
    return Window(mel, features, x0, seen, voiced.to(device), speaker.to(device), tokens)


def rows_of(batch: Batch, rows: slice) -> Batch:
    """Some rows of every array of a batch."""
    each = {field.name: getattr(batch, field.name) for field in dataclasses.fields(batch)}
    return Batch(**{name: array[rows] for name, array in each.items()})
