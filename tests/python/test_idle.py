"""A face that lives: blinks, glances, drift and the head; and with none of it today's bits."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from test_runtime import drain, run, speech_like

import diffusiontalker
from diffusiontalker import BundleError, Runtime, bundle
from diffusiontalker.bundle import Bundle
from diffusiontalker.curves import CURVES, GATED, HEAD, LIPS, indices

FloatArray = NDArray[np.float32]


def curve(frames: FloatArray, name: str) -> FloatArray:
    values: FloatArray = frames[:, CURVES.index(name)]
    return values


def blinks(frames: FloatArray) -> list[int]:
    shut = curve(frames, "eyeBlinkLeft") > 0.7
    return [int(i) + 1 for i in np.flatnonzero(shut[1:] & ~shut[:-1])]


@pytest.fixture(scope="module")
def silences() -> list[FloatArray]:
    """A minute of silence through the bundle that ships, for ten seeds."""
    zeros = np.zeros(60 * 16000, np.float32)
    return [run(Runtime(seed=seed), zeros) for seed in range(10)]


def test_silence_has_blinks_that_shut_both_eyes(silences: list[FloatArray]) -> None:
    counts = [len(blinks(frames)) for frames in silences]
    assert 8 <= min(counts) <= max(counts) <= 25
    assert len(set(counts)) > 1
    for frames in silences:
        both = np.minimum(curve(frames, "eyeBlinkLeft"), curve(frames, "eyeBlinkRight"))
        assert all(both[at : at + 6].max() > 0.95 for at in blinks(frames))


def test_silence_keeps_the_mouth_shut(silences: list[FloatArray]) -> None:
    for frames in silences:
        assert np.abs(frames[:, indices(GATED)]).max() == 0
        assert frames.min() >= 0
        assert frames.max() <= 1


def test_both_eyes_look_the_same_way(silences: list[FloatArray]) -> None:
    for frames in silences:
        left = curve(frames, "eyeLookOutLeft") - curve(frames, "eyeLookInLeft")
        right = curve(frames, "eyeLookInRight") - curve(frames, "eyeLookOutRight")
        assert np.corrcoef(left, right)[0, 1] > 0.98
        assert left.std() > 0.03
        up, other = (curve(frames, f"eyeLookUp{side}") for side in ("Left", "Right"))
        assert np.corrcoef(up, other)[0, 1] > 0.98


def test_brows_and_lids_drift(silences: list[FloatArray]) -> None:
    still = run(Runtime(idle=0), np.zeros(16000, np.float32))
    assert curve(still, "browInnerUp").std() < 0.01
    for name in ("browInnerUp", "browOuterUpLeft", "browDownRight"):
        assert all(0.015 < curve(frames, name).std() < 0.1 for frames in silences)


def test_speech_has_the_models_mouth_and_fewer_blinks() -> None:
    clip, rate = soundfile.read(_demo(), dtype="float32")
    alive, plain = (run(Runtime(sample_rate=rate, idle=idle), clip) for idle in (1, 0))
    np.testing.assert_array_equal(alive[:, indices(LIPS)], plain[:, indices(LIPS)])
    assert (alive != plain).any()


@pytest.mark.parametrize("rate", [16000, 44100, 48000])
def test_any_chunking_gives_the_same_bits(any_bundle: Bundle, rate: int) -> None:
    audio = speech_like(3, rate)
    rt = Runtime(any_bundle, sample_rate=rate, seed=3, head=True)
    whole = run(rt, audio)
    assert whole.shape == (180, 55)

    @settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(st.lists(st.sampled_from([0, 1, 7, 160, 441, 800, 4096]), max_size=60))
    def check(sizes: list[int]) -> None:
        rt.reset()
        np.testing.assert_array_equal(run(rt, audio, sizes), whole)

    check()


def test_live_gives_the_frames_of_step(bundle_at_60: Bundle) -> None:
    audio = speech_like(2, 48000)
    rt = Runtime(bundle_at_60, sample_rate=48000, seed=5, head=True)
    whole = run(rt, audio)
    with rt:
        rt.start()
        rt.push(audio)
        rt.finish()
        frames = drain(rt)
    np.testing.assert_array_equal(np.stack([f.curves for f in frames]), whole)


def test_the_seed_is_the_face(bundle_at_60: Bundle) -> None:
    silence = np.zeros(16000 * 20, np.float32)
    # Curves that the model's own noise does not reach: the head.
    one, same, other = (
        run(Runtime(bundle_at_60, seed=seed, head=True), silence)[:, 52:] for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(one, same)
    assert (one != other).mean() > 0.9


def test_the_head_comes_after_the_curves_when_asked_for(bundle_at_60: Bundle) -> None:
    audio = speech_like(1, 16000)
    plain, turned = Runtime(bundle_at_60), Runtime(bundle_at_60, head=True)
    assert plain.curve_names == CURVES
    assert turned.curve_names == (*CURVES, *HEAD)
    assert (plain.head, turned.head, turned.idle) == (False, True, 1.0)
    frames = run(turned, audio)
    np.testing.assert_array_equal(frames[:, :52], run(plain, audio))
    assert 0 < np.abs(frames[:, 52:]).max() < np.radians(10)
    still = run(Runtime(bundle_at_60, head=True, idle=0), audio)
    assert np.abs(still[:, 52:]).max() == 0


@pytest.mark.parametrize("idle", [-0.1, 1.5, float("nan"), "1", True, None])
def test_a_wrong_amount_is_refused(bundle_at_60: Bundle, idle: object) -> None:
    with pytest.raises(ValueError, match=r"idle: expected a number from 0 to 1, got"):
        Runtime(bundle_at_60, idle=idle)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"head: expected True or False, got"):
        Runtime(bundle_at_60, head=idle if idle is not True else 1)  # type: ignore[arg-type]


def test_a_bundle_sets_its_own_amounts(bundle_at_60: Bundle, tmp_path: Path) -> None:
    still = {"blink": 0, "gaze": 0, "drift": 0.0, "head": 0}
    b = bundle.write(tmp_path, {**bundle_at_60.manifest, "idle": still}, bundle_at_60.tensors)
    audio = speech_like(2, 16000)
    frames = run(Runtime(b, head=True), audio)
    assert np.abs(frames[:, 52:]).max() == 0
    with pytest.raises(BundleError, match=r"idle\.blinks_a_minute: expected a number from 0 to 60"):
        bundle.write(
            tmp_path, {**b.manifest, "idle": {"blinks_a_minute": 99}}, bundle_at_60.tensors
        )
    with pytest.raises(BundleError, match=r"idle: expected only blinks_a_minute.*got 'blinks'"):
        bundle.write(tmp_path, {**b.manifest, "idle": {"blinks": 9}}, bundle_at_60.tensors)


def _demo() -> Path:
    return Path(diffusiontalker.__file__).parent / "data" / "demo.flac"
