#!/bin/sh
# soundfile 0.14.0 (its wheel's libsndfile 1.2.2), numpy 2.4.2.
#
# Input: two Ogg Vorbis files of 1 s and 2 s, one after the other. RFC 3533, chapter 4, calls that a
# chained stream, which is a valid Ogg file, and players play both. soundfile opens it without an
# error, says that it has 16000 frames, and its reads end there: the second link is never given. The
# same with Opus. Expected: 48000 frames, or an error.
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


def link(seconds: int, subtype: str) -> bytes:
    file = io.BytesIO()
    tone = 0.5 * np.sin(2 * np.pi * 220 * np.arange(16000 * seconds) / 16000)
    soundfile.write(file, tone, 16000, format="OGG", subtype=subtype)
    return file.getvalue()


print("soundfile", soundfile.__version__, soundfile.__libsndfile_version__)
as_stated = True
for subtype in ("VORBIS", "OPUS"):
    first, second = link(1, subtype), link(2, subtype)
    alone = [len(soundfile.read(io.BytesIO(data))[0]) for data in (first, second)]
    both = len(soundfile.read(io.BytesIO(first + second))[0])
    print(f"{subtype}: alone {alone}, chained {both}")
    as_stated = as_stated and alone == [16000, 32000] and both == 16000
print("as stated" if as_stated else "OTHERWISE than stated")
sys.exit(0 if as_stated else 1)
PROGRAM
