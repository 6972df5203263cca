"""What a session says of itself before its first frame."""

from __future__ import annotations

import time

from ... import Runtime
from ...frames import AUDIO_FORMAT, Schema, new_session


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
