"""Sound and curves of an agent's face in step; `poe agents` has the agents' packages."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_runtime import speech_like

from diffusiontalker import CURVES, Runtime
from diffusiontalker.bundle import Bundle
from diffusiontalker.curves import GATED
from diffusiontalker.integrations import messages
from diffusiontalker.integrations.speech import Piece, SpeakingFace

MOUTH = np.array([name in GATED for name in CURVES])


def pcm(seconds: float, rate: int = 16000) -> np.ndarray[Any, Any]:
    return (speech_like(seconds, rate) * 32767).astype(np.int16)


class Listener:
    """A face with a clock that is set by hand."""

    def __init__(self, bundle: Bundle, **options: Any) -> None:
        self.pieces: list[Piece] = []
        self.now_s = 100.0
        self.face = SpeakingFace(self.take, bundle, now_s=lambda: self.now_s, **options)

    async def take(self, piece: Piece) -> None:
        self.pieces.append(piece)

    async def wait(self, seconds: float) -> None:
        for _ in range(round(seconds / 0.025)):
            self.now_s += 0.025
            await self.face.silence()

    def curves(self, since: int = 0) -> np.ndarray[Any, Any]:
        return np.concatenate([piece.curves for piece in self.pieces[since:]])

    def sound(self, since: int = 0) -> bytes:
        return b"".join(piece.sound for piece in self.pieces[since:])


def run(body: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(asyncio.wait_for(body(), 60))


@settings(max_examples=12)
@given(st.data())
def test_sound_goes_on_whole_with_the_frames_of_step(
    bundle_at_60: Bundle, data: st.DataObject
) -> None:
    rate = data.draw(st.sampled_from([16000, 24000, 44100]))
    channels = data.draw(st.sampled_from([1, 2]))
    per_piece = data.draw(st.integers(1, 7))
    sound = np.repeat(pcm(0.6, rate)[:, None], channels, 1).tobytes()
    cuts = sorted(data.draw(st.lists(st.integers(0, len(sound)), max_size=9)))

    async def go() -> None:
        heard = Listener(bundle_at_60, frames_per_piece=per_piece)
        for start, end in zip([0, *cuts], [*cuts, len(sound)], strict=True):
            await heard.face.hear(sound[start:end], rate, channels)
        await heard.face.pause()
        await heard.face.pause()  # a second time is nothing
        assert heard.sound() == sound
        expected = Runtime(bundle_at_60, sample_rate=rate).step(
            np.concatenate([pcm(0.6, rate), np.zeros(rate // 5, np.int16)])
        )
        got = heard.curves()
        assert len(got) >= 36
        np.testing.assert_array_equal(got, expected[: len(got)])
        # Each piece has just the sound of its frames.
        at = 0
        for piece in heard.pieces:
            assert abs(at / (2 * channels * rate) - piece.index / 60) <= 1 / rate
            assert len(piece.curves) <= per_piece
            at += len(piece.sound)

    run(go)


def test_an_interruption_closes_the_mouth_and_forgets_what_was_not_heard(
    bundle_at_60: Bundle,
) -> None:
    async def go() -> None:
        heard = Listener(bundle_at_60)
        await heard.face.hear(pcm(3.0).tobytes(), 16000)
        heard.now_s += 1.0
        shown = heard.curves()[60]  # by the clock, a second of it was heard
        assert shown[MOUTH].max() > 0.02
        before, frames = len(heard.pieces), heard.face.frames
        await heard.face.interrupt()
        await heard.wait(0.6)
        after = heard.curves(before)
        assert heard.pieces[before].index == frames  # the clock goes on
        assert not heard.sound(before)
        for step in range(6):
            np.testing.assert_allclose(after[step, MOUTH], shown[MOUTH] * (5 - step) / 6, atol=1e-6)
        assert not after[6:, MOUTH].any()
        assert 30 <= len(after) <= 37  # in real time, until the face rests
        await heard.wait(0.5)
        assert len(heard.curves(before)) <= 37
        # What is said next is whole.
        before = len(heard.pieces)
        await heard.face.hear(pcm(0.8).tobytes(), 16000)
        await heard.face.pause()
        assert heard.sound(before) == pcm(0.8).tobytes()
        assert heard.curves(before)[10:, MOUTH].max() > 0.02

    run(go)


def test_words_right_after_an_interruption_wait_for_the_mouth_to_close(
    bundle_at_60: Bundle,
) -> None:
    async def go() -> None:
        heard = Listener(bundle_at_60)
        await heard.face.hear(pcm(2.0).tobytes(), 16000)
        heard.now_s += 1.0
        before = len(heard.pieces)
        await heard.face.interrupt()
        await heard.face.hear(pcm(0.5).tobytes(), 16000)
        await heard.face.pause()
        silent = [p for p in heard.pieces[before:] if not p.sound]
        assert sum(len(p.curves) for p in silent) >= 6
        assert not silent[2].curves[:, MOUTH].any()
        assert heard.sound(before) == pcm(0.5).tobytes()

    run(go)


def test_an_interruption_stops_the_sound_that_is_being_taken(bundle_at_60: Bundle) -> None:
    async def go() -> None:
        heard = Listener(bundle_at_60)
        await heard.face.prepare(16000)
        hearing = asyncio.create_task(heard.face.hear(pcm(20.0).tobytes(), 16000))
        while not heard.pieces:
            await asyncio.sleep(0)
        await heard.face.interrupt()
        before = len(heard.pieces)
        await hearing
        assert not heard.sound(before)
        assert len(heard.sound()) < len(pcm(20.0).tobytes())

    run(go)


@pytest.mark.parametrize("idle_between", [False, True])
def test_between_utterances(bundle_at_60: Bundle, idle_between: bool) -> None:
    async def go() -> None:
        heard = Listener(bundle_at_60, idle_between=idle_between)
        await heard.face.prepare(16000)
        await heard.wait(1.0)
        assert (len(heard.pieces) > 0) == idle_between
        before = len(heard.pieces)
        await heard.face.hear(pcm(1.0).tobytes(), 16000)
        await heard.face.pause()
        spoken = len(heard.pieces)
        await heard.wait(0.9)
        assert len(heard.pieces) == spoken  # its sound is still being heard
        await heard.wait(3.0)
        silent = len(heard.curves(spoken))
        assert abs(silent - (175 if idle_between else 30)) < 10
        assert heard.sound(before) == pcm(1.0).tobytes()
        numbers = [p.index for p in heard.pieces]
        assert numbers == list(np.cumsum([0, *[len(p.curves) for p in heard.pieces[:-1]]]))

    run(go)


def test_sound_that_stops_in_the_middle_is_not_waited_for(bundle_at_60: Bundle) -> None:
    """... unless it is known to be there."""
    waits = [True]

    async def go() -> None:
        heard = Listener(bundle_at_60, sound_waits=lambda: waits[0])
        await heard.face.hear(pcm(0.5).tobytes(), 16000)
        assert len(heard.sound()) < len(pcm(0.5).tobytes())
        await heard.wait(2.0)
        before = len(heard.pieces)
        waits[0] = False
        await heard.wait(0.4)
        assert heard.sound() == pcm(0.5).tobytes()
        assert len(heard.pieces) > before
        await heard.face.hear(pcm(0.5).tobytes(), 16000)
        await heard.face.pause()
        assert heard.sound() == 2 * pcm(0.5).tobytes()

    run(go)


def test_a_machine_that_slept_is_not_caught_up_with(bundle_at_60: Bundle) -> None:
    async def go() -> None:
        heard = Listener(bundle_at_60, idle_between=True)
        await heard.face.prepare(16000)
        await heard.wait(0.5)
        before = len(heard.pieces)
        heard.now_s += 3600
        await heard.wait(0.2)
        assert len(heard.curves(before)) < 20

    run(go)


def test_another_rate_begins_anew_and_loses_nothing(bundle_at_60: Bundle) -> None:
    async def go() -> None:
        heard = Listener(bundle_at_60)
        await heard.face.hear(pcm(0.3).tobytes(), 16000)
        await heard.face.hear(pcm(0.3, 24000).tobytes(), 24000)
        await heard.face.pause()
        first = b"".join(p.sound for p in heard.pieces if p.sample_rate_hz == 16000)
        assert first == pcm(0.3).tobytes()
        assert heard.sound()[len(first) :] == pcm(0.3, 24000).tobytes()
        numbers = [p.index for p in heard.pieces]
        assert numbers == sorted(set(numbers))

    run(go)


def test_refusals(bundle_at_60: Bundle) -> None:
    async def go() -> None:
        heard = Listener(bundle_at_60)
        with pytest.raises(ValueError, match="8000 to 192000, got 100"):
            await heard.face.hear(bytes(100), 100)
        with pytest.raises(RuntimeError, match="await prepare"):
            _ = heard.face.runtime
        await heard.face.interrupt()  # nothing was said: nothing closes
        assert not heard.pieces

    run(go)
    with pytest.raises(ValueError, match="frames_per_piece: expected 1 to 60, got 0"):
        Listener(bundle_at_60, frames_per_piece=0)


def test_messages_are_json(bundle_at_60: Bundle) -> None:
    curves = np.linspace(0, 1, 104, dtype=np.float32).reshape(2, 52)
    piece = Piece(7, curves, bytes(1600), 16000, 1)
    said = json.loads(json.dumps(messages.frames(piece)))
    assert said["label"] == "diffusiontalker"
    assert (said["type"], said["index"], said["sound_s"]) == ("frames", 7, 0.05)
    np.testing.assert_allclose(said["curves"], curves, atol=5.1e-5)
    exact = json.loads(json.dumps(messages.frames(piece, None)))["curves"]
    np.testing.assert_array_equal(np.array(exact, np.float32), curves)
    schema = json.loads(json.dumps(messages.schema(Runtime(bundle_at_60))))
    assert schema["curves"] == list(CURVES)
    assert schema["rate_num"] / schema["rate_den"] == 60
