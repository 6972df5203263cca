"""Whisper tiny's encoder from the file of any of its publishers.

Three of them give the same weights other names:

- OpenAI's `tiny.en.pt` (a dict with `model_state_dict`),
- transformers' folder, its `model.safetensors` or its `pytorch_model.bin`,
- an npz of CTranslate2's variables, where queries, keys and values lie in one matrix.
"""

from __future__ import annotations

import pickle
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from ..config import ContextConfig
from .context import LAYERS, Whisper

KINDS = "an npz, a .safetensors, a .pt or .bin file, or a folder of transformers"


@dataclass(frozen=True)
class Names:
    """What a publisher calls the encoder's parts, once the separators are dots."""

    position: str
    norm: str
    layer: str  # of layer {}
    #: Our name of a layer's part -> theirs; several are stacked.
    parts: dict[str, tuple[str, ...]]


PUBLISHERS = (
    Names(
        "encoder.positional_embedding",
        "encoder.ln_post",
        "encoder.blocks.{}",
        {
            "attention_norm": ("attn_ln",),
            "qkv": ("attn.query", "attn.key", "attn.value"),
            "out": ("attn.out",),
            "mlp_norm": ("mlp_ln",),
            "fc1": ("mlp.0",),
            "fc2": ("mlp.2",),
        },
    ),
    Names(
        "encoder.embed_positions.weight",
        "encoder.layer_norm",
        "encoder.layers.{}",
        {
            "attention_norm": ("self_attn_layer_norm",),
            "qkv": ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"),
            "out": ("self_attn.out_proj",),
            "mlp_norm": ("final_layer_norm",),
            "fc1": ("fc1",),
            "fc2": ("fc2",),
        },
    ),
    Names(
        "encoder.position_encodings.encodings",
        "encoder.layer_norm",
        "encoder.layer_{}",
        {
            "attention_norm": ("self_attention.layer_norm",),
            "qkv": ("self_attention.linear_0",),
            "out": ("self_attention.linear_1",),
            "mlp_norm": ("ffn.layer_norm",),
            "fc1": ("ffn.linear_0",),
            "fc2": ("ffn.linear_1",),
        },
    ),
)


def load_whisper(path: Path) -> Whisper:
    """The published weights, in float32.

    Raises FileNotFoundError, or ValueError when the file holds something else.
    """
    named = _read(path)
    names = next((names for names in PUBLISHERS if names.position in named), None)
    if names is None:
        raise ValueError(f"{path}: expected the encoder of Whisper tiny, got other weights")
    whisper = Whisper(ContextConfig())
    wanted = whisper.state_dict()
    state = {"position": _get(named, names.position, path)}
    modules: dict[str, tuple[str, ...]] = {
        "trunk.conv1": ("encoder.conv1",),
        "trunk.conv2": ("encoder.conv2",),
        "trunk.norm": (names.norm,),
    }
    for layer in range(LAYERS):
        for ours, theirs in names.parts.items():
            at = names.layer.format(layer)
            modules[f"trunk.layers.{layer}.{ours}"] = tuple(f"{at}.{part}" for part in theirs)
    for ours, theirs in modules.items():
        weights = [_get(named, f"{part}.weight", path) for part in theirs]
        # Whisper's keys have no bias: one would add the same to a query's every score.
        biases = [
            named.get(f"{part}.bias", torch.zeros(len(weight)))
            for part, weight in zip(theirs, weights, strict=True)
        ]
        state[f"{ours}.weight"], state[f"{ours}.bias"] = torch.cat(weights), torch.cat(biases)
    for name, value in state.items():
        if value.shape != wanted[name].shape:
            raise ValueError(
                f"{path}: {name}: expected the shape {tuple(wanted[name].shape)} of Whisper tiny, "
                f"got {tuple(value.shape)}"
            )
    # What only the causal copy has, unmasked attention never reads.
    whisper.load_state_dict({**wanted, **{name: value.float() for name, value in state.items()}})
    return whisper.eval().requires_grad_(False)


def _get(named: dict[str, Tensor], name: str, path: Path) -> Tensor:
    if name not in named:
        raise ValueError(f"{path}: expected the encoder of Whisper tiny, {name} is missing")
    return named[name]


def _read(path: Path) -> dict[str, Tensor]:
    """The file's tensors; names have dots, `weight` and `bias` everywhere, and no prefix."""
    if path.is_dir():
        inside = [path / name for name in ("model.safetensors", "pytorch_model.bin")]
        path = next((file for file in inside if file.exists()), inside[0])
    if not path.exists():
        raise FileNotFoundError(
            f'no Whisper weights {path}: give {KINDS} (docs/training.md, "Whisper\'s weights")'
        )
    found: Any
    try:
        if path.suffix == ".npz":
            with np.load(path) as arrays:
                found = {name: torch.from_numpy(arrays[name]) for name in arrays.files}
        elif path.suffix == ".safetensors":
            found = load_file(path)
        else:
            found = torch.load(path, map_location="cpu", weights_only=True)
            found = found.get("model_state_dict", found)
        named = {str(name): value for name, value in found.items() if isinstance(value, Tensor)}
    except (
        OSError,
        ValueError,
        RuntimeError,
        AttributeError,
        EOFError,
        pickle.UnpicklingError,
        zipfile.BadZipFile,
        SafetensorError,
    ) as error:
        said = str(error).splitlines() or [type(error).__name__]
        raise ValueError(f"{path}: expected {KINDS}, cannot read it ({said[0]})") from error
    return {_plain(name): value for name, value in named.items()}


def _plain(name: str) -> str:
    name = name.replace("/", ".").removeprefix("model.")
    return name.replace(".gamma", ".weight").replace(".beta", ".bias")
