"""How many live faces does one of our CPU cores carry, beside the streams of a GPU?

    dt-serve bench --sessions 60,150,200 --frames-per-s 30 --json load.json
    python studies/voices_beside_gpus.py load.json docs/images/voices_beside_gpus.png

Draws the largest number of sessions whose p99 was at most 40 ms beyond the look-ahead, the whole
server on one core, beside the batch sizes of NVIDIA's ready-made engines for the diffusion model of
Audio2Face-3D (its microservice's support matrix, version 2.0, read in November 2026: RTX 5090 52,
B200 144, in float16, for 30 frames a second). That is another model: 180 million parameters, and it
moves every vertex. Nothing of it was measured here.

Answer (2026-11-29): docs/serving.md, Capacity.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt

#: Diffusion streams of a ready-made engine.
PUBLISHED = {"RTX 5090": 52, "B200": 144}
MOST_MS = 40.0


def main(load: str, out: str) -> None:
    rows = json.loads(Path(load).read_text("utf-8"))
    good = [row for row in rows if row["p99_ms"] <= MOST_MS and not row["missing"]]
    best = max(good, key=lambda row: row["plan"]["sessions"])
    bars = {
        "one core of a Xeon VM\n(dt-serve, gRPC)": best["plan"]["sessions"],
        **{f"{name}\n(Audio2Face-3D's engine)": streams for name, streams in PUBLISHED.items()},
    }
    figure, axes = plt.subplots(figsize=(7, 2.6), dpi=110)
    colours = ["#1f77b4", "#9a9a9a", "#9a9a9a"]
    drawn = axes.barh(list(bars), list(bars.values()), color=colours, height=0.6)
    axes.bar_label(drawn, padding=4)
    axes.invert_yaxis()
    axes.set_xlim(0, 1.12 * max(bars.values()))
    axes.set_xlabel(f"live faces at 30 frames a second (ours: p99 {best['p99_ms']:.0f} ms late)")
    axes.spines[["top", "right"]].set_visible(False)
    figure.tight_layout()
    figure.savefig(out)


if __name__ == "__main__":
    main(*sys.argv[1:])
