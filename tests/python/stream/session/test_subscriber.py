"""Publisher and subscriber, end to end: gaps, garbage, sessions, and one who hangs."""

from __future__ import annotations

import dataclasses
import random
import socket
import subprocess
import sys
import time

import msgpack
import pytest
import zmq

from diffusiontalker.curves import CURVES
from diffusiontalker.frames import Audio, Bye, Message, Schema, StampedFrame
from diffusiontalker.stream.cli.watch import picture
from diffusiontalker.stream.outputs.publisher import Publisher
from diffusiontalker.stream.outputs.shared import SharedPublisher
from diffusiontalker.stream.session.subscriber import Subscriber

SESSION = 77
SCHEMA = Schema("face", SESSION, CURVES, 60, 1, "m", "v", 59.25, 16000, 1, 2)


def frame(sequence: int, session: int = SESSION, subject: str = "face") -> StampedFrame:
    position = sequence * 16000 // 60
    return StampedFrame(
        subject, session, sequence, sequence, 60, 1, position, 16000, time.monotonic_ns(), 0,
        (0.5,) * 52,
    )  # fmt: skip


def receive(subscriber: Subscriber, publisher: Publisher, count: int) -> list[Message]:
    got: list[Message] = []
    deadline = time.monotonic() + 60
    while len(got) < count and time.monotonic() < deadline:
        publisher.serve()
        message = subscriber.receive()
        if message is not None:
            got.append(message)
    assert len(got) == count
    return got


def test_subscriber_counts_gaps_duplicates_garbage_and_sessions() -> None:
    publisher = Publisher("tcp://127.0.0.1:0")
    subscriber = Subscriber(publisher.endpoint)
    with_sound = dataclasses.replace(SCHEMA, audio_format="s16le")
    publisher.announce(with_sound)
    first = receive(subscriber, publisher, 1)
    assert first == [with_sound]
    assert publisher.subscribers == 1
    for sequence in (0, 1, 4, 4, 3, 5):
        publisher.send(frame(sequence))
    publisher._send([b"dt/face/frame", b"garbage"])
    publisher._send([b"dt/face/frame", msgpack.packb([2, "frame", 5])])
    publisher.send(frame(0, subject="another"))
    publisher.send(frame(6))
    got: list[Message] = []
    while not got or getattr(got[-1], "sequence", None) != 6:
        got += receive(subscriber, publisher, 1)
    assert [m.sequence for m in got if isinstance(m, StampedFrame)] == [0, 1, 4, 5, 6]
    assert subscriber.lost == 2
    assert subscriber.malformed == 2
    assert "expected 1, got 2" in subscriber.last_error
    assert subscriber.meter.read(time.monotonic_ns()).frames == 5
    assert "59.2" in picture(subscriber).status
    publisher.send_audio(Audio("face", SESSION, 0, 0, 16000, 5, bytes(640)))
    assert isinstance(*receive(subscriber, publisher, 1), Audio)
    assert ("sound", "0.0 s") in picture(subscriber).facts
    publisher.send(frame(0, session=78))
    publisher._schemas.clear()
    while subscriber.session != 78:
        subscriber.receive()
    assert subscriber.sessions == 2
    publisher.close(Bye("face", 78, 3, "done"))
    while subscriber.goodbye is None:
        subscriber.receive()
    assert subscriber.goodbye == "done"
    assert subscriber.lost == 4, "the two that the bye says were sent besides"
    assert "the sender has left: done" in picture(subscriber).status
    subscriber.close()


def test_a_subscriber_that_hangs_delays_nobody() -> None:
    publisher = Publisher("tcp://127.0.0.1:0")
    context = zmq.Context()
    hung = context.socket(zmq.SUB)
    hung.setsockopt(zmq.RCVHWM, 1)
    hung.setsockopt(zmq.RCVBUF, 4096)
    hung.connect(publisher.endpoint)
    hung.subscribe(b"dt/")
    subscriber = Subscriber(publisher.endpoint)
    publisher.announce(SCHEMA)
    while publisher.subscribers < 2:
        publisher.serve()
        subscriber.receive()
    # 24 MB fill every buffer on the way to the one that never reads.
    for _ in range(400):
        publisher._send([b"dt/face/filler", bytes(60000)])
        subscriber.receive()
    longest_s = 0.0
    for sequence in range(500):
        begun = time.monotonic()
        publisher.send(frame(sequence))
        longest_s = max(longest_s, time.monotonic() - begun)
        subscriber.receive()
    assert publisher.frames == 500
    assert longest_s < 5.0
    assert subscriber.frames > 0
    hung.close(0)
    publisher.close()
    subscriber.close()
    context.term()


def test_only_who_shook_hands_is_counted() -> None:
    publisher = Publisher("tcp://127.0.0.1:0")
    publisher.announce(SCHEMA)
    subscribers = [Subscriber(publisher.endpoint) for _ in range(2)]

    def count_becomes(expected: int) -> None:
        deadline = time.monotonic() + 30
        while publisher.subscribers != expected and time.monotonic() < deadline:
            publisher.serve()
            time.sleep(0.01)
        for _ in range(10):
            time.sleep(0.01)
            publisher.serve()
        assert publisher.subscribers == expected

    count_becomes(2)
    port = int(publisher.endpoint.rpartition(":")[2])
    rng = random.Random(1)
    said_first = [b"", b"GET / HTTP/1.1\r\n\r\n", b"\xff" + bytes(8) + b"\x7f\x03" + bytes(99)]
    for said in said_first + [rng.randbytes(rng.randrange(200)) for _ in range(40)]:
        with socket.create_connection(("127.0.0.1", port)) as stranger:
            stranger.sendall(said)
            time.sleep(0.01)
            publisher.serve()
    count_becomes(2)
    subscribers.pop().close()
    count_becomes(1)
    subscribers.pop().close()
    count_becomes(0)
    publisher.close()


def test_localhost_is_heard_at_every_address_of_it() -> None:
    publisher = Publisher("tcp://localhost:0")
    publisher.announce(SCHEMA)
    port = publisher.endpoint.rpartition(":")[2]
    hosts = ["127.0.0.1", "localhost"] + (["[::1]"] if has_ipv6() else [])
    for host in hosts:
        subscriber = Subscriber(f"tcp://{host}:{port}")
        assert receive(subscriber, publisher, 1) == [SCHEMA]
        subscriber.close()
    publisher.close()


def has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


def test_two_faces_on_one_publisher() -> None:
    shared = SharedPublisher(Publisher("tcp://127.0.0.1:0"))
    names = ("anna", "bo")
    faces = [shared.face() for _ in names]
    schemas = [dataclasses.replace(SCHEMA, subject=n, session=i + 1) for i, n in enumerate(names)]
    subscribers = [Subscriber(shared.publisher.endpoint, name) for name in names]
    for face, schema in zip(faces, schemas, strict=True):
        face.announce(schema)
    for subscriber, schema in zip(subscribers, schemas, strict=True):
        assert receive(subscriber, shared.publisher, 1) == [schema]
    assert [face.subscribers for face in faces] == [2, None], "told once"
    faces[0].close(Bye("anna", 1, 0, "done"))
    faces[1].send(frame(0, session=2, subject="bo"))
    # A slow machine finds its schema, which is repeated once a second, before it.
    received = (subscribers[1].receive() for _ in range(40))
    got = next(message for message in received if message not in (None, schemas[1]))
    assert isinstance(got, StampedFrame)
    assert got.subject == "bo"
    faces[1].close(Bye("bo", 2, 1, "done"))
    for subscriber in subscribers:
        while subscriber.goodbye is None:
            subscriber.receive()
        subscriber.close()


def test_a_long_reason_is_shortened_to_what_the_wire_takes() -> None:
    publisher = Publisher("tcp://127.0.0.1:0")
    subscriber = Subscriber(publisher.endpoint)
    publisher.announce(SCHEMA)
    receive(subscriber, publisher, 1)
    publisher.close(Bye("face", SESSION, 0, "x" + "ä" * 200))
    while subscriber.goodbye is None:
        subscriber.receive()
    assert subscriber.goodbye == "x" + "ä" * 127, "256 bytes would cut the last letter in two"
    subscriber.close()


@pytest.mark.parametrize(
    "end", ["Publisher('tcp://127.0.0.1:0')", "Subscriber('tcp://127.0.0.1:9')"]
)
def test_what_is_dropped_unclosed_in_a_cycle_does_not_stop_the_collector(end: str) -> None:
    code = f"""
import gc
from diffusiontalker.stream.outputs.publisher import Publisher
from diffusiontalker.stream.session.subscriber import Subscriber

cycle = [{end}]
cycle.append(cycle)
del cycle
gc.collect()
print("collected")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert (done.stdout, done.returncode) == ("collected\n", 0), done.stderr
