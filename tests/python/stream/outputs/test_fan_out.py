"""All outputs as one: receivers that are slow, deaf or gone delay none of the others."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
import time
from pathlib import Path

import pytest
from outgoing import BYE, closed_port, frame_of, schema_of

from diffusiontalker.frames import Audio, Bye, Schema, StampedFrame
from diffusiontalker.stream import StreamError
from diffusiontalker.stream.outputs import file_queue
from diffusiontalker.stream.outputs.destination import parse
from diffusiontalker.stream.outputs.endpoint import LOCAL
from diffusiontalker.stream.outputs.fan_out import FanOut, open_output
from diffusiontalker.stream.outputs.file_queue import FileQueue
from diffusiontalker.stream.outputs.livelink import LiveLinkOutput
from diffusiontalker.stream.outputs.output import Output
from diffusiontalker.stream.outputs.recorder import CsvRecorder
from diffusiontalker.stream.outputs.vmc import VmcOutput


class Slow(Output):
    """An output whose every call takes as long as the test says."""

    name = "slow"
    live = False
    dropped = 0

    def __init__(self) -> None:
        self.entered = threading.Event()
        self.go = threading.Event()
        self.got: list[object] = []
        self.closed: Bye | str | None = "not yet"

    def announce(self, schema: Schema) -> None:
        self.entered.set()
        self.go.wait()
        self.got.append(schema)

    def send(self, frame: StampedFrame) -> None:
        self.go.wait()
        if frame.index == 13:
            raise StreamError("cannot write slow: No space left on device")
        self.got.append(frame.index)

    def serve(self) -> None:
        pass

    def close(self, bye: Bye | None = None) -> None:
        self.closed = bye


def test_a_dead_receiver_delays_nobody(receiver: socket.socket) -> None:
    """A closed port, an address that answers nothing, a disk that hangs: one receiver hears all.

    Everything runs in one thread, so whatever waited would stop the test for ever (the slow disk)
    or leave frames behind.
    """
    slow = Slow()
    every = FanOut()
    refused = LiveLinkOutput("127.0.0.1", closed_port(), "face")
    refused_vmc = VmcOutput("127.0.0.1", closed_port(), "perfectsync")
    # Nobody answers at this address; a machine without any route says so at once.
    with contextlib.suppress(StreamError):
        every.add(LiveLinkOutput("192.0.2.1", 11111, "face"))
    for output in (refused, refused_vmc, FileQueue(slow, depth=10),
                   LiveLinkOutput("127.0.0.1", receiver.getsockname()[1], "face")):  # fmt: skip
        every.add(output)
    every.announce(schema_of())
    assert slow.entered.wait(30)
    numbers = []
    for index in range(200):
        every.send(frame_of(index, curves=(0.5,) * 52))
        every.serve()
        packet = receiver.recv(4096)
        numbers.append(struct.unpack_from(">i", packet, 5 + 36 + 4 + 4)[0])
    assert numbers == list(range(numbers[0], numbers[0] + 200))
    dropped = dict(every.dropped)
    assert dropped["slow"] == 190
    assert refused.dropped > 100, "nobody listens there, and the system says so"
    assert refused_vmc.dropped > 100
    assert receiver.getsockname()[1] not in [int(n.rpartition(":")[2]) for n in dropped if ":" in n]
    slow.go.set()
    every.close(BYE, keep=True)
    assert slow.closed == BYE
    assert slow.got[1:] == list(range(10))


class Heard(Slow):
    """An output that has both sound and subscribers."""

    subscribers = 2

    def send_audio(self, audio: Audio) -> None:
        self.got.append(audio)


def test_sound_and_subscribers_where_there_are_any(tmp_path: Path) -> None:
    with FanOut() as every:
        every.add(CsvRecorder(tmp_path / "a.csv"))
        every.add(FileQueue(CsvRecorder(tmp_path / "b.csv")))
        every.add(LiveLinkOutput("127.0.0.1", closed_port(), "face"))
        assert every.subscribers is None
        both = [Heard(), Heard()]
        for output in both:
            every.add(output)
        assert every.subscribers == 4
        sound = Audio("face", 5, 0, 0, 16000, 5, bytes(640))
        every.send_audio(sound)
        assert [output.got for output in both] == [[sound], [sound]]


def test_a_file_that_fails_ends_it_once_and_the_others_go_on(receiver: socket.socket) -> None:
    slow = Slow()
    slow.go.set()
    every = FanOut()
    every.add(FileQueue(slow))
    every.add(LiveLinkOutput("127.0.0.1", receiver.getsockname()[1], "face"))
    every.announce(schema_of())
    sent = 0

    def send_on() -> None:
        nonlocal sent
        while sent < 1000:
            sent += 1
            every.send(frame_of(sent - 1))
            time.sleep(0.001)

    with pytest.raises(StreamError, match="No space left"):
        send_on()
    every.send(frame_of(sent, curves=(0.0,) * 52))
    for _ in range(sent + 1):
        packet = receiver.recv(4096)
    assert packet[-61 * 4 :] == bytes(61 * 4)
    with pytest.raises(StreamError, match="No space left"):
        every.close(BYE, keep=False)
    every.close(BYE, keep=True)
    assert slow.closed is None
    assert receiver.recv(4096) == receiver.recv(4096) == packet, "the neutral face is repeated"


def test_a_file_that_hangs_at_the_end_is_not_waited_for_for_ever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(file_queue, "FILE_PATIENCE_S", 0.2)
    slow = Slow()
    background = FileQueue(slow)
    background.announce(schema_of())
    background.send(frame_of(0))
    with pytest.raises(StreamError, match="slow took nothing for 0 s"):
        background.close(BYE)
    assert slow.closed == "not yet"
    slow.go.set()


def test_what_no_one_wants_is_dropped_at_once(tmp_path: Path) -> None:
    every = FanOut()
    with every:
        every.add(open_output(parse(f"csv:{tmp_path / 'a.csv'}"), subject="face",
                                      access=LOCAL, paced=True))  # fmt: skip
        every.announce(schema_of())
        every.send(frame_of(0))
    assert list(tmp_path.iterdir()) == []
