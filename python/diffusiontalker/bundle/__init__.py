"""The model's folder: what stands in it, checked field by field before the first frame.

    from diffusiontalker import bundle
    b = bundle.read()  # the embedded one

docs/bundle.md is the specification.
"""

from .bundle import (
    BANDS,
    CORE_RATE_HZ,
    FORMAT,
    FORMAT_VERSIONS,
    GATE_DEFAULTS,
    HOP_SAMPLES,
    IDENTITY_SIZE,
    MANIFEST,
    POSTPROCESS_DEFAULTS,
    WEIGHTS,
    Bundle,
    BundleError,
    default_path,
    expected_shapes,
    lookahead_samples,
    read,
    write,
)

__all__ = [
    "BANDS",
    "CORE_RATE_HZ",
    "FORMAT",
    "FORMAT_VERSIONS",
    "GATE_DEFAULTS",
    "HOP_SAMPLES",
    "IDENTITY_SIZE",
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
