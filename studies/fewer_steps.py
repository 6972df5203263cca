"""What do fewer sampling steps change, and does the face come back?

    python studies/fewer_steps.py

The runtime takes every second or fourth of the embedded model's 8 steps (`Runtime.set_steps` in
C++), as `--overload steps` does: the sampler of 4 or 2 steps whose noise levels are those of the
model, on weights that learnt 8. The demo clip frame by frame, identity automatic, no idle motion,
against all 8 steps; then 8 steps with fewer from 4 to 6 s; and what another seed changes.
Answer, 2026-11-29: little. With 4 steps the curves are 0.010 off (root mean square; the lower face
0.003), with 2 steps 0.017 (0.004), where another seed is 0.021 (0.003) off; r of the jaw is 0.999.
Back at 8 steps the face is within 0.02 after a tenth of a second. Numbers: docs/reliability.md.
"""

from __future__ import annotations

import time

import numpy as np
from numpy.typing import NDArray

from diffusiontalker import Runtime
from diffusiontalker.curves import CURVES, LIPS, indices
from diffusiontalker.sound.reader import SoundReader
from diffusiontalker.stream.sources.wav import demo_path

RATE_HZ = 16000
CHUNK = 256
ROUNDS = 15
JAW, LIP = CURVES.index("jawOpen"), indices(LIPS)

Frames = NDArray[np.float32]


def frames_of(
    sound: Frames, schedule: list[tuple[float, int]], seed: int = 0
) -> tuple[Frames, float]:
    """Curves (F, 52) with steps from each second of the schedule on, and their processor time."""
    runtime, out, at = Runtime(idle=0.0, seed=seed), [], 0
    begun = time.process_time()
    ends = [round(RATE_HZ * start) for start, _ in schedule[1:]] + [len(sound)]
    for (_, steps), end in zip(schedule, ends, strict=True):
        runtime._core.set_steps(steps)
        while at < end:
            piece = sound[at : min(at + CHUNK, end)]
            out.append(runtime.step(piece))
            at += len(piece)
    out.append(runtime.flush())
    return np.concatenate(out), time.process_time() - begun


def apart(frames: Frames, whole: Frames) -> str:
    off = np.abs(frames - whole)
    jaw = np.corrcoef(frames[:, JAW], whole[:, JAW])[0, 1]
    return (
        f"rms {np.sqrt(np.mean(off**2)):.4f}, lower face {np.sqrt(np.mean(off[:, LIP] ** 2)):.4f}, "
        f"99 % within {np.quantile(off, 0.99):.3f}, at most {off.max():.3f}, r jaw {jaw:.4f}"
    )


def main() -> None:
    reader = SoundReader(demo_path())
    assert reader.sample_rate == RATE_HZ
    sound = np.concatenate(list(reader.blocks(RATE_HZ)))
    whole, _ = frames_of(sound, [(0.0, 8)])
    least: dict[int, float] = {}
    for _ in range(ROUNDS):  # in turns, so that a busy machine meets all alike
        for steps in (8, 4, 2):
            _, seconds = frames_of(sound, [(0.0, steps)])
            least[steps] = min(least.get(steps, seconds), seconds)
    for steps in (4, 2):
        frames, _ = frames_of(sound, [(0.0, steps)])
        print(f"{steps} steps: {apart(frames, whole)}; time {least[steps] / least[8]:.2f} of 8's")
    print(f"another seed: {apart(frames_of(sound, [(0.0, 8)], seed=1)[0], whole)}")
    for steps in (4, 2, 0):
        frames, _ = frames_of(sound, [(0.0, 8), (4.0, steps), (6.0, 8)])
        off = np.abs(frames - whole).max(axis=1)
        spans = {
            "meanwhile": (243, 357), "0.1 to 0.25 s": (369, 378), "0.25 to 0.5 s": (378, 393),
            "0.5 to 1 s": (393, 423), "1 to 2 s": (423, 483), "later": (483, None),
        }  # fmt: skip
        print(
            f"{steps or 'no'} steps from 4 to 6 s, farthest off: "
            + ", ".join(f"{name} {off[a:b].max():.3f}" for name, (a, b) in spans.items())
        )


if __name__ == "__main__":
    main()
