#!/bin/sh
# libFuzzer on the C++ reader of bundles: sh tests/cpp/fuzz/bundle_files.sh [SECONDS]
#
# Needs clang with its runtime (Debian: libclang-rt-dev) and nlohmann-json3-dev. Seeds are made here;
# what is found new is kept in build/fuzz/bundle.
set -eu
cd "$(dirname "$0")/../../.."
if [ ! -f cpp/src/weights/bundle/json.cpp ]; then
  echo "bundle_files.sh: this checkout has no reader of bundles in C++"
  exit 0
fi
seconds=${1:-600}
out=build/fuzz
corpus=$out/bundle
mkdir -p "$corpus"

clang++ -std=c++17 -O1 -g -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all -Icpp/src \
  tests/cpp/fuzz/bundle_files.cpp cpp/src/weights/bundle/json.cpp \
  cpp/src/weights/bundle/safetensors.cpp cpp/src/weights/bundle/tar.cpp -o "$out/bundle_files"

python3 - "$corpus" <<'END'
import io, json, struct, sys, tarfile
from pathlib import Path

corpus = Path(sys.argv[1])
manifest = json.dumps({"format_version": 3, "curves": ["jawOpen"], "a": [1, -2.5, None, True]}).encode()
header = json.dumps(
    {"a": {"dtype": "F32", "shape": [2, 2], "data_offsets": [0, 16]},
     "b": {"dtype": "I8", "shape": [4], "data_offsets": [16, 20]}, "__metadata__": {"x": "y"}}
).encode()
weights = struct.pack("<Q", len(header)) + header + bytes(20)
packed = io.BytesIO()
with tarfile.open(fileobj=packed, mode="w") as archive:
    for name, content in (("b/manifest.json", manifest), ("b/weights.safetensors", weights)):
        entry = tarfile.TarInfo(name)
        entry.size = len(content)
        archive.addfile(entry, io.BytesIO(content))
for name, content in (("json", manifest), ("weights", weights), ("tar", packed.getvalue())):
    (corpus / name).write_bytes(content)
END

"$out/bundle_files" -max_total_time="$seconds" -max_len=16384 -print_final_stats=1 "$corpus"
