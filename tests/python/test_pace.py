"""The clock of a live stream: what is filled, what is left out, and what moves neither."""

from __future__ import annotations

import random

import pytest

from diffusiontalker.pace import Pace

RATE = 48000
MS = RATE // 1000


def fill(pace: Pace, now_s: float) -> int:
    due = pace.due(round(now_s * 1e9))
    pace.fill(due)
    return due


def test_nothing_is_filled_before_the_first_sound() -> None:
    assert Pace(RATE, 0.1).due(10**12) == 0


def test_silence_takes_the_place_of_the_time_that_passed() -> None:
    pace = Pace(RATE, 0.1)
    pace.take(0, 10 * MS)
    assert fill(pace, 0.1) == 0
    assert fill(pace, 0.12) == 110 * MS
    assert fill(pace, 0.124) == 4 * MS, "once begun it goes on at once"
    pace.take(round(0.13e9), 10 * MS)
    assert fill(pace, 0.2) == 0
    assert fill(pace, 0.3) > 0
    assert [p for p, _ in pace.silences] == [10 * MS, 134 * MS], "a pause is one silence"
    assert pace.filled == sum(n for _, n in pace.silences)


@pytest.mark.parametrize("chunk_s", [0.02, 0.2, 1.0])
@pytest.mark.parametrize("drift", [-3e-4, 0.0, 3e-4])
def test_steady_sound_is_left_alone(chunk_s: float, drift: float) -> None:
    rng = random.Random(1)
    pace = Pace(RATE, 0.1, realtime=True)
    count = round(chunk_s * RATE)
    for i in range(round(900 / chunk_s)):
        at_s = i * chunk_s * (1 + drift) + rng.random() * 0.03
        assert pace.due(round(at_s * 1e9)) == 0
        assert pace.take(round(at_s * 1e9), count)
    assert pace.filled == pace.skipped == 0


def test_sound_that_comes_faster_than_it_lasts_puts_the_pause_off() -> None:
    pace = Pace(RATE, 0.1)
    for _ in range(4):
        assert pace.take(0, RATE)
    assert fill(pace, 4.05) == 0
    assert fill(pace, 4.2) > 0
    assert pace.skipped == 0


def test_what_a_microphone_brings_late_is_left_out_and_the_next_pause_is_not_late() -> None:
    pace = Pace(RATE, 0.1, realtime=True)
    taken = 0

    def block(at_s: float) -> None:
        nonlocal taken
        taken += pace.take(round(at_s * 1e9), 10 * MS)

    for i in range(100):
        block(i * 0.01)
    for ms in range(1000, 3000, 4):
        fill(pace, ms / 1000)
    filled = pace.filled
    assert filled > 1.9 * RATE
    for _ in range(200):  # two seconds of old sound at once
        block(3.0)
    assert pace.skipped == pytest.approx(1.5 * RATE, abs=0.05 * RATE)
    assert list(pace.skips) == [(pace.position, pace.skipped)]
    for i in range(1, 100):
        block(3.0 + i * 0.01)
    assert pace.skipped < 1.6 * RATE
    assert fill(pace, 4.1) == 0
    assert fill(pace, 4.2) > 0


def test_a_program_that_slept_does_not_catch_up() -> None:
    pace = Pace(RATE, 0.1)
    pace.take(0, 10 * MS)
    assert fill(pace, 3600.0) == 2 * RATE
    assert fill(pace, 3600.01) == 10 * MS


def test_without_a_patience_nothing_happens() -> None:
    pace = Pace(RATE, None)
    pace.take(0, 10)
    assert pace.due(10**12) == 0
    assert pace.take(10**12, 10)
    assert pace.position == 20
