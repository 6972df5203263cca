#!/bin/sh
# Runs the tests on a fresh machine: makes a virtual environment, installs the package with its
# extras, then checks style and types, builds and runs the C++ suite (plain, ASan+UBSan, TSan), and
# runs the Python suite against the installed package.
#
#   sh tests/run.sh                 everything
#   sh tests/run.sh python          only the named stages: lint cpp sanitizers unreal python tensorrt
#
# PYTHON chooses the interpreter (python3), DT_VENV the environment's folder (.venv-test).
set -eu
cd "$(dirname "$0")/.."
venv=${DT_VENV:-.venv-test}
stages=${*:-lint cpp sanitizers unreal python tensorrt}

say() { printf '\n==== %s\n' "$*"; }

say "environment: $venv"
[ -x "$venv/bin/python" ] || "${PYTHON:-python3}" -m venv "$venv"
"$venv/bin/python" -m pip install --quiet --upgrade pip
"$venv/bin/python" -m pip install --quiet '.[train,test]'
PATH=$(cd "$venv/bin" && pwd):$PATH
CMAKE_GENERATOR=Ninja
export PATH CMAKE_GENERATOR

cpp() { # preset
  say "C++: $1"
  cmake --preset "$1" --log-level=WARNING
  cmake --build --preset "$1"
  ctest --preset "$1"
}

for stage in $stages; do
  case $stage in
    lint)
      say "style and types"
      ruff check .
      ruff format --check .
      mypy
      git ls-files '*.h' '*.cpp' | xargs clang-format --dry-run -Werror
      ;;
    cpp) cpp dev ;;
    sanitizers)
      cpp asan
      cpp tsan
      ;;
    unreal)
      say "Unreal plugin: its core, and its sources on stub headers, against live senders"
      sh tests/unreal/run.sh "-DPython3_EXECUTABLE=$(command -v python)" -DDT_STREAM=ON
      ;;
    python)
      say "Python"
      python -m pytest
      ;;
    tensorrt)
      # Engines are built for real, which needs no GPU; running them does.
      say "TensorRT for RTX"
      python -m pip install --quiet '.[tensorrt]'
      python -m pytest tests/python/tensorrt/test_tensorrt.py
      ;;
    *)
      echo "tests/run.sh: no stage '$stage'; there are: lint cpp sanitizers unreal python tensorrt" >&2
      exit 2
      ;;
  esac
done
