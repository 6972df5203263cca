#!/bin/sh
# Which lines of the plugin (its Unreal layer and its engine-free core, not the stubs) the tests reach.
# Needs gcovr (PyPI). Extra arguments go to cmake, as in
#
#   sh tests/unreal/coverage.sh -DPython3_EXECUTABLE=/path/to/python
set -eu
cd "$(dirname "$0")"
cmake --preset coverage "$@" --log-level=WARNING
cmake --build --preset coverage
find ../../build/unreal-coverage -name '*.gcda' -delete
ctest --preset coverage
gcovr --root ../.. --filter '.*unreal_plugin/.*' --object-directory ../../build/unreal-coverage \
  --gcov-ignore-parse-errors=negative_hits.warn ../../build/unreal-coverage
