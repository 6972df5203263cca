#!/bin/sh
# soundfile 0.14.0, numpy 2.4.2; Linux.
#
# Input: a WAV file that soundfile wrote itself, renamed to a name whose bytes are no UTF-8 (a
# Latin-1 e with an accent), as `os.listdir` gives it: a str, which `open` takes (PEP 383).
# `soundfile.read` documents its argument as a str, an int or a file-like object, and is expected to
# read the file. It raises UnicodeEncodeError, which is none of its own errors: the name is encoded
# strictly, not as the system's names are (os.fsencode). The same name as bytes is read.
#
# Ends with 0 while that is so, with 1 as soon as the package behaves otherwise.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
  soundfile==0.14.0 numpy==2.4.2
cd "$folder"
PYTHONUTF8=1 "$folder/venv/bin/python" - <<'PROGRAM'
import os
import sys

import numpy as np
import soundfile

os.mkdir("sounds")
soundfile.write("plain.wav", np.zeros(160, np.float32), 16000)
os.rename(b"plain.wav", b"sounds/caf\xe9.wav")
(name,) = (os.path.join("sounds", entry) for entry in os.listdir("sounds"))
with open(name, "rb") as file:
    opened = file.read(4) == b"RIFF"

raised = "nothing"
try:
    soundfile.read(name)
except Exception as error:
    raised = type(error).__name__
samples, _ = soundfile.read(os.fsencode(name))
print("open(str):", "the file" if opened else "something else")
print("soundfile.read(str) raises", raised)
print("soundfile.read(bytes):", len(samples), "samples")

as_stated = opened and raised == "UnicodeEncodeError" and len(samples) == 160
print("as stated" if as_stated else "OTHERWISE than stated")
sys.exit(0 if as_stated else 1)
PROGRAM
