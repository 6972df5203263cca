"""VMC: names, vowels, bundles, and a stranger's server."""

from __future__ import annotations

import socket
import threading

import numpy as np
import pytest
from outgoing import BYE, VALUES, frame_of, schema_of
from pythonosc.dispatcher import Dispatcher
from pythonosc.osc_packet import OscPacket
from pythonosc.osc_server import BlockingOSCUDPServer

from diffusiontalker.curves import CURVES
from diffusiontalker.frames import FLAG_NEUTRAL
from diffusiontalker.stream.outputs import vmc
from diffusiontalker.stream.outputs.vmc import NAME_STYLES, VmcOutput, names_of, weights


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
    neutral = dict(zip(names_of(style), weights(style, [0.0] * 52), strict=True))
    for number in range(4):
        frame = calls[number * size : (number + 1) * size]
        assert frame[0] == ("/VMC/Ext/OK", (1,))
        assert frame[1] == ("/VMC/Ext/T", (pytest.approx((90 + min(number, 1)) / 60, abs=1e-6),))
        assert frame[-1] == ("/VMC/Ext/Blend/Apply", ())
        assert {address for address, _ in frame[2:-1]} == {"/VMC/Ext/Blend/Val"}
        values = dict(arguments for _, arguments in frame[2:-1])
        wanted = expected if number == 0 else neutral
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


def test_bundles_are_filled_anew_for_every_frame() -> None:
    bundles = vmc._Bundles(("A",))
    (first,) = bundles.fill(0.5, [0.25])
    (second,) = bundles.fill(1.5, [0.75])
    assert first != second
    values = [m.message.params for m in OscPacket(first).messages]
    assert values == [[1], [0.5], ["A", 0.25], []]
