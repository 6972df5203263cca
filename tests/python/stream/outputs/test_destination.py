"""What `--to` may name, and refusals that show how it is written."""

from __future__ import annotations

import pytest

from diffusiontalker.stream import StreamError
from diffusiontalker.stream.outputs.destination import parse
from diffusiontalker.stream.outputs.endpoint import ANYBODY


def test_urls_and_their_defaults() -> None:
    live = parse("livelink://192.168.1.20")
    assert (live.address, live.port, live.options) == ("192.168.1.20", 11111, {})
    live = parse("livelink://[::1]:11112?subject=Z%C3%B6e%202")
    assert (live.address, live.port, live.options) == ("::1", 11112, {"subject": "Zöe 2"})
    assert parse("vmc://localhost").port == 39539
    assert parse("vmc://localhost:39540?names=vrm").options == {"names": "vrm"}
    assert parse("vmc://192.168.1.255?names=vrm&broadcast=1").broadcast
    assert not parse("livelink://192.168.1.255").broadcast
    assert parse("zmq://127.0.0.1:5999").address == "tcp://127.0.0.1:5999"
    assert parse("zmq://127.0.0.1").address == "tcp://127.0.0.1:5560"
    assert parse("zmq://*:5561", access=ANYBODY).address == "tcp://*:5561"
    assert parse("csv:a b/face.csv").address == "a b/face.csv"
    assert parse("json:/dev/stdout").is_file
    assert parse(r"csv:C:\face.csv").address == r"C:\face.csv"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "expected zmq://"),
        ("face.csv", "or csv:face.csv"),
        ("udp://127.0.0.1", "expected zmq://"),
        ("livelink:127.0.0.1", "as in livelink://192.168.1.20"),
        ("livelink://", "as in livelink://"),
        ("livelink://:11111", "as in livelink://"),
        ("livelink://host:port", "expected livelink://HOST"),
        ("livelink://host:70000", "expected livelink://HOST"),
        ("livelink://host:0", "a port from 1 to 65535"),
        ("livelink://host/path", "expected livelink://HOST"),
        ("livelink://host?subject=", "subject: expected 1 to 128 bytes"),
        ("livelink://host?subject=a&subject=b", "there twice"),
        ("livelink://host?subject=%ff", "expected livelink://HOST"),
        ("livelink://host?subject=a/b", "without '/'"),
        ("livelink://host?subject=" + "ä" * 65, "got 130"),
        ("livelink://host?name=x", "'name' is unknown"),
        ("livelink://me@host", "expected livelink://HOST"),
        ("livelink://[::1", "expected livelink://HOST"),
        ("vmc://host?names=ARKit", "vrm, vrm1, oculus, viseme, got 'ARKit'"),
        ("vmc://host?subject=x", "'subject' is unknown"),
        ("livelink://host?broadcast=0", "broadcast: expected 1, got '0'"),
        ("zmq://127.0.0.1?broadcast=1", "'broadcast' is unknown"),
        ("zmq://0.0.0.0:5560", "--allow-remote"),
        ("zmq://127.0.0.1:5560?x=1", "'x' is unknown"),
        ("csv:", "as in csv:face.csv"),
        ("csv://face.csv", "as in csv:face.csv"),
        ("json:", "as in json:face.jsonl"),
    ],
)
def test_a_bad_url_is_refused_with_an_example(text: str, words: str) -> None:
    with pytest.raises(StreamError) as refusal:
        parse(text)
    assert words in str(refusal.value)
    assert f"--to {text}" in str(refusal.value)
    assert "\n" not in str(refusal.value)
