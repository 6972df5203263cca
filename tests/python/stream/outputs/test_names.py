"""Names of machines: an address at once, and nobody waits for ever for a name server."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator

import pytest

from diffusiontalker.stream import StreamError
from diffusiontalker.stream.outputs import names
from diffusiontalker.stream.outputs.udp import UdpOutput
from diffusiontalker.stream.session.subscriber import Subscriber


@pytest.fixture
def hanging(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A name server that does not answer while the test lasts."""
    over = threading.Event()
    real = socket.getaddrinfo

    def getaddrinfo(host: str, *args: object, **options: object) -> object:
        if host == "stage.example":
            over.wait(30)
        return real("127.0.0.1", *args, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    monkeypatch.setattr(names, "PATIENCE_S", 0.2)
    yield
    over.set()


def test_a_name_server_that_hangs_is_not_waited_for(hanging: None) -> None:
    begun = time.monotonic()
    with pytest.raises(StreamError) as refused:
        UdpOutput("livelink", "stage.example", 11111)
    assert str(refused.value) == (
        "--to livelink://stage.example:11111: nobody answered in 0.2 s who 'stage.example' is: the "
        "name server hangs; give an address in place of the name"
    )
    with pytest.raises(StreamError, match=r"cannot connect to .+: nobody answered"):
        Subscriber("tcp://stage.example:5560")
    assert time.monotonic() - begun < 15


@pytest.mark.parametrize(
    "endpoint",
    ["tcp://127.0.0.1:5560", "tcp://[::1]:5560", "tcp://localhost:5560", "ipc:///tmp/x", "tcp://a"],
)
def test_what_is_no_name_stays_as_it_is(endpoint: str) -> None:
    assert names.with_address(endpoint) == endpoint


def test_a_name_becomes_its_address(monkeypatch: pytest.MonkeyPatch) -> None:
    found = [(socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("fe80::1", 5560, 0, 0))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
    assert names.with_address("tcp://stage.example:5560") == "tcp://[fe80::1]:5560"
    found[0] = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("10.0.0.7", 5560))  # type: ignore[assignment]
    assert names.with_address("tcp://stage.example:5560") == "tcp://10.0.0.7:5560"


def test_a_name_that_is_none_is_refused_in_a_line() -> None:
    with pytest.raises(StreamError, match=r"cannot connect to tcp://no such name:5560: .+"):
        Subscriber("tcp://no such name:5560")
