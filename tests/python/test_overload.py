"""Sound that comes faster than it is computed: what is skipped, kept, counted and said."""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest

from diffusiontalker import Frame, Runtime
from diffusiontalker.bundle import Bundle
from diffusiontalker.frames import FLAG_FEWER_STEPS, FLAG_GAP, Schema, StampedFrame
from diffusiontalker.stream.cli import main as stream_main
from diffusiontalker.stream.outputs.fan_out import FanOut
from diffusiontalker.stream.outputs.output import Output
from diffusiontalker.stream.session.live import LiveSession
from diffusiontalker.stream.session.meter import Meter

SOUND = (0.2 * np.random.default_rng(5).standard_normal(56000)).clip(-1, 1).astype(np.float32)
FRAMES = 210


def overwhelmed(bundle: Bundle, overload: str) -> tuple[Runtime, list[Frame]]:
    """3.5 s of sound at once: however fast the machine is, much waits whenever it looks."""
    runtime, frames = Runtime(bundle, seed=4), []
    runtime.start(fill_after_s=None, overload=overload)
    runtime.push(SOUND)
    runtime.finish()
    deadline = time.monotonic() + 60
    while not runtime.finished and time.monotonic() < deadline:
        frames += runtime.poll(0.1)
    return runtime, frames


def test_without_a_policy_no_bit_depends_on_the_load(bundle_at_60: Bundle) -> None:
    runtime, frames = overwhelmed(bundle_at_60, "keep")
    undisturbed = Runtime(bundle_at_60, seed=4)
    whole = np.concatenate([undisturbed.step(SOUND), undisturbed.flush()])
    assert np.array([f.curves for f in frames]).tobytes() == whole.tobytes()
    assert not any(f.fewer_steps for f in frames)
    assert (runtime.stats.skipped_frames, runtime.stats.frames_of_fewer_steps) == (0, 0)


@pytest.mark.parametrize("overload", ["skip", "steps"])
def test_what_is_skipped_is_counted_and_the_rest_keeps_its_time(
    bundle_at_60: Bundle, overload: str
) -> None:
    runtime, frames = overwhelmed(bundle_at_60, overload)
    stats = runtime.stats
    assert stats.skipped_frames > 0
    assert len(frames) + stats.skipped_frames == FRAMES
    assert stats.frames == len(frames)
    indices = [f.index for f in frames]
    assert indices == sorted(set(indices))
    assert indices[-1] == FRAMES - 1
    assert runtime.next_index == FRAMES
    assert all(f.time_s == f.index / 60 for f in frames)
    assert sum(f.fewer_steps for f in frames) == stats.frames_of_fewer_steps
    runtime.stop()
    runtime.start(fill_after_s=None)
    assert runtime.stats.skipped_frames == 0, "a new stream counts anew"
    runtime.stop()


class Overwhelming:
    """A source that gives all of its sound at once."""

    name, sample_rate, duration_s = "overwhelming", 16000, 3.5
    may_pause = realtime = False
    lost_blocks = unplugged = 0

    def __init__(self) -> None:
        self.notices: list[str] = []
        self.finished = False

    def start(self, push: object) -> None:
        push(SOUND)  # type: ignore[operator]
        self.finished = True

    def pump(self, heard_s: float) -> None: ...
    def stop(self) -> None: ...
    def capture_ns(self, position: int) -> int:
        return position * 62500


class WaitsForTheFace(Overwhelming):
    """As a file does: it is no more than a second ahead of what the runtime has heard."""

    def __init__(self) -> None:
        super().__init__()
        self.blocks = 100

    def start(self, push: object) -> None:
        self._push = push
        push(SOUND)  # type: ignore[operator]
        self._given = len(SOUND)

    def pump(self, heard_s: float) -> None:
        while self.blocks and self._given / 16000 - heard_s < 1.0:
            self._push(SOUND[:160])  # type: ignore[operator]
            self._given += 160
            self.blocks -= 1
        self.finished = not self.blocks


class Kept(Output):
    live, name, dropped = False, "kept", 0

    def __init__(self) -> None:
        self.frames: list[StampedFrame] = []

    def announce(self, schema: Schema) -> None: ...
    def send(self, frame: StampedFrame) -> None:
        self.frames.append(frame)


def test_a_session_flags_them_and_says_so_once(bundle_at_60: Bundle) -> None:
    runtime, outputs, kept = Runtime(bundle_at_60, seed=4), FanOut(), Kept()
    outputs.add(kept)
    source = Overwhelming()
    session = LiveSession(
        runtime, source, Meter(runtime.curve_names), outputs, subject="face", overload="steps"
    )
    session.run()
    assert len(source.notices) == 1
    assert "--overload steps" in source.notices[0]
    assert session.stats.skipped_frames == FRAMES - len(kept.frames)
    after_gaps = [
        after
        for before, after in zip(kept.frames, kept.frames[1:], strict=False)
        if after.index != before.index + 1
    ]
    assert after_gaps
    assert all(frame.flags & FLAG_GAP for frame in after_gaps)
    reduced = [frame for frame in kept.frames if frame.flags & FLAG_FEWER_STEPS]
    assert len(reduced) == session.stats.frames_of_fewer_steps


def test_a_file_goes_on_after_frames_were_skipped(bundle_at_60: Bundle) -> None:
    runtime, source = Runtime(bundle_at_60, seed=4), WaitsForTheFace()
    session = LiveSession(
        runtime, source, Meter(runtime.curve_names), FanOut(), subject="face", overload="skip"
    )
    gives_up = threading.Timer(30, session.stop)
    gives_up.start()
    session.run()
    gives_up.cancel()
    assert session.stats.skipped_frames > 60, "not skipped beyond what a file is ahead"
    assert source.finished, "it waited for frames that were skipped"
    assert session.stats.frames + session.stats.skipped_frames == FRAMES + 60


def test_what_cannot_be_is_refused(
    bundle_at_60: Bundle, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(ValueError, match="overload: expected keep, skip, steps, got 'step'"):
        Runtime(bundle_at_60).start(overload="step")
    assert stream_main(["--demo", "--overload", "step"]) == 2
    assert "did you mean steps" in capsys.readouterr().err
    assert stream_main(["--demo", "--fast", "--overload", "skip"]) == 2
    assert "goes without --fast" in capsys.readouterr().err
