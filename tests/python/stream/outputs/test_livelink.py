"""Live Link Face over UDP: packets byte by byte, and a stranger's decoder."""

from __future__ import annotations

import socket
import struct
import time
from fractions import Fraction

import numpy as np
import pytest
from outgoing import RATES, VALUES, closed_port, frame_of, schema_of
from pylivelinkface import PyLiveLinkFace

from diffusiontalker.curves import CURVES, HEAD, pascal_case
from diffusiontalker.stream import StreamError
from diffusiontalker.stream.outputs.livelink import LiveLinkOutput, frame_time


def test_a_host_that_is_not_there_is_refused() -> None:
    with pytest.raises(StreamError, match=r"livelink://no-such-host\.invalid:11111"):
        LiveLinkOutput("no-such-host.invalid", 11111, "face")


@pytest.mark.parametrize("rate", RATES, ids=str)
@pytest.mark.parametrize("subject", ["face", "Zoë 顔"])
def test_packets_byte_by_byte(rate: Fraction, subject: str, receiver: socket.socket) -> None:
    output = LiveLinkOutput("127.0.0.1", receiver.getsockname()[1], subject)
    schema = schema_of(rate)
    output.announce(schema)
    local = time.localtime(1_700_000_000)
    start_s = Fraction(1, 4) + local.tm_hour * 3600 + local.tm_min * 60 + local.tm_sec
    devices = set()
    for index in (0, 1, 29, 30, 100003):
        output.send(frame_of(index, rate))
        packet = receiver.recv(4096)
        name = subject.encode()
        (device_size,) = struct.unpack_from(">i", packet, 1)
        assert device_size == 36
        assert len(packet) == 270 + device_size + len(name)
        assert packet[0] == 6
        devices.add(packet[5 : 5 + device_size])
        at = 5 + device_size
        assert struct.unpack_from(">i", packet, at) == (len(name),)
        assert packet[at + 4 : at + 4 + len(name)] == name
        at += 4 + len(name)
        number, subframe = struct.unpack_from(">if", packet, at)
        assert 0.0 <= subframe < 1.0
        time_of_day_s = (number + Fraction(subframe)) / rate
        expected_s = (start_s + index / rate) % 86400
        assert abs(time_of_day_s - expected_s) < Fraction(1, 1_000_000)
        assert struct.unpack_from(">ii", packet, at + 8) == (rate.numerator, rate.denominator)
        assert packet[at + 16] == 61
        assert packet[at + 17 :] == struct.pack(">61f", *VALUES, *([0.0] * 9))
    assert len(devices) == 1
    output.close()


def test_the_heads_rotation_has_its_places(receiver: socket.socket) -> None:
    output = LiveLinkOutput("127.0.0.1", receiver.getsockname()[1], "face")
    output.announce(schema_of(curves=(*CURVES, *HEAD)))
    output.send(frame_of(0, curves=(*VALUES, 0.125, -0.25, 0.5)))
    packet = receiver.recv(4096)
    assert packet[-61 * 4 :] == struct.pack(">61f", *VALUES, 0.125, -0.25, 0.5, *([0.0] * 6))
    output.close()


@pytest.mark.parametrize("rate", RATES, ids=str)
def test_frame_numbers_rise_by_one_and_wrap_at_midnight(rate: Fraction) -> None:
    start_s = Fraction(13 * 3600) + Fraction(123_456_789, 1_000_000_000)
    first, subframe = frame_time(start_s, 0, rate)
    for index in range(0, 20000, 7):
        assert frame_time(start_s, index, rate) == (first + index, subframe)
    before, _ = frame_time(Fraction(86400) - 1 / rate, 0, rate)
    after, _ = frame_time(Fraction(86400) - 1 / rate, 1, rate)
    assert before == int((86400 - 1 / rate) * rate)
    assert after == 0
    # A sub-frame that float32 would round up to a whole frame.
    number, subframe = frame_time((1 - Fraction(1, 10**12)) / rate, 0, rate)
    assert (number, np.float32(subframe) < 1) == (0, True)


@pytest.mark.parametrize("rate", RATES, ids=str)
def test_a_strangers_client_decodes_our_packets(rate: Fraction, receiver: socket.socket) -> None:
    output = LiveLinkOutput("127.0.0.1", receiver.getsockname()[1], "Zoë 顔")
    # The order on the way in does not matter: curves go by name.
    output.announce(schema_of(rate, CURVES[::-1]))
    output.send(frame_of(0, rate, VALUES[::-1]))
    found, face = PyLiveLinkFace.decode(receiver.recv(4096))
    assert found
    assert face.name == "Zoë 顔"
    assert (face.fps, face._denominator) == (rate.numerator, rate.denominator)
    assert face._version == 6
    for curve, value in zip(CURVES, VALUES, strict=True):
        shape = pylivelinkface_shape(pascal_case(curve))
        assert face.get_blendshape(shape) == value, curve
    for rotation in ("HeadYaw", "HeadPitch", "RightEyeRoll"):
        assert face.get_blendshape(pylivelinkface_shape(rotation)) == 0.0
    output.close()


def pylivelinkface_shape(name: str) -> object:
    from pylivelinkface import FaceBlendShape

    return FaceBlendShape[name]


def test_one_who_begins_to_listen_late_gets_every_frame_from_then_on() -> None:
    port = closed_port()
    output = LiveLinkOutput("127.0.0.1", port, "face")
    output.announce(schema_of())
    for index in range(20):
        output.send(frame_of(index))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as late:
        late.bind(("127.0.0.1", port))
        late.settimeout(30)
        for index in range(20, 40):
            output.send(frame_of(index))
        got = [struct.unpack_from(">i", late.recv(4096), 49)[0] for _ in range(20)]
    assert got == list(range(got[0], got[0] + 20))
    output.close()
