"""Sounds beside clean speech: none, noise, breath, a keyboard, music; takes in noise."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction

import numpy as np

from ... import _core
from ..corpora import SAMPLE_RATE_HZ, Recording
from ..data.noises import coloured_noise, noise_below
from . import lips, metrics
from .players import OnClips, Player, play

CLOSING_CLIPS = 8  # clips that are cut into silence
SILENCE_S = 60.0  # in which blinks are counted


def in_noise(takes: Sequence[Recording], snr_db: float) -> list[Recording]:
    """Takes with pink noise this far below their own power, the same on every call."""

    def spoilt(take: Recording) -> Recording:
        seed = hashlib.sha256(take.id.encode()).digest()
        power = float(np.mean(np.square(take.audio)))
        rng = np.random.default_rng(list(seed))
        noise = noise_below(power, snr_db, len(take.audio), 1.0, rng)
        audio = np.clip(take.audio + noise, -1.0, 1.0)
        return replace(take, audio=audio.astype(np.float32))

    return [spoilt(take) for take in takes]


def not_speech() -> list[Recording]:
    """Ten seconds each of sounds that are no speech, the same on every call: digital silence,
    noise at -60 dBFS, pink noise at -30 dBFS, breaths, white noise that swells once (to 0.1 of full
    scale), a keyboard, chords."""
    count = 10 * SAMPLE_RATE_HZ
    time_s = np.arange(count) / SAMPLE_RATE_HZ
    rng = np.random.default_rng(0)
    white = rng.standard_normal(count)
    phase = time_s % 3.0 / 1.2  # a breath of 1.2 s every 3 s
    breath = np.where(phase < 1, np.sin(np.pi * np.minimum(phase, 1)) ** 2, 0)
    keys = np.zeros(count)
    for start in np.cumsum(rng.uniform(0.08, 0.3, 60)):
        at = int(start * SAMPLE_RATE_HZ)
        if at + 400 < count:
            keys[at : at + 400] += np.exp(-np.arange(400) / 60) * rng.standard_normal(400)
    chords = np.zeros(count)
    for i, root_hz in enumerate((220.0, 174.6, 261.6, 196.0, 220.0)):
        inside = (time_s >= 2 * i) & (time_s < 2 * i + 2)
        since = time_s - 2 * i
        for ratio in (1.0, 1.25, 1.5, 2.0):
            tone = np.sin(2 * np.pi * root_hz * ratio * time_s) * np.exp(-1.5 * since)
            chords += np.where(inside, tone, 0)
    sounds = {
        "silence": np.zeros(count),
        "faint_noise": 1e-3 * white,
        "pink_noise": 10**-1.5 * coloured_noise(count, 1.0, rng),
        "breath": 0.1 * breath * coloured_noise(count, 0.5, rng),
        "swell": 0.1 * np.sin(np.pi * time_s / 10.0) ** 2 * white,
        "keyboard": 0.3 * keys,
        "music": 0.1 * chords,
    }
    return [
        Recording(name, "", "", np.clip(sound, -1, 1).astype(np.float32))
        for name, sound in sounds.items()
    ]


def at_rest(
    player: Player, takes: Sequence[Recording], rate: Fraction, on_clips: OnClips
) -> dict[str, float]:
    """What the mouth does without speech (metrics.flapping), and how fast it shuts after it."""
    result: dict[str, float] = {}
    sounds = not_speech()
    for sound, curves in zip(sounds, play(player, sounds, 0, "auto", on_clips), strict=True):
        share, rate_a_minute = metrics.flapping(curves, float(rate))
        result[f"{sound.id}_open_share"] = share
        result[f"{sound.id}_flaps_a_minute"] = rate_a_minute
        result[f"{sound.id}_jawOpen_max"] = float(curves[30:, metrics.JAW_OPEN].max())
    silence = Recording("silence", "", "", np.zeros(int(SILENCE_S * SAMPLE_RATE_HZ), np.float32))
    still = lips.blinking(play(player, [silence], 0, "auto", on_clips), float(rate))
    result |= {f"silence_{name}": value for name, value in still.items()}
    cut: list[Recording] = []
    for take in takes[:CLOSING_CLIPS]:
        level_db = _core.log_mel(take.audio, True)[1]
        half = len(level_db) // 2
        at = (half + int(np.argmax(level_db[half:]))) * 160
        audio = np.concatenate([take.audio[:at], np.zeros(SAMPLE_RATE_HZ, np.float32)])
        cut.append(Recording(take.id, take.speaker, "", audio))
    shut = [
        metrics.closing_ms(curves, float(rate), len(take.audio) / SAMPLE_RATE_HZ - 1.0)
        for take, curves in zip(cut, play(player, cut, 0, "own", on_clips), strict=True)
    ]
    result["closing_ms_median"] = float(np.median(shut))
    result["closing_ms_worst"] = float(np.max(shut))
    return result
