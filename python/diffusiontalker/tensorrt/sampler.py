"""The sampler's nodes: all steps unrolled, or ONNX's loops."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto

from ..bundle import Bundle
from ..curves import CURVES
from .nodes import Array, Graph, Port, Shape, notes


def _input_weights(tensors: Mapping[str, Array], layer: int) -> tuple[Array, Array]:
    name = f"l{layer}"
    return tensors[f"decoder.gru.weight_ih_{name}"].T, tensors[f"decoder.gru.bias_ih_{name}"]


def first_layer(bundle: Bundle) -> list[Array]:
    """The parts of the first layer's matrix, which reads concat(audio, identity, step, x): only x
    changes from step to step."""
    m = bundle.manifest
    channels, step_dim = int(m["encoder"]["channels"]), int(m["decoder"]["step_dim"])
    weight, _ = _input_weights(bundle.tensors, 0)
    return np.split(weight, np.cumsum([channels, channels, step_dim]))


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


def ddim(bundle: Bundle) -> list[tuple[float, float]]:
    """(x_scale, x0_scale) of each update x <- x_scale x + x0_scale x0, in the order of sampling.

    DDIM with eta = 0 (Song et al. 2021, eq. 12), collected by x and x0; the last one leaves x0.
    """
    abar = bundle.manifest["diffusion"]["alpha_bar"]
    scales = []
    for n in range(len(abar) - 1, 0, -1):
        x_scale = np.sqrt((1 - abar[n - 1]) / (1 - abar[n]))
        scales.append((x_scale, np.sqrt(abar[n - 1]) - x_scale * np.sqrt(abar[n])))
    return [*scales, (0.0, 1.0)]


def _cell(g: Graph, bundle: Bundle, below: str, before: str, layer: int) -> str:
    """A GRU cell in PyTorch's form, gates in the order reset, update, new."""
    t, hidden = bundle.tensors, int(bundle.manifest["decoder"]["hidden"])
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


@dataclass
class Frames:
    """What the sampler's nodes read, by name; n values of each frame as (frames, streams, n)."""

    count: int
    audio: str
    identity: str
    noise: str
    of_steps: str  # (steps, 3 hidden): `step_table` times `first_layer`'s third part


def sample(g: Graph, bundle: Bundle, frames: Frames, state: list[list[str]]) -> list[str]:
    """All sampling steps: x0 of each frame, (1, streams, 52), in standardised units.

    `state` holds (1, streams, hidden) of each step and layer, and afterwards the next ones.

    Cell (frame f, step s) needs only (f - 1, s) and (f, s - 1), so the cells of a diagonal f + s
    are stacked into one product, as the CPU runtime does: frames + steps - 1 products a matrix.
    """
    t, m, count = bundle.tensors, bundle.manifest, frames.count
    steps, layers = int(m["diffusion"]["sample_steps"]), int(m["decoder"]["layers"])
    hidden, scales = int(m["decoder"]["hidden"]), ddim(bundle)
    audio_part, identity_part, _, x_part = first_layer(bundle)
    bias = _input_weights(t, 0)[1]
    of_frames = g.node(
        "Add",
        g.linear(frames.audio, audio_part, bias),
        g.matmul(frames.identity, identity_part),
    )
    of_frame = g.split(of_frames, 0, [1] * count)  # (1, streams, 3 hidden) each
    of_steps = g.reshape(frames.of_steps, (steps, 1, 3 * hidden))
    of_step = g.split(of_steps, 0, [1] * steps)

    # Everything below is (cells, streams, n).
    noise = g.split(frames.noise, 0, [1] * count)
    x = [""] * steps  # what the next cell of each step starts from
    x0 = [""] * count

    for diagonal in range(count + steps - 1):
        first, last = max(0, diagonal - count + 1), min(diagonal, steps - 1)
        cells = range(first, last + 1)  # steps; cell s is at frame diagonal - s
        if diagonal < count:
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
            below = _cell(g, bundle, below, g.join([state[s][layer] for s in cells]), layer)
            for s, part in zip(cells, g.split(below, 0, [1] * len(cells)), strict=True):
                state[s][layer] = part
        prediction = g.linear(below, t["decoder.head.weight"].T, t["decoder.head.bias"])
        x_scale, x0_scale = (
            g.constant(np.array([scales[s][i] for s in cells], np.float32)[:, None, None])
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
    return x0


def sampler_graph(bundle: Bundle, frames: int, precision: str = "float32") -> ModelProto:
    """The sampler for `frames` frames; the text of graphs.py says its inputs and outputs."""
    g, m = Graph(precision), bundle.manifest
    steps, layers = int(m["diffusion"]["sample_steps"]), int(m["decoder"]["layers"])
    hidden = int(m["decoder"]["hidden"])
    # (streams, F, n) -> (F, streams, n)
    audio, identity, noise = (
        g.transpose(name, (1, 0, 2)) for name in ("audio", "identity", "noise")
    )
    states = g.split(g.reshape("state", (steps * layers, -1, hidden)), 0, [1] * (steps * layers))
    state = [states[s * layers : (s + 1) * layers] for s in range(steps)]
    of_steps = g.matmul("step_table", first_layer(bundle)[2])
    x0 = sample(g, bundle, Frames(frames, audio, identity, noise, of_steps), state)
    g.output(g.transpose(g.join(x0), (1, 0, 2)), "x0")
    all_states = g.join([part for parts in state for part in parts])
    g.output(g.reshape(all_states, (steps, layers, -1, hidden)), "next_state")
    inputs, outputs = sampler_ports(bundle, frames)
    return g.finish(f"sampler_{frames}", inputs, outputs, notes(bundle, precision))


def loop_sampler_graph(bundle: Bundle, frames: int | str = "frames") -> ModelProto:
    """The same sampler with GRU nodes, float32: the baseline. Any number of frames, or `frames`."""
    g, t, m = Graph("float32"), bundle.tensors, bundle.manifest
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
    for step, (x_scale, x0_scale) in enumerate(ddim(bundle)):
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
    return g.finish("sampler_loop", inputs, outputs, notes(bundle, "float32"))
