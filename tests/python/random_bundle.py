"""Bundles with random weights: for tests of everything that does not depend on what was learnt."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from diffusiontalker import bundle
from diffusiontalker.curves import CURVES


def alpha_bar(steps: int, train_steps: int = 32) -> list[float]:
    betas = np.linspace(0.1 / train_steps, 20.0 / train_steps, train_steps)
    every = train_steps // steps
    return [float(a) for a in np.cumprod(1.0 - betas)[every - 1 :: every]]


def manifest(**changes: Any) -> dict[str, Any]:
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
    return {**base, **changes}


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
        elif len(shape) == 1:
            value = 0.1 * value
        out[name] = value.astype(np.float32)
    return out


def write(path: Path, seed: int = 1, **changes: Any) -> bundle.Bundle:
    """Writes a random bundle to `path`; `changes` replace top-level entries of the manifest."""
    m = manifest(**changes)
    return bundle.write(path, m, tensors(m, seed))


if __name__ == "__main__":
    import sys

    write(Path(sys.argv[1]))
