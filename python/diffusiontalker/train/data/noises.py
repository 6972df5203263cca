"""Sounds that are no speech, drawn at random: the mouth learns to stay shut through them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

Sound = NDArray[np.float32]
RATE_HZ = 16000


def coloured_noise(samples: int, exponent: float, rng: np.random.Generator) -> Sound:
    """Unit-power noise whose power falls as 1 / frequency**exponent (0 white, 1 pink, 2 brown)."""
    spectrum = np.fft.rfft(rng.standard_normal(samples))
    frequency = np.maximum(np.fft.rfftfreq(samples, 1 / RATE_HZ), 30.0)
    noise = np.fft.irfft(spectrum / frequency ** (exponent / 2), samples)
    return np.asarray(noise / (noise.std() + 1e-12), dtype=np.float32)


def noise_below(
    power: float, snr_db: float, samples: int, exponent: float, rng: np.random.Generator
) -> Sound:
    """`coloured_noise` so many dB below a sound of mean square `power`."""
    level = np.float32(np.sqrt(power) * 10 ** (-snr_db / 20))
    return np.asarray(coloured_noise(samples, exponent, rng) * level, dtype=np.float32)


def keys(samples: int, rng: np.random.Generator) -> Sound:
    """Somebody types: bursts of noise with a ring, 3 to 12 a second, each harder or softer."""
    sound = np.zeros(samples)
    at = int(rng.exponential(0.1) * RATE_HZ)
    mean_wait_s = rng.uniform(0.08, 0.3)
    ring_hz = rng.uniform(800.0, 4000.0)
    while at < samples:
        decay = rng.uniform(0.0015, 0.008) * RATE_HZ
        length = min(samples - at, int(6 * decay))
        time = np.arange(length)
        click = rng.standard_normal(length) + np.sin(2 * np.pi * ring_hz / RATE_HZ * time)
        sound[at : at + length] += rng.uniform(0.3, 1.0) * np.exp(-time / decay) * click
        at += int((0.04 + rng.exponential(mean_wait_s)) * RATE_HZ)
    return sound.astype(np.float32)


def breath(samples: int, rng: np.random.Generator) -> Sound:
    """Breathing in or out: noise that swells and fades, through two broad resonances or hardly any.

    Close to a microphone it is little but a hiss or a rumble.
    """
    noise = np.fft.rfft(rng.standard_normal(samples))
    hz = np.fft.rfftfreq(samples, 1 / RATE_HZ)
    base = 10 ** rng.uniform(-1.5, 0.5)
    shape = base / (1.0 + hz / 1000.0) ** rng.uniform(0.0, 1.5)
    for low, high in ((300.0, 1200.0), (1400.0, 3500.0)):
        centre, width = rng.uniform(low, high), rng.uniform(200.0, 900.0)
        shape = shape + rng.uniform(0.3, 1.0) / (1.0 + ((hz - centre) / width) ** 2)
    sound = np.fft.irfft(noise * shape, samples)
    period_s, share = rng.uniform(1.0, 3.0), rng.uniform(0.3, 0.9)
    phase = (np.arange(samples) / RATE_HZ / period_s + rng.uniform()) % 1.0 / share
    swell = np.where(phase < 1.0, np.sin(np.pi * np.minimum(phase, 1.0)) ** 2, 0.0)
    return np.asarray(sound * swell, dtype=np.float32)


def tones(samples: int, rng: np.random.Generator) -> Sound:
    """Music of a kind: chords of decaying or held partials, new ones 0.5 to 4 times a second."""
    sound = np.zeros(samples)
    at, beat_s = 0, rng.uniform(0.25, 2.0)
    decay_a_second, partials = rng.choice([0.3, 2.0, 6.0]), int(rng.integers(1, 7))
    while at < samples:
        length = min(samples - at, int(rng.uniform(0.8, 1.5) * beat_s * RATE_HZ))
        time_s = np.arange(length) / RATE_HZ
        root_hz = 110.0 * 2 ** (rng.integers(0, 36) / 12)
        envelope = np.exp(-decay_a_second * time_s) * np.minimum(time_s / 0.005, 1.0)
        for ratio in rng.choice([1.0, 1.2, 1.25, 1.5, 2.0], size=3, replace=False):
            for partial in range(1, partials + 1):
                if root_hz * ratio * partial < 7000.0:
                    wave = np.sin(2 * np.pi * root_hz * ratio * partial * time_s)
                    sound[at : at + length] += envelope * wave / partial
        at += max(int(beat_s * RATE_HZ), 1)
    return sound.astype(np.float32)


def swell(samples: int, rng: np.random.Generator) -> Sound:
    """Plain noise, white to brown, that slowly rises and falls: wind, a fan, a car going by.

    Nothing in it rings, so nothing but its level tells it from a breath that is mere hiss.
    """
    period_s = np.exp(rng.uniform(np.log(0.8), np.log(12.0)))
    phase = np.arange(samples) / RATE_HZ / period_s + rng.uniform()
    level = np.sin(np.pi * (phase % 1.0)) ** rng.choice([1.0, 2.0])
    noise = coloured_noise(samples, rng.choice([0.0, rng.uniform(0.0, 2.0)]), rng)
    return np.asarray(noise * level, dtype=np.float32)


KINDS: dict[str, Callable[[int, np.random.Generator], Sound]] = {
    "keys": keys,
    "breath": breath,
    "tones": tones,
    "swell": swell,
}


def draw_noise(
    samples: int, level_db: float, rng: np.random.Generator, kinds: Sequence[str] = tuple(KINDS)
) -> Sound:
    """One of `kinds` at a level: RMS over the stretch in dB re full scale.

    A kind that is named twice comes twice as often.
    """
    if samples == 0:
        return np.zeros(0, np.float32)
    sound = KINDS[kinds[int(rng.integers(len(kinds)))]](samples, rng)
    rms = float(np.sqrt(np.mean(np.square(sound, dtype=np.float64)))) + 1e-9
    return np.asarray(sound * (10 ** (level_db / 20) / rms), dtype=np.float32)
