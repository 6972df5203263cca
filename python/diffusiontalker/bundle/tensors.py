"""The tensors of a bundle: which a manifest calls for, and the file that holds them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load as _load_tensors
from safetensors.numpy import save as _save_tensors

from ..curves import CURVES
from .manifest import BANDS, WEIGHTS, BundleError, at, refusal

IDENTITY_SIZE = 32

FloatArray = NDArray[np.float32]


def expected_shapes(manifest: Mapping[str, Any]) -> dict[str, tuple[int, ...]]:
    """Name -> shape of every tensor that a manifest calls for."""
    c = int(manifest["encoder"]["channels"])
    hidden = int(manifest["decoder"]["hidden"])
    step_dim = int(manifest["decoder"]["step_dim"])
    identity_hidden = int(manifest["decoder"]["identity_hidden"])
    speakers = len(manifest["identities"]["names"])
    n = len(CURVES)
    shapes: dict[str, tuple[int, ...]] = {
        "encoder.input.weight": (c, BANDS, 3),
        "encoder.input.bias": (c,),
        "encoder.norm.weight": (c,),
        "encoder.norm.bias": (c,),
        "decoder.steps.weight": (int(manifest["diffusion"]["train_steps"]), step_dim),
        "decoder.gru.weight_ih_l0": (3 * hidden, 2 * c + step_dim + n),
        "decoder.gru.weight_hh_l0": (3 * hidden, hidden),
        "decoder.gru.weight_ih_l1": (3 * hidden, hidden),
        "decoder.gru.weight_hh_l1": (3 * hidden, hidden),
        "decoder.head.weight": (n, hidden),
        "decoder.head.bias": (n,),
        "identity.embeddings": (speakers, IDENTITY_SIZE),
        "identity.mlp.0.weight": (identity_hidden, IDENTITY_SIZE),
        "identity.mlp.0.bias": (identity_hidden,),
        "identity.mlp.2.weight": (c, identity_hidden),
        "identity.mlp.2.bias": (c,),
        "identity.pooled_mean": (c,),
        "statistics.mean": (n,),
        "statistics.std": (n,),
    }
    for layer in (0, 1):
        shapes[f"decoder.gru.bias_ih_l{layer}"] = (3 * hidden,)
        shapes[f"decoder.gru.bias_hh_l{layer}"] = (3 * hidden,)
    for i in range(len(manifest["encoder"]["dilations"])):
        block = f"encoder.blocks.{i}"
        shapes[f"{block}.norm.weight"] = (c,)
        shapes[f"{block}.norm.bias"] = (c,)
        shapes[f"{block}.conv.weight"] = (c, c, 3)
        shapes[f"{block}.conv.bias"] = (c,)
        shapes[f"{block}.mix.weight"] = (c, c)
        shapes[f"{block}.mix.bias"] = (c,)
    if manifest["identities"].get("keys", False):
        shapes["identity.keys"] = (speakers, c)
    if "context" in manifest["encoder"]:
        shapes.update(_context_shapes(manifest["encoder"]["context"], c))
    return shapes


def _context_shapes(context: Mapping[str, int], channels: int) -> dict[str, tuple[int, ...]]:
    d, hidden = context["width"], context["hidden"]
    shapes: dict[str, tuple[int, ...]] = {
        "encoder.context.conv1.weight": (d, BANDS, 3),
        "encoder.context.conv1.bias": (d,),
        "encoder.context.conv2.weight": (d, d, 3),
        "encoder.context.conv2.bias": (d,),
        "encoder.context.position": (d,),
        "encoder.context.norm.weight": (d,),
        "encoder.context.norm.bias": (d,),
        "encoder.mix.weight": (channels, d),
    }
    for i in range(context["layers"]):
        layer = f"encoder.context.layers.{i}"
        shapes[f"{layer}.distance"] = (context["heads"], context["window"])
        for norm in ("attention_norm", "mlp_norm"):
            shapes[f"{layer}.{norm}.weight"] = shapes[f"{layer}.{norm}.bias"] = (d,)
        for linear, rows, depth in (
            ("qkv", 3 * d, d),
            ("out", d, d),
            ("fc1", hidden, d),
            ("fc2", d, hidden),
        ):
            shapes[f"{layer}.{linear}.weight"] = (rows, depth)
            shapes[f"{layer}.{linear}.bias"] = (rows,)
    return shapes


def packed(tensors: Mapping[str, NDArray[np.floating]], dtype: str) -> bytes:
    """The contents of the weights' file, every tensor in `dtype`, float32 or float16."""
    # safetensors writes the memory as it lies: only C-ordered arrays keep their values' places.
    return _save_tensors({k: np.ascontiguousarray(v, dtype=dtype) for k, v in tensors.items()})


def read_tensors(folder: Path, m: dict[str, Any]) -> dict[str, FloatArray]:
    """The tensors that a checked manifest calls for, as float32. Raises BundleError."""
    try:
        blob = (folder / WEIGHTS).read_bytes()
    except FileNotFoundError:
        raise BundleError(f"bundle {folder}: {WEIGHTS} is missing") from None
    digest = hashlib.sha256(blob).hexdigest()
    if digest != at(m, "weights.sha256"):
        raise refusal(
            folder, "weights.sha256 (a damaged or foreign file?)", digest, at(m, "weights.sha256")
        )
    try:
        tensors = _load_tensors(blob)
    except (SafetensorError, ValueError, KeyError) as error:
        raise BundleError(f"bundle {folder}: {WEIGHTS} is not safetensors: {error}") from None
    shapes = expected_shapes(m)
    for name, shape in shapes.items():
        if name not in tensors:
            raise refusal(folder, f"tensor {name}", shape, "none")
        if tensors[name].shape != shape:
            raise refusal(folder, f"tensor {name}", shape, tensors[name].shape)
        if tensors[name].dtype not in (np.float32, np.float16):
            raise refusal(folder, f"tensor {name}", "float32 or float16", str(tensors[name].dtype))
        if not np.isfinite(tensors[name]).all():
            raise refusal(folder, f"tensor {name}", "finite values", "NaN or infinity")
    # safetensors hands tensors over in a random order: sorted, the same fault gives the same words.
    for name in sorted(tensors.keys() - shapes.keys()):
        raise refusal(folder, WEIGHTS, "no tensor beyond those of the manifest", name)
    if not (tensors["statistics.std"] > 0).all():
        raise refusal(folder, "tensor statistics.std", "values above 0", "0 or less")
    return {name: np.ascontiguousarray(tensors[name], dtype=np.float32) for name in shapes}
