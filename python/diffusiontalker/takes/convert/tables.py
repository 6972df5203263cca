"""Forms without a head: Live Link Face CSV, BEAT's JSON, NumPy."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ... import live_link_csv
from ...curves import CURVES
from ..motion import Motion

if TYPE_CHECKING:
    from .convert import Voice


def write_csv(motion: Motion, path: Path) -> list[str]:
    """As `dt-stream --out` writes it; the first frame's time code is 0. Raises OSError."""
    with path.open("w", encoding="utf-8", newline="\n") as file:
        file.write(live_link_csv.HEADER + "\n")
        for index, values in zip(motion.index.tolist(), motion.values, strict=True):
            file.write(live_link_csv.row(index, motion.rate, values, motion.names))
    return []


def write_beat(motion: Motion, path: Path) -> list[str]:
    """{"names": [...], "frames": [{"weights": [...], "time": seconds}]}. Raises OSError."""
    head = [] if motion.head is None else ["the head's rotation is left out: BEAT has none"]
    with path.open("w", encoding="utf-8", newline="\n") as file:
        file.write('{"names": ' + json.dumps(list(CURVES)) + ',\n"frames": [\n')
        for place, (time_s, curves) in enumerate(
            zip(motion.times_s.tolist(), motion.curves, strict=True)
        ):
            # Nine digits bring every float32 back as it was.
            weights = ", ".join(f"{value:.9g}" for value in curves.tolist())
            file.write(
                ("" if place == 0 else ",\n") + f'{{"weights": [{weights}], "time": {time_s!r}}}'
            )
        file.write("\n]}\n")
    return head


def write_npz(motion: Motion, path: Path, voice: Voice | None) -> list[str]:
    """What `Motion.arrays` gives, sound (n,), sound_rate_hz.

    Raises OSError.
    """
    np.savez(
        path,
        **motion.arrays(),
        sound=np.zeros(0, np.float32) if voice is None else voice.samples,
        sound_rate_hz=np.array(0 if voice is None else voice.rate_hz),
    )
    return []
