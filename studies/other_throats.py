"""Question: how well is a measured face read for other throats?

    python studies/other_throats.py CONFIG BUNDLE|default [FOLDER ...]

r of jawOpen, a clip, of two that both know one measured face: the reader of train/stages/borrow.py,
which hears whole clips through unmasked Whisper, and BUNDLE as it streams, with that face pinned.
They are asked about takes of the face that CONFIG holds out, the same sound played slower and
faster (a larger and a smaller throat, the truth on the same clock), and the takes of each FOLDER:
measured ones against their curves, phone-timed ones against the rule-made performance.

Answer (2026-11-26, docs/results/strangers.md): read 0.922 on held-out GRID, 0.605 and 0.395 on
strangers; streamed by the embedded model 0.921 on GRID and 0.309 on the five rougher strangers.
Whole clips said more of other throats than the model did that was shipped before, so the embedded
one learnt from what they say.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import samplerate
from numpy.typing import NDArray
from rich.progress import track

from diffusiontalker import Runtime, _core, bundle
from diffusiontalker.curves import CURVES
from diffusiontalker.train import config, corpora
from diffusiontalker.train.corpora import Recording
from diffusiontalker.train.data.performer import perform, style_of
from diffusiontalker.train.data.streams import make_version
from diffusiontalker.train.networks.whisper_weights import load_whisper
from diffusiontalker.train.recipes import run
from diffusiontalker.train.stages import borrow

JAW = CURVES.index("jawOpen")
RATE_HZ = 50.0
CLIPS = 60  # held-out takes that are asked about
Array = NDArray[np.float32]


def truth(take: Recording, speed: float, count: int) -> NDArray[np.float64]:
    """(count,) jawOpen at 50 Hz of the sound as it is played."""
    at_s = np.arange(count) * speed / RATE_HZ
    if take.curves is not None and take.times_s is not None:
        return np.interp(at_s, take.times_s, take.curves[:, JAW])
    made = perform(take.phones, count, frame_rate_hz=RATE_HZ, style=style_of("one"), seed=0)
    return made[:, JAW].astype(np.float64)


def main() -> None:
    settings = config.load(sys.argv[1])
    options = settings.borrowing
    data = run.read_data(settings)
    own = [[t for t in takes if t.speaker == options.face and t.curves is not None]
           for takes in data.train]  # fmt: skip
    held_out = [t for takes in data.held_out for t in takes if t.speaker == options.face][:CLIPS]
    asked = {f"held out, at speed {speed:g}": [(take, speed) for take in held_out]
             for speed in (1.0, 0.8, 1.25)}  # fmt: skip
    for folder in map(Path, sys.argv[3:]):
        asked[folder.name] = [(take, 1.0) for take in corpora.load(folder, sync="off").train]

    streams = [stream for version in range(borrow.READ_VERSIONS)
               for stream in make_version(own, settings, version)]  # fmt: skip
    whisper = load_whisper((Path(settings.folder) / settings.listening.weights).resolve())
    reader = borrow.fit_reader(whisper, options.layers, streams, settings.rate)
    model = bundle.read(None if sys.argv[2] == "default" else sys.argv[2])
    runtime = Runtime(model, identity=options.face)

    def read(sound: Array) -> Array:
        jaw = borrow.MOUTH.index(JAW)
        parts = borrow.pieces(np.pad(sound, (0, 16000)), borrow.LONGEST_PIECE_S)
        return np.concatenate([reader.read(_core.log_mel(part, True)[0])[:, jaw] for part in parts])

    def stream(sound: Array) -> Array:
        runtime.reset()
        frames = np.concatenate([runtime.step(sound), runtime.flush()])
        at_s = np.arange(len(sound) // 320) / RATE_HZ
        jaw = np.interp(at_s, np.arange(len(frames)) / float(runtime.frame_rate), frames[:, JAW])
        return jaw.astype(np.float32)

    print("| takes | clips | read in whole clips | streamed |\n|---|---|---|---|")
    for name, takes in asked.items():
        scores: dict[Callable[[Array], Array], list[float]] = {read: [], stream: []}
        for take, speed in track(takes, name, transient=True):
            sound = take.audio
            if speed != 1.0:
                sound = samplerate.resample(sound, 1.0 / speed, "sinc_fastest")
            for ask, found in scores.items():
                jaw = ask(sound)[: len(sound) // 320]
                found.append(float(np.corrcoef(jaw, truth(take, speed, len(jaw)))[0, 1]))
        means = " | ".join(f"{np.mean(found):.3f}" for found in scores.values())
        print(f"| {name} | {len(takes)} | {means} |", flush=True)


if __name__ == "__main__":
    main()
