"""Takes for tests, written as a session writes them."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np

from diffusiontalker import clock
from diffusiontalker.curves import CURVES
from diffusiontalker.frames import FLAG_CLOSING, Schema, StampedFrame
from diffusiontalker.takes import TakeWriter

RATE_HZ = 16000


def schema_of(
    rate: Fraction = Fraction(60), names: tuple[str, ...] = CURVES, rate_hz: int = RATE_HZ
) -> Schema:
    return Schema(
        "anna", 7, names, rate.numerator, rate.denominator, "default", "0123456789ab", 39.1875,
        rate_hz, 1_000, 1_700_000_000_000_000_000,
    )  # fmt: skip


def values_of(frames: int, width: int = 52, seed: int = 1) -> np.ndarray:
    """Curves (frames, width) that use all bits of a float32, with rests at 0 and 1."""
    drawn = np.random.default_rng(seed).random((frames, width)).astype(np.float32)
    drawn[0], drawn[-1], drawn[:, 3] = 0.0, 1.0, 0.0
    return drawn


def frame_of(schema: Schema, index: int, values: np.ndarray, flags: int = 0) -> StampedFrame:
    rate = Fraction(schema.rate_num, schema.rate_den)
    position = clock.position_of(index, rate, schema.audio_rate)
    return StampedFrame(
        schema.subject, schema.session, index, index, schema.rate_num, schema.rate_den, position,
        schema.audio_rate, 1_000 + position * 1_000_000_000 // schema.audio_rate, flags,
        tuple(values.tolist()),
    )  # fmt: skip


def sound_of(samples: int, seed: int = 2) -> np.ndarray:
    return (np.random.default_rng(seed).random(samples) - 0.5).astype(np.float32)


def begun(
    folder: Path,
    frames: int = 120,
    rate: Fraction = Fraction(60),
    *,
    names: tuple[str, ...] = CURVES,
    first: int = 0,
) -> TakeWriter:
    """A take that goes on: so many frames from index `first`, and their sound."""
    writer = TakeWriter(folder, source="Anna's mic", settings={"seed": 3, "identity": "auto"})
    schema = schema_of(rate, names)
    writer.begin(schema)
    values = values_of(frames, len(names))
    start = clock.position_of(first, rate, RATE_HZ)
    end = clock.position_of(first + frames, rate, RATE_HZ)
    sound = sound_of(end - start)
    for at in range(0, len(sound), 320):
        writer.sound(start + at, sound[at : at + 320])
    for place in range(frames):
        writer.frame(frame_of(schema, first + place, values[place]))
    writer.frame(frame_of(schema, first + frames, values[-1] / 2, FLAG_CLOSING))
    return writer


def whole(folder: Path, frames: int = 120, rate: Fraction = Fraction(60), **more: object) -> Path:
    writer = begun(folder, frames, rate, **more)  # type: ignore[arg-type]
    writer.complete("end of the audio", identity="af_heart")
    return writer.path
