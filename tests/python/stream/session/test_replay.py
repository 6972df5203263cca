"""A take replayed: the same bits, when they came at first, to anybody who listened then."""

from __future__ import annotations

import dataclasses
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from test_live_pauses import RATE, Kept, PausingSource

from diffusiontalker import Runtime
from diffusiontalker.bundle import Bundle
from diffusiontalker.frames import FLAG_CLOSING, FLAG_NEUTRAL, Bye, Schema
from diffusiontalker.stream.outputs.fan_out import FanOut
from diffusiontalker.stream.outputs.file_queue import FileQueue
from diffusiontalker.stream.outputs.take import TAKE_QUEUE, TakeOutput
from diffusiontalker.stream.session.live import LiveSession
from diffusiontalker.stream.session.meter import Meter
from diffusiontalker.stream.session.replay import ReplaySession
from diffusiontalker.takes import Take, read


class KeptWithSchema(Kept):
    """Keeps the schema and the goodbye too."""

    def announce(self, schema: Schema) -> None:
        self.schema = schema

    def close(self, bye: Bye | None = None) -> None:
        self.bye = bye


def recorded(
    bundle: Bundle, folder: Path, parts: tuple[float, float, float]
) -> tuple[Take, KeptWithSchema]:
    """A take of a voice that pauses, and what an output got beside it."""
    runtime = Runtime(bundle, sample_rate=RATE)
    kept, outputs = KeptWithSchema(), FanOut()
    outputs.add(kept)
    take = TakeOutput(folder, source="pausing", settings={}, paced=True)
    outputs.add(FileQueue(take, TAKE_QUEUE))
    LiveSession(
        runtime, PausingSource(*parts), Meter(runtime.curve_names), outputs, subject="anna",
        publish_audio=True,
    ).run()  # fmt: skip
    return read(folder), kept


@pytest.fixture(scope="module")
def paused(
    bundle_at_60: Bundle, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Take, KeptWithSchema]:
    return recorded(bundle_at_60, tmp_path_factory.mktemp("takes"), (0.5, 0.6, 0.4))


def replayed(take: Take, **more: object) -> KeptWithSchema:
    kept, outputs = KeptWithSchema(), FanOut()
    outputs.add(kept)
    ReplaySession(take, Meter(take.names), outputs, subject="anna", **more).run()  # type: ignore[arg-type]
    return kept


def test_sound_and_curves_of_a_voice_that_pauses_are_on_one_clock(
    paused: tuple[Take, KeptWithSchema],
) -> None:
    take, kept = paused
    frames = [f for _, f in kept.frames if not f.flags & FLAG_CLOSING]
    assert take.cut == ""
    assert take.values.tobytes() == np.array([f.curves for f in frames], np.float32).tobytes()
    for name in ("index", "position", "capture_ns", "flags"):
        assert getattr(take, name).tolist() == [getattr(f, name) for f in frames]
    # Every piece stands where it was published; where there was none is silence.
    sound = take.sound()
    for piece in kept.sound:
        samples = np.frombuffer(piece.samples, "<i2") / 32767
        at = piece.position - take.first_sample
        np.testing.assert_allclose(sound[at : at + len(samples)], samples, atol=1e-4)
    (event,) = take.events
    assert event["kind"] == "no sound"
    assert event["position"] == pytest.approx(0.5 * RATE, abs=160)
    assert not sound[event["position"] : event["position"] + event["samples"]].any()
    assert sound.sum() == pytest.approx(0.5 * RATE * 0.25 + 0.4 * RATE * 0.5, rel=1e-6)


def test_a_replay_has_the_same_bits_and_times(paused: tuple[Take, KeptWithSchema]) -> None:
    take, first = paused
    begun_ns = time.monotonic_ns()
    kept = replayed(take, publish_audio=True)
    frames = [(at, f) for at, f in kept.frames if not f.flags & FLAG_CLOSING]
    assert [f.curves for _, f in frames] == [tuple(row) for row in take.values.tolist()]
    assert [f.index for _, f in frames] == take.index.tolist()
    assert [f.position for _, f in frames] == take.position.tolist()
    assert [f.flags for _, f in frames] == take.flags.tolist()
    assert [f.sequence for _, f in frames] == list(range(len(frames)))
    assert [(a.position, a.samples) for a in kept.sound] == [
        (a.position, a.samples) for a in first.sound
    ]
    assert kept.schema.session != take.schema.session
    same = dict(session=0, start_ns=0, start_unix_ns=0)
    assert dataclasses.replace(kept.schema, **same) == dataclasses.replace(first.schema, **same)
    # A frame goes out a look-ahead after its instant, never before.
    late_ms = np.array([(at - f.capture_ns) / 1e6 for at, f in frames])
    assert late_ms.min() >= take.schema.lookahead_ms - 0.001
    assert np.median(late_ms) < take.schema.lookahead_ms + 20
    for piece in kept.sound:
        assert piece.capture_ns == kept.schema.start_ns + piece.position * 1_000_000_000 // RATE
    assert begun_ns <= kept.schema.start_ns + 5_000_000
    closing = [f for _, f in kept.frames if f.flags & FLAG_CLOSING]
    assert closing[-1].flags & FLAG_NEUTRAL
    assert kept.bye is not None
    assert (kept.bye.reason, kept.bye.frames) == ("end of the take", len(kept.frames))


def test_a_replay_can_be_limited_stopped_and_hurried(
    paused: tuple[Take, KeptWithSchema],
) -> None:
    take, _ = paused
    short = replayed(take, limit_s=0.25)
    assert sum(not f.flags & FLAG_CLOSING for _, f in short.frames) == 15
    fast = replayed(take, realtime=False)
    assert sum(not f.flags & FLAG_CLOSING for _, f in fast.frames) == len(take.index)
    kept, outputs = KeptWithSchema(), FanOut()
    outputs.add(kept)
    session = ReplaySession(take, Meter(take.names), outputs, subject="anna")
    threading.Timer(0.3, session.stop).start()
    session.run()
    assert kept.bye is not None
    assert kept.bye.reason == "stopped by the user"
    assert kept.frames[-1][1].flags & FLAG_NEUTRAL
    assert len(kept.frames) < 60


def test_a_disk_that_refuses_ends_the_take_alone(
    bundle_at_60: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runtime = Runtime(bundle_at_60, sample_rate=RATE)
    kept, outputs, told = KeptWithSchema(), FanOut(), list[str]()
    outputs.tell = told.append
    outputs.add(kept)
    take = TakeOutput(tmp_path, source="mic", settings={}, paced=True)
    outputs.add(FileQueue(take, TAKE_QUEUE))

    def full(writer: object, file: object, data: bytes) -> None:
        if take._writer.frames == 10:
            raise OSError(28, "No space left on device")
        file.write(data)  # type: ignore[attr-defined]

    monkeypatch.setattr("diffusiontalker.takes.writer.TakeWriter._append", _through(full))
    LiveSession(
        runtime, PausingSource(0.4, 0.0, 0.4), Meter(runtime.curve_names), outputs, subject="anna"
    ).run()
    assert len(told) == 1
    assert "No space left on device; what came before is kept" in told[0]
    assert outputs.failed
    assert sum(not f.flags & FLAG_CLOSING for _, f in kept.frames) >= 47
    assert kept.bye is not None
    assert kept.bye.reason == "end of the audio"
    broken = read(tmp_path)
    assert len(broken.index) == 10
    assert "was not ended" in broken.cut


def _through(full: object) -> object:
    def append(writer: object, file: object, data: bytes) -> None:
        with writer._refused():  # type: ignore[attr-defined]
            full(writer, file, data)  # type: ignore[operator]

    return append
