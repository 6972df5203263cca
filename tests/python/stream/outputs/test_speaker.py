"""The speaker without a card: what is heard when, across pauses, late pieces and lost ones."""

from __future__ import annotations

import sys
import types
from typing import Any

import numpy as np
import pytest

from diffusiontalker.frames import Audio
from diffusiontalker.stream import StreamError
from diffusiontalker.stream.outputs.speaker import Speaker

RATE = 16000
MS = RATE // 1000


class FakeOutput(types.ModuleType):
    """Stands in for sounddevice: one output, or none."""

    def __init__(self, latency_s: float = 0.004, there: bool = True) -> None:
        super().__init__("sounddevice")
        self.latency_s = latency_s
        self.there = there

    def OutputStream(self, **_: Any) -> Any:
        if not self.there:
            raise OSError("Error querying device -1")
        return types.SimpleNamespace(latency=self.latency_s, start=lambda: None, close=lambda: None)


@pytest.fixture
def output(monkeypatch: pytest.MonkeyPatch) -> FakeOutput:
    fake = FakeOutput()
    monkeypatch.setitem(sys.modules, "sounddevice", fake)
    return fake


def say(speaker: Speaker, position: int, captured_ms: float, value: int = 16384) -> None:
    samples = np.full(20 * MS, value, "<i2").tobytes()
    speaker.send_audio(Audio("face", 1, 0, position, RATE, round(captured_ms * 1e6), samples))


def heard(speaker: Speaker, until_ms: int) -> np.ndarray:
    """What comes out from 0 on, in blocks of 7 ms."""
    blocks = []
    for at_ms in range(0, until_ms, 7):
        out = np.full(7 * MS, np.nan, np.float32)
        speaker.fill(out, at_ms * 1_000_000)
        blocks.append(out)
    return np.concatenate(blocks)[: until_ms * MS]


def test_sound_is_heard_a_look_ahead_after_it_was_captured(output: FakeOutput) -> None:
    speaker = Speaker(RATE, 80.0)
    for i in range(10):
        say(speaker, i * 20 * MS, 100 + 20 * i)
    got = heard(speaker, 500)
    first = int(np.argmax(got != 0)) / MS
    assert first == pytest.approx(180, abs=7)
    assert (got != 0).sum() == 200 * MS
    assert (got[got != 0] == 0.5).all()
    assert np.flatnonzero(got)[-1] - np.flatnonzero(got)[0] == 200 * MS - 1, "without a seam"


def test_a_pause_is_a_pause(output: FakeOutput) -> None:
    speaker = Speaker(RATE, 80.0)
    say(speaker, 0, 0)
    say(speaker, 1000 * MS, 1000)
    got = heard(speaker, 1500)
    starts = np.flatnonzero(np.diff((got != 0).astype(int)) == 1) / MS
    assert starts == pytest.approx([80, 1080], abs=7)


def test_sound_that_comes_late_is_cut_and_not_played_ever_later(output: FakeOutput) -> None:
    speaker = Speaker(RATE, 80.0)
    for i in range(30):
        say(speaker, i * 20 * MS, -400 + 20 * i)
    got = heard(speaker, 400)
    assert np.flatnonzero(got)[-1] / MS == pytest.approx(-400 + 600 + 80, abs=45)


def test_a_slow_speaker_plays_as_soon_as_it_can(output: FakeOutput) -> None:
    output.latency_s = 0.1
    assert Speaker(RATE, 39.2).delay_ns == 160_000_000
    output.latency_s = 0.001
    assert Speaker(RATE, 80.0).delay_ns == 80_000_000


def test_no_speaker_is_one_line(output: FakeOutput) -> None:
    output.there = False
    with pytest.raises(StreamError, match="no sound can be played: Error querying device -1"):
        Speaker(RATE, 39.2)
