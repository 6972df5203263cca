"""Question: what would whole-number weights cost the face?

    python studies/fewer_bits.py BUNDLE|default OUT [--bits 8] [--part encoder.context]
    dt-train evaluate OUT --config configs/default.toml

Every matrix of the encoder and the decoder (or of --part alone) keeps its shape, its numbers become
multiples of a step a row: the largest of the row over 127, for 8 bits. They are stored as before,
so the runtime plays them as it is; activations are not rounded. It says what such weights would do
to the face, not how fast they would be.

Answer (2026-11-26, docs/results/fewer_bits.md): 8 bits cost nothing that can be measured here (LBE
ratio 0.488 on GRID, as with floats), 6 little (0.492), 4 much (0.538; closures 0.878).
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from diffusiontalker import bundle as bundles

Array = NDArray[np.float32]


def rounded(weights: Array, bits: int) -> Array:
    """Each row to multiples of its own step, symmetric about 0."""
    rows = weights.reshape(len(weights), -1)
    step = np.abs(rows).max(axis=1, keepdims=True) / (2 ** (bits - 1) - 1)
    whole = np.round(rows / np.maximum(step, 1e-12))
    return np.asarray(whole * step, dtype=np.float32).reshape(weights.shape)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("bundle")
    parser.add_argument("out", type=Path)
    parser.add_argument("--bits", type=int, default=8)
    parser.add_argument("--part", default="", help="tensors whose names begin so")
    arguments = parser.parse_args()
    bundle = bundles.read(None if arguments.bundle == "default" else arguments.bundle)
    tensors, count = dict(bundle.tensors), 0
    for name, value in bundle.tensors.items():
        matrix = value.ndim > 1 and ".weight" in name and name.startswith(("encoder.", "decoder."))
        if matrix and name.startswith(arguments.part):
            tensors[name] = rounded(value, arguments.bits)
            count += value.size
    # Half precision would round the steps once more.
    bundles.write(arguments.out, bundle.manifest, tensors, dtype="float32")
    print(f"{count / 1e6:.2f} M weights of {arguments.bits} bits in {arguments.out}")


if __name__ == "__main__":
    main()
