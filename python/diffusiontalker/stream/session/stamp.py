"""What a session says of itself before its first frame, and of each frame."""

from __future__ import annotations

import time
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from ... import Runtime, clock
from ...frames import AUDIO_FORMAT, FLAG_NEUTRAL, Schema, StampedFrame, new_session


def make_schema(runtime: Runtime, subject: str, *, audio: bool = False) -> Schema:
    """The schema of a new session of frames that `runtime` will give, starting now."""
    return Schema(
        subject=subject,
        session=new_session(),
        curves=runtime.curve_names,
        rate_num=runtime.frame_rate.numerator,
        rate_den=runtime.frame_rate.denominator,
        model=runtime.bundle.name,
        model_version=runtime.bundle.sha256[:12],
        lookahead_ms=runtime.lookahead_ms,
        audio_rate=runtime.sample_rate,
        start_ns=time.monotonic_ns(),
        start_unix_ns=time.time_ns(),
        audio_format=AUDIO_FORMAT if audio else "",
    )


def make_frame(
    schema: Schema,
    sequence: int,
    index: int,
    capture_ns: int,
    flags: int,
    curves: NDArray[np.float32],
) -> StampedFrame:
    """Stamps one frame of a session, `curves` (curves,) in the schema's order."""
    if not curves.any():
        flags |= FLAG_NEUTRAL
    rate = Fraction(schema.rate_num, schema.rate_den)
    return StampedFrame(
        subject=schema.subject,
        session=schema.session,
        sequence=sequence,
        index=index,
        rate_num=schema.rate_num,
        rate_den=schema.rate_den,
        position=clock.position_of(index, rate, schema.audio_rate),
        audio_rate=schema.audio_rate,
        capture_ns=capture_ns,
        flags=flags,
        curves=tuple(curves.tolist()),
    )
