"""What the documents take as given: a reader's voice, takes, settings, a bundle."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import random_bundle
import soundfile

from diffusiontalker.stream.sources.wav import demo_path

STREAM = [sys.executable, "-m", "diffusiontalker.stream.cli"]
VOICE_S, TAKE_S = 0.75, 2.0


def write(folder: Path) -> None:
    """Files by the names that the documents use; no sounds but these end with .wav."""
    sound, rate = soundfile.read(demo_path(), frames=32000, dtype="float32")
    voice = sound[: round(VOICE_S * rate)]
    for name in ("speech.wav", "second.wav"):
        soundfile.write(folder / name, voice, rate)
    (folder / "speech.s16").write_bytes((voice * 32767).astype("<i2").tobytes())
    (folder / "take.raw").write_bytes(np.repeat(voice, 2).astype("<f4").tobytes())
    (folder / "lines").mkdir()
    for name in ("hello.wav", "anna_07.wav"):
        shutil.copy(folder / "speech.wav", folder / "lines" / name)
    (folder / "lines.csv").write_text("audio\nlines/hello.wav\n")
    (folder / "calm.toml").write_text('identity = "auto"\nseed = 3\n')
    random_bundle.write(folder / "my_bundle")


def write_takes(folder: Path) -> None:
    """`takes/hello`, the only one there."""
    sound, rate = soundfile.read(demo_path(), frames=round(TAKE_S * 16000), dtype="float32")
    soundfile.write(folder / "hello.flac", sound, rate)
    record = ["--wav", folder / "hello.flac", "--fast", "--record", folder / "takes"]
    subprocess.run([*STREAM, *record], check=True, capture_output=True)
    (folder / "hello.flac").unlink()
    (take,) = (folder / "takes").iterdir()
    take.rename(take.with_name("hello"))


def write_spoilt(folder: Path) -> None:
    """Sounds in which something is wrong."""
    sound, rate = soundfile.read(demo_path(), frames=24000, dtype="float32")
    (folder / "junk.wav").write_text("no sound at all")
    spoilt = {
        "loud": 32767 * sound,
        "quiet": 0.001 * np.sign(sound),
        "silent": 0 * sound,
        "upside_down": np.stack([sound, -sound], axis=1),
    }
    for name, samples in spoilt.items():
        soundfile.write(folder / f"{name}.wav", samples, rate, subtype="FLOAT")
