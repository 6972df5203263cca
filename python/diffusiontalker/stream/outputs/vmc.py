"""The VMC protocol, OSC over UDP: Unity, VRM avatars, Warudo, VSeeFace. Home of python-osc."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from ...curves import CURVES, pascal_case, remap
from ...frames import Schema, StampedFrame
from ...visemes import UNSPOKEN, VISEME_NAMES, viseme_weights
from ...vrm_presets import PRESETS, VRM0_NAMES, preset_weights
from .udp import UdpOutput

if TYPE_CHECKING:  # imported where it is used: only whoever sends VMC pays for it
    from pythonosc.osc_message import OscMessage

DEFAULT_PORT = 39539
#: Largest bundle: it must fit an Ethernet frame of 1500 bytes with its headers.
MAX_BUNDLE_BYTES = 1400

#: How the curves may be named: the first is the default. Receivers compare with case.
NAME_STYLES = ("perfectsync", "arkit", "vrm", "vrm1", *VISEME_NAMES)
_UNSPOKEN = [CURVES.index(name) for name in UNSPOKEN]


def names_of(style: str) -> tuple[str, ...]:
    """The names that a style sends, in the order of `weights`."""
    match style:
        case "perfectsync":
            return tuple(pascal_case(c) for c in CURVES)
        case "arkit":
            return CURVES
        case "vrm":
            return VRM0_NAMES
        case "oculus" | "viseme":
            return (*VISEME_NAMES[style], *UNSPOKEN)
    return PRESETS


def weights(style: str, curves: Sequence[float]) -> list[float]:
    """What to send for 52 curves in `CURVES` order."""
    if style in ("perfectsync", "arkit"):
        return list(curves)
    if style in VISEME_NAMES:
        visemes: list[float] = viseme_weights(np.array([curves]))[0].tolist()
        return visemes + [curves[i] for i in _UNSPOKEN]
    found: list[float] = preset_weights(np.array([curves]))[0].tolist()
    return found


class _Bundles:
    """Bundles that are built once; only their floats change from frame to frame."""

    def __init__(self, names: Sequence[str]) -> None:
        from pythonosc.osc_bundle_builder import IMMEDIATELY, OscBundleBuilder

        # Each with the question whether it ends in a float that changes.
        messages = [(_message("/VMC/Ext/OK", 1), False), (_message("/VMC/Ext/T", 0.0), True)]
        messages += [(_message("/VMC/Ext/Blend/Val", name, 0.0), True) for name in names]
        messages += [(_message("/VMC/Ext/Blend/Apply"), False)]
        self._datagrams: list[bytearray] = []
        self._slots: list[tuple[bytearray, int]] = []
        while messages:
            builder = OscBundleBuilder(IMMEDIATELY)
            end = 16  # "#bundle" and the time; each message has its size before it
            ends: list[int] = []
            while messages and end + 4 + messages[0][0].size <= MAX_BUNDLE_BYTES:
                message, changes = messages.pop(0)
                builder.add_content(message)
                end += 4 + message.size
                if changes:
                    ends.append(end)
            datagram = bytearray(builder.build().dgram)
            self._datagrams.append(datagram)
            # An OSC message ends with its last argument.
            self._slots += [(datagram, e - 4) for e in ends]

    def fill(self, time_s: float, values: Sequence[float]) -> list[bytes]:
        """The datagrams of one frame."""
        for (datagram, at), value in zip(self._slots, (time_s, *values), strict=True):
            struct.pack_into(">f", datagram, at, value)
        return [bytes(d) for d in self._datagrams]


def _message(address: str, *arguments: str | int | float) -> OscMessage:
    from pythonosc.osc_message_builder import OscMessageBuilder

    builder = OscMessageBuilder(address)
    for argument in arguments:
        builder.add_arg(argument)
    return builder.build()


class VmcOutput(UdpOutput):
    """Sends each frame as a few bundles; `Apply` stands in the last.

    Curves only: a head's rotation would be a bone of the receiver's skeleton, whose rest is not
    known here.
    """

    def __init__(self, host: str, port: int, names: str, *, broadcast: bool = False) -> None:
        """`names` is one of `NAME_STYLES`. Raises StreamError."""
        super().__init__("vmc", host, port, broadcast=broadcast)
        self._style = names
        self._bundles = _Bundles(names_of(names))

    def announce(self, schema: Schema) -> None:
        self._names = schema.curves

    def send(self, frame: StampedFrame) -> None:
        curves = remap(np.array([frame.curves]), self._names)[0].tolist()
        time_s = frame.index * frame.rate_den / frame.rate_num
        self._send(self._bundles.fill(time_s, weights(self._style, curves)))
