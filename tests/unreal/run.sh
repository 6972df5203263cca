#!/bin/sh
# The Unreal plugin's tests as CI runs them: under ASan and UBSan with 60 s of soak and of fuzz beside
# the rest, then those that have threads under TSan. On a busy machine they take longer and still pass:
# they assert what comes and in which order, and take the time without a processor off what must be
# fast. Extra arguments go to cmake, as in
#
#   sh tests/unreal/run.sh -DPython3_EXECUTABLE=/path/to/python -DDT_STREAM=ON
set -eu
cd "$(dirname "$0")"
for preset in asan tsan; do
  cmake --preset "$preset" "$@" --log-level=WARNING
  cmake --build --preset "$preset"
  ctest --preset "$preset"
done
