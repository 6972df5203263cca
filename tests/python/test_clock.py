"""One clock: the functions for any rate agree with the runtime's own at 16 kHz."""

from __future__ import annotations

from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from diffusiontalker import clock

RATES = st.one_of(
    st.sampled_from([Fraction(25), Fraction(30000, 1001), Fraction(60), Fraction(60000, 1001)]),
    st.builds(Fraction, st.integers(1, 10**5), st.integers(1, 1001)).filter(
        lambda r: 1 <= r <= 100
    ),
)
#: Up to a week of audio.
SAMPLES = st.integers(0, 7 * 24 * 3600 * clock.CORE_RATE_HZ)


@given(rate=RATES, columns=st.integers(0, 100), samples=SAMPLES)
def test_the_clock_of_any_rate_is_the_runtimes_at_16_khz(
    rate: Fraction, columns: int, samples: int
) -> None:
    time = clock.time_base(rate, columns)
    assert clock.total_frames(samples, rate) == time.total_frames(samples)
    lookahead = clock.lookahead_samples(rate, columns)
    assert clock.due_frames(samples, lookahead, rate) == time.due_frames(samples)


@given(rate=RATES, columns=st.integers(0, 100), frame=st.integers(0, 10**8))
def test_a_frame_is_due_once_its_last_column_has_been_heard(
    rate: Fraction, columns: int, frame: int
) -> None:
    time = clock.time_base(rate, columns)
    instant = Fraction(frame) / rate
    last = time.last_column(frame)
    # By definition: the next whole column after the frame's instant plus the look-ahead.
    assert last - 1 < instant * clock.COLUMN_RATE_HZ + columns <= last
    heard = last * clock.HOP_SAMPLES + time.WINDOW_LOOKAHEAD_SAMPLES
    assert heard <= time.samples_for(frame + 1)
    assert time.due_frames(time.samples_for(frame + 1)) == frame + 1
    assert time.due_frames(time.samples_for(frame + 1) - 1) == frame


@given(rate=RATES, samples=SAMPLES, hz=st.integers(8000, 192000), lookahead=st.integers(0, 10**5))
def test_frames_due_and_their_positions_by_their_definitions(
    rate: Fraction, samples: int, hz: int, lookahead: int
) -> None:
    due = clock.due_frames(samples, lookahead, rate, hz)
    spare = Fraction(samples - lookahead, hz)
    assert due == 0 or (due - 1) / rate <= spare
    assert due / rate > spare
    total = clock.total_frames(samples, rate, hz)
    assert total / rate >= Fraction(samples, hz) > (total - 1) / rate or samples == 0 == total
    position = clock.position_of(due, rate, hz)
    assert position <= due / rate * hz < position + 1
