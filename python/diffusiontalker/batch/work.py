"""One line, from sound to files. Runs in workers: what goes there and back can be pickled."""

from __future__ import annotations

import contextlib
import errno
import io
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from .. import Runtime
from ..clock import CORE_RATE_HZ
from ..sound import SoundError, SoundReader
from ..stream import StreamError
from ..takes import TakeError
from ..takes.motion import Motion
from . import places
from .formats import FORMATS, Clip
from .lines import Failure, Line
from .stores import Store

# Sound in one step: long enough that passes share their weights, and memory stays flat.
_BLOCK_S = 8.0
# Runtimes that a worker keeps: sounds of a library have few rates.
_MOST_RUNTIMES = 4
# What no other line could be written through either.
_HOPELESS = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO)


@dataclass(frozen=True)
class Settings:
    """How faces move, alike for all lines."""

    bundle: str | None = None
    backend: str = "cpu"
    idle: float = 1.0
    head: bool = False
    gain: tuple[tuple[str, float], ...] = ()
    offset: tuple[tuple[str, float], ...] = ()
    strength_lower: float | None = None
    strength_upper: float | None = None
    smooth_ms: float | None = None
    head_file: str | None = None  #: a glTF or VRM in place of the head that ships


@dataclass(frozen=True)
class Done:
    """A line whose parts are written and wait for their names."""

    files: Mapping[str, tuple[str, int]]  #: by ending: the part, and its size in bytes
    frames: int
    audio_s: float
    notes: tuple[str, ...] = ()  #: what is worth knowing of its sound


@lru_cache(_MOST_RUNTIMES)
def load(settings: Settings, sample_rate: int) -> Runtime:
    """A runtime with these settings, which is kept. Raises ValueError."""
    made = Runtime(
        settings.bundle,
        sample_rate=sample_rate,
        backend=settings.backend,
        idle=settings.idle,
        head=settings.head,
    )
    made.set(
        gain=dict(settings.gain),
        offset=dict(settings.offset),
        strength_lower=settings.strength_lower,
        strength_upper=settings.strength_upper,
        smooth_ms=settings.smooth_ms,
    )
    return made


def convert(line: Line, settings: Settings, store: Store) -> Done | Failure:
    """Reads a line's sound, moves its face and writes the parts.

    A line that cannot be done is a Failure. Raises StreamError where no other could be written
    either.
    """
    try:
        clip, audio_s, notes = _clip(line, settings)
    except (SoundError, ValueError) as error:
        return _failure(line, str(error))
    except OSError as error:
        return _failure(line, f"cannot read it: {places.why(error)}")
    except MemoryError:
        return _failure(line, "it does not fit into memory")
    files = {}
    try:
        for name in line.formats:
            form = FORMATS[name]
            with store.part(form.ending) as (part, path):
                form.write(clip, path)
                size = path.stat().st_size
            files[form.ending] = (part, size)
    except TakeError as error:
        return _failure(line, str(error))
    except OSError as error:
        reason = f"cannot write to {store.place}: {places.why(error)}"
        if error.errno in _HOPELESS:
            raise StreamError(reason) from None
        return _failure(line, reason)
    return Done(files, len(clip.motion.values), audio_s, tuple(notes))


def _clip(line: Line, settings: Settings) -> tuple[Clip, float, list[str]]:
    source: str | BinaryIO = line.audio
    if places.is_url(line.audio):
        source = io.BytesIO(places.read(line.audio))
    reader = SoundReader(source, name=line.audio)
    with contextlib.closing(reader):
        runtime = load(settings, reader.sample_rate).another(seed=line.seed, identity=line.identity)
        block_samples = max(1, round(_BLOCK_S * reader.sample_rate))
        frames = [runtime.step(block) for block in reader.blocks(block_samples)]
        frames.append(runtime.flush())
    motion = _motion(runtime, np.concatenate(frames))
    clip = _described(motion, runtime, settings, line.audio, line.identity, line.seed)
    return clip, runtime.stats.samples / runtime.sample_rate, reader.notes


def _motion(runtime: Runtime, values: NDArray[np.float32]) -> Motion:
    return Motion(runtime.curve_names, runtime.frame_rate, np.arange(len(values)), values)


def _described(
    motion: Motion, runtime: Runtime, settings: Settings, audio: str, identity: str, seed: int
) -> Clip:
    return Clip(
        motion=motion,
        audio=audio,
        audio_rate=runtime.sample_rate,
        identity=identity,
        seed=seed,
        model=runtime.bundle.name,
        model_version=runtime.bundle.sha256[:12],
        lookahead_ms=runtime.lookahead_ms,
        head_file=settings.head_file,
    )


def try_formats(formats: Sequence[str], settings: Settings) -> list[str]:
    """Writes two frames of nothing in each form, so that what is missing is said before the work.

    Returns what these forms cannot say, a line each. Raises TakeError, ValueError, OSError.
    """
    runtime = load(settings, CORE_RATE_HZ)
    still = _motion(runtime, np.zeros((2, len(runtime.curve_names)), np.float32))
    clip = _described(still, runtime, settings, "trial.wav", "auto", 0)
    notes = []
    with tempfile.TemporaryDirectory(prefix="dt-batch-") as folder:
        for name in formats:
            form = FORMATS[name]
            notes += form.write(clip, Path(folder) / f"trial{form.ending}")
    return notes


def _failure(line: Line, reason: str) -> Failure:
    # The report names the sound beside the reason.
    return Failure(line.audio, line.out, reason.removeprefix(line.audio).lstrip(": "))
