"""Datagrams to names with several addresses, and to a whole network."""

from __future__ import annotations

import contextlib
import socket
import sys
from typing import Any

import pytest
from outgoing import BYE, closed_port, frame_of, schema_of

from diffusiontalker.stream import StreamError
from diffusiontalker.stream.outputs.livelink import LiveLinkOutput
from diffusiontalker.stream.outputs.udp import UdpOutput
from diffusiontalker.stream.outputs.vmc import VmcOutput

real = socket.getaddrinfo


@pytest.fixture
def several(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The addresses that the name facebox has, in their order."""
    addresses: list[str] = []

    def look_up(host: str, port: int, **options: Any) -> list[Any]:
        if host != "facebox":
            return real(host, port, **options)
        return [found for a in addresses for found in real(a, port, **options)]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    return addresses


def listening(address: str, port: int = 0) -> socket.socket:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    made = socket.socket(family, socket.SOCK_DGRAM)
    try:
        made.bind((address, port))
    except OSError:
        made.close()
        pytest.skip(f"this machine has no {address}")
    made.settimeout(10)
    return made


def drained(receiver: socket.socket) -> int:
    count = 0
    receiver.settimeout(0.3)
    with contextlib.suppress(TimeoutError):
        while receiver.recv(4096):
            count += 1
    return count


@pytest.mark.parametrize("where", ["127.0.0.1", "127.0.0.2", "::1"])
@pytest.mark.parametrize("kind", ["livelink", "vmc"])
def test_every_frame_reaches_whoever_listens_at_one_of_the_addresses(
    several: list[str], where: str, kind: str
) -> None:
    several += ["::1", "127.0.0.1", "127.0.0.2"]
    with listening(where) as receiver:
        port = receiver.getsockname()[1]
        output: UdpOutput = (
            LiveLinkOutput("facebox", port, "face")
            if kind == "livelink"
            else VmcOutput("facebox", port, "vrm")
        )
        output.announce(schema_of())
        for index in range(20):
            output.send(frame_of(index))
        output.close(BYE)
        assert drained(receiver) == 22, "20 frames, the last one thrice"
        assert output.dropped == 0, "one of the addresses took each of them"


def test_frames_that_no_address_takes_are_counted(several: list[str]) -> None:
    several += ["127.0.0.1", "127.0.0.2"]
    output = LiveLinkOutput("facebox", closed_port(), "face")
    output.announce(schema_of())
    for index in range(20):
        output.send(frame_of(index))
    assert output.dropped > 10
    output.close()


def test_an_address_that_cannot_be_sent_to_hides_no_other(several: list[str]) -> None:
    several += ["255.255.255.255", "127.0.0.1"]
    with listening("127.0.0.1") as receiver:
        output = LiveLinkOutput("facebox", receiver.getsockname()[1], "face")
        output.announce(schema_of())
        output.send(frame_of(0))
        assert drained(receiver) == 1
        output.close()


@pytest.mark.skipif(sys.platform != "linux", reason="the loopback network broadcasts on Linux")
@pytest.mark.parametrize("address", ["127.255.255.255", "255.255.255.255"])
def test_broadcast_wants_a_word(address: str) -> None:
    with pytest.raises(StreamError, match=r"broadcast address.*add \?broadcast=1"):
        VmcOutput(address, 39539, "vrm")


@pytest.mark.skipif(sys.platform != "linux", reason="the loopback network broadcasts on Linux")
def test_broadcast_arrives() -> None:
    with listening("0.0.0.0") as receiver:
        output = VmcOutput("127.255.255.255", receiver.getsockname()[1], "vrm", broadcast=True)
        output.announce(schema_of())
        for index in range(5):
            output.send(frame_of(index))
        assert drained(receiver) == 5
        assert output.dropped == 0
        output.close()
