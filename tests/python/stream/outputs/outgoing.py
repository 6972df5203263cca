"""A schema, frames and a goodbye as a session would send them, for the tests of outputs."""

from __future__ import annotations

import socket
import time
from fractions import Fraction

import numpy as np

from diffusiontalker.curves import CURVES
from diffusiontalker.frames import Bye, Schema, StampedFrame

RATES = [Fraction(30), Fraction(60000, 1001), Fraction(60)]
# Every curve has a value of its own.
VALUES = tuple(float(np.float32(i / 64)) for i in range(1, 53))


def schema_of(rate: Fraction = Fraction(60), curves: tuple[str, ...] = CURVES) -> Schema:
    return Schema(
        "face", 5, curves, rate.numerator, rate.denominator, "m", "v", 59.25, 16000, 1,
        1_700_000_000_250_000_000,
    )  # fmt: skip


def frame_of(
    index: int, rate: Fraction = Fraction(60), curves: tuple[float, ...] = VALUES, flags: int = 0
) -> StampedFrame:
    position = int(index / rate * 16000)
    return StampedFrame(
        "face", 5, index, index, rate.numerator, rate.denominator, position, 16000,
        time.monotonic_ns(), flags, curves,
    )  # fmt: skip


BYE = Bye("face", 5, 0, "done")


def closed_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
