"""Live Link Face packets over UDP: what stock Unreal takes from Epic's phone app."""

from __future__ import annotations

import socket
import struct
import time
import uuid
from fractions import Fraction

import numpy as np

from ...curves import CURVES, remap
from ...frames import Schema, StampedFrame
from ...live_link_csv import ROTATIONS, rotations
from .udp import UdpOutput

DEFAULT_PORT = 11111
#: Of the packet's layout.
VERSION = 6
#: Values in a packet: the 52 curves in `CURVES` order, then head and eyes.
VALUES = len(CURVES) + len(ROTATIONS)

_DAY_S = 24 * 3600
# The largest float32 below 1: rounding must not make a whole frame of a sub-frame.
_LARGEST_SUBFRAME = 1.0 - 2.0**-24


def frame_time(start_s: Fraction, index: int, rate: Fraction) -> tuple[int, float]:
    """Frame number and sub-frame in [0, 1) of a frame, counted from midnight at `rate`.

    `start_s` is the time of day of frame 0. At 60000/1001 Hz a number times 1001 / 60000 is the
    time of day in seconds; no time is skipped as in drop-frame notation.
    """
    at = (start_s + index / rate) % _DAY_S * rate
    number = at.numerator // at.denominator
    return number, min(float(at - number), _LARGEST_SUBFRAME)


def encode(
    device: str, subject: str, number: int, subframe: float, rate: Fraction, values: list[float]
) -> bytes:
    """One packet. `values` are the 61 of the format, in its order."""
    device_bytes, subject_bytes = device.encode(), subject.encode()
    return struct.pack(
        f">Bi{len(device_bytes)}si{len(subject_bytes)}sifiiB{VALUES}f",
        VERSION,
        len(device_bytes),
        device_bytes,
        len(subject_bytes),
        subject_bytes,
        number,
        subframe,
        rate.numerator,
        rate.denominator,
        VALUES,
        *values,
    )


class LiveLinkOutput(UdpOutput):
    """Sends each frame as one packet; the time of day on it goes by the audio clock."""

    def __init__(self, host: str, port: int, subject: str, *, broadcast: bool = False) -> None:
        """`subject` is the name that Live Link shows, not empty. Raises StreamError."""
        super().__init__("livelink", host, port, broadcast=broadcast)
        self._subject = subject
        # 36 bytes, which some receivers take for granted; the same at every start.
        self._device = str(
            uuid.uuid5(uuid.NAMESPACE_DNS, f"{socket.gethostname()}/{subject}")
        ).upper()

    def announce(self, schema: Schema) -> None:
        local = time.localtime(schema.start_unix_ns // 1_000_000_000)
        self._start_s = Fraction(schema.start_unix_ns, 1_000_000_000) + local.tm_gmtoff
        self._names = schema.curves

    def send(self, frame: StampedFrame) -> None:
        rate = Fraction(frame.rate_num, frame.rate_den)
        number, subframe = frame_time(self._start_s, frame.index, rate)
        values = remap(np.array([frame.curves]), self._names)[0].tolist()
        values += rotations(frame.curves, self._names)
        self._send([encode(self._device, self._subject, number, subframe, rate, values)])
