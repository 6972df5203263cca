"""Audio files to 16 kHz mono float32."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import samplerate
import soundfile
from numpy.typing import NDArray

from .recording import SAMPLE_RATE_HZ, BrokenTake


def read_audio(path: Path) -> NDArray[np.float32]:
    """Read a wav/flac file of any rate and channel count as (samples,) at 16 kHz.

    Raises BrokenTake if the file is missing, unreadable, empty or holds NaN or infinity.
    """
    if not path.exists():
        raise BrokenTake(f"no audio file {path.name}")
    try:
        samples, rate_hz = soundfile.read(path, dtype="float32", always_2d=True)
    except (RuntimeError, OSError) as error:
        raise BrokenTake(f"cannot read {path.name}: {error}") from error
    mono = samples.mean(axis=1)
    if len(mono) == 0:
        raise BrokenTake(f"{path.name} holds no samples")
    if not np.isfinite(mono).all():
        raise BrokenTake(f"{path.name} holds NaN or infinite samples")
    if rate_hz != SAMPLE_RATE_HZ:
        mono = samplerate.resample(mono, SAMPLE_RATE_HZ / rate_hz, "sinc_best")
    return np.ascontiguousarray(mono, dtype=np.float32)


def audio_beside(path: Path) -> Path:
    """The wav or flac file that shares a description's stem (wav first)."""
    wav = path.with_suffix(".wav")
    return wav if wav.exists() else path.with_suffix(".flac")
