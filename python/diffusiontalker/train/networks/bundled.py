"""A trained talker to a bundle folder, and back into torch for the reference sampler."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ... import bundle as bundles
from ...bundle import MANIFEST, Bundle
from ...curves import CURVES
from ...files import replaced
from ..config import Config, ContextConfig
from .manifest import manifest_of, refuse_frozen
from .model import Talker

# Tensors of the bundle that carry another name in torch.
_RENAMED = {"mean": "statistics.mean", "std": "statistics.std"}


def still_curves(talker: Talker) -> list[str]:
    """Curves that nothing in training moved (`streams.statistics` marks them)."""
    still = (talker.mean == 0.0) & (talker.std == 1.0)
    return [name for name, one in zip(CURVES, still.tolist(), strict=True) if one]


def save_talker(
    talker: Talker,
    config: Config,
    speakers: list[str],
    training: dict[str, Any],
    folder: Path,
    sample_steps: int | None = None,
    rounded: Mapping[str, NDArray[Any]] | None = None,
) -> Bundle:
    """Write the bundle and read it back. Raises BundleError if the reader would refuse it.

    `rounded` are tensors of an int8 bundle that take the place of the talker's (rounding.py).

    Raises ConfigError for a talker behind a frozen encoder.
    """
    refuse_frozen(config)
    tensors = {
        _RENAMED.get(name, name): value.detach().numpy()
        for name, value in talker.state_dict().items()
    } | dict(rounded or {})
    manifest = manifest_of(config, speakers, training, sample_steps or config.sample_steps)
    for name in still_curves(talker):  # what is left of their noise must not show
        manifest["postprocess"][name] = {"gain": 0.0} | manifest["postprocess"].get(name, {})
    return bundles.write(folder, manifest, tensors, dtype=config.dtype)


def add_metrics(bundle: Bundle, metrics: Mapping[str, Any]) -> Bundle:
    """The bundle, once its manifest says how it was measured; its weights are left as they are."""
    training = {**bundle.manifest["training"], "metrics": metrics}
    manifest = {**bundle.manifest, "training": training}
    with replaced(bundle.path / MANIFEST) as part:
        part.write_bytes((json.dumps(manifest, indent=2, ensure_ascii=False) + "\n").encode())
    return bundles.read(bundle.path)


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
    if "identity.keys" in bundle.tensors:
        talker.identity.keys = torch.zeros(bundle.tensors["identity.keys"].shape)
    original = {renamed: name for name, renamed in _RENAMED.items()}
    talker.load_state_dict(
        {
            original.get(name, name): torch.from_numpy(np.array(value, np.float32))
            for name, value in bundle.tensors.items()
        }
    )
    return talker.eval().requires_grad_(False)
