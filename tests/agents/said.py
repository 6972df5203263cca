"""Speech for the tests of agents, and what a runtime makes of it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from diffusiontalker import CURVES, Runtime
from diffusiontalker.curves import GATED
from diffusiontalker.sound import read_all
from diffusiontalker.stream.sources.wav import demo_path

JAW = CURVES.index("jawOpen")
MOUTH = np.array([name in GATED for name in CURVES])


def speech(seconds: float, rate: int = 16000) -> NDArray[np.int16]:
    """The demo clip's first words."""
    samples, its_rate, _ = read_all(demo_path())
    samples = samples[: int(seconds * its_rate)]
    if rate != its_rate:
        at = np.arange(int(seconds * rate)) * its_rate / rate
        samples = np.interp(at, np.arange(samples.size), samples).astype(np.float32)
    return (samples * 32767).astype(np.int16)


def alone(pcm: NDArray[np.int16], rate: int = 16000) -> NDArray[np.float32]:
    """The frames of a runtime that hears it, and silence behind it."""
    frames = Runtime(sample_rate=rate).step(np.concatenate([pcm, np.zeros(rate // 5, np.int16)]))
    return frames[: -(-pcm.size * 60 // rate)]
