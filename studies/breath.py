"""Question: what does breathing do to the mouth?

    python studies/breath.py BUNDLE|default ...

Eight stretches of 20 s at each of three levels, of two kinds: as training draws breaths
(train/data/noises.py: two resonances over a hiss or a rumble) and as the evaluation has them (plain
noise that swells for 1.2 s every 3 s). Prints the share of frames with an open mouth, and the
openings a minute (metrics.flapping).

Answer (2026-11-26, docs/results/silence_and_sounds.md): of breaths as training draws them none
opens the embedded model's mouth; plain noise that swells opens it 15 times a minute, 9 % of the
time.
"""

from __future__ import annotations

import sys
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from diffusiontalker import Runtime, bundle
from diffusiontalker.train.data import noises
from diffusiontalker.train.measure import metrics

SAMPLES = 20 * noises.RATE_HZ
LEVELS = (0.02, 0.05, 0.1)  # RMS at the loudest of a swell, of full scale
STRETCHES = 8
Sound = NDArray[np.float32]


def swelling(samples: int, rng: np.random.Generator) -> Sound:
    phase = np.arange(samples) / noises.RATE_HZ % 3.0 / 1.2
    swell = np.where(phase < 1.0, np.sin(np.pi * np.minimum(phase, 1.0)) ** 2, 0.0)
    sound = swell * noises.coloured_noise(samples, rng.uniform(0.0, 1.5), rng)
    return np.asarray(sound, dtype=np.float32)


def drawn(samples: int, rng: np.random.Generator) -> Sound:
    sound = noises.breath(samples, rng)
    # As loud over all as `swelling`, whose mean square is 0.15 of that at its loudest.
    return np.asarray(sound * (np.sqrt(0.15) / sound.std()), dtype=np.float32)


def main() -> None:
    kinds: dict[str, Callable[[int, np.random.Generator], Sound]] = {
        "as training draws them": drawn,
        "plain noise that swells": swelling,
    }
    print("| bundle | breaths | level | open | openings a minute |\n|---|---|---|---|---|")
    for name in sys.argv[1:]:
        runtime = Runtime(bundle.read(None if name == "default" else name))
        for kind, make in kinds.items():
            for level in LEVELS:
                found = []
                for seed in range(STRETCHES):
                    sound = make(SAMPLES, np.random.default_rng(seed)) * np.float32(level)
                    runtime.reset()
                    frames = np.concatenate([runtime.step(sound), runtime.flush()])
                    found.append(metrics.flapping(frames, float(runtime.frame_rate)))
                share, rate_a_minute = np.mean(found, axis=0)
                print(f"| {name} | {kind} | {level:g} | {share:.4f} | {rate_a_minute:.1f} |")


if __name__ == "__main__":
    main()
