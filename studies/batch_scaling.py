"""What part of cores x the single-core rate does dt-batch reach?

    python studies/batch_scaling.py [LINES [SECONDS [FORMAT]]]

Makes lines of speech in a temporary folder, converts them by `--jobs 1` held to one core and by a
job a core, and prints the rates in seconds of sound a second, and their ratio. Linux. The wall
clock counts, from the command's start to its end, so the machine must be quiet; on a busy one the
second table, by processor time, says what the jobs cost each other.

Answer (2026-11-29): docs/batch.md, How fast.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import soundfile

import diffusiontalker

DEMO = Path(diffusiontalker.__file__).parent / "data" / "demo.flac"


def convert(folder: Path, out: Path, jobs: int, cores: set[int], form: str) -> tuple[float, float]:
    """Wall and processor seconds of a whole dt-batch."""
    words = [sys.executable, "-m", "diffusiontalker.batch.cli", folder, "--out", out]
    words += ["--jobs", str(jobs), "--format", form]
    all_cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    before, began_s = os.times(), time.monotonic()
    try:
        subprocess.run([str(word) for word in words], check=True, capture_output=True)
    finally:
        os.sched_setaffinity(0, all_cores)
    wall_s, after = time.monotonic() - began_s, os.times()
    spent_s = (after.children_user + after.children_system) - (
        before.children_user + before.children_system
    )
    return wall_s, spent_s


def main(lines: int = 300, seconds: float = 6.0, form: str = "csv") -> None:
    cores = sorted(os.sched_getaffinity(0))
    speech, rate = soundfile.read(DEMO, dtype="float32")
    speech = np.tile(speech, 2)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "lines"
        folder.mkdir()
        for i in range(lines):
            at = i * 7919 % (len(speech) // 2)
            piece = speech[at : at + int(seconds * rate)]
            soundfile.write(folder / f"{i:05}.wav", piece, rate, subtype="PCM_16")
        sound_s = lines * seconds
        rows = {}
        for jobs, where in ((1, {cores[0]}), (len(cores), set(cores))):
            rows[jobs] = convert(folder, Path(name) / f"out{jobs}", jobs, where, form)
    print(f"{lines} lines of {seconds:g} s, {form}\n")
    print("| jobs | wall | x real time | processor | x real time a core |\n|---|---|---|---|---|")
    for jobs, (wall_s, spent_s) in rows.items():
        print(
            f"| {jobs} | {wall_s:.1f} s | {sound_s / wall_s:.0f} | {spent_s:.1f} s "
            f"| {sound_s / spent_s:.0f} |"
        )
    alone, together = rows[1], rows[len(cores)]
    print(
        f"\n{len(cores)} cores: {100 * alone[0] / together[0] / len(cores):.0f} % of cores x the "
        f"single-core rate by the clock, {100 * alone[1] / together[1]:.0f} % by processor time"
    )


if __name__ == "__main__":
    main(*[kind(word) for kind, word in zip((int, float, str), sys.argv[1:], strict=False)])
