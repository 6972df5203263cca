"""Question: which matrix pays how much for fewer bits?

    python studies/matrix_by_matrix.py CONFIG BUNDLE|default [--clips 16] [--bits 8] [--write OUT]

One matrix at a time is multiplied as the runtime multiplies in int8: weights of 8 bits with a scale
a row, inputs of 7 bits with a scale a vector (for the recurrence's state a fixed one), all else in
floats; in torch, without gate and post-processing, on clips that CONFIG holds out. The first row
has floats throughout, the last all matrices at once. With --bits 4 the context's matrices have 4
bits, rounded as an export rounds them (train/stages/rounding.py), the two convolutions too, and no
others are tried; a last row has all of them to the nearest step. --write keeps an int8 bundle whose
context has 4 bits and conv2 of it, too, to be measured with `dt-train evaluate`.

Answer (2026-11-29, docs/results/fewer_bits.md): none, with 8 bits: no LBE ratio changes
by more than 0.001 and the lips move by 0.0016 to 0.002 (rms) with all at once. With 4 bits fc1 of
the first layer pays most (0.0016 to 0.002), the second convolution least for its size;
all at once move them by 0.003 to 0.004, and rounded to nearest by 0.013.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from diffusiontalker import bundle as bundles
from diffusiontalker.bundle import Bundle, int8
from diffusiontalker.train import config as configs
from diffusiontalker.train.config import Config
from diffusiontalker.train.data.streams import some_mels
from diffusiontalker.train.measure import metrics, players, scores
from diffusiontalker.train.measure.takes import some
from diffusiontalker.train.networks.bundled import load_talker
from diffusiontalker.train.networks.context import ContextLayer
from diffusiontalker.train.networks.model import Talker
from diffusiontalker.train.recipes.run import Data, read_data
from diffusiontalker.train.stages import rounding

STEPS = 63  # of an activation's 7 bits, up and down
WEIGHT_STEPS = 127
#: What a matrix of the decoder's first layer reads, in the order of its columns.
PARTS = ("audio", "identity", "step", "x_t")
GRU = (*PARTS, "recurrent 0", "input 1", "recurrent 1")
TO_NEAREST = "all of them, to nearest"
CONVOLUTIONS = ("encoder.context.conv1", "encoder.context.conv2")


def in_steps(x: Tensor, steps: int) -> Tensor:
    """Vectors (..., n) in multiples of a scale of their own."""
    scale = x.abs().amax(dim=-1, keepdim=True).clamp_min(1e-30) / steps
    return torch.round(x / scale) * scale


def weights_in_8_bits(weights: Tensor) -> Tensor:
    """(rows, ...) as the exporter rounds them."""
    columns = (weights[0].numel(),)
    array = np.ascontiguousarray(weights.numpy())
    return torch.from_numpy(int8.dequantise(*int8.quantise(array, columns), columns))


class Windows(nn.Module):
    """A convolution of three taps as a product: each window a vector with a scale of its own."""

    def __init__(self, of: nn.Conv1d, weights: Tensor, padding: int) -> None:
        super().__init__()
        self.weight, self.bias = nn.Parameter(weights, False), of.bias
        self.stride, self.padding = of.stride[0], padding

    def forward(self, x: Tensor) -> Tensor:  # (batch, channels, columns)
        rows = windows(functional.pad(x, (self.padding, 0)), self.stride)
        y = functional.linear(in_steps(rows, STEPS), self.weight.flatten(1), self.bias)
        return y.transpose(1, 2)


def windows(x: Tensor, stride: int) -> Tensor:
    """(batch, channels, columns) -> (batch, windows, 3 channels), as weights are laid out."""
    return x.unfold(2, 3, stride).permute(0, 2, 1, 3).flatten(2)


class Recurrence(nn.Module):
    """The decoder's GRU, frame by frame, with some of its products in int8."""

    def __init__(self, gru: nn.GRU, audio_dim: int, step_dim: int, narrow: Sequence[str]) -> None:
        super().__init__()
        self.narrow, self.hidden = set(narrow), gru.hidden_size
        self.sizes = (audio_dim, audio_dim, step_dim, gru.input_size - 2 * audio_dim - step_dim)
        parts = zip(PARTS, gru.weight_ih_l0.split(self.sizes, dim=1), strict=True)
        weights = dict(parts) | {
            "recurrent 0": gru.weight_hh_l0,
            "input 1": gru.weight_ih_l1,
            "recurrent 1": gru.weight_hh_l1,
        }
        self.weights = {
            name: weights_in_8_bits(w.detach()) if name in self.narrow else w.detach()
            for name, w in weights.items()
        }
        self.bias = [(gru.bias_ih_l0, gru.bias_hh_l0), (gru.bias_ih_l1, gru.bias_hh_l1)]

    def product(self, name: str, x: Tensor) -> Tensor:
        if name in self.narrow and name != "step":  # that is a table's, computed in floats
            x = in_steps(x, STEPS) if name in PARTS else torch.round(x * STEPS) / STEPS
        return functional.linear(x, self.weights[name])

    def forward(self, u: Tensor, state: None = None) -> tuple[Tensor, None]:
        sums = [self.product(n, x) for n, x in zip(PARTS, u.split(self.sizes, -1), strict=True)]
        h = self.layer(0, torch.stack(sums).sum(dim=0))
        return self.layer(1, self.product("input 1", h)), state

    def layer(self, index: int, gates: Tensor) -> Tensor:
        """(batch, frames, 3 hidden) of the input -> (batch, frames, hidden)."""
        of_input, of_state = self.bias[index]
        gates, h = gates + of_input, torch.zeros(len(gates), self.hidden)
        states = []
        for gate in gates.unbind(dim=1):
            own = self.product(f"recurrent {index}", h) + of_state
            (r, z, n), (r0, z0, n0) = gate.chunk(3, -1), own.chunk(3, -1)
            z = torch.sigmoid(z + z0)
            h = (1 - z) * torch.tanh(n + torch.sigmoid(r + r0) * n0) + z * h
            states.append(h)
        return torch.stack(states, dim=1)


def attend_in_int8(layer: ContextLayer) -> Callable[[Tensor], Tensor]:
    """The layer with keys, values, queries and shares in bytes."""

    def forward(h: Tensor) -> Tensor:
        batch, tokens, width = h.shape
        q, k, v = (
            part.view(batch, tokens, layer.heads, -1).transpose(1, 2)
            for part in layer.qkv(layer.attention_norm(h)).chunk(3, dim=-1)
        )
        q, k, v = in_steps(q, STEPS), in_steps(k, WEIGHT_STEPS), in_steps(v, WEIGHT_STEPS)
        # A value's scale goes into its share before that is rounded.
        scale = v.abs().amax(dim=-1).clamp_min(1e-30)[..., None, :]
        score = q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5 + layer.mask(tokens)
        shares = in_steps(score.softmax(dim=-1) * scale, WEIGHT_STEPS) / scale
        h = h + layer.out((shares @ v).transpose(1, 2).reshape(batch, tokens, width))
        out: Tensor = h + layer.fc2(functional.gelu(layer.fc1(layer.mlp_norm(h))))
        return out

    return forward


def matrices_of(talker: Talker, bits: int) -> list[str]:
    """Names of what can be narrow."""
    layers = len(talker.encoder.context.layers) if talker.encoder.context else 0
    linear = [f"encoder.context.layers.{i}.{n}" for i in range(layers) for n in rounding.MATRICES]
    if bits == 4:
        return [*CONVOLUTIONS, *linear]
    rest = ["encoder.mix", "encoder.input", *GRU, "decoder.head"]
    return [*CONVOLUTIONS, *linear, "attention", *rest]


def narrow(talker: Talker, names: Sequence[str], of_4_bits: dict[str, Tensor]) -> None:
    """Put matrices in int8; some have weights of 4 bits."""
    for name in names:
        if name in GRU:
            continue
        if name == "attention":
            assert talker.encoder.context is not None
            for layer in talker.encoder.context.layers:
                assert isinstance(layer, ContextLayer)
                layer.forward = attend_in_int8(layer)  # type: ignore[method-assign]
            continue
        module = talker.get_submodule(name)
        weights = of_4_bits.get(name)
        if weights is None:
            weights = weights_in_8_bits(module.weight.detach())
        if isinstance(module, nn.Conv1d):
            parent, _, own = name.rpartition(".")
            padding = 2 if name == "encoder.input" else 0  # the context pads outside
            setattr(talker.get_submodule(parent), own, Windows(module, weights, padding))
            continue
        module.weight.data = weights
        fixed = name == "decoder.head"  # it reads a state
        module.register_forward_pre_hook(
            lambda _, inputs, fixed=fixed: (
                torch.round(inputs[0] * STEPS) / STEPS if fixed else in_steps(inputs[0], STEPS),
            )
        )
    if set(GRU) & set(names):
        decoder = talker.decoder
        step_dim, channels = decoder.steps.embedding_dim, talker.encoder.norm.normalized_shape[0]
        decoder.gru = Recurrence(decoder.gru, channels, step_dim, names)  # type: ignore[assignment]


def weights_of(talker: Talker, name: str) -> int:
    """How many weights a matrix has; 0 for attention, which has none."""
    hidden, columns = talker.decoder.gru.hidden_size, talker.decoder.gru.input_size
    if name in GRU:
        audio = talker.encoder.norm.normalized_shape[0]
        step = talker.decoder.steps.embedding_dim
        own = {"audio": audio, "identity": audio, "step": step}
        own["x_t"] = columns - 2 * audio - step
        return 3 * hidden * own.get(name, hidden)
    return 0 if name == "attention" else int(talker.get_submodule(name).weight.numel())


def in_4_bits(bundle: Bundle, data: Data, config: Config) -> dict[str, rounding.Rounded]:
    """The context's matrices by their names in the talker, each on what it meets; the layers
    behind the convolutions in 8 bits, as they are exported."""
    context = load_talker(bundle).encoder.context
    assert context is not None
    mels = [torch.from_numpy(mel) for mel in some_mels(data.train, config)]
    done = rounding.round_layers(context, mels, 4, lambda done, of: None)
    named = {f"encoder.context.{name}": matrix for name, matrix in done.items()}
    x = [functional.pad(mel.T[None], (1, 0)) for mel in mels]
    for name, stride in zip(CONVOLUTIONS, (1, 2), strict=True):
        conv = context.get_submodule(name.rpartition(".")[2])
        rows = torch.cat([windows(one, stride)[0] for one in x])
        moments = (rows.T @ rows).double() / len(rows)
        named[name] = rounding.rounded(conv.weight.flatten(1), moments, 4)
        x = [functional.pad(functional.gelu(conv(one)), (1, 0)) for one in x]
    return named


def to_nearest(talker: Talker, name: str) -> Tensor:
    """Weights (rows, columns) in 4 bits, a row's largest magnitude in the last step."""
    weights = talker.get_submodule(name).weight.detach().flatten(1)
    scales = weights.abs().amax(dim=1, keepdim=True).clamp_min(1e-30) / 7
    return rounding.nearest(weights, scales, 4) * scales


def write(bundle: Bundle, named: dict[str, rounding.Rounded], folder: Path) -> None:
    tensors = bundle.core_tensors()
    for name, matrix in named.items():
        if name != "encoder.context.conv1":
            shape = tensors[f"{name}.weight"].shape
            tensors[f"{name}.weight"] = matrix.values.reshape(shape)
            tensors[f"{name}.weight{int8.SCALE}"] = matrix.scales
    bundles.write(folder, bundle.manifest, tensors, dtype="int8")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("config")
    parser.add_argument("bundle")
    parser.add_argument("--clips", type=int, default=16, help="of each source (default 16)")
    parser.add_argument("--bits", type=int, choices=(4, 8), default=8)
    parser.add_argument("--write", type=Path)
    arguments = parser.parse_args()
    config = configs.load(arguments.config)
    torch.set_num_threads(config.threads)
    bundle = bundles.read(None if arguments.bundle == "default" else arguments.bundle)
    data = read_data(config)
    takes = [some(held, arguments.clips) for held in data.held_out if held]
    sources = [s.name for s, held in zip(config.sources, data.held_out, strict=True) if held]
    named: dict[str, rounding.Rounded] = {}
    if arguments.bits == 4 or arguments.write:
        named = in_4_bits(bundle, data, config)
    if arguments.write:
        write(bundle, named, arguments.write)
    of_4_bits = {name: matrix.weights() for name, matrix in named.items()}
    names = matrices_of(load_talker(bundle), arguments.bits)
    heads = [f"{s}: LBE ratio | {s}: lips moved" for s in sources]
    print(f"| in int8 | weights | error | {' | '.join(heads)} |")
    print("|---" * (3 + 2 * len(sources)) + "|")
    floats: list[list[metrics.Curves]] = []
    rows = [("none", []), *((name, [name]) for name in names), ("all of them", names)]
    if arguments.bits == 4:
        rows.append((TO_NEAREST, names))
    for name, row in rows:
        reference = players.reference_of(bundle)
        weights = weights_of(reference.talker, name) if row == [name] else 0
        if name == TO_NEAREST:
            of_4_bits = {n: to_nearest(reference.talker, n) for n in names}
        narrow(reference.talker, row, of_4_bits)
        player = players.torch_player(reference)
        cells = []
        for i, held in enumerate(takes):
            faces = player(held, 0, "own")
            if not row:
                floats.append(faces)
            pairs = scores.at_true_instants(held, faces, bundle.frame_rate)
            lbe = scores.scores(held, pairs, faces, bundle.frame_rate, None)["lbe_ratio"]
            off = np.concatenate(faces) - np.concatenate(floats[i])
            moved = float(np.sqrt(np.square(off[:, metrics.LIP_INDEX]).mean()))
            cells += [f"{lbe:.4f}", f"{moved:.5f}"]
        error = f"{named[name].error:.2%}" if arguments.bits == 4 and name in named else "-"
        print(f"| {name} | {weights or '-'} | {error} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    with torch.inference_mode():
        main()
