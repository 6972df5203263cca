"""What a configuration says in a bundle's manifest: shapes, schedule, settings a curve."""

from __future__ import annotations

import dataclasses
import fnmatch
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...curves import CURVES
from ..config import Config, ConfigError
from . import diffusion


def fitting_curves(pattern: str, where: str) -> list[str]:
    """Curves that a name or pattern ("brow*") means. Raises ConfigError if there are none."""
    fitting = fnmatch.filter(CURVES, pattern)
    if not fitting:
        raise ConfigError(f"{where}.{pattern}: fits no ARKit curve")
    return fitting


def postprocess_of(config: Config) -> dict[str, dict[str, float]]:
    """Settings a curve; where patterns overlap, both count and the later one wins."""
    settings: dict[str, dict[str, float]] = {}
    for pattern, values in config.postprocess.items():
        for name in fitting_curves(pattern, "postprocess"):
            settings[name] = settings.get(name, {}) | {k: float(v) for k, v in values.items()}
    return settings


def noise_scale_of(config: Config) -> dict[str, float]:
    """Factor on the starting noise of each curve that the configuration names.

    A regression is a one-step sampler that starts from zeros: no curve keeps any noise.
    """
    if config.stages[-1].regression:
        return dict.fromkeys(CURVES, 0.0)
    return {
        name: float(factor)
        for pattern, factor in config.noise_scale.items()
        for name in fitting_curves(pattern, "noise_scale")
    }


def noise_factors(config: Config) -> NDArray[np.float32]:
    """(52,) what `noise_scale_of` says of every curve, 1 where it says nothing."""
    named = noise_scale_of(config)
    return np.array([named.get(name, 1.0) for name in CURVES], np.float32)


def manifest_of(
    config: Config, speakers: list[str], training: dict[str, Any], sample_steps: int
) -> dict[str, Any]:
    """The manifest's contents, but for what the bundle writer fills in itself."""
    abar = diffusion.alpha_bars(config.train_steps, sample_steps)[1:]
    return {
        "name": config.name,
        "curves": list(CURVES),
        "frame_rate": list(config.frame_rate),
        "encoder": {
            "type": "causal_conv",
            "channels": config.encoder.channels,
            "dilations": list(config.encoder.dilations),
            "lookahead_columns": config.encoder.lookahead_columns,
            **({"context": dataclasses.asdict(config.context)} if config.context else {}),
        },
        "decoder": {
            "hidden": config.decoder.hidden,
            "layers": config.decoder.layers,
            "step_dim": config.decoder.step_dim,
            "identity_hidden": config.decoder.identity_hidden,
        },
        "diffusion": {
            "train_steps": config.train_steps,
            "sample_steps": sample_steps,
            "alpha_bar": [float(a) for a in abar],
            "noise_scale": noise_scale_of(config),
        },
        "identities": {
            "names": speakers,
            "default": config.default_identity or speakers[0],
            "unknown_cosine": config.unknown_cosine,
        },
        "gate": {},
        "postprocess": postprocess_of(config),
        "training": training,
    }


def refuse_frozen(config: Config) -> None:
    """Raises ConfigError where the talker hears through an encoder that no runtime has."""
    kind = config.encoder.frozen.kind
    if kind:
        raise ConfigError(
            f"a talker behind a frozen encoder (encoder.frozen.kind = {kind}) has no bundle, only "
            "evaluation in torch; train a context instead ([encoder.context])"
        )
