"""The unpaced counterpart of the live loop: a whole file as fast as the machine can."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from ... import Runtime
from ...frames import Bye
from ..outputs.fan_out import FanOut
from ..sources.wav import WavSource
from .stamp import make_frame, make_schema

# Audio a step, seconds.
_BLOCK_S = 0.5


def render(
    runtime: Runtime,
    source: WavSource,
    outputs: FanOut,
    subject: str,
    progress: Callable[[float], None],
) -> int:
    """Runs a whole file as fast as the machine can; returns the number of frames.

    Nothing is captured while it runs, so a frame's capture time counts from the file's beginning.
    `progress` is told the seconds of audio done. Raises StreamError.
    """
    schema = make_schema(runtime, subject)
    outputs.announce(schema)
    frames = 0
    samples = 0

    def take(block: NDArray[np.float32]) -> None:
        nonlocal frames
        for curves in block:
            at_ns = frames * 1_000_000_000 * schema.rate_den // schema.rate_num
            outputs.send(make_frame(schema, frames, frames, at_ns, 0, curves))
            frames += 1

    for block in source.blocks(_BLOCK_S):
        outputs.hear(samples, block)
        take(runtime.step(block))
        samples += len(block)
        progress(samples / source.sample_rate)
    take(runtime.flush())
    outputs.close(Bye(subject, schema.session, frames, "end of the audio"), keep=True)
    return frames
