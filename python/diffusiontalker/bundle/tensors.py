"""The tensors of a bundle: which a manifest calls for, and the file that holds them."""

from __future__ import annotations

import hashlib
import json
import math
import mmap
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..curves import CURVES
from . import int8
from .int8 import SCALE
from .manifest import BANDS, WEIGHTS, BundleError, at, refusal

IDENTITY_SIZE = 32

FloatArray = NDArray[np.float32]

#: Names of types in a weights file that this reader knows; `Tensors` says which it takes.
_DTYPES = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "I8": "i1", "U8": "u1", "I32": "<i4"}


class Tensors(Mapping[str, FloatArray]):
    """A bundle's tensors by name, made float32 one at a time when they are asked for: int8 values
    times their scales.

    The file is read and checked at the first look, and lies behind `stored` from then on: as pages
    of the file, which a process has in common with others and gives back when memory runs short.
    Raises BundleError at the first look where the file is not what the manifest says.
    """

    def __init__(self, folder: Path, manifest: dict[str, Any]) -> None:
        self._folder, self._manifest = folder, manifest
        self._names = expected_shapes(manifest)
        self._stored: dict[str, NDArray[Any]] | None = None

    @property
    def stored(self) -> dict[str, NDArray[Any]]:
        """The tensors as they lie in the file: read-only, in the file's own types."""
        if self._stored is None:
            self._stored = _read(self._folder, self._manifest)
        return self._stored

    def put_away(self) -> Tensors:
        """The same, not read yet: what holds it holds neither the file nor memory."""
        return Tensors(self._folder, self._manifest)

    def __getitem__(self, name: str) -> FloatArray:
        value = self.stored[name]
        if value.dtype == np.int8:
            columns = int8.product_columns(self._manifest, self._names)[name]
            return int8.dequantise(value, self.stored[name + SCALE], columns)
        return value.astype(np.float32)

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


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


def packed(
    manifest: Mapping[str, Any],
    tensors: Mapping[str, NDArray[np.floating | np.int8]],
    dtype: str,
) -> bytes:
    """The contents of the weights' file, with the weights in `dtype`."""
    stored: dict[str, NDArray[Any]] = dict(tensors)
    if dtype == "int8":
        shapes = expected_shapes(manifest)
        for name, columns in int8.product_columns(manifest, shapes).items():
            value = stored.get(name)
            if value is None or value.dtype == np.int8:
                continue
            # Another shape, and what is no number, is left for the reader to refuse.
            if value.shape == shapes[name] and np.isfinite(value).all():
                stored[name], stored[name + SCALE] = int8.quantise(value, columns)
    # Reading does without the package: it would copy what only has to be looked at.
    from safetensors.numpy import save

    floats = "float32" if dtype == "int8" else dtype
    # safetensors writes the memory as it lies: only C-ordered arrays keep their values' places.
    return bytes(
        save(
            {
                name: np.ascontiguousarray(value, dtype=None if value.dtype == np.int8 else floats)
                for name, value in stored.items()
            }
        )
    )


def _in_the_file(m: Mapping[str, Any]) -> dict[str, tuple[tuple[int, ...], tuple[str, ...]]]:
    """Name -> (shape, types it may have) of every tensor in the file of a checked manifest."""
    shapes = expected_shapes(m)
    floats: tuple[str, ...] = ("float32", "float16")
    tensors = {name: (shape, floats) for name, shape in shapes.items()}
    if at(m, "weights.dtype") == "int8":
        for name, columns in int8.product_columns(m, shapes).items():
            tensors[name] = (shapes[name], ("int8",))
            tensors[name + SCALE] = ((shapes[name][0], len(columns)), ("float32",))
    return tensors


def _read(folder: Path, m: dict[str, Any]) -> dict[str, NDArray[Any]]:
    """The tensors that a checked manifest calls for, as views of the file. Raises BundleError."""
    try:
        blob = _contents(folder / WEIGHTS)
    except FileNotFoundError:
        raise BundleError(f"bundle {folder}: {WEIGHTS} is missing") from None
    except OSError as error:
        why = error.strerror or error
        raise BundleError(f"bundle {folder}: {WEIGHTS} cannot be read: {why}") from None
    digest = hashlib.sha256(blob).hexdigest()
    if digest != at(m, "weights.sha256"):
        raise refusal(
            folder, "weights.sha256 (a damaged or foreign file?)", digest, at(m, "weights.sha256")
        )
    try:
        tensors = _views(blob)
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
        raise BundleError(f"bundle {folder}: {WEIGHTS} is not safetensors: {error}") from None
    expected = _in_the_file(m)
    for name, (shape, dtypes) in expected.items():
        if name not in tensors:
            raise refusal(folder, f"tensor {name}", shape, "none")
        value = tensors[name]
        if value.shape != shape:
            raise refusal(folder, f"tensor {name}", shape, value.shape)
        if value.dtype.kind == "f" and not _is_finite(value):
            raise refusal(folder, f"tensor {name}", "finite values", "NaN or infinity")
        if value.dtype.name not in dtypes:
            raise refusal(folder, f"tensor {name}", " or ".join(dtypes), value.dtype.name)
    # The file's order is its writer's: sorted, the same fault gives the same words.
    for name in sorted(tensors.keys() - expected.keys()):
        raise refusal(folder, WEIGHTS, "no tensor beyond those of the manifest", name)
    for name, columns in int8.product_columns(m, expected_shapes(m)).items():
        if tensors[name].dtype == np.int8:
            fault = int8.fault(name, tensors[name], tensors[name + SCALE], columns)
            if fault:
                raise refusal(folder, f"tensor {fault.where}", fault.expected, fault.got)
    if not (tensors["statistics.std"] > 0).all():
        raise refusal(folder, "tensor statistics.std", "values above 0", "0 or less")
    return {name: tensors[name] for name in expected}


def _is_finite(values: NDArray[Any]) -> bool:
    if values.dtype == np.float16:  # NumPy would make each a float32 first: thrice the time
        return not ((values.view(np.uint16) & 0x7C00) == 0x7C00).any()
    return bool(np.isfinite(values).all())


def _contents(path: Path) -> bytes | mmap.mmap:
    """A file's bytes, without a copy where that can be. Raises OSError."""
    with path.open("rb") as file:
        # Windows would refuse to write a bundle anew while somebody looks at it; and an empty file
        # cannot be mapped.
        if sys.platform == "win32" or path.stat().st_size == 0:
            return file.read()
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)


def _views(blob: bytes | mmap.mmap) -> dict[str, NDArray[Any]]:
    """Name -> tensor of a safetensors file, without a copy. Raises ValueError and its like.

    The file: 8 bytes with the size of a header, the header (JSON: type, shape and place of each
    tensor), and the values.
    """
    begin = 8 + int.from_bytes(blob[:8], "little")
    tensors = {}
    for name, entry in json.loads(blob[8:begin]).items():
        if name == "__metadata__":
            continue
        if entry["dtype"] not in _DTYPES:
            raise ValueError(f"tensor {name} is of type {entry['dtype']}")
        dtype, (first, end) = np.dtype(_DTYPES[entry["dtype"]]), entry["data_offsets"]
        count = math.prod(entry["shape"])
        if not 0 <= first <= end or end - first != count * dtype.itemsize:
            raise ValueError(f"tensor {name} of shape {entry['shape']} lies at {first} to {end}")
        values = np.frombuffer(blob, dtype, count, begin + first).reshape(entry["shape"])
        tensors[name] = values if values.flags.aligned else values.copy()
    return tensors
