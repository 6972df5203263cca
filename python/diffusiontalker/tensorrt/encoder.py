"""The audio encoder's nodes, with its context's."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from onnx import ModelProto, TensorProto

from ..bundle import BANDS, Bundle
from .nodes import Graph, Port, notes


def encoder_ports(bundle: Bundle) -> tuple[list[Port], list[Port]]:
    """Inputs and outputs of the encoder's graph."""
    settings = bundle.manifest["encoder"]
    channels = int(settings["channels"])
    histories = [("history_input", 2, BANDS)] + [
        (f"history_{i}", 2 * d, channels) for i, d in enumerate(settings["dilations"])
    ]
    if "context" in settings:
        width, window = settings["context"]["width"], settings["context"]["window"]
        histories += [("clock", 1, 1), ("history_context", 2, width), ("held", 1, channels)]
        for layer in range(settings["context"]["layers"]):
            histories += [(f"keys_{layer}", window, width), (f"values_{layer}", window, width)]
    inputs = [Port("mel", ("streams", "columns", BANDS))]
    outputs = [Port("features", ("streams", "columns", channels))]
    for name, columns, width in histories:
        inputs.append(Port(name, ("streams", columns, width)))
        outputs.append(Port(f"next_{name}", ("streams", columns, width)))
    return inputs, outputs


class _Encoder(Graph):
    """The nodes of the encoder, by the names of its tensors."""

    def __init__(self, bundle: Bundle, precision: str) -> None:
        super().__init__(precision)
        self._tensors = bundle.tensors

    def weight(self, name: str) -> str:
        return self.constant(self._tensors[name])

    def norm(self, x: str, name: str) -> str:
        scale, shift = self.weight(f"{name}.weight"), self.weight(f"{name}.bias")
        return self.node("LayerNormalization", x, scale, shift, axis=-1, epsilon=1e-5)

    def dense(self, x: str, name: str) -> str:
        t = self._tensors
        return self.linear(x, t[f"{name}.weight"].T, t[f"{name}.bias"])

    def three_taps(self, columns: Sequence[str], name: str) -> str:
        """A convolution as one product: the columns of its taps beside each other."""
        weight = self._tensors[f"{name}.weight"]  # (out, in, tap)
        matrix = weight.transpose(2, 1, 0).reshape(-1, weight.shape[0])
        return self.linear(self.join(columns, axis=2), matrix, self._tensors[f"{name}.bias"])

    def gelu(self, x: str) -> str:
        """The exact one, x Phi(x)."""
        erf = self.node("Erf", self.binary("Mul", x, np.sqrt(0.5)))
        return self.node("Mul", self.binary("Mul", x, 0.5), self.binary("Add", erf, 1))


def encoder_graph(bundle: Bundle, precision: str = "float32") -> ModelProto:
    """The causal encoder; see the module's text for its inputs and outputs."""
    g = _Encoder(bundle, precision)
    settings = bundle.manifest["encoder"]

    def convolve(x: str, history: str, name: str, dilation: int) -> str:
        """Reads the columns m - 2d, m - d and m, and keeps the history."""
        heard = g.node("Concat", history, x, axis=1)
        taps = [
            g.slice(heard, 1, 0, -2 * dilation),
            g.slice(heard, 1, dilation, -dilation),
            g.slice(heard, 1, 2 * dilation),
        ]
        g.output(g.slice(heard, 1, -2 * dilation), f"next_{history}")
        return g.three_taps(taps, name)

    hidden = g.node("Relu", convolve("mel", "history_input", "encoder.input", 1))
    for i, dilation in enumerate(settings["dilations"]):
        block = f"encoder.blocks.{i}"
        branch = g.norm(hidden, f"{block}.norm")
        branch = g.node("Relu", convolve(branch, f"history_{i}", f"{block}.conv", dilation))
        hidden = g.node("Add", hidden, g.dense(branch, f"{block}.mix"))
    if "context" in settings:
        hidden = g.node("Add", hidden, _Context(g, bundle).columns())
    g.output(g.norm(hidden, "encoder.norm"), "features")
    return g.finish("encoder", *encoder_ports(bundle), notes(bundle, precision))


class _Context:
    """The context's nodes, with the outputs of its state.

    With S = ceil(columns / 2), a call has room for S tokens. They end at even columns, so a voice
    whose first column is odd reads a column further on, and where the number of columns is odd too
    its last token has not ended: nothing hears it and the state leaves it out. Token -1, which an
    empty state would end with column 0, is masked as every token before it is.
    """

    def __init__(self, g: _Encoder, bundle: Bundle) -> None:
        settings = bundle.manifest["encoder"]["context"]
        self._g, self._tensors = g, bundle.tensors
        self._layers, self._heads = int(settings["layers"]), int(settings["heads"])
        self._window = int(settings["window"])
        self._size = int(settings["width"]) // self._heads
        self._count = g.slice(g.node("Shape", "mel"), 0, 1, 2)  # (1,)
        self._columns = g.cast(self._count, TensorProto.FLOAT)
        zero, last, one = self._whole(0), g.node("Squeeze", self._count), self._whole(1)
        self._number = g.node("Range", zero, last, one)  # 0 .. columns - 1
        self._even = g.slice(self._number, 0, 0, step=2)  # 0, 2, ..: (S,)
        self._slot = g.binary("Mul", g.cast(self._even, TensorProto.FLOAT), 0.5)  # 0, 1, ..
        odd = g.node("Sub", "clock", g.binary("Mul", self._halved("clock"), 2))  # (streams, 1, 1)
        self._is_odd = g.binary("Greater", odd, 0.5)
        end = g.node("Add", odd, g.binary("Mul", g.slice(self._slot, 0, -1), 2))
        self._ended = g.node("Less", end, self._columns)
        # The token of slot 0.
        self._first = g.binary("Sub", self._halved(g.binary("Add", "clock", 1)), 1)

    def _whole(self, number: int) -> str:
        return self._g.constant(np.array(number, np.int64))

    def _halved(self, x: str) -> str:
        return self._g.node("Floor", self._g.binary("Mul", x, 0.5))

    def _either(self, condition: str, first: str, second: str) -> str:
        return self._g.node("Where", condition, first, second)

    def columns(self) -> str:
        """What the context adds to the columns, (streams, columns, channels)."""
        hidden = self._convolved()
        seen, distance = self._reach()
        for i in range(self._layers):
            hidden = self._layer(i, hidden, seen, distance)
        mixed = self._held(hidden)
        self._next_clock()
        return self._either(self._is_odd, self._of_columns(mixed, 1), self._of_columns(mixed, 2))

    def _convolved(self) -> str:
        """(streams, S, width), behind both convolutions.

        The first one's output before column 0 is the second one's padding: zero.
        """
        g = self._g
        heard = g.node("Concat", "history_input", "mel", axis=1)
        taps = [g.slice(heard, 1, 0, -2), g.slice(heard, 1, 1, -1), g.slice(heard, 1, 2)]
        fine = g.gelu(g.three_taps(taps, "encoder.context.conv1"))
        place = g.node("Add", "clock", g.unsqueeze(g.cast(self._number, TensorProto.FLOAT), 1))
        fine = g.node("Mul", fine, g.binary("Min", place, 1))
        fine = g.node("Concat", "history_context", fine, axis=1)
        g.output(g.slice(fine, 1, -2), "next_history_context")
        last = g.node("Add", self._count, self._whole(1))
        after = []
        for i in range(4):
            at = g.node("Min", g.node("Add", self._even, self._whole(i)), last)
            after.append(g.node("Gather", fine, at, axis=1))
        taps = [self._either(self._is_odd, after[i + 1], after[i]) for i in range(3)]
        hidden = g.gelu(g.three_taps(taps, "encoder.context.conv2"))
        return g.node("Add", hidden, g.weight("encoder.context.position"))

    def _reach(self) -> tuple[str, str]:
        """Which keys a token sees, and how far back each lies, as an index of the biases.

        Keys and values lie as the window's, then the call's: token `first` + key.
        """
        g = self._g
        key = g.join([g.constant(np.arange(-self._window, 0, dtype=np.float32)), self._slot])
        back = g.node("Sub", g.unsqueeze(self._slot, 1), key)  # (S, keys)
        near = g.node(
            "And", g.binary("GreaterOrEqual", back, 0), g.binary("Less", back, self._window)
        )
        known = g.binary("GreaterOrEqual", g.node("Add", self._first, key), 0)  # (streams, 1, keys)
        seen = g.node("And", near, g.unsqueeze(known, 1))
        within = g.binary("Min", g.binary("Max", back, 0), self._window - 1)
        return seen, g.cast(within, TensorProto.INT64)

    def _newest(self, kind: str, now: str) -> str:
        """The window's with the call's, and the next window's."""
        g = self._g
        every = g.node("Concat", kind, now, axis=1)
        ends = g.slice(every, 1, -self._window), g.slice(every, 1, -self._window - 1, -1)
        g.output(self._either(self._ended, *ends), f"next_{kind}")
        return every

    def _by_head(self, x: str, order: Sequence[int]) -> str:
        g = self._g
        return g.transpose(g.reshape(x, (0, 0, self._heads, self._size)), order)

    def _layer(self, i: int, hidden: str, seen: str, distance: str) -> str:
        """Attention and feed-forward of layer `i`."""
        g, layer = self._g, f"encoder.context.layers.{i}"
        width = self._heads * self._size
        qkv = g.dense(g.norm(hidden, f"{layer}.attention_norm"), f"{layer}.qkv")
        query, *now = g.split(qkv, 2, [width] * 3)
        keys, values = self._newest(f"keys_{i}", now[0]), self._newest(f"values_{i}", now[1])
        scores = g.node(
            "MatMul", self._by_head(query, (0, 2, 1, 3)), self._by_head(keys, (0, 2, 3, 1))
        )
        scores = g.node(
            "Add",
            g.binary("Mul", scores, 1 / np.sqrt(self._size)),
            g.node("Gather", g.weight(f"{layer}.distance"), distance, axis=1),
        )
        unseen = g.constant(np.float32(-1e9))
        shares = g.node("Softmax", self._either(seen, scores, unseen), axis=-1)
        mean = g.node("MatMul", shares, self._by_head(values, (0, 2, 1, 3)))
        mean = g.reshape(g.transpose(mean, (0, 2, 1, 3)), (0, 0, width))
        hidden = g.node("Add", hidden, g.dense(mean, f"{layer}.out"))
        inner = g.gelu(g.dense(g.norm(hidden, f"{layer}.mlp_norm"), f"{layer}.fc1"))
        return g.node("Add", hidden, g.dense(inner, f"{layer}.fc2"))

    def _held(self, hidden: str) -> str:
        """Tokens as columns add them, the one held from before the call first."""
        g = self._g
        token = g.norm(hidden, "encoder.context.norm")
        mixed = g.matmul(token, self._tensors["encoder.mix.weight"].T)
        made = g.binary("GreaterOrEqual", g.node("Add", self._first, g.unsqueeze(self._slot, 1)), 0)
        mixed = g.node("Mul", mixed, g.cast(made, TensorProto.FLOAT))
        mixed = g.node("Concat", "held", mixed, axis=1)
        held = self._either(self._ended, g.slice(mixed, 1, -1), g.slice(mixed, 1, -2, -1))
        g.output(held, "next_held")
        return mixed

    def _next_clock(self) -> None:
        """It stays below a limit beyond which nothing depends on it but its parity."""
        g, limit = self._g, 2 * self._window + 4
        clock = g.node("Add", "clock", self._columns)
        beyond = g.binary("Max", g.binary("Sub", clock, limit), 0)
        g.output(g.node("Sub", clock, g.binary("Mul", self._halved(beyond), 2)), "next_clock")

    def _of_columns(self, mixed: str, shift: int) -> str:
        """The token of each column: the held one is 0, that of slot s is s + 1."""
        g = self._g
        index = g.node("Div", g.node("Add", self._number, self._whole(shift)), self._whole(2))
        return g.node("Gather", mixed, index, axis=1)
