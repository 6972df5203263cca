"""N voices at once, as a server has them: one runtime, one pass over the model's weights for all.

    python examples/many_voices.py --voices 16
    python examples/many_voices.py --voices 64 --threads 2 --seconds 5

Everybody speaks the demo clip, each from another place in it and with a seed of their own. A tick
is 20 ms: a chunk of each voice goes in, the frames of each come out. Whoever is through begins
again on the same place of the runtime, which the others do not notice.
"""

from __future__ import annotations

import argparse
import time

import numpy as np

from diffusiontalker import Runtime
from diffusiontalker.sound import read_all
from diffusiontalker.stream.sources.wav import demo_path

TICK_S = 0.02


def main() -> None:
    parser = argparse.ArgumentParser(description="Many voices through one runtime.")
    parser.add_argument("--voices", type=int, default=16)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=4.0, help="of sound (default: 4)")
    arguments = parser.parse_args()

    sound, rate_hz, _ = read_all(demo_path())
    voices, tick = arguments.voices, round(TICK_S * rate_hz)
    runtime = Runtime(
        sample_rate=rate_hz, streams=voices, seed=list(range(voices)), threads=arguments.threads
    )
    at = [len(sound) * voice // voices for voice in range(voices)]
    frames, slowest_s = np.zeros(voices, int), 0.0
    ticks = round(arguments.seconds / TICK_S)
    began_s = time.perf_counter()
    for _ in range(ticks):
        chunks = [sound[start : start + tick] for start in at]
        before_s = time.perf_counter()
        for voice, curves in enumerate(runtime.step(chunks)):
            frames[voice] += len(curves)  # curves: (frames, 52) of this voice
        slowest_s = max(slowest_s, time.perf_counter() - before_s)
        for voice in range(voices):
            at[voice] += tick
            if at[voice] >= len(sound):  # its sound is over: the place is free for the next
                frames[voice] += len(runtime.flush(voice))
                runtime.reset(voice)
                at[voice] = 0
    took_s = time.perf_counter() - began_s
    print(
        f"{voices} voices, {ticks * TICK_S:g} s: {frames.sum()} frames in {took_s:.2f} s of "
        f"computing, slowest tick {1000 * slowest_s:.1f} of {1000 * TICK_S:g} ms; "
        f"identities {', '.join(sorted({runtime.identity_of(v) for v in range(voices)}))}"
    )


if __name__ == "__main__":
    main()
