"""Audio files to 16 kHz mono float32."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import samplerate
import soundfile
from numpy.typing import NDArray

from .recording import SAMPLE_RATE_HZ, BrokenTake

#: Suffixes of files that hold sound, the preferred first; the later ones are containers that
#: need PyAV.
SUFFIXES = (".wav", ".flac", ".mp3", ".ogg", ".opus", ".aiff", ".aif", ".mov", ".mp4", ".m4a")
CONTAINERS = frozenset((".mov", ".mp4", ".m4a"))


def read_audio(path: Path) -> NDArray[np.float32]:
    """Read a sound or video file of any rate and channel count as (samples,) at 16 kHz.

    Raises BrokenTake if the file is missing, unreadable, empty or holds NaN or infinity, and for a
    video where PyAV is not installed.
    """
    if not path.exists():
        raise BrokenTake(f"no audio file {path.name}")
    if path.suffix.lower() in CONTAINERS:
        from . import video

        mono, rate_hz = video.read_sound(path)
    else:
        try:
            # Of a name that is no UTF-8 soundfile takes the bytes alone (findings/).
            name = path if os.name == "nt" else os.fsencode(path)
            samples, rate_hz = soundfile.read(name, dtype="float32", always_2d=True)
        except (RuntimeError, OSError) as error:
            raise BrokenTake(f"cannot read {path.name}: {error}") from error
        mono = samples.mean(axis=1)
    return to_core_rate(mono, rate_hz, path.name)


def to_core_rate(mono: NDArray[np.float32], rate_hz: int, file: str) -> NDArray[np.float32]:
    """Samples (n,) at `rate_hz` -> 16 kHz. Raises BrokenTake as `read_audio` does."""
    if len(mono) == 0:
        raise BrokenTake(f"{file} holds no samples")
    if not np.isfinite(mono).all():
        raise BrokenTake(f"{file} holds NaN or infinite samples")
    if rate_hz != SAMPLE_RATE_HZ:
        mono = samplerate.resample(mono, SAMPLE_RATE_HZ / rate_hz, "sinc_best")
    return np.ascontiguousarray(mono, dtype=np.float32)


def audio_beside(path: Path) -> Path:
    """The file with sound that shares a description's stem: wav, flac, then a video's.

    Where there is none, the wav that a reader will miss.
    """
    for suffix in SUFFIXES:
        for spelling in (suffix, suffix.upper()):
            if path.with_suffix(spelling).exists():
                return path.with_suffix(spelling)
    return path.with_suffix(".wav")
