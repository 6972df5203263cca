"""The smaller parts of dt-stream: microphone without a card, publisher, meter, view, sound."""

from __future__ import annotations

import io
import random
import sys
import time
import types
from typing import Any

import msgpack
import numpy as np
import pytest
import zmq
from rich.console import Console

from diffusiontalker import wire
from diffusiontalker.curves import CURVES
from diffusiontalker.stream import StreamError
from diffusiontalker.stream.cli.view import Picture, Screen, bar, draw, plain_line
from diffusiontalker.stream.cli.watch import Subscriber
from diffusiontalker.stream.outputs.publisher import Publisher, check_endpoint, is_local
from diffusiontalker.stream.session.live import SoundQueue
from diffusiontalker.stream.session.meter import Meter
from diffusiontalker.stream.sources import microphone

# ---- microphone -----------------------------------------------------------------------------


def test_capture_clock_takes_the_fastest_block_of_its_window() -> None:
    rng = random.Random(1)
    clock = microphone.CaptureClock(48000, window_blocks=50)
    start_ns = 10**12
    for block in range(1, 500):
        end_ns = start_ns + block * 480 * 1_000_000_000 // 48000
        delay_ns = rng.choice([2_000_000, 2_000_000, 9_000_000, 30_000_000])
        clock.note(block * 480, end_ns + delay_ns)
    assert clock.capture_ns(48000) == start_ns + 1_000_000_000 + 2_000_000
    # Audio that the system lost makes all later blocks come late: the clock follows.
    for block in range(500, 560):
        clock.note(block * 480, start_ns + block * 10_000_000 + 2_000_000 + 700_000_000)
    assert clock.capture_ns(0) == start_ns + 702_000_000


class FakePortAudio(types.ModuleType):
    """Stands in for sounddevice: two inputs and an output; the first refuses 16 kHz."""

    class PortAudioError(Exception):
        pass

    def __init__(
        self, names: tuple[str, ...] = ("Mic USB", "Mic built-in", "Loud speaker")
    ) -> None:
        super().__init__("sounddevice")
        self.names = names
        self.default = types.SimpleNamespace(device=(1, 2))
        self.opened: dict[str, Any] = {}
        self.stream = types.SimpleNamespace(start=lambda: None, close=lambda: None, active=True)

    def query_hostapis(self) -> list[dict[str, str]]:
        return [{"name": "ALSA"}]

    def query_devices(self) -> list[dict[str, Any]]:
        return [
            {
                "index": i, "name": name, "hostapi": 0, "default_samplerate": 44100.0,
                "max_input_channels": 2 if "Mic" in name else 0,
            }
            for i, name in enumerate(self.names)
        ]  # fmt: skip

    def check_input_settings(self, *, device: int, samplerate: int, **_: Any) -> None:
        if device == 0 and samplerate == 16000:
            raise self.PortAudioError("Invalid sample rate [PaErrorCode -9997]")

    def InputStream(self, **options: Any) -> Any:
        self.opened = options
        return self.stream


@pytest.fixture
def portaudio(monkeypatch: pytest.MonkeyPatch) -> FakePortAudio:
    fake = FakePortAudio()
    monkeypatch.setitem(sys.modules, "sounddevice", fake)
    return fake


def test_devices_go_by_number_name_or_part(portaudio: FakePortAudio) -> None:
    assert microphone.find_device(None).index == 1
    assert microphone.find_device("0").name == "Mic USB"
    assert microphone.find_device("Mic built-in").index == 1
    assert microphone.find_device("usb").index == 0
    with pytest.raises(StreamError, match=r"fits several.*0 'Mic USB', 1 'Mic built-in'"):
        microphone.find_device("mic")
    with pytest.raises(StreamError, match="no such input; there are: 0 'Mic USB'"):
        microphone.find_device("speaker")
    with pytest.raises(StreamError, match="no such input"):
        microphone.find_device("2")
    portaudio.names = ("Loud speaker",)
    with pytest.raises(StreamError, match=r"no microphone: .*--wav FILE"):
        microphone.find_device(None)


def test_rate_falls_back_to_the_devices_own(portaudio: FakePortAudio) -> None:
    assert microphone.Microphone("usb").sample_rate == 44100
    assert microphone.Microphone("built-in").sample_rate == 16000


def test_blocks_are_handed_on_up_to_the_limit(portaudio: FakePortAudio) -> None:
    source = microphone.Microphone("built-in", limit_s=0.025)
    got: list[np.ndarray] = []
    source.start(lambda block: got.append(block) or len(block))
    fine = types.SimpleNamespace(input_overflow=False, input_underflow=False)
    lossy = types.SimpleNamespace(input_overflow=True, input_underflow=False)
    block = np.arange(320, dtype=np.float32).reshape(160, 2)
    for status in (fine, lossy, fine, fine):
        portaudio.opened["callback"](block, 160, None, status)
    assert [len(b) for b in got] == [160, 160, 80]
    np.testing.assert_array_equal(got[0], block[:, 0])
    assert source.finished
    assert source.lost_blocks == 1
    source.pump(0.0)
    source.stop()


def test_a_callback_never_raises_and_the_loop_hears_of_it(portaudio: FakePortAudio) -> None:
    source = microphone.Microphone("built-in")

    def push(_: np.ndarray) -> int:
        raise ValueError("chunk: sample 3 is nan")

    source.start(push)
    status = types.SimpleNamespace(input_overflow=False, input_underflow=False)
    portaudio.opened["callback"](np.zeros((160, 1), np.float32), 160, None, status)
    with pytest.raises(StreamError, match="'Mic built-in': chunk: sample 3"):
        source.pump(0.0)


def test_a_device_that_is_gone_is_noticed(portaudio: FakePortAudio) -> None:
    source = microphone.Microphone("built-in")
    source.start(len)
    source.pump(0.0)
    portaudio.stream.active = False
    with pytest.raises(StreamError, match="was it unplugged"):
        source.pump(0.0)


def test_missing_portaudio_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    class NoLibrary:
        def find_spec(self, name: str, *_: object) -> None:
            if name == "sounddevice":
                raise OSError("PortAudio library not found")

    monkeypatch.delitem(sys.modules, "sounddevice", raising=False)
    monkeypatch.setattr(sys, "meta_path", [NoLibrary(), *sys.meta_path])
    for platform, words in (("linux", "libportaudio2"), ("darwin", "brew"), ("win32", "pip")):
        monkeypatch.setattr(sys, "platform", platform)
        with pytest.raises(StreamError, match=f"needs the PortAudio library: .*{words}"):
            microphone.load_portaudio()


# ---- publisher and subscriber ---------------------------------------------------------------


def test_endpoints_that_other_machines_reach_need_a_word() -> None:
    for endpoint in ("tcp://127.0.0.1:5560", "tcp://127.8.8.8:1", "tcp://localhost:5560",
                     "tcp://[::1]:5560", "ipc:///tmp/x", "tcp://127.0.0.1:*"):  # fmt: skip
        check_endpoint(endpoint, allow_remote=False)
        assert is_local(endpoint)
    for endpoint in ("tcp://*:5560", "tcp://0.0.0.0:5560", "tcp://192.0.2.1:5560",
                     "tcp://eth0:5560", "tcp://[::]:5560"):  # fmt: skip
        with pytest.raises(StreamError, match="--allow-remote"):
            check_endpoint(endpoint, allow_remote=False)
        check_endpoint(endpoint, allow_remote=True)
        assert not is_local(endpoint)
    for endpoint in ("", "tcp://", "tcp://127.0.0.1", "udp://127.0.0.1:1",
                     "127.0.0.1:5560", "tcp://127.0.0.1:", "tcp://127.0.0.1:-1",
                     "tcp://127.0.0.1:70000"):  # fmt: skip
        with pytest.raises(StreamError, match="expected"):
            check_endpoint(endpoint, allow_remote=True)


SESSION = 77
SCHEMA = wire.Schema("face", SESSION, CURVES, 60, 1, "m", "v", 59.25, 16000, 1, 2)


def frame(sequence: int, session: int = SESSION, subject: str = "face") -> wire.Frame:
    position = sequence * 16000 // 60
    return wire.Frame(
        subject, session, sequence, sequence, 60, 1, position, 16000, time.monotonic_ns(), 0,
        (0.5,) * 52,
    )  # fmt: skip


def receive(subscriber: Subscriber, publisher: Publisher, count: int) -> list[wire.Message]:
    got: list[wire.Message] = []
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
    publisher.announce(SCHEMA)
    first = receive(subscriber, publisher, 1)
    assert first == [SCHEMA]
    assert publisher.subscribers == 1
    for sequence in (0, 1, 4, 4, 3, 5):
        publisher.send(frame(sequence))
    publisher._send([b"dt/face/frame", b"garbage"])
    publisher._send([b"dt/face/frame", msgpack.packb([2, "frame", 5])])
    publisher.send(frame(0, subject="another"))
    publisher.send(frame(6))
    got: list[wire.Message] = []
    while not got or getattr(got[-1], "sequence", None) != 6:
        got += receive(subscriber, publisher, 1)
    assert [m.sequence for m in got if isinstance(m, wire.Frame)] == [0, 1, 4, 5, 6]
    assert subscriber.lost == 2
    assert subscriber.malformed == 2
    assert "expected 1, got 2" in subscriber.last_error
    assert subscriber.meter.read(time.monotonic_ns()).frames == 5
    assert "59.2" in subscriber.picture().status
    publisher.send_audio(wire.Audio("face", SESSION, 0, 0, 16000, 5, bytes(640)))
    assert isinstance(*receive(subscriber, publisher, 1), wire.Audio)
    assert ("sound", "0.0 s") in subscriber.picture().facts
    publisher.send(frame(0, session=78))
    publisher._schema = []
    while subscriber.session != 78:
        subscriber.receive()
    assert subscriber.sessions == 2
    publisher.close(wire.Bye("face", 78, 3, "done"))
    while subscriber.goodbye is None:
        subscriber.receive()
    assert subscriber.goodbye == "done"
    assert subscriber.lost == 4, "the two that the bye says were sent besides"
    assert "the sender has left: done" in subscriber.picture().status
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


# ---- meter and view -------------------------------------------------------------------------


def test_meter_rates_latency_and_ranks() -> None:
    meter = Meter(("still", "lively", "slow"))
    assert meter.read(0).rate_hz == 0
    for i in range(300):
        values = np.array([0.5, i % 2, i / 300], np.float32)
        meter.note(10**9 + i * 1_000_000_000 // 60, values, 60.0 + (i % 100 == 0) * 40)
    figures = meter.read(10**9 + 5_000_000_000)
    assert figures.frames == 300
    assert figures.rate_hz == pytest.approx(60, abs=0.01)
    assert figures.latency_p50_ms == 60
    assert 60 < figures.latency_p99_ms <= 100
    assert [name for name, _ in figures.curves] == ["lively", "slow", "still"]
    assert meter.read(10**9 + 60 * 10**9).rate_hz == 0, "a stream that stopped has no rate"


def test_bars() -> None:
    assert bar(0.0, 4) == "    "
    assert bar(1.0, 4) == "████"
    assert bar(0.5, 4) == "██  "
    assert bar(9.0, 2) == "██"
    assert bar(1 / 16, 2) == "▏ "
    assert all(len(bar(i / 97, 8)) == 8 for i in range(98))


def picture() -> Picture:
    meter = Meter(CURVES)
    meter.note(1, np.full(52, 0.25, np.float32), 61.0)
    return Picture("title", "a.wav   1.0 s", meter.read(1), -20.0, (("lost", "0"),))


def test_the_screen_fits_the_terminal() -> None:
    for height in (10, 24, 50):
        lines = draw(picture(), height).plain.splitlines()
        assert len(lines) < max(height, 12)
    text = draw(picture(), 24, ascii_only=True).plain
    assert text.isascii()
    assert "eyeBlinkLeft" in text


def test_plain_lines_say_the_same() -> None:
    console = Console(file=io.StringIO())
    with Screen(console, picture, plain=False) as screen:
        assert screen.plain, "no terminal, no live screen"
        screen.update()
    (line,) = console.file.getvalue().splitlines()
    assert line == plain_line(picture())
    assert line.startswith("a.wav   1.0 s | 0.0 fps | latency p50 61 p99 61 ms | level -20 dB")
    assert "lost 0" in line


# ---- sound ----------------------------------------------------------------------------------


def test_sound_is_cut_into_messages_with_true_positions() -> None:
    queue = SoundQueue(16000)
    sound = np.linspace(-1.2, 1.2, 1000, dtype=np.float32)
    block = np.empty(160, np.float32)
    pieces: list[tuple[int, bytes]] = []
    for start in range(0, 1000, 160):
        part = sound[start : start + 160]
        block[: len(part)] = part  # as a sound card does, into the same buffer each time
        queue.note(block[: len(part)])
        block[:] = np.nan
        if start % 480 == 0:
            pieces += queue.take()
    assert [p for p, _ in pieces] == [0, 320, 640]
    pieces += queue.take(rest=True)
    assert [(p, len(s) // 2) for p, s in pieces] == [(0, 320), (320, 320), (640, 320), (960, 40)]
    heard = np.frombuffer(b"".join(s for _, s in pieces), "<i2")
    np.testing.assert_array_equal(heard, np.clip(np.rint(sound * 32767.0), -32768, 32767))
    assert queue.take(rest=True) == []


def test_sound_that_was_lost_leaves_a_hole_in_the_positions() -> None:
    queue = SoundQueue(16000)
    for _ in range(1005):
        queue.note(np.array([np.nan, np.inf, 0.5, -0.5], np.float32))
    pieces = queue.take(rest=True)
    assert pieces[0][0] == 5 * 4
    assert sum(len(s) for _, s in pieces) == 1000 * 4 * 2
    assert np.frombuffer(pieces[0][1], "<i2")[:4].tolist() == [0, 0, 16384, -16384]
    queue.note(np.ones(3, np.float32))
    for _ in range(1001):
        queue.note(np.ones(4, np.float32))
    positions = [p for p, _ in queue.take(rest=True)]
    assert positions[0] == 1005 * 4 + 3 + 4
