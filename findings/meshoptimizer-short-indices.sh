#!/bin/sh
# meshoptimizer 0.2.30a0 (PyPI; built from source, so it needs a C++ compiler), numpy 2.4.2.
#
# Input: the six indices of two triangles, encoded by the package itself. `decode_index_buffer` and
# `decode_index_sequence` document `index_size` as "2 or 4" bytes. With 4 they give the indices back;
# with 2 they give uint32 numbers that hold two indices each, then zeros: [65536 131074 196609 0 0 0]
# for 0 1 2 2 1 3. Expected: the same six indices. glTF's EXT_meshopt_compression has both sizes, in
# one encoding: asking for 4 bytes and narrowing the result is right for both.
#
# Ends with 0 while that is so, with 1 as soon as the package behaves otherwise.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
  meshoptimizer==0.2.30a0 numpy==2.4.2
"$folder/venv/bin/python" - <<'PROGRAM'
import sys

import meshoptimizer
import numpy as np

given = np.array([0, 1, 2, 2, 1, 3], np.uint32)
packed = {
    "buffer": meshoptimizer.encode_index_buffer(given, 6, 4),
    "sequence": meshoptimizer.encode_index_sequence(given, 6, 4),
}
decode = {
    "buffer": meshoptimizer.decode_index_buffer,
    "sequence": meshoptimizer.decode_index_sequence,
}
pairs = given[0::2] + (given[1::2] << 16)
print("given:", given.tolist())
as_stated = True
for kind, data in packed.items():
    wide, short = (decode[kind](6, size, data) for size in (4, 2))
    print(f"{kind}, 4 bytes: {wide.tolist()}")
    print(f"{kind}, 2 bytes: {short.tolist()} ({short.dtype})")
    as_stated = (
        as_stated
        and wide.tolist() == given.tolist()
        and short.dtype == np.uint32
        and short.tolist() == [*pairs.tolist(), 0, 0, 0]
    )
print("as stated" if as_stated else "OTHERWISE than stated")
sys.exit(0 if as_stated else 1)
PROGRAM
