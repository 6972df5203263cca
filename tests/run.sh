#!/bin/sh
# Runs the tests on a fresh machine: makes a virtual environment, installs the package with its
# extras, then runs the stages, which are the task runner's tasks ([tool.poe] in pyproject.toml):
# style, types and contracts, the C++ suite (plain, ASan+UBSan, TSan), the same bits by every
# compiler, its instructions counted, the Unreal plugin's suite, and the Python suite against the
# installed package.
#
#   sh tests/run.sh                 everything
#   sh tests/run.sh python          only the named stages: lint types contracts docs cpp sanitizers
#                                   digests instructions unreal python tensorrt, and, run only when
#                                   named, faults (10 minutes), simulated (6 minutes), soak (half an hour),
#                                   notebook (Jupyter), exports
#                                   (Node and Blender), browser (Debian's chromium), ray (a Ray cluster),
#                                   serving (other people's clients; needs npm), agents (pipecat,
#                                   LiveKit, TalkingHead; npm and chromium for the page), library (a
#                                   fresh clone's C library, installed, and hosts in C, C++ and Rust),
#                                   godot (Debian's godot3-server), mono (Debian's mono-mcs, mono-runtime),
#                                   web (the browser package; node, npm and chromium),
#                                   fuzz (20 minutes; clang), cross (ziglang; wine, qemu), supply
#                                   (audit, SBOM, wheel)
#
# PYTHON chooses the interpreter (python3), DT_VENV the environment's folder (.venv-test).
set -eu
cd "$(dirname "$0")/.."
venv=${DT_VENV:-.venv-test}
every="lint types contracts docs cpp sanitizers digests instructions unreal python tensorrt"
named="faults simulated soak notebook exports browser ray serving agents library godot mono web fuzz cross supply"
stages=${*:-$every}

for stage in $stages; do
  case " $every $named " in
    *" $stage "*) ;;
    *)
      echo "tests/run.sh: no stage '$stage'; there are: $every $named" >&2
      exit 2
      ;;
  esac
done

say() { printf '\n==== %s\n' "$*"; }

say "environment: $venv"
[ -x "$venv/bin/python" ] || "${PYTHON:-python3}" -m venv "$venv"
"$venv/bin/python" -m pip install --quiet --upgrade pip
"$venv/bin/python" -m pip install --quiet '.[train,test,docs]'
PATH=$(cd "$venv/bin" && pwd):$PATH
export PATH

for stage in $stages; do
  say "$stage"
  poe "$stage"
done
