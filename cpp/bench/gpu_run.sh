#!/bin/sh
# The report of a GPU that is lent for minutes, on a bare machine without an index:
#
#   sh cpp/bench/gpu_run.sh FOLDER [MINUTES] [OPTIONS OF gpu_report.py]
#
# builds the extension and writes FOLDER/gpu_report.md, .json and gpu_run.log, in MINUTES (8)
# altogether. It wants CMake, ninja (or make), a C++17 compiler, and a python3 (or PYTHON) with
# PyTorch, onnx, numpy, safetensors and pybind11; nothing else that the package depends on. TensorRT,
# Triton and onnxruntime are measured where they are. Nothing is fetched or installed.
set -eu
cd "$(dirname "$0")/../.."
[ $# -ge 1 ] || { sed -n '2,9s/^# \{0,1\}//p' "$0" >&2; exit 2; }
mkdir -p "$1"
out=$(cd "$1" && pwd)
minutes=${2:-8}
[ $# -lt 2 ] && shift 1 || shift 2
python=${PYTHON:-python3}
began=$(date +%s)
left() { echo $((minutes * 60 - $(date +%s) + began)); }

{
  echo "==== $(date -u +%FT%TZ), $(uname -m), $(nproc) processors"
  nvidia-smi --query-gpu=name,memory.total,driver_version --format=csv,noheader || echo "no nvidia-smi"
  "$python" -c 'import torch; print("torch", torch.__version__, "CUDA", torch.version.cuda)'

  echo "==== building"
  generator=
  command -v ninja >/dev/null && generator="-G Ninja"
  # shellcheck disable=SC2086
  cmake -S . -B build/gpu $generator -DCMAKE_BUILD_TYPE=Release -DDT_PYTHON=ON -DDT_TESTS=OFF \
    -DPython_EXECUTABLE="$(command -v "$python")" \
    -Dpybind11_DIR="$("$python" -m pybind11 --cmakedir)"
  timeout "$(left)" cmake --build build/gpu --target _core -j "${DT_JOBS:-$(nproc)}"
  find build/gpu -name '_core*' \( -name '*.so' -o -name '*.pyd' \) -exec cp {} python/diffusiontalker/ \;
  find build/gpu -name 'libdt_tensorrt.so' -exec cp {} python/diffusiontalker/ \;

  echo "==== measuring, $(left) s left"
  # The last row may take a while after the time at which no new one begins.
  for_rows=$("$python" -c "print(max($(left) - 60, 10) / 60)")
  status=0
  PYTHONPATH=python${PYTHONPATH:+:$PYTHONPATH} PYTHONUNBUFFERED=1 timeout "$(left)" \
    "$python" cpp/bench/gpu_report.py --out "$out/gpu_report.md" --minutes "$for_rows" "$@" || status=$?
  echo "==== done with status $status, $(left) s left"
  exit $status
} 2>&1 | tee "$out/gpu_run.log"
[ -s "$out/gpu_report.json" ]
