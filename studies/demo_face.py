"""Question: what does the demo's face look like while it speaks: do lips part, raise and spread?

    python studies/demo_face.py OUT.png [--bundle DIR ...] [--identity NAME]

Plays the package's clip through each bundle (the embedded one if none is named) and draws, under
the sound: the lips' axes on the reference head (train/lip_axes.py; unit: the distance between the
inner corners of the eyes), and the head itself at eight instants of the widest movements. It needs
matplotlib.

Answer (2026-11-28): docs/images/demo_face.png, of the model of that day beside the one before it.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import soundfile
from numpy.typing import NDArray

from diffusiontalker import Runtime
from diffusiontalker.curves import CURVES
from diffusiontalker.stream.sources.wav import demo_path
from diffusiontalker.train import lip_axes
from diffusiontalker.train.collect import draw, landmark_head

SIZE = 190
SHOWN = 8
APART_S = 0.7  # between two instants that are drawn


def play(bundle: str | None, identity: str) -> tuple[NDArray[np.float32], float, str]:
    """(frames, 52), the frame rate, and the bundle's name with its weights' digest."""
    audio, rate = soundfile.read(demo_path(), dtype="float32")
    runtime = Runtime(bundle, sample_rate=rate, seed=7, identity=identity)
    frames = np.concatenate([runtime.step(audio), runtime.flush()])
    name = f"{runtime.bundle.name} {runtime.bundle.sha256[:8]}, {identity}"
    return frames, float(runtime.frame_rate), name


def instants(axes: NDArray[np.float32], rate: float) -> list[int]:
    """The frames whose lips are furthest from rest, none near another, in their order."""
    far = np.abs((axes - np.median(axes, axis=0)) / axes.std(axis=0)).sum(axis=1)
    chosen: list[int] = []
    for frame in np.argsort(-far):
        if all(abs(int(frame) - other) > APART_S * rate for other in chosen):
            chosen.append(int(frame))
        if len(chosen) == SHOWN:
            break
    return sorted(chosen)


def mouth(curves: NDArray[np.float32]) -> NDArray[np.uint8]:
    """(SIZE, SIZE, 3): the head's face with these 52 curves."""
    head = landmark_head.default()
    of_head = curves[[CURVES.index(name) for name in head.names]]
    return draw.face(head.moved(of_head[None])[0], head.neutral, SIZE)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--bundle", action="append", default=[])
    parser.add_argument("--identity", default="auto")
    arguments = parser.parse_args()
    audio, rate_hz = soundfile.read(demo_path(), dtype="float32")
    played = [play(bundle, arguments.identity) for bundle in arguments.bundle or [None]]
    chosen = instants(played[0][0] @ lip_axes.matrix(), played[0][1])
    figure, rows = plt.subplots(1 + 2 * len(played), 1, figsize=(11, 1.2 + 3.3 * len(played)),
                                height_ratios=[0.5] + [1.1, 1.3] * len(played))  # fmt: skip
    rows[0].plot(np.arange(len(audio)) / rate_hz, audio, linewidth=0.4, color="0.3")
    rows[0].set_xlim(0, len(audio) / rate_hz)
    rows[0].set_yticks([])
    for i, (frames, rate, name) in enumerate(played):
        curves, faces = rows[1 + 2 * i], rows[2 + 2 * i]
        for axis, values in zip(lip_axes.AXES, (frames @ lip_axes.matrix()).T, strict=True):
            curves.plot(np.arange(len(frames)) / rate, values, linewidth=1.0, label=axis)
        for frame in chosen:
            curves.axvline(frame / rate, color="0.8", linewidth=0.8)
        curves.set_xlim(0, len(audio) / rate_hz)
        curves.set_ylim(-0.15, 0.5)
        curves.set_title(name, fontsize=9, loc="left")
        faces.imshow(np.concatenate([mouth(frames[frame]) for frame in chosen], axis=1))
        faces.axis("off")
    rows[1].legend(fontsize=7, ncols=5, loc="upper right")
    figure.tight_layout()
    figure.savefig(arguments.out, dpi=70)


if __name__ == "__main__":
    main()
