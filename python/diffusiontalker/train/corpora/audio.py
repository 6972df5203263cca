"""Audio files to 16 kHz mono float32."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import samplerate
from numpy.typing import NDArray

from ...scale import is_audio, what_is_wrong
from ...sound import SoundError, read_all
from .recording import SAMPLE_RATE_HZ, BrokenTake

#: Suffixes of files that hold sound, the preferred first; the later ones are containers that
#: need PyAV.
SUFFIXES = (".wav", ".flac", ".mp3", ".ogg", ".opus", ".aiff", ".aif", ".mov", ".mp4", ".m4a")
CONTAINERS = frozenset((".mov", ".mp4", ".m4a"))


def read_audio(path: Path) -> NDArray[np.float32]:
    """Read a sound or video file of any rate and channel count as (samples,) at 16 kHz.

    Raises BrokenTake if the file is missing, unreadable, empty or holds NaN, infinity or values
    beyond full scale, and for a video where PyAV is not installed.
    """
    return read_sound(path)[0]


def read_sound(path: Path) -> tuple[NDArray[np.float32], list[str]]:
    """As `read_audio`, with what is worth telling of the file: an early end, say."""
    if not path.exists():
        raise BrokenTake(f"no audio file {path.name}")
    if path.suffix.lower() in CONTAINERS:
        from . import video

        mono, rate_hz = video.read_sound(path)
        notes: list[str] = []
    else:
        try:
            mono, rate_hz, notes = read_all(path, name=path.name)
        except SoundError as error:
            raise BrokenTake(str(error)) from error
    return to_core_rate(mono, rate_hz, path.name), [f"{path.name} {note}" for note in notes]


def to_core_rate(mono: NDArray[np.float32], rate_hz: int, file: str) -> NDArray[np.float32]:
    """Samples (n,) at `rate_hz` -> 16 kHz. Raises BrokenTake as `read_audio` does."""
    if len(mono) == 0:
        raise BrokenTake(f"{file} holds no samples")
    if not (good := is_audio(mono)).all():
        index = int(np.argmin(good))
        raise BrokenTake(f"{file}: sample {index} is {what_is_wrong(float(mono[index]))}")
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
