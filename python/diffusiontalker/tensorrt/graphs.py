"""A bundle as ONNX graphs (opset 17, fp8 19): the whole path, and its two networks by themselves.

The graphs are written node by node from the bundle's tensors, not traced, so that every name and
shape below is a promise. `streams` is the number of voices, a free dimension everywhere.

talker.onnx, a tick of every voice: up to C log-mel columns in, C what one frame needs after
another (2 at 60 frames a second), and at most a frame out. A voice's ticks are `ticks`; whoever
sits out has 0 columns and no frame, and keeps its state:
    mel (streams, C, 80), the columns that there are first, finite numbers behind them,
    noise (streams, 1, 52), normal noise times the bundle's `noise_scale`,
    columns, frame, sampled, voiced, share, follow, first (streams, 1, 1): how many columns there
    are; 1 where a frame comes out, where the sampler runs for it, where somebody speaks in it;
    how much of the newest column is in it, the rest being of the one before; 1 where the identity
    follows the voice, and the row of the library that a voice begins with, which is always one
    -> curves (streams, 1, 52) of the frame, identity_row (streams, 1, 1) and identity_scores
    (streams, 1, identities) at it
and the state (`talker_states`), zeros at a voice's start, each X with an output next_X: that of the
encoder, below, `heard` (streams, 2, channels), the features of the two newest columns, that of
identity matching (identity.py), and `state` (streams, steps x layers, hidden).

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
norms and attention stay float32, but for talker.onnx's keys and values, which are nearly all of a
voice's state and so of what a launch reads and writes. In int8 and fp8, of talker.onnx alone,
those products are of eight bits, with scales measured on the demo clip (calibration.py), and the
rest is as in float16.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import onnx
from onnx import ModelProto

from ..bundle import Bundle
from ..files import replaced
from .encoder import encoder_graph, encoder_ports
from .nodes import EIGHT_BITS, PRECISIONS, Port
from .sampler import loop_sampler_graph, sampler_graph, sampler_ports, step_table
from .talker import CONTROLS, bring, quiet, room, talker_graph, talker_ports, ticks

__all__ = [
    "CONTROLS",
    "EIGHT_BITS",
    "FRAME_COUNTS",
    "MOST_FRAMES",
    "PRECISIONS",
    "Port",
    "bring",
    "check_frames",
    "encoder_graph",
    "encoder_ports",
    "export_onnx",
    "file_name",
    "loop_sampler_graph",
    "quiet",
    "room",
    "sampler_graph",
    "sampler_ports",
    "step_table",
    "talker_graph",
    "talker_ports",
    "ticks",
]

#: Frames a launch for which there are graphs.
FRAME_COUNTS = (1, 2, 4, 8)
MOST_FRAMES = 64


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
    """Writes the whole path, the encoder, a sampler for each of `frames`, and the loop; returns the
    files.

    `note` is told the name of each file before it is written.
    """
    check_frames(frames)
    graphs: list[tuple[str, Callable[[], ModelProto]]] = [
        ("sampler_loop.onnx", lambda: loop_sampler_graph(bundle))
    ]
    for p in precisions:
        graphs.append((file_name("talker", p), partial(talker_graph, bundle, p)))
        if p in EIGHT_BITS:  # of the whole path alone
            continue
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
