"""Keys of the wire: who has none gets nothing, nobody reads along, and files that are no keys."""

from __future__ import annotations

import socket
import sys
import threading
import time
from pathlib import Path

import pytest

from diffusiontalker.curves import CURVES
from diffusiontalker.frames import Schema
from diffusiontalker.stream import StreamError
from diffusiontalker.stream.outputs import keys
from diffusiontalker.stream.outputs.endpoint import Access
from diffusiontalker.stream.outputs.publisher import Publisher
from diffusiontalker.stream.session.subscriber import Subscriber

SCHEMA = Schema("face", 77, CURVES, 60, 1, "m", "v", 59.25, 16000, 1, 2)


@pytest.fixture
def made(tmp_path: Path) -> Path:
    keys.make(tmp_path / "keys")
    return tmp_path / "keys"


def until(publisher: Publisher, subscriber: Subscriber, done: str) -> bool:
    """Whether the subscriber has `done` (schema, refusal) within some seconds."""
    end_s = time.monotonic() + 20
    while time.monotonic() < end_s and not getattr(subscriber, done):
        publisher.serve()
        subscriber.receive()
    return bool(getattr(subscriber, done))


def test_a_key_is_made_once_and_receivers_are_added(made: Path) -> None:
    before = {path: path.read_bytes() for path in made.rglob("*.key*")}
    assert sorted(path.relative_to(made).as_posix() for path in before) == [
        "receiver/receiver.key_secret", "receiver/sender.key",
        "sender/receiver.key", "sender/sender.key", "sender/sender.key_secret",
    ]  # fmt: skip
    assert keys.make(made) == []
    assert keys.make(made, ("anna", "bo")) == [made / "anna", made / "bo"]
    assert all(path.read_bytes() == was for path, was in before.items())
    assert sorted(keys.read_sender(made / "sender").receivers.values()) == [
        "anna",
        "bo",
        "receiver",
    ]
    if sys.platform != "win32":
        for path in made.rglob("*.key_secret"):
            assert path.stat().st_mode & 0o077 == 0
            assert path.parent.stat().st_mode & 0o077 == 0


def test_only_a_key_of_the_folder_gets_in(made: Path, tmp_path: Path) -> None:
    keys.make(tmp_path / "others")
    # One whom the sender does not know, though he knows the sender.
    stranger = tmp_path / "others" / "receiver"
    (stranger / "sender.key").write_bytes((made / "receiver" / "sender.key").read_bytes())
    publisher = Publisher("tcp://127.0.0.1:0", access=Access(keys=str(made / "sender")))
    publisher.announce(SCHEMA)
    friend = Subscriber(publisher.endpoint, keys=made / "receiver")
    others = [Subscriber(publisher.endpoint), Subscriber(publisher.endpoint, keys=stranger)]
    try:
        assert until(publisher, friend, "schema")
        assert until(publisher, others[0], "refusal")
        assert "asks for a key" in others[0].refusal
        assert until(publisher, others[1], "refusal")
        assert "does not know this key" in others[1].refusal
        assert publisher.refused > 0
        assert publisher.subscribers == 1
        assert [each.schema for each in others] == [None, None]
    finally:
        for each in (friend, *others):
            each.close()
        publisher.close()


def test_a_receiver_with_keys_talks_to_no_sender_without(made: Path) -> None:
    publisher = Publisher("tcp://127.0.0.1:0")
    publisher.announce(SCHEMA)
    subscriber = Subscriber(publisher.endpoint, keys=made / "receiver")
    try:
        assert until(publisher, subscriber, "refusal")
        assert subscriber.schema is None
    finally:
        subscriber.close()
        publisher.close()


def test_nothing_can_be_read_on_the_way(made: Path) -> None:
    publisher = Publisher("tcp://127.0.0.1:0", access=Access(keys=str(made / "sender")))
    publisher.announce(SCHEMA)
    heard: list[bytes] = []
    port = int(publisher.endpoint.rpartition(":")[2])
    middle = socket.create_server(("127.0.0.1", 0))

    def carry(a: socket.socket, b: socket.socket) -> None:
        while data := a.recv(65536):
            heard.append(data)
            b.sendall(data)

    def listen() -> None:
        inner, _ = middle.accept()
        outer = socket.create_connection(("127.0.0.1", port))
        threading.Thread(target=carry, args=(inner, outer), daemon=True).start()
        threading.Thread(target=carry, args=(outer, inner), daemon=True).start()

    threading.Thread(target=listen, daemon=True).start()
    subscriber = Subscriber(f"tcp://127.0.0.1:{middle.getsockname()[1]}", keys=made / "receiver")
    try:
        assert until(publisher, subscriber, "schema")
        whole = b"".join(heard)
        assert len(whole) > 1000
        for words in (b"dt/", b"face", b"jawOpen"):
            assert words not in whole
    finally:
        subscriber.close()
        publisher.close()
        middle.close()


def test_files_that_are_no_keys_are_refused_by_name(made: Path, tmp_path: Path) -> None:
    with pytest.raises(StreamError, match=r"nowhere: no such folder; `dt-stream keygen"):
        keys.read_sender(tmp_path / "nowhere")
    with pytest.raises(StreamError, match=r"expected sender\.key_secret in a sender's folder"):
        keys.read_sender(made / "receiver")
    with pytest.raises(StreamError, match="expected the folder of one receiver"):
        keys.read_receiver(made / "sender")
    (made / "receiver" / "sender.key").write_bytes(b'curve\n    public-key = "short"\n')
    with pytest.raises(StreamError, match=r"sender\.key: expected a ZeroMQ certificate"):
        keys.read_receiver(made / "receiver")
    (made / "receiver" / "sender.key").write_bytes(b"\xff" * 70000)
    with pytest.raises(StreamError, match="expected a ZeroMQ certificate"):
        keys.read_receiver(made / "receiver")
    (made / "sender" / "receiver.key").unlink()
    with pytest.raises(StreamError, match=r"expected NAME\.key of a receiver"):
        keys.read_sender(made / "sender")
    with pytest.raises(StreamError, match="--receiver sender"):
        keys.make(made, ("sender",))


@pytest.mark.skipif(sys.platform == "win32", reason="modes are POSIX's")
def test_a_secret_that_others_can_read_is_none(made: Path) -> None:
    secret = made / "sender" / "sender.key_secret"
    secret.chmod(0o644)
    with pytest.raises(StreamError, match=r"can be read by others: chmod 600"):
        keys.read_sender(made / "sender")
