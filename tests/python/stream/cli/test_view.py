"""How a stream looks on a terminal."""

from __future__ import annotations

import io

import numpy as np
from rich.console import Console

from diffusiontalker.curves import CURVES
from diffusiontalker.stream.cli.view import Picture, Screen, bar, draw, plain_line
from diffusiontalker.stream.session.meter import Meter


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
        for width in (80, 120, 200):
            lines = draw(picture(), height, width=width).plain.splitlines()
            assert len(lines) < max(height, 12)
            assert all(len(line.rstrip()) <= width for line in lines)
    text = draw(picture(), 24, ascii_only=True).plain
    assert text.isascii()


def test_the_mouth_comes_first_and_names_are_whole() -> None:
    small = draw(picture(), 14).plain.splitlines()
    assert small[5].startswith("mouth and jaw")
    assert not any("eye" in line for line in small)
    tall = draw(picture(), 80, width=60).plain
    assert tall.index("mouth and jaw") < tall.index("eyes") < tall.index("brows")
    wide = draw(picture(), 40, width=130).plain
    for screen in (tall, wide):
        assert all(name in screen for name in CURVES)


def test_plain_lines_say_the_same() -> None:
    console = Console(file=io.StringIO())
    with Screen(console, picture, plain=False) as screen:
        assert screen.plain, "no terminal, no live screen"
        screen.update()
    (line,) = console.file.getvalue().splitlines()
    assert line == plain_line(picture())
    assert line.startswith("a.wav   1.0 s | 0.0 fps | latency p50 61 p99 61 ms | level -20 dB")
    assert "lost 0" in line
