#!/bin/sh
# The Unreal plugin's tests.
#
#   sh tests/unreal/run.sh             as CI runs them: all under ASan and UBSan, with 60 s of soak and
#                                      60 s of fuzz, then those that have threads under TSan
#
# and what takes longer or needs more, by hand:
#
#   sh tests/unreal/run.sh soak        ten minutes of 60 and 1000 messages a second from PUB and XPUB
#                                      sockets of real libzmq: none may be lost
#   sh tests/unreal/run.sh libfuzzer   ten minutes of libFuzzer from the corpus; needs clang
#   sh tests/unreal/run.sh coverage    which lines of the plugin the tests reach: fails under 90 %;
#                                      needs gcovr (PyPI)
#   sh tests/unreal/run.sh mingw       for Windows: compiles with mingw-w64, runs under wine; on Debian
#                                      g++-mingw-w64-x86-64-posix, wine and libgtest-dev
#
# Further arguments go to cmake, as in -DPython3_EXECUTABLE=/path/to/python -DDT_STREAM=ON. On a busy
# machine the tests take longer and still pass: they assert what comes and in which order, and take the
# time without a processor off what must be fast.
set -eu
cd "$(dirname "$0")"
builds=$(cd ../.. && pwd)/build

run=ci
case ${1:-} in
  soak | libfuzzer | coverage | mingw)
    run=$1
    shift
    ;;
  "" | -*) ;;
  *)
    echo "tests/unreal/run.sh: no run '$1'; there are: soak libfuzzer coverage mingw," \
      "or nothing for what CI runs" >&2
    exit 2
    ;;
esac
if [ $run = coverage ] && ! command -v gcovr >/dev/null; then
  echo "tests/unreal/run.sh: coverage needs gcovr: pip install gcovr" >&2
  exit 2
fi

build() { # preset, then cmake's arguments
  preset=$1
  shift
  cmake --preset "$preset" "$@" --log-level=WARNING
  cmake --build --preset "$preset"
}

case $run in
  ci)
    for preset in asan tsan; do
      build $preset "$@"
      ctest --preset $preset
    done
    ;;
  soak)
    build soak "$@"
    ctest --preset soak --verbose
    ;;
  libfuzzer)
    build libfuzzer "$@"
    "$builds/unreal-libfuzzer/fuzz" --corpus "$builds/unreal-libfuzzer/corpus"
    # What it finds new is kept there too.
    "$builds/unreal-libfuzzer/libfuzzer" -max_total_time=600 -max_len=8192 -print_final_stats=1 \
      "$builds/unreal-libfuzzer/corpus"
    ;;
  coverage)
    build coverage "$@"
    find "$builds/unreal-coverage" -name '*.gcda' -delete
    ctest --preset coverage
    gcovr --root ../.. --filter '.*unreal_plugin/.*' --object-directory "$builds/unreal-coverage" \
      --gcov-ignore-parse-errors=negative_hits.warn --fail-under-line 90 "$builds/unreal-coverage"
    ;;
  mingw)
    build mingw "$@"
    ctest --preset mingw
    # Its sockets against a real sender: half a minute of frames, of which ten seconds must come whole.
    { echo go && sleep 31; } | "${PYTHON:-python3}" publisher.py --port 5599 --seconds 30 &
    wine "$builds/unreal-mingw/listen.exe" endpoint=tcp://127.0.0.1:5599 10
    wait
    ;;
esac
