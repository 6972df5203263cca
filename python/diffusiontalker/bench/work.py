"""What a frame costs in multiplications, by the manifest; and the same network with fewer steps."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..bundle import BANDS, Bundle
from ..bundle.manifest import MANIFEST, WEIGHTS
from ..clock import COLUMN_RATE_HZ
from ..curves import CURVES

_TOKENS_HZ = COLUMN_RATE_HZ / 2


def multiplications(manifest: Mapping[str, Any]) -> dict[str, float]:
    """Multiplications of matrices and vectors a frame, by stage; norms and gates are left out."""
    rate_hz = manifest["frame_rate"][0] / manifest["frame_rate"][1]
    encoder, decoder = manifest["encoder"], manifest["decoder"]
    channels, hidden = encoder["channels"], decoder["hidden"]
    column = 3 * BANDS * channels + len(encoder["dilations"]) * 4 * channels**2
    token = 0
    if context := encoder.get("context"):
        width = context["width"]
        layer = 4 * width**2 + 2 * width * context["hidden"] + 2 * width * context["window"]
        token = 2 * 3 * BANDS * width + 3 * width**2 + context["layers"] * layer + channels * width
    gates, curves = 3 * hidden, len(CURVES)
    step = gates * (curves + hidden + (decoder["layers"] - 1) * 2 * hidden) + curves * hidden
    return {
        "convolutions": column * COLUMN_RATE_HZ / rate_hz,
        "context": token * _TOKENS_HZ / rate_hz,
        "sampler": manifest["diffusion"]["sample_steps"] * step + gates * channels,
    }


def with_steps(bundle: Bundle, steps: int, folder: Path) -> Path:
    """A bundle of the same weights that samples in `steps` steps, a divisor of its own number.

    It is there to be timed: nothing was distilled for it. Raises ValueError for another number.
    """
    diffusion = bundle.manifest["diffusion"]
    own = int(diffusion["sample_steps"])
    if steps < 1 or own % steps:
        raise ValueError(f"steps: expected divisors of {own}, got {steps}")
    changed = {
        **diffusion,
        "sample_steps": steps,
        "alpha_bar": diffusion["alpha_bar"][own // steps - 1 :: own // steps],
    }
    folder.mkdir(parents=True)
    shutil.copyfile(bundle.path / WEIGHTS, folder / WEIGHTS)
    manifest = {**bundle.manifest, "diffusion": changed}
    (folder / MANIFEST).write_text(json.dumps(manifest), encoding="utf-8")
    return folder
