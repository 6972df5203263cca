"""`dt-stream --to`: real processes, and receivers that other people wrote."""

from __future__ import annotations

import csv
import json
import re
import signal
import socket
import struct
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from processes import Start, command, error_line, parse, run, subscribe
from pylivelinkface import FaceBlendShape, PyLiveLinkFace
from pythonosc.dispatcher import Dispatcher
from pythonosc.osc_server import BlockingOSCUDPServer

from diffusiontalker.curves import CURVES, pascal_case


class Packets:
    """Everything that comes to a UDP port, collected by a thread."""

    def __init__(self) -> None:
        self.got: list[bytes] = []
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        self._socket.bind(("127.0.0.1", 0))
        self._socket.settimeout(0.1)
        self.port = int(self._socket.getsockname()[1])
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._receive, daemon=True)
        self._thread.start()

    def _receive(self) -> None:
        while True:
            try:
                self.got.append(self._socket.recv(4096))
            except TimeoutError:
                if self._ending.is_set():
                    return

    def close(self) -> None:
        self._ending.set()
        self._thread.join()
        self._socket.close()


@pytest.fixture
def packets() -> Iterator[Packets]:
    collector = Packets()
    yield collector
    collector.close()


def closed_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_all_ways_out_at_once_beside_dead_ones(
    start: Start, endpoint: str, bundle: Path, tmp_path: Path, packets: Packets
) -> None:
    calls: list[tuple[str, tuple[object, ...]]] = []
    dispatcher = Dispatcher()
    dispatcher.set_default_handler(lambda address, *values: calls.append((address, values)))
    server = BlockingOSCUDPServer(("127.0.0.1", 0), dispatcher)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    subscriber = subscribe(start, endpoint)
    table, lines = tmp_path / "face.csv", tmp_path / "face.jsonl"
    nobody = f"livelink://127.0.0.1:{closed_port()}"
    to = (
        nobody,
        f"vmc://127.0.0.1:{server.server_address[1]}?names=arkit",
        f"livelink://127.0.0.1:{packets.port}?subject=Zo%C3%AB",
        endpoint.replace("tcp", "zmq"),
        f"csv:{table}",
        f"json:{lines}",
    )
    stream = start(
        *command("dt-stream"), "--demo", "--seconds", 3, "--bundle", bundle, "--plain",
        *(word for url in to for word in ("--to", url)),
    )  # fmt: skip
    messages = [parse(line) for line in subscriber.rest()]
    assert stream.finish() == (0, "")
    packets.close()
    server.shutdown()
    thread.join()
    server.server_close()
    printed = stream.rest()
    for place in (nobody, endpoint, f"livelink://127.0.0.1:{packets.port}"):
        assert place in printed[0]
    assert re.search(rf"not taken: \d+ by {nobody}$", printed[-1]), "the others took everything"

    with open(table, newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 180
    recorded = np.array([[row[pascal_case(c)] for c in CURVES] for row in rows], np.float32)
    head, *frames = map(json.loads, lines.read_text("utf-8").splitlines())
    assert head["curves"] == list(CURVES)
    assert [f["index"] for f in frames] == list(range(180))
    in_json = np.array([[f["curves"][c] for c in CURVES] for f in frames], np.float32)
    np.testing.assert_allclose(recorded, in_json, atol=1e-9)

    # 180 frames of the model, 12 that close the face, the last repeated twice.
    faces = [PyLiveLinkFace.decode(packet)[1] for packet in packets.got]
    assert len(faces) == 194
    assert {face.name for face in faces} == {"Zoë"}
    numbers = [struct.unpack_from(">i", p, 5 + 36 + 4 + 4)[0] for p in packets.got]
    assert numbers[:192] == list(range(numbers[0], numbers[0] + 192))
    sent = np.array([[f.get_blendshape(FaceBlendShape[pascal_case(c)]) for c in CURVES]
                     for f in faces], np.float32)  # fmt: skip
    np.testing.assert_array_equal(sent[:180], in_json)
    assert not sent[-3:].any(), "the face is left neutral"

    applied = [i for i, (address, _) in enumerate(calls) if address == "/VMC/Ext/Blend/Apply"]
    assert len(applied) == 194
    values = [dict(v for a, v in calls[b:e] if a == "/VMC/Ext/Blend/Val")
              for b, e in zip([0, *applied[:-1]], applied, strict=True)]  # fmt: skip
    in_vmc = np.array([[v[c] for c in CURVES] for v in values], np.float32)
    np.testing.assert_array_equal(in_vmc[:180], in_json)
    assert not in_vmc[-3:].any()

    published = [m for m in messages if m.kind == "frame" and not m.fields[10] & 1]
    assert len(published) > 60
    for m in published:
        np.testing.assert_array_equal(np.array(m.fields[11], np.float32), in_json[m.fields[4]])
    assert messages[-1].kind == "bye"
    assert messages[-1].fields[3] == 192


def test_a_signal_leaves_a_neutral_face_everywhere(
    start: Start, bundle: Path, packets: Packets
) -> None:
    stream = start(
        *command("dt-stream"), "--demo", "--seconds", 600, "--bundle", bundle, "--subject", "anna",
        "--to", f"livelink://127.0.0.1:{packets.port}",
    )  # fmt: skip
    while len(packets.got) < 30:
        assert stream.popen.poll() is None
    stream.popen.send_signal(signal.SIGINT)
    assert stream.finish() == (0, "")
    packets.close()
    assert PyLiveLinkFace.decode(packets.got[0])[1].name == "anna"
    assert packets.got[-1].endswith(bytes(61 * 4))
    assert not packets.got[20].endswith(bytes(61 * 4))


def test_sound_is_published_on_the_clock_of_the_frames(
    start: Start, endpoint: str, bundle: Path, tmp_path: Path
) -> None:
    import soundfile

    rate = 48000
    sound = (0.3 * np.sin(np.arange(2 * rate) * 0.05)).astype(np.float32)
    soundfile.write(tmp_path / "tone.wav", sound, rate, subtype="FLOAT")
    watch = start(*command("dt-watch"), endpoint, "--json")
    subscriber = subscribe(start, endpoint)
    stream = start(
        *command("dt-stream"), "--wav", tmp_path / "tone.wav", "--bundle", bundle,
        "--bind", endpoint, "--publish-audio",
    )  # fmt: skip
    messages = [parse(line) for line in subscriber.rest()]
    assert stream.finish() == (0, "")
    assert messages[0].fields[3]["audio_format"] == "s16le"
    heard = [m for m in messages if m.kind == "audio"]
    assert all(m.topic == "dt/face/audio" for m in heard)
    sequence = [m.fields[3] for m in heard]
    assert sequence == list(range(sequence[0], 100)), "2 s in pieces of 20 ms"
    frames = [m for m in messages if m.kind == "frame" and not m.fields[10] & 1]
    # One clock: capture time minus position is the same for sound and face.
    origins = [m.fields[6] - m.fields[4] * 1_000_000_000 // rate for m in heard]
    origins += [m.fields[9] - m.fields[7] * 1_000_000_000 // rate for m in frames]
    assert max(origins) - min(origins) <= 2
    for m in heard:
        assert m.fields[5] == rate
        samples = np.frombuffer(bytes.fromhex(m.fields[7]), "<i2")
        expected = np.rint(sound[m.fields[4] : m.fields[4] + len(samples)] * 32767)
        np.testing.assert_array_equal(samples, expected)
    assert heard[-1].fields[4] + 960 == 2 * rate
    # The sound of a frame is there before the frame.
    end = 0
    for m in messages:
        if m.kind == "audio":
            end = m.fields[4] + 960
        elif m.kind == "frame" and not m.fields[10] & 1 and end:
            assert m.fields[7] < end
    while '"kind": "bye"' not in (line := watch.next_line() or ""):
        assert line, "dt-watch ended early"
        if '"kind": "audio"' in line:
            assert json.loads(line)["samples"] == 960
    watch.popen.send_signal(signal.SIGINT)
    assert watch.finish() == (0, "")


def test_what_makes_no_sense_is_one_line(bundle: Path, tmp_path: Path) -> None:
    for arguments, words in (
        (("--to", "livelink//x"), "--to livelink//x: expected .*as in livelink://192.168.1.20"),
        (("--to", "livelink://127.0.0.1?subject="), "subject: expected 1 to 128 bytes"),
        (("--to", "csv:a", "--to", "csv:./a"), "csv:./a: something goes there already"),
        (("--to", "csv:a.csv", "--out", "a.csv"), "--out a.csv: something goes there already"),
        (("--to", "zmq://0.0.0.0:5560"), "--allow-remote"),
        (("--to", "vmc://127.0.0.1", "--no-publish"), "--no-publish goes without vmc://127.0.0.1"),
        (("--to", "zmq://127.0.0.1", "--fast"), "--fast goes without zmq://127.0.0.1"),
        (("--to", "csv:a", "--publish-audio"), "--publish-audio needs a zmq:// way out"),
        (("--to", "csv:/no/where/a.csv"), "/no/where/a.csv: No such"),
        (("--to", "livelink://no-such-host.invalid"), "cannot send there"),
    ):
        line = error_line(run("dt-stream", "--demo", "--bundle", bundle, *arguments, cwd=tmp_path))
        assert re.search(words, line), line
    assert list(tmp_path.iterdir()) == []


def test_files_as_fast_as_possible_hold_what_files_hold_live(bundle: Path, tmp_path: Path) -> None:
    written = []
    for how in (("--fast",), ()):
        paths = [tmp_path / f"face{len(how)}.{kind}" for kind in ("csv", "jsonl")]
        result = run(
            "dt-stream", "--demo", "--seconds", 2, "--bundle", bundle, *how,
            "--to", f"csv:{paths[0]}", "--to", f"json:{paths[1]}",
        )  # fmt: skip
        assert (result.returncode, result.stderr) == (0, "")
        assert str(paths[1]) in result.stdout.splitlines()[-1]
        written.append([path.read_bytes() for path in paths])
    assert written[0] == written[1]
    assert all(content.count(b"\n") == 121 for content in written[0])
