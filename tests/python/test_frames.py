"""What flows out: stamps, subjects, and that the frames know no transport."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import diffusiontalker
from diffusiontalker import frames, wire
from diffusiontalker.curves import CURVES
from diffusiontalker.stream.session.stamp import make_frame

SCHEMA = frames.Schema("face", 5, CURVES, 30000, 1001, "m", "v", 59.25, 48000, 1, 2)


@given(st.integers(0, 2**40), st.integers(1, 2**20), st.integers(1, 2**11), st.integers(1, 2**18))
def test_position_is_the_instant_rounded_down(index: int, num: int, den: int, rate: int) -> None:
    schema = dataclasses.replace(SCHEMA, rate_num=num, rate_den=den, audio_rate=rate)
    frame = make_frame(schema, 0, index, 9, 0, np.ones(52, np.float32))
    assert frame.position * num <= index * den * rate < (frame.position + 1) * num


def test_a_stamp_says_whose_which_and_when() -> None:
    curves = np.linspace(0, 1, 52, dtype=np.float32)
    frame = make_frame(SCHEMA, 7, 30, 99, frames.FLAG_GAP, curves)
    assert (frame.subject, frame.session, frame.sequence, frame.index) == ("face", 5, 7, 30)
    assert (frame.position, frame.capture_ns, frame.flags) == (48048, 99, frames.FLAG_GAP)
    assert frame.curves == tuple(curves.tolist())
    neutral = make_frame(SCHEMA, 7, 30, 99, frames.FLAG_GAP, np.zeros(52, np.float32))
    assert neutral.flags == frames.FLAG_GAP | frames.FLAG_NEUTRAL


def test_sessions_are_random_and_fit_63_bits() -> None:
    drawn = {frames.new_session() for _ in range(100)}
    assert len(drawn) == 100
    assert all(1 <= session < 2**63 for session in drawn)


@pytest.mark.parametrize("subject", ["", "a/b", "x" * 129, "line\nbreak", "\ud800"])
def test_subjects_that_name_no_face(subject: str) -> None:
    with pytest.raises(ValueError, match="subject"):
        frames.check_subject(subject)
    with pytest.raises(wire.WireError, match="subject"):
        wire.check_subject(subject)
    frames.check_subject("Zoë 2")


def test_the_wires_frame_is_the_stamped_one_and_not_the_runtimes() -> None:
    assert wire.Frame is frames.StampedFrame
    assert diffusiontalker.Frame is not frames.StampedFrame
