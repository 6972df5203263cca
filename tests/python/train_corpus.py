"""A tiny corpus for the training tests: tones and hiss whose curves follow from the sound."""

from __future__ import annotations

import json
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
import soundfile

from diffusiontalker.curves import CURVES

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


#: BEAT has every curve but the tongue's.
BEAT_NAMES = CURVES[:-1]
BEAT_SECONDS = 6.5


@dataclass(frozen=True)
class BeatTake:
    """What one made take is like."""

    name: str  # id_name_language_start_end
    late_s: float = 0.0  # of the face behind the sound
    rate_hz: int = RATE_HZ
    channels: int = 1
    reverse_names: bool = False
    seconds: float = BEAT_SECONDS


def beat_opening(seed: int, seconds: float) -> np.ndarray:
    """Syllables: how far the mouth is open at 60 fps, [0, 1]."""
    rng = np.random.default_rng(seed)
    count = int(5 * seconds)
    return np.interp(
        np.arange(round(60 * seconds)) / 60,
        np.sort(rng.uniform(0, seconds, count)),
        np.where(np.arange(count) % 2 == 0, 0.0, rng.uniform(0.4, 1.0, count)),
    )


def write_beat(folder: Path, take: BeatTake, *, seed: int) -> None:
    """One take as BEAT stores them: 60 fps, 51 names, a folder a speaker."""
    folder.mkdir(parents=True, exist_ok=True)
    opening = beat_opening(seed, take.seconds)
    frames = len(opening)
    late = np.interp(np.arange(frames) / 60 - take.late_s, np.arange(frames) / 60, opening)
    names = list(reversed(BEAT_NAMES)) if take.reverse_names else list(BEAT_NAMES)
    weights = np.zeros((frames, len(names)))
    weights[:, names.index("jawOpen")] = 0.5 * late
    weights[:, names.index("mouthPucker")] = 0.3 * (1.0 - late)
    weights[:, names.index("jawLeft")] = 0.01 * (1 + seed % 5)  # tells the speakers apart
    rows = [
        {"weights": [round(w, 5) for w in row], "time": round(i / 60, 6), "rotation": []}
        for i, row in enumerate(weights.tolist())
    ]
    (folder / f"{take.name}.json").write_text(json.dumps({"names": names, "frames": rows}))
    time = np.arange(round(take.seconds * take.rate_hz)) / take.rate_hz
    envelope = np.interp(time, np.arange(frames) / 60, opening)
    pitch_hz = 100.0 + 20.0 * (seed % 5)
    wave = sum(np.sin(2 * np.pi * pitch_hz * k * time) / k for k in range(1, 6))
    noise = np.random.default_rng(seed).standard_normal(len(time))
    sound = 0.2 * envelope * wave + 1e-4 * noise
    if take.channels == 2:
        sound = np.stack([1.5 * sound, 0.5 * sound], axis=1)
    soundfile.write(folder / f"{take.name}.wav", sound.astype(np.float32), take.rate_hz)


def write_beat_corpus(folder: Path) -> Path:
    """Five speakers of three takes; what is wrong with some of them stands in their line."""
    odd = {
        "2_scott_0_2_2": BeatTake("2_scott_0_2_2", late_s=0.12),
        "3_solomon_0_1_1": BeatTake("3_solomon_0_1_1", rate_hz=44100, channels=2),
        "4_lawrence_0_3_3": BeatTake("4_lawrence_0_3_3", reverse_names=True),
        "5_stewart_0_1_1": BeatTake("5_stewart_0_1_1", late_s=-0.35),
    }
    for number, name in enumerate(("wayne", "scott", "solomon", "lawrence", "stewart"), start=1):
        for i in (1, 2, 3):
            take = f"{number}_{name}_0_{i}_{i}"
            how = odd.get(take, BeatTake(take))
            write_beat(folder / str(number), how, seed=10 * i + number)
    cut = folder / "3" / "3_solomon_0_2_2.json"
    cut.write_text(cut.read_text()[:20000])
    (folder / "4" / "4_lawrence_0_1_1.wav").unlink()
    uneven = folder / "1" / "1_wayne_0_3_3.json"
    document = json.loads(uneven.read_text())
    document["frames"][7]["weights"].pop()
    uneven.write_text(json.dumps(document))
    # What BEAT stores beside each take, and what is no take at all.
    (folder / "1" / "1_wayne_0_1_1.csv").write_text("1_wayne_0_1_1,0\n")
    (folder / "speakers.json").write_text(json.dumps({"names": 5}))
    return folder


def write_video(
    path: Path, seconds: float, *, timecode: str = "", sound_rate_hz: int = 44100, fps: int = 30
) -> None:
    """Grey pictures that brighten, and a tone on two channels."""
    import av

    with av.open(str(path), "w") as container:
        if timecode:
            container.metadata["timecode"] = timecode
        video = container.add_stream("mpeg4", rate=fps)
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        sound = container.add_stream("pcm_s16le", rate=sound_rate_hz, layout="stereo")
        for i in range(round(seconds * fps)):
            picture = np.full((48, 64, 3), min(255, 2 * i), np.uint8)
            container.mux(video.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(video.encode())
        time = np.arange(round(seconds * sound_rate_hz)) / sound_rate_hz
        tone = (8000 * np.sin(2 * np.pi * 200 * time) * (time > 0.5)).astype(np.int16)
        frame = av.AudioFrame.from_ndarray(np.repeat(tone, 2)[None], "s16", "stereo")
        frame.sample_rate, frame.pts = sound_rate_hz, 0
        container.mux(sound.encode(frame))
        container.mux(sound.encode())


def write_uneven_video(path: Path, at_s: list[float], *, beep_s: float) -> None:
    """Grey pictures at these times; sound from 0 to the last one, quiet until `beep_s`."""
    import av

    rate_hz = 44100
    with av.open(str(path), "w") as container:
        video = container.add_stream("mpeg4", rate=25)
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        video.codec_context.time_base = Fraction(1, 1000)
        sound = container.add_stream("pcm_s16le", rate=rate_hz, layout="stereo")
        time = np.arange(round(at_s[-1] * rate_hz)) / rate_hz
        tone = (8000 * np.sin(2 * np.pi * 200 * time) * (time > beep_s)).astype(np.int16)
        heard = av.AudioFrame.from_ndarray(np.repeat(tone, 2)[None], "s16", "stereo")
        heard.sample_rate, heard.pts = rate_hz, 0
        container.mux(sound.encode(heard))
        container.mux(sound.encode())
        for i, second in enumerate(at_s):
            grey = np.full((48, 64, 3), 20 * i, np.uint8)
            picture = av.VideoFrame.from_ndarray(grey, format="rgb24")
            picture.pts, picture.time_base = round(1000 * second), Fraction(1, 1000)
            container.mux(video.encode(picture))
        container.mux(video.encode())
