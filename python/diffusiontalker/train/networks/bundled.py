"""A trained talker to a bundle folder, and back into torch for the reference sampler."""

from __future__ import annotations

import dataclasses
import fnmatch
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ... import bundle as bundles
from ...bundle import Bundle
from ...curves import CURVES
from ..config import Config, ConfigError
from ..data.streams import Stream, epoch_batches
from . import diffusion
from .context import ContextConfig
from .identity import LEAST_VOICED_FRAMES, pool
from .model import Talker

# Tensors of the bundle that carry another name in torch.
_RENAMED = {"mean": "statistics.mean", "std": "statistics.std"}


def finish_pooled_mean(
    talker: Talker, streams: list[Stream], speakers: list[str], *, live: bool = False
) -> None:
    """Replace the running mean of training by the mean over one whole pass of windows.

    As in training, windows with less than `LEAST_VOICED_FRAMES` of a known voice are left out.
    `live`: the context has trained, so its tokens are made here, not read from the streams.
    """
    total = torch.zeros_like(talker.identity.pooled_mean)
    count = 0
    batches = epoch_batches(
        streams,
        speakers,
        window_frames=240,
        batch=16,
        rate=talker.rate,
        lookahead_columns=talker.lookahead_columns,
        seed=[0],
    )
    with torch.no_grad():
        for load in batches:
            batch = load()
            cached = talker.encoder.mix is not None and not live
            tokens = torch.from_numpy(batch.tokens) if cached else None
            frames = batch.curves.shape[1]
            features = talker.features(torch.from_numpy(batch.mel), frames, tokens)
            voiced = torch.from_numpy(batch.voiced)
            enough = voiced.sum(dim=1) >= LEAST_VOICED_FRAMES
            pooled = pool(features, voiced)[enough]
            total += pooled.sum(dim=0)
            count += len(pooled)
    if count:
        talker.identity.pooled_mean.copy_(total / count)


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


def still_curves(talker: Talker) -> list[str]:
    """Curves that nothing in training moved (`streams.statistics` marks them)."""
    still = (talker.mean == 0.0) & (talker.std == 1.0)
    return [name for name, one in zip(CURVES, still.tolist(), strict=True) if one]


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


def export(
    talker: Talker,
    config: Config,
    speakers: list[str],
    training: dict[str, Any],
    folder: Path,
    sample_steps: int | None = None,
) -> Bundle:
    """Write the bundle and read it back. Raises BundleError if the reader would refuse it.

    Raises ConfigError for a talker behind a frozen encoder.
    """
    refuse_frozen(config)
    tensors = {
        _RENAMED.get(name, name): value.detach().numpy()
        for name, value in talker.state_dict().items()
    }
    manifest = manifest_of(config, speakers, training, sample_steps or config.sample_steps)
    for name in still_curves(talker):  # what is left of their noise must not show
        manifest["postprocess"][name] = {"gain": 0.0} | manifest["postprocess"].get(name, {})
    return bundles.write(folder, manifest, tensors, dtype=config.dtype)


def load_talker(bundle: Bundle) -> Talker:
    """The bundle's model in torch, ready to sample."""
    manifest = bundle.manifest
    talker = Talker(
        speakers=len(bundle.identities),
        channels=manifest["encoder"]["channels"],
        dilations=tuple(manifest["encoder"]["dilations"]),
        lookahead_columns=manifest["encoder"]["lookahead_columns"],
        train_steps=manifest["diffusion"]["train_steps"],
        step_dim=manifest["decoder"]["step_dim"],
        hidden=manifest["decoder"]["hidden"],
        layers=manifest["decoder"]["layers"],
        identity_hidden=manifest["decoder"]["identity_hidden"],
        rate=bundle.frame_rate,
        context=ContextConfig(**manifest["encoder"]["context"])
        if "context" in manifest["encoder"]
        else None,
    )
    original = {renamed: name for name, renamed in _RENAMED.items()}
    talker.load_state_dict(
        {
            original.get(name, name): torch.from_numpy(np.array(value, np.float32))
            for name, value in bundle.tensors.items()
        }
    )
    return talker.eval().requires_grad_(False)
