"""Metrics of what a viewer sees, on made curves whose lag, gain and r are known."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from diffusiontalker.curves import CURVES, LIPS
from diffusiontalker.train import lip_axes
from diffusiontalker.train.measure import lips, metrics

RATE_HZ, FPS, SECONDS = 60.0, 25.0, 3.0
JAW, PUCKER = CURVES.index("jawOpen"), CURVES.index("mouthPucker")
Curves = NDArray[np.float32]


def face(times_s: NDArray[np.float64], seed: int = 0) -> Curves:
    """Smooth made curves of jaw and mouth, a sum of three waves each, at any instants."""
    rng = np.random.default_rng(seed)
    curves = np.zeros((len(times_s), len(CURVES)))
    for name in LIPS:
        hz, phase = rng.uniform(0.5, 3.0, 3), rng.uniform(0.0, 6.0, 3)
        waves = np.sin(2 * np.pi * hz * times_s[:, None] + phase).sum(axis=1)
        curves[:, CURVES.index(name)] = 0.3 + 0.05 * waves
    return curves.astype(np.float32)


def clip(
    *, late_s: float = 0.0, gain: float = 1.0, lift: float = 0.0, seed: int = 0, who: str = "anna"
) -> lips.Clip:
    """A prediction that is the truth, but late, larger about its mean, and lifted."""
    at = np.arange(int(SECONDS * RATE_HZ)) / RATE_HZ
    pictures = np.arange(int(SECONDS * FPS)) / FPS
    true = face(pictures, seed)
    predicted = true.mean(axis=0) + gain * (face(at - late_s, seed) - true.mean(axis=0)) + lift
    return lips.Clip(who, predicted.astype(np.float32), RATE_HZ, true, pictures)


def test_one_unit_of_a_curve_moves_the_lips_as_far_as_the_table_says() -> None:
    curves = np.zeros((1, len(CURVES)), np.float32)
    curves[0, JAW] = 0.5
    gap, width, raised, drop, forward = (curves @ lip_axes.matrix())[0]
    assert (gap, drop) == (pytest.approx(0.444), pytest.approx(0.47525))
    assert (width, raised, forward) == (
        pytest.approx(-0.07725),
        pytest.approx(-0.03195),
        pytest.approx(-0.1456),
    )
    moved = {name for name, row in zip(CURVES, lip_axes.matrix(), strict=True) if row.any()}
    assert moved == set(LIPS)


def test_opening_by_jaw_and_closing_by_lips_leave_no_gap() -> None:
    curves = np.zeros((1, len(CURVES)), np.float32)
    curves[0, JAW] = 0.3
    curves[0, CURVES.index("mouthClose")] = 0.3 * 0.888 / 1.0557
    assert (curves @ lip_axes.matrix())[0, 0] == pytest.approx(0.0, abs=1e-6)


@pytest.mark.parametrize("late_s", [0.0, 0.02, 0.052, -0.036])
def test_lag_is_found_to_a_tenth_of_a_picture(late_s: float) -> None:
    clips = [clip(late_s=late_s, seed=seed) for seed in range(6)]
    assert lips.gap_lag_ms(clips) == pytest.approx(1000 * late_s, abs=1e-6)


def test_r_of_axes_falls_with_lag_and_not_with_gain_or_level() -> None:
    exact = lips.axes_correlation([clip(seed=s, gain=0.4, lift=0.1) for s in range(4)])
    assert exact == {f"r_{n}": pytest.approx(1.0, abs=2e-3) for n in (*lip_axes.AXES, "jawOpen")}
    late = lips.axes_correlation([clip(seed=s, late_s=0.08) for s in range(4)])
    assert all(0.0 < value < 0.95 for value in late.values())
    opposed = lips.axes_correlation([clip(seed=s, gain=-1.0) for s in range(4)])
    assert all(value < -0.99 for value in opposed.values())


def test_a_speaker_counts_once_however_many_clips_he_has() -> None:
    clips = [clip(who="anna", seed=s) for s in range(9)] + [clip(who="bert", gain=-1.0, seed=9)]
    assert lips.axes_correlation(clips)["r_gap"] == pytest.approx(0.0, abs=2e-3)


def test_range_is_the_gain() -> None:
    found = lips.ranges([clip(gain=0.6, lift=0.1, seed=s) for s in range(4)])
    assert found.keys() == {f"range_{name}" for name in (*lips.RANGED, "gap", "width")}
    assert all(value == pytest.approx(0.6, abs=0.02) for value in found.values())


def test_lip_error_is_over_a_still_face_and_centred_ignores_level() -> None:
    half = lips.lip_error([clip(gain=0.5)])
    assert half == (pytest.approx(0.5, abs=0.02), pytest.approx(0.5, abs=0.02))
    plain, centred = lips.lip_error([clip(lift=0.2)])
    assert plain > 1.5
    assert centred == pytest.approx(0.0, abs=0.02)
    assert lips.lip_error([clip(gain=0.0)]) == (pytest.approx(1.0, abs=0.02),) * 2


def test_moving_counts_what_moves_in_both() -> None:
    made = clip()
    still = lips.Clip("anna", made.predicted.copy(), RATE_HZ, made.true, made.times_s)
    still.predicted[:, PUCKER] = 0.3
    assert lips.moving([made]) == (len(LIPS), len(LIPS))
    assert lips.moving([still]) == (len(LIPS), len(LIPS) - 1)


def test_blinks_are_counted_with_their_depth() -> None:
    frames = np.zeros((int(60 * RATE_HZ), len(CURVES)), np.float32)
    lids = [CURVES.index(name) for name in ("eyeBlinkLeft", "eyeBlinkRight")]
    for start, depth in ((100, 0.9), (700, 0.5), (1500, 0.3), (2000, 1.0)):
        frames[start : start + 10, lids] = depth
    frames[2004, lids] = 0.3  # a tremor of the lid is no second blink
    found = lips.blinking([frames], RATE_HZ)
    assert (found["blinks_a_minute"], found["blinks_shut_a_minute"]) == (3.0, 2.0)
    assert found["blink_depth"] == pytest.approx(0.9)


def test_clips_of_another_length_or_without_movement_are_scored_or_left_out() -> None:
    made = clip()
    short = lips.Clip("anna", made.predicted[:100], RATE_HZ, made.true, made.times_s)
    read, true = short.read()
    assert len(read) == len(true) == int(99 / RATE_HZ * FPS) + 1
    still = lips.Clip("bert", np.zeros_like(made.predicted), RATE_HZ, made.true, made.times_s)
    assert np.isnan(lips.axes_correlation([still])["r_gap"])
    assert lips.viewed([]) == {}


def test_every_figure_of_a_report_has_a_definition() -> None:
    keys = lips.viewed([clip()]).keys()
    said = [key.strip() for text, _ in metrics.DEFINITIONS for key in text.split(",")]
    for key in keys:
        assert any(key == s or (s.endswith("*") and key.startswith(s[:-1])) for s in said), key
