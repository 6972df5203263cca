"""Where training hears a voice: where the runtime does."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from diffusiontalker import _core
from diffusiontalker.stream.sources.wav import demo_path
from diffusiontalker.train.data.voice import voiced_columns, voiced_frames


def levels(audio: NDArray[np.float32]) -> NDArray[np.float32]:
    return _core.log_mel(audio, True)[1]


def test_a_frame_looks_a_little_around() -> None:
    columns = np.zeros(100, np.bool_)
    columns[50] = True  # the column at 0.5 s
    voiced = voiced_frames(columns, 55, Fraction(60), 4)
    assert np.flatnonzero(voiced).tolist() == [28, 29, 30, 31]
    assert voiced_frames(columns, 0, Fraction(60), 4).shape == (0,)
    with pytest.raises(ValueError, match="need more columns than the 100"):
        voiced_frames(columns, 60, Fraction(60), 4)


@given(
    st.lists(st.booleans(), min_size=130, max_size=130),
    st.sampled_from([Fraction(25), Fraction(30000, 1001), Fraction(60), Fraction(100)]),
    st.integers(0, 8),
)
def test_a_frame_is_voiced_if_a_column_from_20_ms_before_to_its_look_ahead_is(
    heard: list[bool], rate: Fraction, lookahead: int
) -> None:
    frames = int(rate)
    voiced = voiced_frames(np.array(heard), frames, rate, lookahead)
    for frame in range(frames):
        instant = frame / rate
        around = [
            column
            for column in range(len(heard))
            # from the first column no earlier than 20 ms before, to the last one that is read
            if Fraction(column, 100) >= instant - Fraction(20, 1000)
            and Fraction(column - lookahead - 1, 100) < instant
        ]
        assert voiced[frame] == any(heard[column] for column in around)


def test_speech_is_heard_and_silence_and_steady_noise_are_not() -> None:
    speech, _ = soundfile.read(demo_path(), dtype="float32")
    assert 0.5 < voiced_columns(levels(speech)).mean() < 0.95
    assert not voiced_columns(levels(np.zeros(16000, np.float32))).any()
    noise = np.random.default_rng(0).normal(0, 0.003, 16000 * 12).astype(np.float32)
    # A hum that stays is learnt to be the floor, at 3 dB a second.
    assert voiced_columns(levels(noise))[:50].any()
    assert not voiced_columns(levels(noise))[-100:].any()


def test_a_bundles_own_gate_decides() -> None:
    speech, _ = soundfile.read(demo_path(), dtype="float32")
    strict = _core.GateOptions()
    strict.threshold_minimum_db = strict.threshold_maximum_db = 0.0
    assert not voiced_columns(levels(speech), strict).any()
    far = _core.GateOptions()
    far.lookback_ms = 200.0
    columns = np.zeros(100, np.bool_)
    columns[50] = True
    assert np.flatnonzero(voiced_frames(columns, 55, Fraction(60), 4, far)).max() == 42
