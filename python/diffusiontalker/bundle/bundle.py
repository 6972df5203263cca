"""The bundle: a folder with `manifest.json` and `weights.safetensors` (docs/bundle.md).

Everything is checked when it is read, and a refusal is one sentence: what, where, expected, got.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from importlib import resources
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load as _load_tensors
from safetensors.numpy import save as _save_tensors

from ..curves import CURVES, GATED

FORMAT = "diffusiontalker-bundle"
#: Version 2 is version 1 with a context in the encoder, which a reader of version 1 would miss.
FORMAT_VERSIONS = (1, 2)
MANIFEST = "manifest.json"
WEIGHTS = "weights.safetensors"

CORE_RATE_HZ = 16000
HOP_SAMPLES = 160
BANDS = 80
IDENTITY_SIZE = 32

#: Silence gate (levels in dBFS, times in ms); every value can be set in the manifest.
GATE_DEFAULTS: dict[str, float] = {
    "floor_initial_db": -70.0,
    "floor_minimum_db": -80.0,
    "floor_maximum_db": -45.0,
    "rise_db_s": 3.0,
    "margin_db": 12.0,
    "threshold_minimum_db": -58.0,
    "threshold_maximum_db": -35.0,
    "lookback_ms": 20.0,
    "hold_ms": 60.0,
    "attack_ms": 40.0,
    "release_ms": 100.0,
}

#: Post-processing of a curve that the manifest does not name.
POSTPROCESS_DEFAULTS: dict[str, float] = {
    "gain": 1.0,
    "offset": 0.0,
    "minimum": 0.0,
    "maximum": 1.0,
    "smoothing_ms": 0.0,
    "rest": 0.0,
}

FloatArray = NDArray[np.float32]


class BundleError(ValueError):
    """A bundle that cannot be used; the message says what, where, expected, got."""


@dataclass(frozen=True)
class Bundle:
    """A bundle that has passed every check."""

    path: Path
    manifest: dict[str, Any]
    tensors: dict[str, FloatArray]

    @property
    def name(self) -> str:
        return str(self.manifest["name"])

    @property
    def frame_rate(self) -> Fraction:
        num, den = self.manifest["frame_rate"]
        return Fraction(num, den)

    @property
    def identities(self) -> tuple[str, ...]:
        return tuple(self.manifest["identities"]["names"])

    @property
    def default_identity(self) -> int:
        return self.identities.index(self.manifest["identities"]["default"])

    @property
    def unknown_cosine(self) -> float:
        """A voice that is less like every identity than this gets the default one; -1: none."""
        return float(self.manifest["identities"].get("unknown_cosine", -1.0))

    @property
    def sha256(self) -> str:
        """Digest of the weights file, as the manifest records it and `read` has checked it."""
        return str(self.manifest["weights"]["sha256"])

    def identity_features(self) -> FloatArray:
        """The identity encoder's output for the whole library: (speakers, audio_dim).

        Linear, ReLU, linear over the learnable embeddings (the paper's identity encoder). It is
        what the decoder is conditioned on and what pooled audio is matched against.
        """
        t = self.tensors
        w0, b0 = t["identity.mlp.0.weight"], t["identity.mlp.0.bias"]
        w2, b2 = t["identity.mlp.2.weight"], t["identity.mlp.2.bias"]
        # A row at a time: in one product the last bits of a row may depend on how many there are,
        # and a library that grows must leave the others' matches as they were, bit for bit.
        rows = [w2 @ np.maximum(w0 @ e + b0, 0) + b2 for e in t["identity.embeddings"]]
        return np.ascontiguousarray(np.stack(rows), dtype=np.float32)

    def noise_scale(self) -> FloatArray:
        """(52,) factor on the noise that a curve's sampling starts from, 1 where none is given.

        0 gives the curve's most settled course: it then differs between seeds only by what the
        other curves do.
        """
        scale = self.manifest["diffusion"].get("noise_scale", {})
        return np.array([float(scale.get(c, 1.0)) for c in CURVES], np.float32)

    def core_config(self) -> dict[str, Any]:
        """The flat settings that the C++ runtime takes beside the tensors."""
        m = self.manifest
        num, den = m["frame_rate"]
        post = {
            key: np.array(
                [float(m["postprocess"].get(c, {}).get(key, default)) for c in CURVES], np.float32
            )
            for key, default in POSTPROCESS_DEFAULTS.items()
        }
        post["gated"] = np.array([c in GATED for c in CURVES], np.float32)
        return {
            "curves": list(CURVES),
            "frame_rate_num": num,
            "frame_rate_den": den,
            "channels": m["encoder"]["channels"],
            "dilations": list(m["encoder"]["dilations"]),
            "lookahead_columns": m["encoder"]["lookahead_columns"],
            "context": m["encoder"].get("context"),
            "hidden": m["decoder"]["hidden"],
            "layers": m["decoder"]["layers"],
            "step_dim": m["decoder"]["step_dim"],
            "train_steps": m["diffusion"]["train_steps"],
            "alpha_bar": [float(a) for a in m["diffusion"]["alpha_bar"]],
            "gate": {**GATE_DEFAULTS, **m.get("gate", {})},
            "postprocess": post,
            "noise_scale": self.noise_scale().tolist(),
            "default_identity": self.default_identity,
            "unknown_cosine": self.unknown_cosine,
        }


def default_path() -> Path:
    """Folder of the embedded bundle."""
    return Path(str(resources.files("diffusiontalker") / "bundles" / "default"))


def lookahead_samples(frame_rate: Fraction, lookahead_columns: int) -> int:
    """Worst case, over all frames, of (last 16 kHz sample needed) - (instant depicted).

    A frame's encoder position is `frame / rate` in 10 ms columns plus the encoder's look-ahead; it
    reads the next whole column, whose analysis window ends 200 samples after the column's centre.
    """
    step = Fraction(100) / frame_rate
    # Fractional parts repeat with the denominator of the columns a frame.
    gap = max(math.ceil(step * f) - step * f for f in range(step.denominator))
    return HOP_SAMPLES * lookahead_columns + 200 + math.ceil(HOP_SAMPLES * gap)


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


def write(
    path: str | Path,
    manifest: Mapping[str, Any],
    tensors: Mapping[str, NDArray[np.floating]],
    *,
    dtype: str = "float32",
) -> Bundle:
    """Writes a bundle and reads it back, so that what was written is known to be usable.

    `format`, `format_version` (the lowest that will do), `audio`, `weights` and
    `lookahead_samples` are filled in here.
    `dtype` is how the weights are stored, "float32" or "float16". Raises BundleError.
    """
    if dtype not in ("float32", "float16"):
        raise BundleError(f"bundle: dtype: expected float32 or float16, got {dtype!r}")
    folder = Path(path)
    folder.mkdir(parents=True, exist_ok=True)
    blob = _save_tensors({k: np.ascontiguousarray(v, dtype=dtype) for k, v in tensors.items()})
    full = {
        "format": FORMAT,
        "format_version": 2 if "context" in manifest["encoder"] else 1,
        **{k: v for k, v in manifest.items() if k not in ("format", "format_version")},
        "audio": {
            "sample_rate": CORE_RATE_HZ,
            "features": "log_mel",
            "hop_samples": HOP_SAMPLES,
            "bands": BANDS,
        },
        "weights": {"file": WEIGHTS, "dtype": dtype, "sha256": hashlib.sha256(blob).hexdigest()},
    }
    num, den = full["frame_rate"]
    full["lookahead_samples"] = lookahead_samples(
        Fraction(num, den), full["encoder"]["lookahead_columns"]
    )
    # The manifest goes last: a cut between the two leaves a digest that does not fit, never a
    # folder that reads as whole.
    _replace(folder / WEIGHTS, blob)
    _replace(folder / MANIFEST, (json.dumps(full, indent=2, ensure_ascii=False) + "\n").encode())
    return read(folder)


def _replace(path: Path, data: bytes) -> None:
    part = path.with_name(path.name + ".part")
    part.write_bytes(data)
    part.replace(path)


def read(path: str | Path | None = None) -> Bundle:
    """Reads and checks a bundle; None means the embedded one. Raises BundleError."""
    folder = default_path() if path is None else Path(path)
    if not folder.is_dir():
        raise BundleError(f"bundle {folder}: expected a folder with {MANIFEST}, found none")
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise BundleError(f"bundle {folder}: {MANIFEST} is missing") from None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise BundleError(f"bundle {folder}: {MANIFEST} is not JSON: {error}") from None
    _check_manifest(folder, manifest)
    return Bundle(folder, manifest, _read_tensors(folder, manifest))


def _refuse(folder: Path, where: str, expected: object, got: object) -> BundleError:
    return BundleError(f"bundle {folder}: {where}: expected {expected}, got {got!r}")


def _at(manifest: Any, where: str) -> Any:
    """The entry that a dotted path names, None where there is none."""
    for key in where.split("."):
        manifest = manifest.get(key) if isinstance(manifest, dict) else None
    return manifest


def _is_whole(value: object, low: float, high: float) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and low <= value <= high


def _is_number(value: object, low: float, high: float) -> bool:
    return (isinstance(value, float) and low <= value <= high) or _is_whole(value, low, high)


def _check_manifest(folder: Path, m: Any) -> None:
    def want(where: str, expected: str, holds: Callable[[Any], bool]) -> Any:
        value = _at(m, where)
        if not holds(value):
            raise _refuse(folder, where, expected, value)
        return value

    def equal(where: str, expected: object) -> None:
        want(where, repr(expected), lambda v: v == expected)

    def whole(where: str, low: int, high: int) -> int:
        value = want(where, f"a whole number from {low} to {high}",
                     lambda v: _is_whole(v, low, high))  # fmt: skip
        return int(value)

    def settings(where: str, defaults: Mapping[str, float]) -> None:
        table = want(where, "an object", lambda v: isinstance(v, dict))
        for key in table:
            # A misspelt key would change the face in silence.
            if key not in defaults:
                raise _refuse(folder, where, f"only {', '.join(defaults)}", key)
            want(f"{where}.{key}", "a number", lambda v: _is_number(v, -1e4, 1e4))

    if not isinstance(m, dict):
        raise _refuse(folder, MANIFEST, "an object", type(m).__name__)
    equal("format", FORMAT)
    version = want(
        "format_version",
        " or ".join(map(str, FORMAT_VERSIONS)),
        lambda v: _is_whole(v, FORMAT_VERSIONS[0], FORMAT_VERSIONS[-1]),
    )
    want("name", "a string", lambda v: isinstance(v, str) and v != "")
    names = want("curves", f"the {len(CURVES)} ARKit names", lambda v: isinstance(v, list))
    if len(names) != len(CURVES):
        raise _refuse(folder, "curves", f"the {len(CURVES)} ARKit names", len(names))
    for i, (expected, got) in enumerate(zip(CURVES, names, strict=True)):
        if got != expected:
            raise _refuse(folder, f"curves[{i}]", repr(expected), got)
    rate = want(
        "frame_rate",
        "[numerator, denominator], 1 to 100 Hz",
        lambda v: (
            isinstance(v, list)
            and len(v) == 2
            and all(_is_whole(x, 1, 10**6) for x in v)
            and 1 <= v[0] / v[1] <= 100
        ),
    )
    equal("audio.sample_rate", CORE_RATE_HZ)
    equal("audio.features", "log_mel")
    equal("audio.hop_samples", HOP_SAMPLES)
    equal("audio.bands", BANDS)

    equal("encoder.type", "causal_conv")
    whole("encoder.channels", 1, 4096)
    columns = whole("encoder.lookahead_columns", 0, 100)
    want(
        "encoder.dilations",
        "whole numbers from 1 to 1024",
        lambda v: isinstance(v, list) and all(_is_whole(d, 1, 1024) for d in v),
    )
    if "context" in m["encoder"]:
        if version < 2:
            raise _refuse(folder, "format_version", "2 for an encoder with a context", version)
        keys = ("width", "heads", "layers", "hidden", "window")
        for key in want("encoder.context", "an object", lambda v: isinstance(v, dict)):
            # A setting that this reader does not know would change what the encoder hears.
            if key not in keys:
                raise _refuse(folder, "encoder.context", f"only {', '.join(keys)}", key)
        width = whole("encoder.context.width", 1, 4096)
        heads = whole("encoder.context.heads", 1, width)
        if width % heads:
            raise _refuse(folder, "encoder.context.heads", f"a divisor of {width}", heads)
        whole("encoder.context.layers", 1, 64)
        whole("encoder.context.hidden", 1, 16384)
        whole("encoder.context.window", 1, 4096)
    whole("decoder.hidden", 1, 4096)
    equal("decoder.layers", 2)
    whole("decoder.step_dim", 1, 4096)
    whole("decoder.identity_hidden", 1, 4096)

    train_steps = whole("diffusion.train_steps", 1, 4096)
    steps = whole("diffusion.sample_steps", 1, train_steps)
    if train_steps % steps:
        raise _refuse(folder, "diffusion.sample_steps", f"a divisor of {train_steps}", steps)
    want(
        "diffusion.alpha_bar",
        f"{steps} numbers in (0, 1) that fall",
        lambda v: (
            isinstance(v, list)
            and len(v) == steps
            and all(isinstance(a, float) and 0 < a < 1 for a in v)
            and all(b < a for a, b in pairwise(v))
        ),
    )
    if "noise_scale" in m["diffusion"]:
        scale = want("diffusion.noise_scale", "an object", lambda v: isinstance(v, dict))
        for curve in scale:
            if curve not in CURVES:
                raise _refuse(folder, "diffusion.noise_scale", "ARKit curve names", curve)
            want(f"diffusion.noise_scale.{curve}", "0 to 1", lambda v: _is_number(v, 0, 1))
    identities = want(
        "identities.names",
        "distinct names, none of them 'auto'",
        lambda v: (
            isinstance(v, list)
            and v != []
            and all(isinstance(n, str) and n not in ("", "auto") for n in v)
            and len(set(v)) == len(v)
        ),
    )
    want("identities.default", "one of identities.names", lambda v: v in identities)
    want(
        "identities.unknown_cosine",
        "a number from -1 to 1, or none",
        lambda v: v is None or _is_number(v, -1, 1),
    )

    if "gate" in m:
        settings("gate", GATE_DEFAULTS)
    for curve in want("postprocess", "an object", lambda v: isinstance(v, dict)):
        if curve not in CURVES:
            raise _refuse(folder, "postprocess", "ARKit curve names", curve)
        settings(f"postprocess.{curve}", POSTPROCESS_DEFAULTS)
    equal("lookahead_samples", lookahead_samples(Fraction(*rate), columns))
    want("training", "an object with sources and licences", lambda v: isinstance(v, dict))
    equal("weights.file", WEIGHTS)


def _read_tensors(folder: Path, m: dict[str, Any]) -> dict[str, FloatArray]:
    try:
        blob = (folder / WEIGHTS).read_bytes()
    except FileNotFoundError:
        raise BundleError(f"bundle {folder}: {WEIGHTS} is missing") from None
    digest = hashlib.sha256(blob).hexdigest()
    if digest != _at(m, "weights.sha256"):
        raise _refuse(
            folder, "weights.sha256 (a damaged or foreign file?)", digest, _at(m, "weights.sha256")
        )
    try:
        tensors = _load_tensors(blob)
    except (SafetensorError, ValueError, KeyError) as error:
        raise BundleError(f"bundle {folder}: {WEIGHTS} is not safetensors: {error}") from None
    shapes = expected_shapes(m)
    for name, shape in shapes.items():
        if name not in tensors:
            raise _refuse(folder, f"tensor {name}", shape, "none")
        if tensors[name].shape != shape:
            raise _refuse(folder, f"tensor {name}", shape, tensors[name].shape)
        if tensors[name].dtype not in (np.float32, np.float16):
            raise _refuse(folder, f"tensor {name}", "float32 or float16", str(tensors[name].dtype))
        if not np.isfinite(tensors[name]).all():
            raise _refuse(folder, f"tensor {name}", "finite values", "NaN or infinity")
    # safetensors hands tensors over in a random order: sorted, the same fault gives the same words.
    for name in sorted(tensors.keys() - shapes.keys()):
        raise _refuse(folder, WEIGHTS, "no tensor beyond those of the manifest", name)
    if not (tensors["statistics.std"] > 0).all():
        raise _refuse(folder, "tensor statistics.std", "values above 0", "0 or less")
    return {name: np.ascontiguousarray(tensors[name], dtype=np.float32) for name in shapes}
