"""What the model hears of a voice that is muted or quiet."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from diffusiontalker.stream.session.input_gate import InputGate

RATE = 16000


def sound() -> np.ndarray:
    """0.3 s at -60 dBFS, 0.3 s at -20, 1 s at -60."""
    noise = np.random.default_rng(1).standard_normal(round(1.6 * RATE)).astype(np.float32)
    level = np.full(len(noise), 1e-3, np.float32)
    level[round(0.3 * RATE) : round(0.6 * RATE)] = 0.1
    return noise * level


def test_it_lets_everything_through_until_it_is_told() -> None:
    gate = InputGate(RATE)
    np.testing.assert_array_equal(gate.push(sound()), sound())
    gate.muted = True
    assert not gate.push(sound()).any()


def test_quiet_sound_is_silence_and_words_keep_their_ends() -> None:
    gate = InputGate(RATE)
    gate.threshold_db = -40
    out = gate.push(sound())
    loud, end, shut = round(0.31 * RATE), round(0.8 * RATE), round(0.87 * RATE)
    assert not out[: round(0.3 * RATE)].any()
    np.testing.assert_array_equal(out[loud:end], sound()[loud:end])
    assert not out[shut:].any()


@given(st.lists(st.integers(0, 25600), max_size=12))
def test_however_it_is_cut_it_is_the_same(cuts: list[int]) -> None:
    whole, pieces = InputGate(RATE), InputGate(RATE)
    whole.threshold_db = pieces.threshold_db = -40
    found = [pieces.push(piece) for piece in np.split(sound(), sorted(cuts))]
    np.testing.assert_array_equal(np.concatenate(found), whole.push(sound()))
