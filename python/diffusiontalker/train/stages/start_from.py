"""Training that goes on from a bundle: its weights, its units, the rows of the voices it knows."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ... import bundle as bundles
from ...bundle import Bundle
from ..config import Config, ConfigError
from ..networks.bundled import load_talker, still_curves
from ..networks.context import Context
from ..networks.manifest import manifest_of
from ..networks.model import Talker

#: What decides the shape of the weights, where the manifest and the configuration both say it.
SHAPE = ("frame_rate", "encoder", "decoder")


def read(config: Config) -> Bundle | None:
    """The bundle of `config.start_from`, None where training starts from nothing.

    Raises BundleError, or ConfigError where its shape or its sampler is not the configuration's.
    """
    if not config.start_from:
        return None
    bundle = bundles.read(config.bundle_path())
    asked = manifest_of(config, [""], {}, config.stages[0].steps)
    for key in SHAPE:
        _refuse_other(config, key, bundle.manifest[key], asked[key])
    has, wanted = bundle.manifest["diffusion"], asked["diffusion"]
    _refuse_other(config, "train_steps", has["train_steps"], wanted["train_steps"])
    # A single step is the first of any number, so a regression can become a sampler.
    if config.start_with == "all" and has["sample_steps"] != 1:
        _refuse_other(config, "sample_steps", has["sample_steps"], wanted["sample_steps"])
    return bundle


def _refuse_other(config: Config, key: str, has: Any, asked: Any) -> None:
    if has == asked:
        return
    if isinstance(has, dict) and isinstance(asked, dict):
        for part in sorted(has.keys() | asked.keys()):
            _refuse_other(config, f"{key}.{part}", has.get(part), asked.get(part))
        return
    name = {"sample_steps": "steps of the first stage"}.get(key, key)
    raise ConfigError(
        f"start_from = {config.start_from!r}: {name}: expected the bundle's {has}, got {asked}"
    )


def context_of(bundle: Bundle) -> Context:
    """What hears in a bundle; `read` has compared it with the configuration's."""
    context = load_talker(bundle).encoder.context
    assert context is not None
    return context


def begin(talker: Talker, bundle: Bundle, speakers: list[str], *, own_units: bool = False) -> None:
    """Put the bundle's weights into `talker`, whose library has the rows of `speakers`.

    A voice that the bundle knows keeps its row; another starts at the mean of all rows. `talker`
    comes with the statistics of its own data: they stay for the curves that nothing has moved in
    the bundle's, all others keep the units that the weights were learnt in. With `own_units` all
    get the data's: the head says the same faces in them; how x_t is read has to be learnt anew. A
    curve that hardly moved in the bundle's data and moves in these would else outweigh all others.
    """
    known = load_talker(bundle)
    for name in still_curves(known):
        index = bundle.manifest["curves"].index(name)
        known.mean[index], known.std[index] = talker.mean[index], talker.std[index]
    if own_units:
        _change_units(known, talker.mean, talker.std)
    rows = known.identity.embeddings
    at = {name: row for row, name in enumerate(bundle.identities)}
    weights = known.state_dict()
    weights.pop("identity.keys", None)  # a run makes those of its own voices
    weights["identity.embeddings"] = torch.stack(
        [rows[at[name]] if name in at else rows.mean(dim=0) for name in speakers]
    )
    talker.load_state_dict(weights)


def _change_units(known: Talker, mean: Tensor, std: Tensor) -> None:
    """Let `known` predict the same curves in units of (mean, std), each (52,)."""
    head = known.decoder.head
    factor = known.std / std
    head.weight.mul_(factor[:, None])
    head.bias.mul_(factor).add_((known.mean - mean) / std)
    known.mean.copy_(mean)
    known.std.copy_(std)
