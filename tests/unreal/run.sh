#!/bin/sh
# The Unreal plugin's tests as CI runs them: under ASan and UBSan with the soak and the fuzz test beside
# the rest, then under TSan. Extra arguments go to cmake, as in
#
#   sh tests/unreal/run.sh -DPython3_EXECUTABLE=/path/to/python -DDT_STREAM=ON
set -eu
cd "$(dirname "$0")"
for preset in asan tsan; do
  cmake --preset "$preset" "$@" --log-level=WARNING
  cmake --build --preset "$preset"
  ctest --preset "$preset"
done
