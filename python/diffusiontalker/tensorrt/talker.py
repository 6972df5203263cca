"""The whole path as one graph: log-mel columns in, curves out, a tick of at most a frame a voice.

It is put together from the builders of the encoder's and the sampler's graphs
(docs/decisions/0015-the-whole-path-is-composed.md); the text of graphs.py says its ports.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from onnx import ModelProto

from ..bundle import BANDS, Bundle
from ..curves import CURVES
from .encoder import EncoderGraph, RaggedColumns, encode, encoder_states
from .identity import Identity, identity_states
from .nodes import EIGHT_BITS, Array, Graph, Port, notes
from .sampler import Frames, first_layer, sample, step_table

COLUMN_RATE_HZ = 100
#: Numbers of a voice that a tick is told beside sound and noise; see the text of graphs.py.
CONTROLS = ("columns", "frame", "sampled", "voiced", "share", "follow", "first")


def room(bundle: Bundle) -> int:
    """Most columns of a voice a tick: what one frame needs after another."""
    return max(1, math.ceil(COLUMN_RATE_HZ / bundle.frame_rate))


def heard(bundle: Bundle, frame: int) -> tuple[int, float]:
    """The newest column that a frame needs, and that column's share; the one before has the rest.

    A frame's tick brings the columns that are new since the frame before. Where they are more than
    `room`, as at a voice's start, ticks without a frame go before it, each with as many as fit: so
    what a tick holds depends on the frame's number and on nothing else.
    """
    place = frame * COLUMN_RATE_HZ / bundle.frame_rate
    newest = math.ceil(place) + int(bundle.manifest["encoder"]["lookahead_columns"])
    # One rounding, as TimeBase::column_position.
    fraction = Fraction(place) % 1
    return newest, float(np.float32(fraction.numerator) / np.float32(fraction.denominator)) or 1.0


@dataclass(frozen=True)
class Tick:
    """What a voice does in one launch."""

    first_column: int
    columns: int
    frame: int | None  #: the frame that comes out
    share: float  #: of the newest column in it


def ticks(bundle: Bundle, frames: int) -> Iterator[Tick]:
    """A voice's ticks from its start to its frame `frames` - 1 (cpp/src/features/ticks.h)."""
    column, most = 0, room(bundle)
    for frame in range(frames):
        newest, share = heard(bundle, frame)
        while newest + 1 - column > most:
            yield Tick(column, most, None, 1.0)
            column += most
        yield Tick(column, newest + 1 - column, frame, share)
        column = newest + 1


def quiet(bundle: Bundle, streams: int, precision: str = "float32") -> dict[str, Array]:
    """The inputs of a launch in which nobody takes part, and states at their start."""
    return {
        p.name: np.zeros(
            [streams if size == "streams" else int(size) for size in p.shape],
            np.float16 if p.half else np.float32,
        )
        for p in talker_ports(bundle, precision)[0]
    }


def bring(
    inputs: dict[str, Array], at: int | slice, tick: Tick, mel: Array, row: int | None, first: int
) -> None:
    """Puts a tick of the voice whose columns are `mel` into the inputs' rows `at`; somebody speaks
    in every frame. `row` pins its identity, None follows the voice from `first`. The noise of the
    frame is the caller's."""
    due = tick.frame is not None
    columns = mel[tick.first_column : tick.first_column + tick.columns]
    inputs["mel"][at, : len(columns)] = columns
    values = {
        "columns": len(columns),
        "frame": due,
        "sampled": due,
        "voiced": due,
        "share": tick.share,
        "follow": row is None,
        "first": first if row is None else row,
    }
    for name, value in values.items():
        inputs[name][at] = value


def talker_states(bundle: Bundle, precision: str = "float32") -> list[Port]:
    """All that a voice leaves on the device from tick to tick; zeros at its start."""
    m = bundle.manifest
    cells = int(m["diffusion"]["sample_steps"]) * int(m["decoder"]["layers"])
    return [
        *encoder_states(bundle, half=precision != "float32"),
        Port("heard", ("streams", 2, int(m["encoder"]["channels"]))),
        *identity_states(bundle),
        Port("state", ("streams", cells, int(m["decoder"]["hidden"]))),
    ]


def talker_ports(bundle: Bundle, precision: str = "float32") -> tuple[list[Port], list[Port]]:
    """Inputs and outputs of the graph."""
    states = talker_states(bundle, precision)
    return [
        Port("mel", ("streams", room(bundle), BANDS)),
        Port("noise", ("streams", 1, len(CURVES))),
        *(Port(name, ("streams", 1, 1)) for name in CONTROLS),
        *states,
    ], [
        Port("curves", ("streams", 1, len(CURVES))),
        Port("identity_row", ("streams", 1, 1)),
        Port("identity_scores", ("streams", 1, len(bundle.identities))),
        *(state.next() for state in states),
    ]


def talker_graph(
    bundle: Bundle, precision: str = "float32", ranges: Sequence[float] | None = None
) -> ModelProto:
    """The whole path. In eight bits `ranges` are those of calibration.py, which measures them
    where none are given."""
    if ranges is None and precision in EIGHT_BITS:
        from .calibration import ranges_of

        ranges = ranges_of(bundle)
    g = EncoderGraph(bundle, precision, half_memory=precision != "float32", ranges=ranges)
    _compose(g, bundle)
    return g.finish("talker", *talker_ports(bundle, precision), notes(bundle, precision))


def probed_graph(bundle: Bundle) -> tuple[ModelProto, int]:
    """The float32 graph with further outputs, `range_0` and so on: the greatest absolute value
    that each product with weights reads, over the voices and columns of a launch; and their
    number."""
    g = EncoderGraph(bundle, "float32")
    _compose(g, bundle)
    for place, read in enumerate(list(g.products)):
        size = g.node("Abs", read)
        g.output(g.node("ReduceMax", size, keepdims=0), f"range_{place}")
    inputs, outputs = talker_ports(bundle)
    count = len(g.products)
    outputs = [*outputs, *(Port(f"range_{place}", ()) for place in range(count))]
    return g.finish("talker", inputs, outputs, notes(bundle, "float32")), count


def _compose(g: EncoderGraph, bundle: Bundle) -> None:
    columns = RaggedColumns(g, room(bundle))
    audio = _align(g, columns, encode(g, bundle, columns))
    identity = Identity(g, bundle).features(audio)
    x0 = _sample(g, bundle, audio, identity)
    t = bundle.tensors
    curves = g.node("Mul", x0, g.constant(t["statistics.std"]))
    g.output(g.node("Add", curves, g.constant(t["statistics.mean"])), "curves")


def _align(g: Graph, columns: RaggedColumns, features: str) -> str:
    """The feature at a frame's instant: between the two newest columns."""
    newest = columns.newest(g.node("Concat", "heard", features, axis=1), 2)
    g.output(newest, "next_heard")
    before, after = g.split(newest, 1, [1, 1])
    rest = g.node("Sub", g.constant(np.float32(1)), "share")
    return g.node("Add", g.node("Mul", rest, before), g.node("Mul", "share", after))


def _sample(g: Graph, bundle: Bundle, audio: str, identity: str) -> str:
    """x0 (streams, 1, 52). A voice for which nothing is sampled keeps its recurrent state."""
    m = bundle.manifest
    steps, layers = int(m["diffusion"]["sample_steps"]), int(m["decoder"]["layers"])
    hidden = int(m["decoder"]["hidden"])

    def turned(x: str, width: int) -> str:  # (streams, 1, n) <-> (1, streams, n)
        return g.reshape(x, (1, -1, width))

    channels = int(m["encoder"]["channels"])
    cells = [turned(cell, hidden) for cell in g.split("state", 1, [1] * (steps * layers))]
    state = [cells[s * layers : (s + 1) * layers] for s in range(steps)]
    frames = Frames(
        1,
        turned(audio, channels),
        turned(identity, channels),
        turned("noise", len(CURVES)),
        g.constant(step_table(bundle) @ first_layer(bundle)[2]),
    )
    (x0,) = sample(g, bundle, frames, state)
    after = g.join([g.reshape(c, (-1, 1, hidden)) for parts in state for c in parts], axis=1)
    sampled = g.binary("Greater", "sampled", 0.5)
    g.output(g.node("Where", sampled, after, "state"), "next_state")
    return g.reshape(x0, (-1, 1, len(CURVES)))
