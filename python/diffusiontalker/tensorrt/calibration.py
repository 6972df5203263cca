"""How large the numbers are that the network's products read: what eight bits have to hold.

Measured on the demo clip in the ONNX project's own evaluator, so that nothing else is needed.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from onnx.reference import ReferenceEvaluator

from .. import _core
from ..bundle import Bundle
from . import engines, talker

FRAMES = 90
_measured: dict[tuple[str, int], list[float]] = {}
DEMO = Path(__file__).parents[1] / "data" / "demo.flac"


def demo_speech() -> NDArray[np.float32]:
    """The demo clip at 16 kHz. Raises BackendError where it cannot be read."""
    try:
        from ..sound import read_all

        samples, _, _ = read_all(DEMO)
    except (ImportError, OSError, ValueError) as error:
        raise engines.BackendError(
            f"precision: eight bits are measured on {DEMO.name}, which cannot be read: {error}"
        ) from None
    return np.asarray(samples, np.float32)


def ranges_of(bundle: Bundle, frames: int = FRAMES) -> list[float]:
    """The greatest absolute value that each product with weights reads, in their order, over the
    demo clip's first `frames` frames. Measured once a process and model."""
    key = (engines.model_hash(bundle, "talker"), frames)
    if key not in _measured:
        _measured[key] = _measure(bundle, frames)
    return _measured[key]


def _measure(bundle: Bundle, frames: int) -> list[float]:
    mel, _ = _core.log_mel(demo_speech())
    model, count = talker.probed_graph(bundle)
    run = ReferenceEvaluator(model)
    names = [o.name for o in model.graph.output]
    inputs = talker.quiet(bundle, 1)
    ranges = np.zeros(count)
    for tick in talker.ticks(bundle, frames):
        talker.bring(inputs, 0, tick, mel, None, bundle.default_identity)
        if tick.frame is not None:
            inputs["noise"][0] = _core.noise(0, tick.frame, 1) * bundle.noise_scale()
        out = dict(zip(names, run.run(None, inputs), strict=True))
        ranges = np.maximum(ranges, [out[f"range_{place}"] for place in range(count)])
        for name in [n for n in names if n.startswith("next_")]:
            inputs[name.removeprefix("next_")] = out[name]
    return [float(most) for most in ranges]
