"""A session whose source pauses: frames go on, nothing stays late, sound keeps its positions."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import numpy as np
import pytest

from diffusiontalker import Runtime
from diffusiontalker.bundle import Bundle
from diffusiontalker.frames import FLAG_CLOSING, Audio, Bye, Schema, StampedFrame
from diffusiontalker.stream.outputs.fan_out import FanOut
from diffusiontalker.stream.outputs.output import Output
from diffusiontalker.stream.session.live import LiveSession
from diffusiontalker.stream.session.meter import Meter
from diffusiontalker.stream.sources.microphone import CaptureClock

RATE = 16000
BLOCK = 160


class PausingSource:
    """Gives sound in real time but for a pause, on a thread of its own as a sound card would."""

    name, sample_rate, duration_s = "pausing", RATE, None
    may_pause = realtime = True
    lost_blocks = unplugged = 0

    def __init__(self, before_s: float, pause_s: float, after_s: float) -> None:
        self.notices: list[str] = []
        self.finished = False
        self.resumed_ns = 0
        self._parts = (before_s, pause_s, after_s)
        self._clock = CaptureClock(RATE)

    def start(self, push: Callable[[np.ndarray], int]) -> None:
        self._push = push
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        before_s, pause_s, after_s = self._parts
        self._give(before_s, 0.25)
        time.sleep(pause_s)
        self.resumed_ns = time.monotonic_ns()
        self._give(after_s, 0.5)
        self.finished = True

    def _give(self, seconds: float, value: float) -> None:
        begun = time.monotonic()
        for i in range(round(seconds * RATE / BLOCK)):
            time.sleep(max(0.0, begun + (i + 1) * BLOCK / RATE - time.monotonic()))
            end = self._push(np.full(BLOCK, value, np.float32))
            self._clock.note(end, time.monotonic_ns())

    def pump(self, heard_s: float) -> None:
        """It needs no looking after."""

    def capture_ns(self, position: int) -> int:
        return self._clock.capture_ns(position)

    def stop(self) -> None:
        """It ends by itself."""


class Kept(Output):
    """Keeps what it is given, with when it came."""

    live = True
    name = "kept"
    dropped = 0

    def __init__(self) -> None:
        self.frames: list[tuple[int, StampedFrame]] = []
        self.sound: list[Audio] = []

    def announce(self, schema: Schema) -> None:
        """The test knows what comes."""

    def send(self, frame: StampedFrame) -> None:
        self.frames.append((time.monotonic_ns(), frame))

    def send_audio(self, audio: Audio) -> None:
        self.sound.append(audio)

    def close(self, bye: Bye | None = None) -> None:
        """Nothing is open."""


def test_a_pause_makes_nothing_late(bundle_at_60: Bundle) -> None:
    runtime = Runtime(bundle_at_60, sample_rate=RATE)
    source, kept, outputs = PausingSource(1.0, 1.5, 2.0), Kept(), FanOut()
    outputs.add(kept)
    LiveSession(
        runtime, source, Meter(runtime.curve_names), outputs, subject="face", publish_audio=True
    ).run()
    frames = [(at, f) for at, f in kept.frames if not f.flags & FLAG_CLOSING]
    assert [f.index for _, f in frames] == list(range(len(frames)))
    assert len(frames) / 60 > 4.3, "the pause has frames too"
    before = sum(at < source.resumed_ns for at, _ in frames)
    assert before / 60 > 1.8, "they came while it lasted"
    late_ms = [
        (at - f.capture_ns) / 1e6 for at, f in frames if at > source.resumed_ns + 1_000_000_000
    ]
    assert 30 < np.median(late_ms) < 200
    # What was said after the pause stands where its frames do.
    loud = [a.position for a in kept.sound if np.frombuffer(a.samples, "<i2")[0] > 12000]
    assert loud[0] / RATE > 2.3
    pieces = {a.position: len(a.samples) // 2 for a in kept.sound}
    assert sum(pieces.values()) == 3 * RATE
    holes = [
        (end, start)
        for end, start in zip([p + n for p, n in pieces.items()], list(pieces)[1:], strict=False)
        if end != start
    ]
    assert holes[0][0] == pytest.approx(RATE, abs=BLOCK), "silence is not sent as sound"
    assert sum(start - end for end, start in holes) > RATE
