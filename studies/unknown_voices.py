"""Question: whose face does a voice get?

    python studies/unknown_voices.py CONFIG BUNDLE|default [FOLDER ...]

Prints how jawOpen follows the measured faces of CONFIG's first source (60 held-out takes) when
they are played with other identities; then, for the recordings held out of the second source and
for 12 clips of each FOLDER of speech, how many have left the default identity after 3 s.

Answer (2026-11-26, docs/results/identity.md): the rule-made identities follow the jaw less (r 0.843
to 0.865 where grid_s1 has 0.919), so an unknown voice keeps the measured face; of 144 clips of
voices outside the library 10 had left it after 3 s.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from diffusiontalker import Runtime, bundle
from diffusiontalker.curves import CURVES
from diffusiontalker.train import config
from diffusiontalker.train.corpora.audio import read_audio
from diffusiontalker.train.recipes import run
from diffusiontalker.train.stages.listen import speech_files

JAW = CURVES.index("jawOpen")
OTHERS = 8
SAMPLES = 48000
CLIPS = 12


def identity_after(runtime: Runtime, audio: NDArray[np.float32]) -> str:
    runtime.reset()
    runtime.step(audio[:SAMPLES])
    return runtime.identity


def main() -> None:
    settings = config.load(sys.argv[1])
    model = bundle.read(None if sys.argv[2] == "default" else sys.argv[2])
    data = run.read_data(settings)
    default = model.identities[model.default_identity]
    print("| identity | r jawOpen, a clip | jawOpen's spread / measured |")
    print("|---|---|---|")
    others = [name for name in model.identities if name != default]
    for identity in (default, "auto", *others[:: max(1, len(others) // OTHERS)][:OTHERS]):
        runtime = Runtime(model, identity=identity)
        rs, spreads = [], []
        for take in data.held_out[0][:60]:
            assert take.curves is not None
            assert take.times_s is not None
            runtime.reset()
            frames = np.concatenate([runtime.step(take.audio), runtime.flush()])
            at = np.round(take.times_s * float(runtime.frame_rate)).astype(int)
            made = frames[np.minimum(at, len(frames) - 1), JAW]
            rs.append(np.corrcoef(made, take.curves[:, JAW])[0, 1])
            spreads.append(made.std() / take.curves[:, JAW].std())
        print(f"| {identity} | {np.mean(rs):.3f} | {np.mean(spreads):.2f} |", flush=True)

    runtime = Runtime(model, identity="auto")
    print("\n| speech | clips | left the default after 3 s | for their own |")
    print("|---|---|---|---|")
    known = [identity_after(runtime, take.audio) for take in data.held_out[1]]
    left = sum(name != default for name in known)
    own = sum(n == take.speaker for n, take in zip(known, data.held_out[1], strict=True))
    print(f"| held out of {settings.sources[1].name} | {len(known)} | {left} | {own} |")
    for folder in map(Path, sys.argv[3:]):
        files = speech_files(folder)
        got: list[str] = []
        for index in np.random.default_rng(0).permutation(len(files)):
            audio = read_audio(files[index])
            if len(audio) >= SAMPLES:
                got.append(identity_after(runtime, audio))
            if len(got) == CLIPS:
                break
        left = sum(name != default for name in got)
        print(f"| {folder.name} | {len(got)} | {left} | - |", flush=True)


if __name__ == "__main__":
    main()
