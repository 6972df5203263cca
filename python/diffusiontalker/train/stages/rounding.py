"""The context's weights in 4 bits, rounded so that what it hears changes least.

A weight that is rounded up leaves an error in its row's sum, which weights that are not rounded yet
can take back where their inputs go along with its own. So the columns are rounded one after
another, and each one's error is taken out of those still to come, through the Cholesky factor of
the inverse of the inputs' second moments (Frantar et al. 2022, "GPTQ"). Ours: the scales, by a
search over how far a row's largest weights are cut off, and again by least squares in the end.

The runtime keeps matrices whose int8 values all lie in -8..7 two to a byte and fetches half the
bytes, which is what a context's time goes into frame by frame (cpp/src/kernels/matrix.h).
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ...bundle.int8 import SCALE
from ..config import Config, ConfigError
from ..corpora import Recording
from ..data.streams import some_mels
from ..networks.context import Context, ContextLayer

#: Of a layer, in the order in which a token meets them. Before all layers comes the second
#: convolution; the first, which is small, keeps 8 bits.
MATRICES = ("qkv", "out", "fc1", "fc2")
CONVOLUTION = "conv2"
DAMPING = 0.01  # of the mean square of an input, added to every one
CUTS = np.linspace(0.5, 1.1, 25)  # shares of a row's largest magnitude that reach its last step
BLOCK = 128  # columns that are done before their errors go to all later ones at once

#: Told of progress: (matrices done, of how many).
OnMatrix = Callable[[int, int], None]


@dataclass(frozen=True)
class Rounded:
    """A matrix in whole numbers times a scale a row."""

    values: NDArray[np.int8]  # (rows, columns)
    scales: NDArray[np.float32]  # (rows, 1)
    error: float  # mean square of what its outputs are off, of that of the outputs

    def weights(self) -> Tensor:
        """What the runtime multiplies by, (rows, columns)."""
        return torch.from_numpy(self.values * self.scales)


@dataclass(frozen=True)
class Narrowed:
    """What takes the place of a context's matrices in an int8 bundle."""

    tensors: dict[str, NDArray[Any]]  # int8 values and scales by the bundle's names
    about: dict[str, Any]  # for the manifest's `training`

    def in_words(self) -> str:
        """How far off the matrices' outputs are."""
        errors = self.about["errors"].values()
        return f"outputs off by {min(errors):.2%} to {max(errors):.2%}"


def narrow_context(
    context: Context | None,
    takes_by_source: Sequence[Sequence[Recording]],
    config: Config,
    on_matrix: OnMatrix = lambda done, of: None,
) -> Narrowed:
    """Round a context to `config.export.context_bits`, on takes that it has learnt from.

    `context` stays as it is. Raises ConfigError where there is none, or nothing to listen to.
    """
    bits = config.export.context_bits
    if context is None:
        raise ConfigError(
            f"context_bits = {bits}: expected a model with a context, got one whose encoder has "
            "convolutions alone; leave context_bits (--context-bits) out"
        )
    mels = [torch.from_numpy(m) for m in some_mels(takes_by_source, config)]
    if not mels:
        raise ConfigError(f"context_bits = {bits}: expected takes to listen to, got none")
    rounded = round_layers(context, mels, bits, on_matrix)
    tensors: dict[str, NDArray[Any]] = {}
    shapes = {name: tuple(value.shape) for name, value in context.state_dict().items()}
    for name, matrix in rounded.items():
        values = matrix.values.reshape(shapes[f"{name}.weight"])
        tensors[f"encoder.context.{name}.weight"] = values
        tensors[f"encoder.context.{name}.weight{SCALE}"] = matrix.scales
    about = {
        "bits": bits,
        "heard_s": round(sum(len(mel) for mel in mels) / 100, 1),
        "errors": {name: float(f"{matrix.error:.3g}") for name, matrix in rounded.items()},
    }
    return Narrowed(tensors, about)


def round_layers(
    context: Context, mels: Sequence[Tensor], bits: int, on_matrix: OnMatrix
) -> dict[str, Rounded]:
    """`CONVOLUTION` and every matrix of `MATRICES` by name, each rounded on what it meets behind
    those before it; the convolution's rows are as long as its taps together.

    `mels` are log-mel (columns, 80) of some clips.
    """
    context = copy.deepcopy(context)
    layers = context.layers
    count = 1 + len(layers) * len(MATRICES)
    done: dict[str, Rounded] = {}
    with torch.no_grad():
        weight = context.conv2.weight
        matrix = rounded(weight.flatten(1), moments_of_taps(context, mels), bits)
        weight.copy_(matrix.weights().view_as(weight))
        done[CONVOLUTION] = matrix
        on_matrix(1, count)
        states = [context.enter(mel[None]) for mel in mels]
        for index, layer in enumerate(layers):
            assert isinstance(layer, ContextLayer)
            for name in MATRICES:
                linear = getattr(layer, name)
                matrix = rounded(linear.weight, second_moments(layer, linear, states), bits)
                linear.weight.copy_(matrix.weights())
                done[f"layers.{index}.{name}"] = matrix
                on_matrix(len(done), count)
            states = [layer(state) for state in states]
    return done


def moments_of_taps(context: Context, mels: Sequence[Tensor]) -> Tensor:
    """(columns, columns) mean products of what a row of the second convolution meets."""
    conv = context.conv2
    total = torch.zeros(conv.weight[0].numel(), conv.weight[0].numel(), dtype=torch.float64)
    tokens = 0
    for mel in mels:
        taps = context.between(mel[None]).unfold(2, conv.kernel_size[0], conv.stride[0])
        x = taps.transpose(1, 2).flatten(2).flatten(0, 1)
        total.add_(x.T @ x)
        tokens += len(x)
    return total / tokens


def second_moments(layer: ContextLayer, linear: nn.Linear, states: Sequence[Tensor]) -> Tensor:
    """(columns, columns) mean products of what `linear` meets in `layer` on `states`."""
    total = torch.zeros(linear.in_features, linear.in_features, dtype=torch.float64)
    tokens = 0

    def add(_: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        nonlocal tokens
        x = inputs[0].reshape(-1, linear.in_features)
        total.add_(x.T @ x)
        tokens += len(x)

    handle = linear.register_forward_pre_hook(add)
    try:
        for state in states:
            layer(state)
    finally:
        handle.remove()
    return total / tokens


def rounded(weights: Tensor, moments: Tensor, bits: int) -> Rounded:
    """(rows, columns) weights whose inputs have second moments (columns, columns)."""
    w = weights.detach().double()
    damping = DAMPING * float(moments.diagonal().mean())
    h = moments + max(damping, 1e-12) * torch.eye(len(moments), dtype=torch.float64)
    scales = _searched(w, h.diagonal(), bits)
    # The inputs that say most come first, while there are others to take their errors.
    order = torch.argsort(h.diagonal(), descending=True, stable=True)
    q = torch.empty_like(w)
    q[:, order] = _one_after_another(w[:, order], h[order][:, order], scales, bits)
    scales = _fitted(w, h, q, scales)
    off = q * scales - w
    error = float(((off @ moments) * off).sum() / ((w @ moments) * w).sum().clamp_min(1e-30))
    return Rounded(q.numpy().astype(np.int8), scales.numpy().astype(np.float32), error)


def nearest(weights: Tensor, scales: Tensor, bits: int) -> Tensor:
    """The whole numbers that weights over their scales (rows, 1) are nearest to."""
    steps = 2 ** (bits - 1)
    return torch.clamp(torch.round(weights / scales), -steps, steps - 1)


def _searched(w: Tensor, square: Tensor, bits: int) -> Tensor:
    """(rows, 1) scales for rounding to nearest; `square` (columns,) are the inputs' mean squares.

    A row of zeros has any: all of its numbers are 0.
    """
    most = w.abs().amax(dim=1, keepdim=True).clamp_min(1e-20)
    least = torch.full_like(most, torch.inf)
    best = most
    last = 2 ** (bits - 1)
    # With the largest weight on the very last step, what has so few bits already is found again.
    for reach in (*((last - 0.5) / CUTS), last, last - 1):
        scales = _in_float32(most / reach)
        off = nearest(w, scales, bits) * scales - w
        error = (off.square() * square).sum(dim=1, keepdim=True)
        best = torch.where(error < least, scales, best)
        least = torch.minimum(error, least)
    return best


def _one_after_another(w: Tensor, h: Tensor, scales: Tensor, bits: int) -> Tensor:
    """Whole numbers, column by column from the left, each error spread over those to its right."""
    w, q = w.clone(), torch.empty_like(w)
    share = torch.linalg.cholesky(torch.linalg.inv(h), upper=True)
    for first in range(0, w.shape[1], BLOCK):
        end = min(first + BLOCK, w.shape[1])
        errors = torch.empty(len(w), end - first, dtype=w.dtype)
        for k in range(first, end):
            q[:, k] = nearest(w[:, k : k + 1], scales, bits)[:, 0]
            error = (w[:, k] - q[:, k] * scales[:, 0]) / share[k, k]
            w[:, k + 1 : end] -= error[:, None] * share[k, k + 1 : end]
            errors[:, k - first] = error
        w[:, end:] -= errors @ share[first:end, end:]
    return q


def _fitted(w: Tensor, h: Tensor, q: Tensor, scales: Tensor) -> Tensor:
    """The scales with which whole numbers `q` come nearest to `w` in what comes out."""
    seen = q @ h
    along = (seen * w).sum(dim=1, keepdim=True)
    square = (seen * q).sum(dim=1, keepdim=True)
    useful = (along > 0) & (square > 0)
    return _in_float32(torch.where(useful, along / torch.where(useful, square, 1.0), scales))


def _in_float32(values: Tensor) -> Tensor:
    """As the bundle keeps them, to go on in double precision."""
    return values.float().double()
