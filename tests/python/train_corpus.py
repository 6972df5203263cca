"""A tiny corpus for the training tests: tones and hiss whose curves follow from the sound."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import soundfile

RATE_HZ = 16000
PHONES = ["b", "ɑ", "m", "u", "s", "i", "p", "o", "f", "æ"]


def tone(seconds: float, pitch_hz: float, opening: np.ndarray, seed: int) -> np.ndarray:
    """A hum whose loudness follows `opening` (values in [0, 1] over the clip)."""
    time = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    envelope = np.interp(time, np.linspace(0, seconds, len(opening)), opening)
    rng = np.random.default_rng(seed)
    wave = sum(np.sin(2 * np.pi * pitch_hz * k * time) / k for k in range(1, 6))
    return (0.2 * envelope * wave + 1e-4 * rng.standard_normal(len(time))).astype(np.float32)


def write_measured(
    folder: Path, take: str, *, seconds: float = 3.0, seed: int = 0, names: list[str] | None = None
) -> None:
    """One take in BEAT's form: 25 fps, jawOpen follows the loudness, eyeSquint rests at 0.5."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    frames = int(seconds * 25)
    opening = np.clip(np.convolve(rng.uniform(-0.6, 1.0, frames), np.ones(4) / 4, "same"), 0, 1)
    soundfile.write(folder / f"{take}.wav", tone(seconds, 120 + 10 * seed, opening, seed), RATE_HZ)
    names = names or ["eyeSquintLeft", "jawOpen", "mouthPucker"]
    value = {"eyeSquintLeft": 0.5 + 0 * opening, "jawOpen": opening, "mouthPucker": 1 - opening}
    rows = [
        {"weights": [float(value[name][i]) for name in names], "time": i / 25, "rotation": []}
        for i in range(frames)
    ]
    (folder / f"{take}.json").write_text(json.dumps({"names": names, "frames": rows}))


def write_spoken(folder: Path, take: str, speaker: str, *, seed: int = 0) -> None:
    """One phone-timed take: each phone a tone of its own, silence around."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    order = [PHONES[i] for i in rng.permutation(len(PHONES))]
    phones, parts, at_s = [], [], 0.0
    for symbol in ["_", *order, "_"]:
        seconds = 0.4 if symbol == "_" else 0.2
        pitch_hz = 100.0 if symbol == "_" else 120.0 + 25.0 * PHONES.index(symbol)
        loud = 0.0 if symbol == "_" else 1.0
        parts.append(tone(seconds, pitch_hz, np.array([loud, loud]), seed))
        phones.append({"phone": symbol, "start": round(at_s, 3), "end": round(at_s + seconds, 3)})
        at_s += seconds
    soundfile.write(folder / f"{take}.flac", np.concatenate(parts), RATE_HZ)
    (folder / f"{take}.json").write_text(json.dumps({"speaker": speaker, "phones": phones}))


def write_corpus(folder: Path) -> dict[str, Path]:
    """Both kinds of takes, with some broken ones among the measured; source name -> folder."""
    measured, spoken = folder / "measured", folder / "spoken"
    for i in range(4):
        write_measured(measured, f"take{i}", seed=i)
    write_measured(measured, "shuffled", seed=9, names=["mouthPucker", "jawOpen", "eyeSquintLeft"])
    write_measured(measured, "truncated", seed=5)
    whole = (measured / "truncated.json").read_text()
    (measured / "truncated.json").write_text(whole[: len(whole) // 2])
    write_measured(measured, "silent", seed=6)
    (measured / "silent.wav").unlink()
    for voice in ("anna", "bert"):
        for i in range(3):
            write_spoken(spoken, f"{voice}{i}", voice, seed=10 * i + len(voice))
    return {"measured": measured, "spoken": spoken}
