"""The outputs: URLs, packets byte by byte, strangers' decoders, receivers that are dead."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
import time
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from pylivelinkface import PyLiveLinkFace
from pythonosc.dispatcher import Dispatcher
from pythonosc.osc_packet import OscPacket
from pythonosc.osc_server import BlockingOSCUDPServer

from diffusiontalker.curves import CURVES, pascal_case
from diffusiontalker.frames import FLAG_NEUTRAL, Audio, Bye, Schema, StampedFrame
from diffusiontalker.stream import StreamError
from diffusiontalker.stream.outputs import file_queue, vmc
from diffusiontalker.stream.outputs.destination import parse
from diffusiontalker.stream.outputs.fan_out import FanOut, open_output
from diffusiontalker.stream.outputs.file_queue import FileQueue
from diffusiontalker.stream.outputs.livelink import LiveLinkOutput, frame_time
from diffusiontalker.stream.outputs.recorder import CsvRecorder
from diffusiontalker.stream.outputs.vmc import NAME_STYLES, VmcOutput, names_of, weights

RATES = [Fraction(30), Fraction(60000, 1001), Fraction(60)]
# Every curve has a value of its own.
VALUES = tuple(float(np.float32(i / 64)) for i in range(1, 53))


def schema_of(rate: Fraction = Fraction(60), curves: tuple[str, ...] = CURVES) -> Schema:
    return Schema(
        "face", 5, curves, rate.numerator, rate.denominator, "m", "v", 59.25, 16000, 1,
        1_700_000_000_250_000_000,
    )  # fmt: skip


def frame_of(
    index: int, rate: Fraction = Fraction(60), curves: tuple[float, ...] = VALUES, flags: int = 0
) -> StampedFrame:
    position = int(index / rate * 16000)
    return StampedFrame(
        "face", 5, index, index, rate.numerator, rate.denominator, position, 16000,
        time.monotonic_ns(), flags, curves,
    )  # fmt: skip


BYE = Bye("face", 5, 0, "done")


@pytest.fixture
def receiver() -> socket.socket:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listening:
        listening.bind(("127.0.0.1", 0))
        listening.settimeout(30)
        yield listening


def closed_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


# ---- URLs -----------------------------------------------------------------------------------


def test_urls_and_their_defaults() -> None:
    live = parse("livelink://192.168.1.20")
    assert (live.address, live.port, live.options) == ("192.168.1.20", 11111, {})
    live = parse("livelink://[::1]:11112?subject=Z%C3%B6e%202")
    assert (live.address, live.port, live.options) == ("::1", 11112, {"subject": "Zöe 2"})
    assert parse("vmc://localhost").port == 39539
    assert parse("vmc://localhost:39540?names=vrm").options == {"names": "vrm"}
    assert parse("zmq://127.0.0.1:5999").address == "tcp://127.0.0.1:5999"
    assert parse("zmq://127.0.0.1").address == "tcp://127.0.0.1:5560"
    assert parse("zmq://*:5561", allow_remote=True).address == "tcp://*:5561"
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
        ("vmc://host?names=ARKit", "names: expected perfectsync, arkit, vrm, vrm1, got 'ARKit'"),
        ("vmc://host?subject=x", "'subject' is unknown"),
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


def test_a_host_that_is_not_there_is_refused() -> None:
    with pytest.raises(StreamError, match=r"livelink://no-such-host\.invalid:11111"):
        LiveLinkOutput("no-such-host.invalid", 11111, "face")


# ---- Live Link Face over UDP ----------------------------------------------------------------


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


# ---- VMC ------------------------------------------------------------------------------------


def test_names_of_every_style() -> None:
    assert names_of("perfectsync")[0] == "EyeBlinkLeft"
    assert names_of("arkit") == CURVES
    assert names_of("vrm")[:5] == ("A", "I", "U", "E", "O")
    assert names_of("vrm1")[:5] == ("aa", "ih", "ou", "ee", "oh")
    for style in NAME_STYLES:
        assert len(names_of(style)) == len(weights(style, [0.0] * 52))


@pytest.mark.parametrize("style", NAME_STYLES)
def test_a_strangers_server_takes_our_bundles(style: str) -> None:
    """What python-osc's server calls, in order, for two frames and the end."""
    calls: list[tuple[str, tuple[object, ...]]] = []
    done = threading.Event()

    def note(address: str, *arguments: object) -> None:
        calls.append((address, arguments))
        if sum(a == "/VMC/Ext/Blend/Apply" for a, _ in calls) == 4:
            done.set()

    dispatcher = Dispatcher()
    dispatcher.set_default_handler(note)
    server = BlockingOSCUDPServer(("127.0.0.1", 0), dispatcher)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    output = VmcOutput("127.0.0.1", server.server_address[1], style)
    output.announce(schema_of())
    output.send(frame_of(90))
    output.send(frame_of(91, curves=(0.0,) * 52, flags=FLAG_NEUTRAL))
    output.close(BYE)
    assert done.wait(30)
    server.shutdown()
    thread.join()
    server.server_close()

    size = len(calls) // 4
    expected = dict(zip(names_of(style), weights(style, list(VALUES)), strict=True))
    for number in range(4):
        frame = calls[number * size : (number + 1) * size]
        assert frame[0] == ("/VMC/Ext/OK", (1,))
        assert frame[1] == ("/VMC/Ext/T", (pytest.approx((90 + min(number, 1)) / 60, abs=1e-6),))
        assert frame[-1] == ("/VMC/Ext/Blend/Apply", ())
        assert {address for address, _ in frame[2:-1]} == {"/VMC/Ext/Blend/Val"}
        values = dict(arguments for _, arguments in frame[2:-1])
        wanted = expected if number == 0 else dict.fromkeys(expected, 0.0)
        assert values == pytest.approx(wanted, abs=1e-6), "the last frame is neutral, and repeated"
        assert len(frame) == 3 + len(wanted)


@pytest.mark.parametrize("style", NAME_STYLES)
def test_bundles_fit_an_ethernet_frame(style: str, receiver: socket.socket) -> None:
    output = VmcOutput("127.0.0.1", receiver.getsockname()[1], style)
    output.announce(schema_of())
    output.send(frame_of(0))
    messages = 0
    while messages < 3 + len(names_of(style)):
        datagram = receiver.recv(65536)
        assert len(datagram) <= 1500 - 28 - 40
        assert datagram.startswith(b"#bundle\0" + bytes(7) + b"\1")
        messages += len(OscPacket(datagram).messages)
    output.close()


def vowels(**curves: float) -> dict[str, float]:
    values = [curves.get(c, 0.0) for c in CURVES]
    return dict(zip(names_of("vrm"), weights("vrm", values), strict=True))


def test_vowels() -> None:
    assert vowels() == dict.fromkeys(names_of("vrm"), 0.0)
    assert vowels(jawOpen=0.8)["A"] == pytest.approx(0.8)
    for curves, loudest in (
        ({"jawOpen": 0.7}, "A"),
        ({"mouthSmileLeft": 0.8, "mouthSmileRight": 0.8, "jawOpen": 0.1}, "I"),
        ({"mouthPucker": 0.9, "jawOpen": 0.1}, "U"),
        ({"mouthStretchLeft": 0.9, "mouthStretchRight": 0.9, "jawOpen": 0.7}, "E"),
        ({"mouthFunnel": 0.9, "jawOpen": 0.7}, "O"),
    ):
        found = vowels(**curves)
        assert max(found, key=found.__getitem__) == loudest
    # Lips that meet with an open jaw are shut.
    assert vowels(jawOpen=0.5, mouthClose=0.5)["A"] == 0.0
    assert vowels(eyeBlinkLeft=0.3)["Blink_L"] == 0.3
    rng = np.random.default_rng(1)
    for _ in range(200):
        mouth = weights("vrm", (rng.random(52) * 1.4 - 0.2).tolist())[:5]
        assert min(mouth) >= 0.0
        assert sum(mouth) <= 1.0 + 1e-9


# ---- receivers that are slow, deaf or gone --------------------------------------------------


class Slow:
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
                                      allow_remote=False, paced=True))  # fmt: skip
        every.announce(schema_of())
        every.send(frame_of(0))
    assert list(tmp_path.iterdir()) == []


def test_bundles_are_filled_anew_for_every_frame() -> None:
    bundles = vmc._Bundles(("A",))
    (first,) = bundles.fill(0.5, [0.25])
    (second,) = bundles.fill(1.5, [0.75])
    assert first != second
    values = [m.message.params for m in OscPacket(first).messages]
    assert values == [[1], [0.5], ["A", 0.25], []]
