#!/bin/sh
# safetensors 0.8.0 (safetensors.numpy), numpy 2.4.2.
#
# Input: a (2, 3) float32 matrix and its transpose, a valid numpy array whose memory is not
# C-ordered. `save` takes it without an error and writes its shape, (3, 2), with the values in the
# order of its memory, so `load` gives other values in those places. `load(save(x))` is expected to
# equal x; np.ascontiguousarray before `save` makes it so.
#
# Ends with 0 while that is so, with 1 as soon as the package behaves otherwise.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
  safetensors==0.8.0 numpy==2.4.2
"$folder/venv/bin/python" - <<'PROGRAM'
import sys

import numpy as np
from safetensors.numpy import load, save

matrix = np.arange(6, dtype=np.float32).reshape(2, 3)
given = matrix.T
back = load(save({"x": given}))["x"]
whole = load(save({"x": np.ascontiguousarray(given)}))["x"]
print("given:", given.tolist())
print("back: ", back.tolist())

as_stated = (
    back.shape == (3, 2)
    and back.tolist() == [[0, 1], [2, 3], [4, 5]]  # the memory's order
    and np.array_equal(whole, given)
)
print("as stated" if as_stated else "OTHERWISE than stated")
sys.exit(0 if as_stated else 1)
PROGRAM
