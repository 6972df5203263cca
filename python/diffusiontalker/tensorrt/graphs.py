"""A bundle as ONNX graphs (opset 18): the audio encoder, and the sampler with its steps unrolled.

The graphs are written node by node from the bundle's tensors, not traced, so that every name and
shape below is a promise. `streams` is the number of voices, a free dimension everywhere.

encoder.onnx, for any number of columns at 100 Hz, the history of each convolution in and out:
    mel (streams, columns, 80), history_input (streams, 2, 80),
    history_{i} (streams, 2 dilations[i], channels)
    -> features (streams, columns, channels), next_history_input, next_history_{i}
With a context, the state of each voice's tokens too, zeros at its start like every other state:
    clock (streams, 1, 1), the columns heard, kept small by an even number once it is large,
    history_context (streams, 2, width), held (streams, 1, channels),
    keys_{l}, values_{l} (streams, window, width)
    -> next_clock, next_history_context, next_held, next_keys_{l}, next_values_{l}

sampler_{F}.onnx, for F frames, one GRU state a sampling step in and out:
    audio, identity (streams, F, channels),
    noise (streams, F, 52), normal noise times the bundle's `noise_scale`,
    step_table (steps, step_dim), the rows that the steps look up, in the order of sampling,
    state (steps, layers, streams, hidden)
    -> x0 (streams, F, 52) in standardised units, next_state

sampler_loop.onnx has the sampler's inputs and outputs for any number of frames, with ONNX's GRU
nodes, which runtimes turn into loops: the baseline to measure against.

In a float16 graph the products with weights are float16; inputs, outputs, states, sums, gates,
norms and attention stay float32.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import ModelProto, TensorProto, helper, numpy_helper

from ..bundle import BANDS, Bundle
from ..curves import CURVES
from ..files import replaced
from . import engines

OPSET = 18
#: Frames a launch for which there are graphs.
FRAME_COUNTS = (1, 2, 4, 8)
MOST_FRAMES = 64
PRECISIONS = ("float32", "float16")

Array = NDArray[Any]
#: Sizes of a tensor; a name stands for a free dimension.
Shape = tuple[int | str, ...]


@dataclass(frozen=True)
class Port:
    """An input or output of a graph; float32, all of them."""

    name: str
    shape: Shape


class _Graph:
    """Collects nodes; every method adds one and returns the name of its output."""

    def __init__(self, precision: str) -> None:
        if precision not in PRECISIONS:
            raise ValueError(f"precision: expected {' or '.join(PRECISIONS)}, got {precision!r}")
        self._half = precision == "float16"
        self._nodes: list[onnx.NodeProto] = []
        self._constants: dict[tuple[str, bytes], onnx.TensorProto] = {}

    def constant(self, value: Array) -> str:
        """A constant; equal ones are stored once."""
        value = np.asarray(value, order="C")
        key = (f"{value.dtype} {value.shape}", value.tobytes())
        if key not in self._constants:
            name = f"constant_{len(self._constants)}"
            self._constants[key] = numpy_helper.from_array(value, name)
        return str(self._constants[key].name)

    def node(self, kind: str, *inputs: str, **attributes: Any) -> str:
        return self.nodes(kind, inputs, 1, **attributes)[0]

    def nodes(self, kind: str, inputs: Iterable[str], outputs: int, **attributes: Any) -> list[str]:
        name = f"{kind.lower()}_{len(self._nodes)}"
        names = [f"{name}_{i}" for i in range(outputs)] if outputs > 1 else [name]
        self._nodes.append(helper.make_node(kind, list(inputs), names, name=name, **attributes))
        return names

    def matmul(self, x: str, matrix: Array) -> str:
        """x @ matrix, in the graph's precision; float32 in and out."""
        if not self._half:
            return self.node("MatMul", x, self.constant(matrix.astype(np.float32)))
        half = self.node("Cast", x, to=TensorProto.FLOAT16)
        product = self.node("MatMul", half, self.constant(matrix.astype(np.float16)))
        return self.node("Cast", product, to=TensorProto.FLOAT)

    def linear(self, x: str, matrix: Array, bias: Array) -> str:
        return self.node("Add", self.matmul(x, matrix), self.constant(bias))

    def slice(self, x: str, axis: int, begin: int, end: int | None = None, step: int = 1) -> str:
        stop = np.iinfo(np.int64).max if end is None else end
        bounds = [self.constant(np.array([v], np.int64)) for v in (begin, stop, axis, step)]
        return self.node("Slice", x, *bounds)

    def binary(self, kind: str, x: str, number: float) -> str:
        """A node of a float32 tensor and a number."""
        return self.node(kind, x, self.constant(np.float32(number)))

    def split(self, x: str, axis: int, sizes: Sequence[int]) -> list[str]:
        if len(sizes) == 1:
            return [x]
        parts = self.constant(np.array(sizes, np.int64))
        return self.nodes("Split", [x, parts], len(sizes), axis=axis)

    def join(self, parts: Sequence[str], axis: int = 0) -> str:
        return parts[0] if len(parts) == 1 else self.node("Concat", *parts, axis=axis)

    def reshape(self, x: str, shape: Sequence[int]) -> str:
        return self.node("Reshape", x, self.constant(np.array(shape, np.int64)))

    def unsqueeze(self, x: str, axis: int) -> str:
        return self.node("Unsqueeze", x, self.constant(np.array([axis], np.int64)))

    def cast(self, x: str, kind: int) -> str:
        return self.node("Cast", x, to=kind)

    def transpose(self, x: str, order: Sequence[int]) -> str:
        return self.node("Transpose", x, perm=list(order))

    def output(self, value: str, name: str) -> None:
        self._nodes.append(helper.make_node("Identity", [value], [name], name=f"output_{name}"))

    def finish(
        self, name: str, inputs: Sequence[Port], outputs: Sequence[Port], notes: dict[str, str]
    ) -> ModelProto:
        ports = [
            [helper.make_tensor_value_info(p.name, TensorProto.FLOAT, p.shape) for p in side]
            for side in (inputs, outputs)
        ]
        constants = list(self._constants.values())
        graph = helper.make_graph(self._nodes, name, ports[0], ports[1], constants)
        model = helper.make_model(
            graph,
            opset_imports=[helper.make_opsetid("", OPSET)],
            producer_name="diffusiontalker",
            ir_version=8,
        )
        helper.set_model_props(model, notes)
        onnx.checker.check_model(model, full_check=True)
        return model


# ---- the audio encoder -------------------------------------------------------------------------


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


class _Encoder(_Graph):
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
    return g.finish("encoder", *encoder_ports(bundle), _notes(bundle, precision))


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


# ---- the sampler -------------------------------------------------------------------------------


def _input_weights(tensors: Mapping[str, Array], layer: int) -> tuple[Array, Array]:
    name = f"l{layer}"
    return tensors[f"decoder.gru.weight_ih_{name}"].T, tensors[f"decoder.gru.bias_ih_{name}"]


def sampler_ports(bundle: Bundle, frames: int | str) -> tuple[list[Port], list[Port]]:
    """Inputs and outputs of the sampler's graph."""
    m = bundle.manifest
    channels, curves = int(m["encoder"]["channels"]), len(CURVES)
    steps, layers = int(m["diffusion"]["sample_steps"]), int(m["decoder"]["layers"])
    state: Shape = (steps, layers, "streams", int(m["decoder"]["hidden"]))
    return [
        Port("audio", ("streams", frames, channels)),
        Port("identity", ("streams", frames, channels)),
        Port("noise", ("streams", frames, curves)),
        Port("step_table", (steps, int(m["decoder"]["step_dim"]))),
        Port("state", state),
    ], [Port("x0", ("streams", frames, curves)), Port("next_state", state)]


def step_table(bundle: Bundle) -> NDArray[np.float32]:
    """The sampler's `step_table`: (steps, step_dim) float32. Step n of K reads row nT/K - 1."""
    table = bundle.tensors["decoder.steps.weight"]
    every = len(table) // int(bundle.manifest["diffusion"]["sample_steps"])
    return np.ascontiguousarray(table[every - 1 :: every][::-1])


def _ddim(bundle: Bundle) -> list[tuple[float, float]]:
    """(x_scale, x0_scale) of each update x <- x_scale x + x0_scale x0, in the order of sampling.

    DDIM with eta = 0 (Song et al. 2021, eq. 12), collected by x and x0; the last one leaves x0.
    """
    abar = bundle.manifest["diffusion"]["alpha_bar"]
    scales = []
    for n in range(len(abar) - 1, 0, -1):
        x_scale = np.sqrt((1 - abar[n - 1]) / (1 - abar[n]))
        scales.append((x_scale, np.sqrt(abar[n - 1]) - x_scale * np.sqrt(abar[n])))
    return [*scales, (0.0, 1.0)]


def sampler_graph(bundle: Bundle, frames: int, precision: str = "float32") -> ModelProto:
    """The sampler for `frames` frames; see the module's text for its inputs and outputs.

    Cell (frame f, step s) needs only (f - 1, s) and (f, s - 1), so the cells of a diagonal f + s
    are stacked into one product, as the CPU runtime does: frames + steps - 1 products a matrix.
    """
    g, t, m = _Graph(precision), bundle.tensors, bundle.manifest
    steps, layers = int(m["diffusion"]["sample_steps"]), int(m["decoder"]["layers"])
    hidden, channels = int(m["decoder"]["hidden"]), int(m["encoder"]["channels"])
    step_dim = int(m["decoder"]["step_dim"])
    ddim = _ddim(bundle)

    # The first layer reads concat(audio, identity, step, x): only x changes from step to step.
    weight, bias = _input_weights(t, 0)
    audio_part, identity_part, step_part, x_part = np.split(
        weight, np.cumsum([channels, channels, step_dim])
    )

    def frame_first(name: str) -> str:  # (streams, F, n) -> (F, streams, n)
        return g.transpose(name, (1, 0, 2))

    of_frames = g.node(
        "Add",
        g.linear(frame_first("audio"), audio_part, bias),
        g.matmul(frame_first("identity"), identity_part),
    )
    of_frame = g.split(of_frames, 0, [1] * frames)  # (1, streams, 3 hidden) each
    of_steps = g.reshape(g.matmul("step_table", step_part), (steps, 1, 3 * hidden))
    of_step = g.split(of_steps, 0, [1] * steps)

    # Everything below is (cells, streams, n).
    states = g.split(g.reshape("state", (steps * layers, -1, hidden)), 0, [1] * (steps * layers))
    state = [states[s * layers : (s + 1) * layers] for s in range(steps)]
    noise = g.split(frame_first("noise"), 0, [1] * frames)
    x = [""] * steps  # what the next cell of each step starts from
    x0 = [""] * frames

    def cell(below: str, before: str, layer: int) -> str:
        """A GRU cell in PyTorch's form, gates in the order reset, update, new."""
        recurrent = g.linear(
            before,
            t[f"decoder.gru.weight_hh_l{layer}"].T,
            t[f"decoder.gru.bias_hh_l{layer}"],
        )
        in_gates, in_new = g.split(below, 2, [2 * hidden, hidden])
        re_gates, re_new = g.split(recurrent, 2, [2 * hidden, hidden])
        gates = g.node("Sigmoid", g.node("Add", in_gates, re_gates))
        reset, update = g.split(gates, 2, [hidden, hidden])
        new = g.node("Tanh", g.node("Add", in_new, g.node("Mul", reset, re_new)))
        kept = g.node("Mul", update, g.node("Sub", before, new))
        return g.node("Add", new, kept)

    for diagonal in range(frames + steps - 1):
        first, last = max(0, diagonal - frames + 1), min(diagonal, steps - 1)
        cells = range(first, last + 1)  # steps; cell s is at frame diagonal - s
        if diagonal < frames:
            x[0] = noise[diagonal]
        stacked = g.join([x[s] for s in cells])
        fixed = g.node(
            "Add",
            g.join([of_frame[diagonal - s] for s in cells]),
            g.join([of_step[s] for s in cells]),
        )
        below = g.node("Add", g.matmul(stacked, x_part), fixed)
        for layer in range(layers):
            if layer > 0:
                below = g.linear(below, *_input_weights(t, layer))
            below = cell(below, g.join([state[s][layer] for s in cells]), layer)
            for s, part in zip(cells, g.split(below, 0, [1] * len(cells)), strict=True):
                state[s][layer] = part
        prediction = g.linear(below, t["decoder.head.weight"].T, t["decoder.head.bias"])
        x_scale, x0_scale = (
            g.constant(np.array([ddim[s][i] for s in cells], np.float32)[:, None, None])
            for i in (0, 1)
        )
        updated = g.node(
            "Add", g.node("Mul", stacked, x_scale), g.node("Mul", prediction, x0_scale)
        )
        for s, part in zip(cells, g.split(updated, 0, [1] * len(cells)), strict=True):
            if s == steps - 1:
                x0[diagonal - s] = part
            else:
                x[s + 1] = part

    g.output(g.transpose(g.join(x0), (1, 0, 2)), "x0")
    all_states = g.join([state[s][layer] for s in range(steps) for layer in range(layers)])
    g.output(g.reshape(all_states, (steps, layers, -1, hidden)), "next_state")
    inputs, outputs = sampler_ports(bundle, frames)
    return g.finish(f"sampler_{frames}", inputs, outputs, _notes(bundle, precision))


def loop_sampler_graph(bundle: Bundle, frames: int | str = "frames") -> ModelProto:
    """The same sampler with GRU nodes, float32: the baseline. Any number of frames, or `frames`."""
    g, t, m = _Graph("float32"), bundle.tensors, bundle.manifest
    steps, layers = int(m["diffusion"]["sample_steps"]), int(m["decoder"]["layers"])
    hidden, step_dim = int(m["decoder"]["hidden"]), int(m["decoder"]["step_dim"])
    audio, identity, x = (g.transpose(name, (1, 0, 2)) for name in ("audio", "identity", "noise"))
    frames_and_streams = g.slice(g.node("Shape", audio), 0, 0, 2)
    row_shape = g.join([frames_and_streams, g.constant(np.array([step_dim], np.int64))])
    rows = g.split("step_table", 0, [1] * steps)
    states = g.split(g.reshape("state", (steps * layers, -1, hidden)), 0, [1] * (steps * layers))

    def onnx_order(weight: Array) -> Array:
        """PyTorch's gates (reset, update, new) in ONNX's order (update, reset, new)."""
        reset, update, new = np.split(weight, 3)
        return np.concatenate([update, reset, new])

    after = []
    for step, (x_scale, x0_scale) in enumerate(_ddim(bundle)):
        row = g.node("Expand", rows[step], row_shape)
        below = g.join([audio, identity, row, x], axis=2)
        for layer in range(layers):
            weights = [
                onnx_order(t[f"decoder.gru.weight_{part}_l{layer}"])[None] for part in ("ih", "hh")
            ]
            biases = [onnx_order(t[f"decoder.gru.bias_{part}_l{layer}"]) for part in ("ih", "hh")]
            constants = [g.constant(v) for v in (*weights, np.concatenate(biases)[None])]
            every, final = g.nodes(
                "GRU",
                # The fifth input, lengths of the sequences, is left out.
                [below, *constants, "", states[step * layers + layer]],
                2,
                hidden_size=hidden,
                linear_before_reset=1,
            )
            after.append(final)
            below = g.node("Squeeze", every, g.constant(np.array([1], np.int64)))
        prediction = g.linear(below, t["decoder.head.weight"].T, t["decoder.head.bias"])
        x = g.node(
            "Add",
            g.node("Mul", x, g.constant(np.float32(x_scale))),
            g.node("Mul", prediction, g.constant(np.float32(x0_scale))),
        )
    g.output(g.transpose(x, (1, 0, 2)), "x0")
    g.output(g.reshape(g.join(after), (steps, layers, -1, hidden)), "next_state")
    inputs, outputs = sampler_ports(bundle, frames)
    return g.finish("sampler_loop", inputs, outputs, _notes(bundle, "float32"))


# ---- files -------------------------------------------------------------------------------------


def file_name(graph: str, precision: str) -> str:
    """Name of a graph's file, such as sampler_1.onnx or sampler_1_float16.onnx."""
    return f"{graph}.onnx" if precision == "float32" else f"{graph}_{precision}.onnx"


def check_frames(frames: Sequence[int]) -> None:
    """Raises ValueError for numbers of frames a launch that no graph is made for."""
    if bad := [f for f in frames if not 1 <= f <= MOST_FRAMES]:
        raise ValueError(f"frames: expected whole numbers from 1 to {MOST_FRAMES}, got {bad[0]}")


def export_onnx(
    bundle: Bundle,
    folder: Path,
    *,
    frames: Sequence[int] = FRAME_COUNTS,
    precisions: Sequence[str] = ("float32",),
    note: Callable[[str], None] = lambda _: None,
) -> list[Path]:
    """Writes the encoder, a sampler for each of `frames`, and the loop; returns the files.

    `note` is told the name of each file before it is written.
    """
    check_frames(frames)
    graphs: list[tuple[str, Callable[[], ModelProto]]] = [
        ("sampler_loop.onnx", lambda: loop_sampler_graph(bundle))
    ]
    for p in precisions:
        graphs.append((file_name("encoder", p), partial(encoder_graph, bundle, p)))
        for f in frames:
            name = file_name(f"sampler_{f}", p)
            graphs.append((name, partial(sampler_graph, bundle, f, p)))
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for name, build in graphs:
        note(name)
        with replaced(folder / name) as part:
            onnx.save(build(), part)
        paths.append(folder / name)
    return paths


def _notes(bundle: Bundle, precision: str) -> dict[str, str]:
    """What a graph says of itself in its metadata."""
    return {
        "model": bundle.name,
        "model_hash": engines.model_hash(bundle),
        "precision": precision,
        "frame_rate": str(bundle.frame_rate),
    }
