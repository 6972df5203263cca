"""The model's folder: what stands in it, checked field by field before the first frame.

    from diffusiontalker import bundle
    b = bundle.read()  # the embedded one

docs/bundle.md is the specification.
"""

from ..clock import CORE_RATE_HZ, HOP_SAMPLES, lookahead_samples
from .bundle import Bundle, default_path, read, write
from .manifest import (
    BANDS,
    DTYPES,
    FORMAT,
    FORMAT_VERSIONS,
    GATE_DEFAULTS,
    IDLE_DEFAULTS,
    MANIFEST,
    POSTPROCESS_DEFAULTS,
    WEIGHTS,
    BundleError,
)
from .tensors import IDENTITY_SIZE, expected_shapes

__all__ = [
    "BANDS",
    "CORE_RATE_HZ",
    "DTYPES",
    "FORMAT",
    "FORMAT_VERSIONS",
    "GATE_DEFAULTS",
    "HOP_SAMPLES",
    "IDENTITY_SIZE",
    "IDLE_DEFAULTS",
    "MANIFEST",
    "POSTPROCESS_DEFAULTS",
    "WEIGHTS",
    "Bundle",
    "BundleError",
    "default_path",
    "expected_shapes",
    "lookahead_samples",
    "read",
    "write",
]
