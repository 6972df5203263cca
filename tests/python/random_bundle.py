"""Bundles with random weights: for tests of everything that does not depend on what was learnt."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from diffusiontalker import bundle
from diffusiontalker.curves import CURVES


def alpha_bar(steps: int, train_steps: int = 32) -> list[float]:
    betas = np.linspace(0.1 / train_steps, 20.0 / train_steps, train_steps)
    every = train_steps // steps
    return [float(a) for a in np.cumprod(1.0 - betas)[every - 1 :: every]]


#: Small, with a window that two seconds fill many times over.
CONTEXT = {"width": 32, "heads": 2, "layers": 2, "hidden": 64, "window": 5}


def manifest(*, context: Mapping[str, int] | None = None, **changes: Any) -> dict[str, Any]:
    """A manifest of random weights; `context` is the encoder's, `changes` replace top entries."""
    base: dict[str, Any] = {
        "name": "random",
        "curves": list(CURVES),
        "frame_rate": [60, 1],
        "encoder": {
            "type": "causal_conv",
            "channels": 32,
            "dilations": [1, 2, 4],
            "lookahead_columns": 4,
        },
        "decoder": {"hidden": 256, "layers": 2, "step_dim": 16, "identity_hidden": 24},
        "diffusion": {"train_steps": 32, "sample_steps": 8, "alpha_bar": alpha_bar(8)},
        "identities": {"names": ["ann", "bob", "cat"], "default": "ann"},
        "gate": {},
        "postprocess": {"jawOpen": {"gain": 1.1, "smoothing_ms": 12.0}},
        "training": {"note": "random weights", "sources": []},
    }
    m = {**base, **changes}
    if context is not None:
        m["encoder"] = {**m["encoder"], "context": dict(context)}
    return m


def tensors(m: dict[str, Any], seed: int = 1) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    out = {}
    for name, shape in bundle.expected_shapes(m).items():
        fan_in = int(np.prod(shape[1:])) if len(shape) > 1 else 1
        value = rng.standard_normal(shape) / np.sqrt(fan_in)
        if name.endswith("norm.weight"):
            value = 1.0 + 0.1 * value
        elif name == "statistics.std":
            value = 0.05 + 0.1 * np.abs(value)
        elif name == "statistics.mean":
            value = 0.2 + 0.05 * value
        elif name.endswith(".distance"):
            value = 0.5 * rng.standard_normal(shape)
        elif len(shape) == 1:
            value = 0.1 * value
        out[name] = value.astype(np.float32)
    return out


def write(path: Path, seed: int = 1, **changes: Any) -> bundle.Bundle:
    """Writes a random bundle to `path`; `changes` as in `manifest`."""
    m = manifest(**changes)
    return bundle.write(path, m, tensors(m, seed))


if __name__ == "__main__":
    import sys

    write(Path(sys.argv[1]))
