"""The audio encoder's nodes, with its context's."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from onnx import ModelProto, TensorProto

from ..bundle import BANDS, Bundle
from .nodes import Graph, Port, notes


def encoder_states(bundle: Bundle, half: bool = False) -> list[Port]:
    """What an encoder remembers from call to call; zeros at a voice's start.

    `half`: keys and values, which are nearly all of it, are float16.
    """
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
    return [
        Port(name, ("streams", columns, width), half and name.startswith(("keys_", "values_")))
        for name, columns, width in histories
    ]


def encoder_ports(bundle: Bundle) -> tuple[list[Port], list[Port]]:
    """Inputs and outputs of the encoder's graph."""
    channels = int(bundle.manifest["encoder"]["channels"])
    states = encoder_states(bundle)
    return [Port("mel", ("streams", "columns", BANDS)), *states], [
        Port("features", ("streams", "columns", channels)),
        *(state.next() for state in states),
    ]


class EncoderGraph(Graph):
    """The nodes of the encoder, by the names of its tensors."""

    def __init__(
        self,
        bundle: Bundle,
        precision: str,
        half_memory: bool = False,
        ranges: Sequence[float] | None = None,
    ) -> None:
        super().__init__(precision, ranges)
        self._tensors = bundle.tensors
        self.half_memory = half_memory  #: of keys and values; see `encoder_states`

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


class Columns:
    """The columns of a call, all of them of every voice: `mel` (streams, columns, 80).

    With S = ceil(columns / 2), a call has room for S tokens of the context.
    """

    def __init__(self, g: Graph) -> None:
        self._g = g
        self._shape = g.slice(g.node("Shape", "mel"), 0, 1, 2)  # (1,)
        zero, last, one = (
            g.constant(np.array(0, np.int64)),
            g.node("Squeeze", self._shape),
            g.constant(np.array(1, np.int64)),
        )
        #: Broadcasts to (streams, 1, 1): how many each voice has.
        self.count = g.cast(self._shape, TensorProto.FLOAT)
        self.number = g.node("Range", zero, last, one)  #: 0 .. columns - 1
        self.even = g.slice(self.number, 0, 0, step=2)  #: 0, 2, ..: (S,)
        #: The last row of an array that has two rows before the columns'.
        self.last = g.node("Add", self._shape, one)

    def newest(self, every: str, size: int) -> str:
        """The newest `size` rows of (streams, size + columns, n), whose last are the columns'."""
        return self._g.slice(every, 1, -size)

    def newest_tokens(self, every: str, size: int, odd: str) -> str:
        """The newest `size` rows of (streams, size + S, n), whose last are the tokens'.

        Tokens end at even columns: where a voice's first column is odd and the number of columns
        too, the last one has not ended.
        """
        g = self._g
        last = g.slice(g.cast(self.even, TensorProto.FLOAT), 0, -1)
        ended = g.node("Less", g.node("Add", odd, last), self.count)
        return g.node("Where", ended, g.slice(every, 1, -size), g.slice(every, 1, -size - 1, -1))


class RaggedColumns(Columns):
    """Room for `room` columns of each voice, of which it has `columns` (streams, 1, 1).

    What the others hold is never heard: the encoder is causal, and the state keeps none of it.
    """

    def __init__(self, g: Graph, room: int) -> None:
        self._g, self._room = g, room
        self.count = "columns"
        self.number = g.constant(np.arange(room, dtype=np.int64))
        self.even = g.constant(np.arange(0, room, 2, dtype=np.int64))
        self.last = g.constant(np.array([room + 1], np.int64))

    def newest(self, every: str, size: int) -> str:
        g = self._g
        kept = g.slice(every, 1, 0, size)
        for count in range(1, self._room + 1):
            reached = g.binary("Greater", self.count, count - 0.5)
            kept = g.node("Where", reached, g.slice(every, 1, count, count + size), kept)
        return kept

    def newest_tokens(self, every: str, size: int, odd: str) -> str:
        g = self._g
        kept = g.slice(every, 1, 0, size)
        for slot, even in enumerate(range(0, self._room, 2)):
            ended = g.node("Less", g.binary("Add", odd, even), self.count)
            kept = g.node("Where", ended, g.slice(every, 1, slot + 1, slot + 1 + size), kept)
        return kept


def encode(g: EncoderGraph, bundle: Bundle, columns: Columns) -> str:
    """Features (streams, columns, channels) of `mel`, with the outputs of the state."""
    settings = bundle.manifest["encoder"]

    def convolve(x: str, history: str, name: str, dilation: int) -> str:
        """Reads the columns m - 2d, m - d and m, and keeps the history."""
        heard = g.node("Concat", history, x, axis=1)
        taps = [
            g.slice(heard, 1, 0, -2 * dilation),
            g.slice(heard, 1, dilation, -dilation),
            g.slice(heard, 1, 2 * dilation),
        ]
        g.output(columns.newest(heard, 2 * dilation), f"next_{history}")
        return g.three_taps(taps, name)

    hidden = g.node("Relu", convolve("mel", "history_input", "encoder.input", 1))
    for i, dilation in enumerate(settings["dilations"]):
        block = f"encoder.blocks.{i}"
        branch = g.norm(hidden, f"{block}.norm")
        branch = g.node("Relu", convolve(branch, f"history_{i}", f"{block}.conv", dilation))
        hidden = g.node("Add", hidden, g.dense(branch, f"{block}.mix"))
    if "context" in settings:
        hidden = g.node("Add", hidden, _Context(g, bundle, columns).columns())
    return g.norm(hidden, "encoder.norm")


def encoder_graph(bundle: Bundle, precision: str = "float32") -> ModelProto:
    """The causal encoder; the text of graphs.py says its inputs and outputs."""
    g = EncoderGraph(bundle, precision)
    g.output(encode(g, bundle, Columns(g)), "features")
    return g.finish("encoder", *encoder_ports(bundle), notes(bundle, precision))


class _Context:
    """The context's nodes, with the outputs of its state.

    Tokens end at even columns, so a voice whose first column is odd reads a column further on.
    Token -1, which an empty state would end with column 0, is masked as every token before it is.
    """

    def __init__(self, g: EncoderGraph, bundle: Bundle, columns: Columns) -> None:
        settings = bundle.manifest["encoder"]["context"]
        self._g, self._tensors, self._columns = g, bundle.tensors, columns
        self._layers, self._heads = int(settings["layers"]), int(settings["heads"])
        self._window = int(settings["window"])
        self._size = int(settings["width"]) // self._heads
        # 0, 1, ..: (S,)
        self._slot = g.binary("Mul", g.cast(columns.even, TensorProto.FLOAT), 0.5)
        # (streams, 1, 1)
        self._odd = g.node("Sub", "clock", g.binary("Mul", self._halved("clock"), 2))
        self._is_odd = g.binary("Greater", self._odd, 0.5)
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
        number = g.cast(self._columns.number, TensorProto.FLOAT)
        place = g.node("Add", "clock", g.unsqueeze(number, 1))
        fine = g.node("Mul", fine, g.binary("Min", place, 1))
        fine = g.node("Concat", "history_context", fine, axis=1)
        g.output(self._columns.newest(fine, 2), "next_history_context")
        after = []
        for i in range(4):
            ahead = g.node("Add", self._columns.even, self._whole(i))
            at = g.node("Min", ahead, self._columns.last)
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
        if g.half_memory:
            now = g.cast(now, TensorProto.FLOAT16)
        every = g.node("Concat", kind, now, axis=1)
        newest = self._columns.newest_tokens(every, self._window, self._odd)
        g.output(newest, f"next_{kind}")
        return g.cast(every, TensorProto.FLOAT) if g.half_memory else every

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
        g.output(self._columns.newest_tokens(mixed, 1, self._odd), "next_held")
        return mixed

    def _next_clock(self) -> None:
        """It stays below a limit beyond which nothing depends on it but its parity."""
        g, limit = self._g, 2 * self._window + 4
        clock = g.node("Add", "clock", self._columns.count)
        beyond = g.binary("Max", g.binary("Sub", clock, limit), 0)
        g.output(g.node("Sub", clock, g.binary("Mul", self._halved(beyond), 2)), "next_clock")

    def _of_columns(self, mixed: str, shift: int) -> str:
        """The token of each column: the held one is 0, that of slot s is s + 1."""
        g = self._g
        index = g.node(
            "Div", g.node("Add", self._columns.number, self._whole(shift)), self._whole(2)
        )
        return g.node("Gather", mixed, index, axis=1)
