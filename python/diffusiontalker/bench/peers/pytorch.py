"""The network in PyTorch on one thread, as one writes it there for a live voice.

Eager: torch's own GRU, attention and norms, keys and values kept from token to token. Compiled: the
token and the whole chain of sampling steps through torch.compile, with the GRU written out, since
the compiler does not look into torch's own.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from ...bundle import Bundle
from .course import FloatArray

Layer = dict[str, Tensor]
#: (input, state) -> output, state
_Cell = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]


class PyTorch:
    """A voice in PyTorch.

    Raises ValueError for an encoder without a context or with convolution blocks: the models that
    ship have neither.
    """

    def __init__(self, bundle: Bundle, *, compiled: bool) -> None:
        encoder, diffusion = bundle.manifest["encoder"], bundle.manifest["diffusion"]
        if "context" not in encoder or encoder["dilations"]:
            raise ValueError("only for an audio encoder with a context and no convolution blocks")
        torch.set_num_threads(1)
        self._t = {name: torch.from_numpy(value) for name, value in bundle.tensors.items()}
        self._shape = encoder["context"]
        self._layers = [self._layer(i) for i in range(self._shape["layers"])]
        self._hidden = int(bundle.manifest["decoder"]["hidden"])
        self._abar = [1.0, *diffusion["alpha_bar"]]
        self._steps = int(diffusion["sample_steps"])
        every = int(diffusion["train_steps"]) // self._steps
        self._rows = [
            self._t["decoder.steps.weight"][n * every - 1] for n in range(self._steps, 0, -1)
        ]
        self._gru = self._make_gru(2 * int(encoder["channels"]) + self._rows[0].numel())
        self._token_of, self._sample_of = self._token, self._sample_eager
        if compiled:
            self._token_of = torch.compile(self._token, dynamic=False)
            self._sample_of = torch.compile(self._sample_written_out, dynamic=False)
        self.reset()

    def _layer(self, i: int) -> Layer:
        prefix = f"encoder.context.layers.{i}."
        layer = {k.removeprefix(prefix): v for k, v in self._t.items() if k.startswith(prefix)}
        # By key, oldest first, where the bundle has it by how far back a key lies.
        layer["bias"] = layer["distance"].flip(1)[:, None]
        return layer

    def _make_gru(self, fixed: int) -> torch.nn.GRU:
        prefix = "decoder.gru."
        weights = {k.removeprefix(prefix): v for k, v in self._t.items() if k.startswith(prefix)}
        inputs = weights["weight_ih_l0"].shape[1]
        assert inputs > fixed
        gru = torch.nn.GRU(inputs, self._hidden, num_layers=2)
        gru.load_state_dict(weights)
        return gru.requires_grad_(False).eval()

    def reset(self) -> None:
        width, heads, window = (self._shape[k] for k in ("width", "heads", "window"))
        self._column = 0
        self._mel = torch.zeros(3, self._t["encoder.input.weight"].shape[1])
        self._fine = torch.zeros(3, width)
        self._held = torch.zeros(self._t["encoder.input.bias"].numel())
        empty = torch.zeros(heads, window, width // heads)
        self._keys = [empty for _ in self._layers]
        self._values = [empty for _ in self._layers]
        self._tokens = 0
        self._states = torch.zeros(self._steps, 2, 1, self._hidden)

    @torch.no_grad()
    def encode(self, mel: FloatArray) -> FloatArray:
        return np.stack([self._encode_column(torch.from_numpy(row)) for row in mel])

    def _encode_column(self, row: Tensor) -> FloatArray:
        t, column = self._t, self._column
        self._mel = torch.cat([self._mel[1:], row[None]])
        taps = self._mel.T[None]
        hidden = functional.conv1d(taps, t["encoder.input.weight"], t["encoder.input.bias"])
        hidden = functional.relu(hidden[0, :, 0])
        if column > 0:
            fine = functional.conv1d(
                taps, t["encoder.context.conv1.weight"], t["encoder.context.conv1.bias"]
            )
            self._fine = torch.cat([self._fine[1:], functional.gelu(fine[0, :, 0])[None]])
        if column >= 2 and column % 2 == 0:
            self._hear()
        self._column += 1
        features: FloatArray = functional.layer_norm(
            hidden + self._held,
            hidden.shape,
            t["encoder.norm.weight"],
            t["encoder.norm.bias"],
        ).numpy()
        return features

    def _hear(self) -> None:
        """The token that ends with this column."""
        self._tokens += 1
        window = self._shape["window"]
        unknown = torch.zeros(window)
        unknown[: max(0, window - self._tokens)] = -math.inf
        self._held, keys, values = self._token_of(self._fine, unknown, self._keys, self._values)
        self._keys, self._values = list(keys), list(values)

    def _token(
        self, fine: Tensor, unknown: Tensor, keys: list[Tensor], values: list[Tensor]
    ) -> tuple[Tensor, list[Tensor], list[Tensor]]:
        """What the columns get of a token, and the keys and values with its own."""
        t, (width, heads) = self._t, (self._shape["width"], self._shape["heads"])
        fresh = functional.conv1d(
            fine.T[None], t["encoder.context.conv2.weight"], t["encoder.context.conv2.bias"]
        )
        h = functional.gelu(fresh[0, :, 0]) + t["encoder.context.position"]
        new_keys, new_values = [], []
        for layer, old_keys, old_values in zip(self._layers, keys, values, strict=True):
            normed = functional.layer_norm(
                h, (width,), layer["attention_norm.weight"], layer["attention_norm.bias"]
            )
            q, k, v = functional.linear(normed, layer["qkv.weight"], layer["qkv.bias"]).view(
                3, heads, 1, width // heads
            )
            new_keys.append(torch.cat([old_keys[:, 1:], k], dim=1))
            new_values.append(torch.cat([old_values[:, 1:], v], dim=1))
            heard = functional.scaled_dot_product_attention(
                q[None],
                new_keys[-1][None],
                new_values[-1][None],
                attn_mask=(layer["bias"] + unknown)[None],
            )
            h = h + functional.linear(heard.reshape(width), layer["out.weight"], layer["out.bias"])
            normed = functional.layer_norm(
                h, (width,), layer["mlp_norm.weight"], layer["mlp_norm.bias"]
            )
            inner = functional.linear(normed, layer["fc1.weight"], layer["fc1.bias"])
            h = h + functional.linear(
                functional.gelu(inner), layer["fc2.weight"], layer["fc2.bias"]
            )
        token = functional.layer_norm(
            h, (width,), t["encoder.context.norm.weight"], t["encoder.context.norm.bias"]
        )
        return functional.linear(token, t["encoder.mix.weight"]), new_keys, new_values

    @torch.no_grad()
    def sample(self, audio: FloatArray, identity: FloatArray, noise: FloatArray) -> FloatArray:
        given = torch.from_numpy(np.concatenate([audio, identity]))
        x0, self._states = self._sample_of(given, torch.from_numpy(noise), self._states)
        frame: FloatArray = x0.numpy()
        return frame

    def _sample_eager(self, given: Tensor, x: Tensor, states: Tensor) -> tuple[Tensor, Tensor]:
        def step(u: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
            hidden, after = self._gru(u[None], state[:, 0])
            return hidden[0], after[:, None]

        return self._sample(given, x, states, step)

    def _sample_written_out(
        self, given: Tensor, x: Tensor, states: Tensor
    ) -> tuple[Tensor, Tensor]:
        return self._sample(given, x, states, self._gru_written_out)

    def _sample(
        self, given: Tensor, x: Tensor, states: Tensor, gru: _Cell
    ) -> tuple[Tensor, Tensor]:
        """K DDIM steps for one frame; a GRU state each."""
        after, x0 = [], x
        for s in range(self._steps):
            n = self._steps - s
            hidden, state = gru(torch.cat([given, self._rows[s], x]), states[s])
            after.append(state)
            x0 = functional.linear(
                hidden, self._t["decoder.head.weight"], self._t["decoder.head.bias"]
            )
            if n > 1:
                begin, end = self._abar[n], self._abar[n - 1]
                noise = (x - math.sqrt(begin) * x0) / math.sqrt(1 - begin)
                x = math.sqrt(end) * x0 + math.sqrt(1 - end) * noise
        return x0, torch.stack(after)

    def _gru_written_out(self, u: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        after = []
        for i in (0, 1):
            name, old = f"decoder.gru.{{}}_l{i}", state[i, 0]
            gates = functional.linear(
                u, self._t[name.format("weight_ih")], self._t[name.format("bias_ih")]
            ).chunk(3)
            past = functional.linear(
                old, self._t[name.format("weight_hh")], self._t[name.format("bias_hh")]
            ).chunk(3)
            reset, update = torch.sigmoid(gates[0] + past[0]), torch.sigmoid(gates[1] + past[1])
            fresh = torch.tanh(gates[2] + reset * past[2])
            u = (1 - update) * fresh + update * old
            after.append(u[None])
        return u, torch.stack(after)
