"""Another identity, seed or idle motion in the middle of a live stream."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from diffusiontalker import Frame, Runtime
from diffusiontalker.past import WARM_S, Past
from diffusiontalker.sound.reader import read_all
from diffusiontalker.stream.sources.wav import demo_path

RATE = 16000


def voice(seconds: float, seed: int = 1) -> np.ndarray:
    rng = np.random.default_rng(seed)
    t = np.arange(round(seconds * RATE)) / RATE
    tone = np.sin(2 * np.pi * 140 * t) * (np.sin(2 * np.pi * 3 * t) > 0)
    return (0.2 * tone + 0.01 * rng.standard_normal(len(t))).astype(np.float32)


def live(sound: np.ndarray, change_after: int | None, **settings: object) -> list[Frame]:
    """Frames of a live stream that is recast once so many frames were polled.

    No more sound comes than the machine has made frames of, and none from five blocks after the
    change until the other has taken over, however busy the machine is.
    """
    runtime = Runtime(seed=1)
    frames: list[Frame] = []
    before = None
    with runtime:
        runtime.start(fill_after_s=None)
        for number, block in enumerate(np.array_split(sound, len(sound) // 800), start=1):
            runtime.push(block)
            polled(runtime, frames, lambda due=3 * number - 6: len(frames) >= due)
            if change_after is not None and before is None and len(frames) >= change_after:
                before, changed_at = runtime._live, number
                runtime.recast(**settings)  # type: ignore[arg-type]
            if before is not None and number == changed_at + 5:
                polled(runtime, frames, lambda old=before: runtime._live is not old)
        runtime.finish()
        polled(runtime, frames, lambda: runtime.finished)
    return frames


def polled(runtime: Runtime, frames: list[Frame], enough: Callable[[], bool]) -> None:
    """Polls until it is enough, a minute at the most."""
    deadline = time.monotonic() + 60
    while not enough():
        assert time.monotonic() < deadline
        frames += runtime.poll(0.01)


def test_no_frame_is_lost_or_twice_and_the_seed_changes_what_follows() -> None:
    sound = voice(6.0)
    plain, changed = live(sound, None), live(sound, 60, seed=2)
    assert [f.index for f in changed] == [f.index for f in plain] == list(range(360))
    a = np.stack([f.curves for f in plain])
    b = np.stack([f.curves for f in changed])
    np.testing.assert_array_equal(a[:60], b[:60])
    assert np.abs(a[200:] - b[200:]).max() > 0.01
    # Within three seconds of the start the model hears everything: it is a stream of that seed.
    runtime = Runtime(seed=2)
    whole = np.concatenate([runtime.step(sound), runtime.flush()])
    np.testing.assert_array_equal(whole[200:], b[200:])


def test_later_it_is_a_stream_that_began_three_seconds_before() -> None:
    sound = voice(6.0)
    changed = live(sound, 210, identity="af_bella", idle=0.0)
    assert [f.index for f in changed] == list(range(360))
    b = np.stack([f.curves for f in changed])
    matched = []
    for first in range(24, 66, 3):
        runtime = Runtime(seed=1, identity="af_bella", idle=0.0)
        piece = np.concatenate([runtime.step(sound[first * RATE // 60 :]), runtime.flush()])
        matched.append(np.array_equal(piece[300 - first :], b[300:]))
    assert sum(matched) == 1


def test_settings_that_cannot_be_change_nothing() -> None:
    runtime = Runtime()
    with pytest.raises(RuntimeError, match="recast"):
        runtime.recast(seed=2)
    with runtime:
        runtime.start()
        with pytest.raises(ValueError, match="identity"):
            runtime.recast(identity="nobody", seed=3)
        with pytest.raises(ValueError, match="idle"):
            runtime.recast(idle=2.0)
        assert runtime.seed == 0
        assert runtime.idle == 1.0
        runtime.recast(seed=3)
    assert runtime.seed == 3
    # What follows `stop` has the new settings too.
    np.testing.assert_array_equal(runtime.step(voice(1.0)), Runtime(seed=3).step(voice(1.0)))


def test_the_past_keeps_the_newest_samples() -> None:
    past = Past(1.0)
    sound = np.arange(40000, dtype=np.float32)
    for piece in np.split(sound, [1, 700, 16700, 39000]):
        past.push(piece)
    np.testing.assert_array_equal(past.since(24000), sound[24000:])
    np.testing.assert_array_equal(past.since(40000), sound[40000:])
    with pytest.raises(ValueError, match="23999"):
        past.since(23999)


def test_listening_begins_on_a_frame_that_lies_on_a_sample() -> None:
    past = Past()
    past.push(np.zeros(100_001, np.float32))
    frame, sample = past.warm_start(Fraction(60))
    assert sample * 60 == frame * 16000
    assert 0 <= 100_001 - WARM_S * RATE - sample < 800
    assert Past().warm_start(Fraction(60)) == (0, 0)


def test_scores_name_the_identity_that_auto_follows(tmp_path: Path) -> None:
    # The embedded bundle, but that every voice is somebody's.
    known = shutil.copytree(Runtime().bundle.path, tmp_path / "known")
    manifest = json.loads((known / "manifest.json").read_text())
    manifest["identities"]["unknown_cosine"] = -1.0
    (known / "manifest.json").write_text(json.dumps(manifest))
    runtime = Runtime(known)
    runtime.step(read_all(demo_path())[0][:64000])
    scores = runtime.identity_scores()
    assert set(scores) == set(runtime.identities)
    assert max(scores, key=scores.__getitem__) == runtime.identity
