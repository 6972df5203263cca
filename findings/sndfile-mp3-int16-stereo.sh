#!/bin/sh
# soundfile 0.14.0 (its wheel's libsndfile 1.2.2), numpy 2.4.2.
#
# Input: 1 s of a tone at 24 kHz, the same in both channels, (24000, 2). Written as MP3 from int16 it
# comes back as noise far beyond full scale (it differs from what was given by more than 0.5);
# written from float32, float64 or int32, or with one channel from int16, it comes back as it was (to
# 0.05). Expected: the same sound from every type. libsndfile's pull request 1106 has the cause: half
# of each block of interleaved samples is never copied.
#
# Ends with 0 while that is so, with 1 as soon as the package behaves otherwise.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
  soundfile==0.14.0 numpy==2.4.2
"$folder/venv/bin/python" - <<'PROGRAM'
import io
import sys

import numpy as np
import soundfile

at = np.arange(24000) / 24000
tone = np.rint(12000 * np.sin(2 * np.pi * 220 * at)).astype(np.int16)
stereo = np.stack([tone, tone], 1)
given = {
    "int16": stereo,
    "int32": stereo.astype(np.int32) << 16,
    "float32": (stereo / 32768).astype(np.float32),
    "float64": stereo / 32768,
    "int16, one channel": tone[:, None],
}
print("soundfile", soundfile.__version__, soundfile.__libsndfile_version__)
wrong = {}
for name, samples in given.items():
    file = io.BytesIO()
    soundfile.write(file, samples, 24000, format="MP3")
    back, _ = soundfile.read(io.BytesIO(file.getvalue()), always_2d=True)
    wrong[name] = float(np.abs(back - tone[:, None] / 32768).max())
    print(f"{name}: largest difference {wrong[name]:.3f}")

as_stated = wrong.pop("int16") > 0.5 and max(wrong.values()) < 0.05
print("as stated" if as_stated else "OTHERWISE than stated")
sys.exit(0 if as_stated else 1)
PROGRAM
