"""How a stream is asked to end, and how its face closes."""

from __future__ import annotations

import contextlib
import math
import threading
import time
from collections.abc import Callable
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from .. import StreamError
from ..outputs.fan_out import FanOut

#: How long the face takes to close, seconds.
CLOSING_S = 0.2


class Ending:
    """A session's end, as it is asked for: once, the face closes; again, nobody waits for it."""

    def __init__(self, outputs: FanOut) -> None:
        self._outputs = outputs
        self.asked = threading.Event()
        self.hurry = threading.Event()

    def ask(self) -> None:
        """From any thread."""
        if self.asked.is_set():
            self.hurry.set()
            self._outputs.hurry()
        self.asked.set()


def close_face(
    last: NDArray[np.float32],
    rate: Fraction,
    send: Callable[[int, NDArray[np.float32]], None],
    hurry: threading.Event,
) -> None:
    """Sends frames at `rate` from the curves `last` to the neutral face, in real time.

    `send` gets how many frames after the last one it is, from 1, and the curves. Once `hurry` is
    set the neutral face alone is sent.
    """
    frame_ns = round(1e9 / rate)
    ramp = math.ceil(CLOSING_S * rate)
    first_ns = time.monotonic_ns()
    for i in range(1, ramp + 1):
        if i < ramp and hurry.is_set():
            continue
        left = 1.0 - i / ramp
        curves = last * np.float32(left * left * (3.0 - 2.0 * left))
        # A file that fails now must not leave the others with an open mouth.
        with contextlib.suppress(StreamError):
            send(i, curves)
        hurry.wait(max(0.0, (first_ns + i * frame_ns - time.monotonic_ns()) / 1e9))
