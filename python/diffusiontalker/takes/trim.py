"""A part of a take, as a take of its own."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from .. import clock
from ..frames import StampedFrame
from .errors import TakeError
from .reader import Take
from .writer import TakeWriter

# Sound that is copied at a time, samples.
_COPIED = 1 << 20


def trim(take: Take, folder: Path, from_s: float | None, to_s: float | None) -> Path:
    """Writes the frames whose instants lie in [from_s, to_s), seconds after the first frame of
    `take`, with their sound, to a new take that is `folder`.

    Frames keep their indices, positions and bits, so both takes are on one clock. Raises TakeError.
    """
    start_s, end_s = from_s or 0.0, math.inf if to_s is None else to_s
    if not 0 <= start_s < end_s:
        raise TakeError(f"--from-s {start_s:g} --to-s {end_s:g}: expected 0 <= from < to")
    times_s = take.motion.times_s
    first, last = np.searchsorted(times_s, [start_s, end_s]).tolist()
    if first == last:
        raise TakeError(
            f"{take.path}: no frame from {start_s:g} to {end_s:g} s; it lasts "
            f"{take.duration_s:.2f} s"
        )
    if folder.exists():
        raise TakeError(f"{folder} is there already; name a new folder")
    writer = TakeWriter(
        folder, source=take.source, settings=take.settings, recorded=take.recorded, inside=False
    )
    try:
        _copy(take, writer, first, last)
        cut_s = {"from_s": start_s, "to_s": None if to_s is None else to_s, "of": take.path.name}
        writer.complete(take.reason or "trimmed", **{**take.found, "trimmed": cut_s})
    except BaseException:
        writer.discard()
        raise
    return folder


def _copy(take: Take, writer: TakeWriter, first: int, last: int) -> None:
    schema = take.schema
    writer.begin(schema)
    for place in range(first, last):
        writer.frame(
            StampedFrame(
                subject=schema.subject,
                session=schema.session,
                sequence=place - first,
                index=int(take.index[place]),
                rate_num=schema.rate_num,
                rate_den=schema.rate_den,
                position=int(take.position[place]),
                audio_rate=schema.audio_rate,
                capture_ns=int(take.capture_ns[place]),
                flags=int(take.flags[place]),
                curves=tuple(take.values[place].tolist()),
            )
        )
    at = max(take.first_sample, int(take.position[first]))
    following = int(take.index[last - 1]) + 1
    end = min(
        take.first_sample + take.samples, clock.position_of(following, take.rate, take.rate_hz)
    )
    # What stands for no sound stays a hole.
    for event in take.events:
        position, samples = event.get("position"), event.get("samples")
        if isinstance(position, int) and isinstance(samples, int) and at <= position < end:
            fields = {name: value for name, value in event.items() if name != "kind"}
            writer.event(str(event.get("kind", "")), **fields)
    while at < end:
        writer.sound(at, take.sound(at, min(at + _COPIED, end)))
        at += _COPIED
