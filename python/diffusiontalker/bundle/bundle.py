"""The bundle: a folder with `manifest.json` and `weights.safetensors` (docs/bundle.md).

Everything is checked when it is read, and a refusal is one sentence: what, where, expected, got.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import _core, clock
from ..curves import CURVES
from ..files import replaced
from . import manifest as manifests
from .manifest import BANDS, DTYPES, FORMAT, MANIFEST, WEIGHTS, BundleError
from .tensors import FloatArray, Tensors, packed


@dataclass(frozen=True)
class Bundle:
    """A bundle that has passed every check."""

    path: Path
    manifest: dict[str, Any]
    #: As float32; `core_tensors` has them as they lie in the file.
    tensors: Mapping[str, FloatArray]

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
        what the decoder is conditioned on and, where there are no `identity_keys`, what pooled
        audio is matched against.
        """
        t = self.tensors
        w0, b0 = t["identity.mlp.0.weight"], t["identity.mlp.0.bias"]
        w2, b2 = t["identity.mlp.2.weight"], t["identity.mlp.2.bias"]
        return _linear(np.maximum(_linear(t["identity.embeddings"], w0, b0), 0), w2, b2)

    def identity_keys(self) -> FloatArray:
        """What pooled audio is matched against, (speakers, audio_dim): rows of their own
        (`identities.keys`), or the identity features."""
        keys = self.tensors.get("identity.keys")
        return self.identity_features() if keys is None else keys

    def noise_scale(self) -> FloatArray:
        """(52,) factor on the noise that a curve's sampling starts from, 1 where none is given.

        0 gives the curve's most settled course: it then differs between seeds only by what the
        other curves do.
        """
        scale = self.manifest["diffusion"].get("noise_scale", {})
        return np.array([float(scale.get(c, 1.0)) for c in CURVES], np.float32)

    def core_config(self) -> _core.ModelConfig:
        """What the C++ runtime takes beside the tensors."""
        return manifests.core_config(self.manifest)

    def core_tensors(self) -> dict[str, NDArray[Any]]:
        """The tensors as the C++ runtime takes them: float32, and int8 values with scales.

        `write(..., dtype="int8")` takes them too, and keeps them bit for bit.
        """
        if not isinstance(self.tensors, Tensors):
            return dict(self.tensors)
        return {
            name: value.astype(np.float32) if value.dtype == np.float16 else value
            for name, value in self.tensors.stored.items()
        }

    def put_away(self) -> Bundle:
        """The same bundle without the memory of its tensors, which are read again when needed."""
        if not isinstance(self.tensors, Tensors):
            return self
        return replace(self, tensors=self.tensors.put_away())


def _linear(x: FloatArray, weight: FloatArray, bias: FloatArray) -> FloatArray:
    """x weight^T + bias, each sum in the order of its terms and rounded after each operation.

    The last bits of `x @ weight.T` depend on the machine's BLAS and on how many rows there are.
    These depend on neither, and a library that grows leaves the others' matches as they were.
    """
    total = np.zeros((len(x), len(weight)), np.float32)
    for k in range(weight.shape[1]):
        total += x[:, k : k + 1] * weight[:, k]
    return total + bias


def default_path() -> Path:
    """Folder of the embedded bundle."""
    return Path(__file__).parents[1] / "bundles" / "default"


def write(
    path: str | Path,
    manifest: Mapping[str, Any],
    tensors: Mapping[str, NDArray[np.floating | np.int8]],
    *,
    dtype: str = "float32",
) -> Bundle:
    """Writes a bundle and reads it back, so that what was written is known to be usable.

    `format`, `format_version` (the lowest that will do), `audio`, `identities.keys`, `weights`
    and `lookahead_samples` are filled in here.
    `dtype` is how the weights are stored: "float32", "float16", or "int8", as the runtime rounds
    them (then what is no weight of a product stays float32). Raises BundleError.
    """
    if dtype not in DTYPES:
        raise BundleError(f"bundle: dtype: expected {' or '.join(DTYPES)}, got {dtype!r}")
    folder = Path(path)
    folder.mkdir(parents=True, exist_ok=True)
    identities = {k: v for k, v in manifest["identities"].items() if k != "keys"}
    keys = {"keys": True} if "identity.keys" in tensors else {}
    new = dtype == "int8" or bool(keys)
    blob = packed({**manifest, "identities": identities | keys}, tensors, dtype)
    full = {
        "format": FORMAT,
        "format_version": 3 if new else 2 if "context" in manifest["encoder"] else 1,
        **{k: v for k, v in manifest.items() if k not in ("format", "format_version")},
        "identities": identities | keys,
        "audio": {
            "sample_rate": clock.CORE_RATE_HZ,
            "features": "log_mel",
            "hop_samples": clock.HOP_SAMPLES,
            "bands": BANDS,
        },
        "weights": {"file": WEIGHTS, "dtype": dtype, "sha256": hashlib.sha256(blob).hexdigest()},
    }
    num, den = full["frame_rate"]
    full["lookahead_samples"] = clock.lookahead_samples(
        Fraction(num, den), full["encoder"]["lookahead_columns"]
    )
    # The manifest goes last: a cut between the two leaves a digest that does not fit, never a
    # folder that reads as whole.
    with replaced(folder / WEIGHTS) as part:
        part.write_bytes(blob)
    with replaced(folder / MANIFEST) as part:
        part.write_text(json.dumps(full, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return read(folder)


def read(path: str | Path | None = None) -> Bundle:
    """Reads and checks a bundle; None means the embedded one. Raises BundleError."""
    folder = default_path() if path is None else Path(path)
    if not folder.is_dir():
        raise BundleError(f"bundle {folder}: expected a folder with {MANIFEST}, found none")
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise BundleError(f"bundle {folder}: {MANIFEST} is missing") from None
    except OSError as error:
        why = error.strerror or error
        raise BundleError(f"bundle {folder}: {MANIFEST} cannot be read: {why}") from None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise BundleError(f"bundle {folder}: {MANIFEST} is not JSON: {error}") from None
    manifests.check(folder, manifest)
    tensors = Tensors(folder, manifest)
    _ = tensors.stored  # read and checked now
    return Bundle(folder, manifest, tensors)
