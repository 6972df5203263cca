"""The face beside the stream's: the same voice, another setting."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest

from diffusiontalker import Runtime
from diffusiontalker.frames import Audio
from diffusiontalker.preview import PreviewError
from diffusiontalker.preview.messages import Second, pack_sound, unpack_frames
from diffusiontalker.preview.second import SecondFace

RATE = 24000


class Heard:
    """Runs a second face and keeps what it gives out."""

    def __init__(self) -> None:
        self.frames: list[Any] = []
        self.told: list[tuple[str, dict[str, Any]]] = []
        self.face = SecondFace(
            lambda packed: self.frames.extend(unpack_frames(packed)),
            lambda what, **facts: self.told.append((what, facts)),
        )
        self.face.load(None)

    def hear(self, samples: np.ndarray, at: int = 0, session: int = 1) -> None:
        for i in range(0, len(samples), 480):
            piece = samples[i : i + 480].tobytes()
            self.face.hear(pack_sound([Audio("face", session, 0, at + i, RATE, 0, piece)]))
        deadline = time.monotonic() + 10
        while self.face._queue.qsize() or self.face._lock.locked():
            assert time.monotonic() < deadline
            time.sleep(0.01)
        time.sleep(0.05)


def voice(seconds: float) -> np.ndarray:
    t = np.arange(round(seconds * RATE)) / RATE
    tone = np.sin(2 * np.pi * 150 * t) * (np.sin(2 * np.pi * 2.5 * t) > 0)
    return (8000 * tone).astype(np.int16)


def test_it_is_a_runtime_on_the_same_sound_with_its_own_settings() -> None:
    heard = Heard()
    heard.face.set(Second(on=True, seed=7, identity="af_bella", gain={"jaw": 1.5}))
    sound = voice(2.0)
    heard.hear(sound)
    runtime = Runtime(sample_rate=RATE, seed=7, identity="af_bella")
    runtime.set(gain={"jaw": 1.5})
    curves = runtime.step(sound.astype(np.float32) / np.float32(32768))
    np.testing.assert_array_equal(np.array([f[4] for f in heard.frames], np.float32), curves)
    np.testing.assert_allclose([f[1] for f in heard.frames], np.arange(len(curves)) / 60)
    scores = [facts["scores"] for what, facts in heard.told if what == "scores"][-1]
    assert set(scores) == set(runtime.identities)


def test_whose_voice_it_is_is_told_though_its_own_identity_is_given(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("diffusiontalker.preview.second._SCORES_EVERY_S", 0.0)
    heard = Heard()
    heard.face.set(Second(on=True, identity="af_bella"))
    heard.hear(voice(2.0))
    assert any([facts["scores"] for what, facts in heard.told if what == "scores"][-1].values())


def test_set_anew_in_the_middle_it_has_heard_what_came_before() -> None:
    heard = Heard()
    sound = voice(6.0)
    heard.hear(sound[: 5 * RATE])
    assert heard.frames == []
    heard.face.set(Second(on=True, seed=9))
    heard.hear(sound[5 * RATE :], at=5 * RATE)
    # From 3 s before on, so that the page has something to show at once.
    first = heard.frames[0][1]
    assert 2.0 <= first <= 2.1
    assert heard.frames[-1][1] == pytest.approx(6.0 - 0.05, abs=0.04)


def test_a_hole_or_another_stream_begins_anew() -> None:
    heard = Heard()
    heard.face.set(Second(on=True))
    heard.hear(voice(0.5))
    heard.hear(voice(0.5), at=10 * RATE)
    assert heard.frames[-1][1] > 10
    heard.hear(voice(0.5), session=2)
    assert heard.frames[-1][1] < 1


@pytest.mark.parametrize(
    "wish", [Second(idle=3.0), Second(gain={"jawOpn": 1.0}), Second(preset="is not there")], ids=str
)
def test_what_cannot_be_set_changes_nothing(wish: Second) -> None:
    heard = Heard()
    before = heard.face.preset
    with pytest.raises(PreviewError):
        heard.face.set(wish)
    assert heard.face.preset == before
    assert not heard.face.on
