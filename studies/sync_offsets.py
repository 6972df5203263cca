"""Question: how well does `dt-train` tell that a face is late?

    python studies/sync_offsets.py FOLDER

FOLDER holds takes of one face that is in sync with its sound (400 clips of 3 s are used at most).
They are joined to longer ones in random order, the face is moved by a known lag, and the estimate
is counted: right (within 50 ms), wrong, or left alone.

Answer (2026-11-23): moved by 0 to 200 ms, takes of 6 s and more gave no false alarm at a gain of
0.8, clips of 3 s none in 800 at 1.0: the thresholds of train/corpora/sync.py (docs/training.md,
"Face against sound").
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np

from diffusiontalker.train import corpora
from diffusiontalker.train.corpora.sync import TOLERANCE_S, estimate_offset

CLIPS = 400


def joined(takes: list[corpora.Recording], late_s: float) -> corpora.Recording:
    """The takes one after another, their faces moved by `late_s`."""
    starts = np.cumsum([0.0, *(take.duration_s for take in takes)])
    times = [take.times_s + at for take, at in zip(takes, starts, strict=False)]
    return replace(
        takes[0],
        audio=np.concatenate([take.audio for take in takes]),
        curves=np.concatenate([take.curves for take in takes]),
        times_s=np.concatenate(times) + late_s,
    )


def main() -> None:
    corpus = corpora.load(Path(sys.argv[1]), kind="beat", sync="report")
    alarms = [t.id for t in corpus.train if t.offset.clear and abs(t.offset.late_s) > TOLERANCE_S]
    print(f"{len(corpus.train)} takes as they are: {len(alarms)} would be moved {alarms}")
    takes = corpus.train[:CLIPS]
    rng = np.random.default_rng(0)
    print("| late | seconds | tries | moved rightly | moved wrongly | left alone |")
    print("|---|---|---|---|---|---|")
    for late_s in (0.0, 0.12, 0.2):
        for count in (1, 2, 4, 8, 20):
            right = wrong = tries = 0
            for _ in range(max(1, 100 * count // len(takes))):
                order = rng.permutation(len(takes))
                for start in range(0, len(takes) - count + 1, count):
                    chosen = [takes[i] for i in order[start : start + count]]
                    offset = estimate_offset(joined(chosen, late_s))
                    tries += 1
                    if offset is None or not offset.clear or abs(offset.late_s) <= TOLERANCE_S:
                        continue
                    good = late_s > 0.0 and abs(offset.late_s - late_s) <= 0.05
                    right, wrong = right + good, wrong + (not good)
            shares = [f"{100 * n / tries:.1f} %" for n in (right, wrong, tries - right - wrong)]
            seconds = sum(take.duration_s for take in takes[:count])
            cells = [f"{1000 * late_s:.0f} ms", f"{seconds:.0f}", str(tries), *shares]
            print("| " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
