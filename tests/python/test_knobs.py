"""`Runtime.set`: by group, name and pattern, exact when streamed, refused by name when wrong."""

from __future__ import annotations

from fnmatch import fnmatchcase

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from test_runtime import drain, run, speech_like

from diffusiontalker import Frame, Runtime, Settings, _core
from diffusiontalker.bundle import Bundle
from diffusiontalker.curves import CURVES, GROUPS, HEAD, UPPER_FACE, indices

FloatArray = NDArray[np.float32]


def moved(bundle: Bundle, **knobs: object) -> tuple[FloatArray, FloatArray]:
    """Frames without and with knobs."""
    audio = speech_like(1, 16000)
    rt = Runtime(bundle, idle=0)
    plain = run(rt, audio)
    rt.reset()
    rt.set(**knobs)  # type: ignore[arg-type]
    return plain, run(rt, audio)


def test_neutral_settings_change_no_bit(bundle_at_60: Bundle) -> None:
    plain, got = moved(
        bundle_at_60, gain={"all": 1}, offset={"jaw": 0}, strength_lower=1.0, smooth_ms=0
    )
    np.testing.assert_array_equal(got, plain)


def test_gain_by_group_pattern_and_name(bundle_at_60: Bundle) -> None:
    plain, got = moved(bundle_at_60, gain={"mouth": 0.5, "eyeBlink*": 0.25, "jawOpen": 2})
    expected = plain.copy()
    expected[:, indices(GROUPS["mouth"])] *= np.float32(0.5)
    expected[:, indices(GROUPS["blink"])] *= np.float32(0.25)
    expected[:, CURVES.index("jawOpen")] *= np.float32(2)
    changed = indices([*GROUPS["mouth"], *GROUPS["blink"], "jawOpen"])
    expected[:, changed] = np.clip(expected[:, changed], 0, 1)
    np.testing.assert_array_equal(got, expected)


def test_the_narrowest_name_counts_whatever_the_order(bundle_at_60: Bundle) -> None:
    one = {"jawOpen": 0.25, "jaw*": 0.75, "lower": 0.5, "all": 0.1}
    first, second = (
        moved(bundle_at_60, gain=gain)[1] for gain in (one, dict(reversed(one.items())))
    )
    np.testing.assert_array_equal(first, second)
    plain, got = moved(bundle_at_60, gain={"jawOpen": 0.25, "all": 0.5})
    at = CURVES.index("jawOpen")
    np.testing.assert_array_equal(got[:, at], np.clip(plain[:, at] * np.float32(0.25), 0, 1))


def test_strengths_multiply_the_two_halves_of_the_face(bundle_at_60: Bundle) -> None:
    assert set(GROUPS["lower"]) | set(GROUPS["upper"]) == set(CURVES)
    plain, got = moved(
        bundle_at_60, strength_lower=0.5, strength_upper=0.25, gain={"eyeBlinkLeft": 0.5}
    )
    scale = np.where(np.isin(CURVES, UPPER_FACE), 0.25, 0.5).astype(np.float32)
    scale[CURVES.index("eyeBlinkLeft")] = 0.125
    np.testing.assert_allclose(got, np.clip(plain * scale, 0, 1), atol=1e-7)


def test_offsets_open_and_stay_within_the_limits(bundle_at_60: Bundle) -> None:
    plain, got = moved(bundle_at_60, offset={"jawOpen": 0.9, "brows": -1})
    at = CURVES.index("jawOpen")
    np.testing.assert_allclose(got[:, at], np.clip(plain[:, at] + 0.9, 0, 1), atol=1e-6)
    assert np.abs(got[:, indices(GROUPS["brows"])]).max() == 0


def test_smoothing_rounds_off(bundle_at_60: Bundle) -> None:
    plain, got = moved(bundle_at_60, smooth_ms=80)
    assert np.abs(np.diff(got, axis=0)).mean() < 0.5 * np.abs(np.diff(plain, axis=0)).mean()
    weight = np.float32(1 - np.exp(-1000 / 60 / 80))
    np.testing.assert_allclose(got[1], plain[0] + weight * (plain[1] - plain[0]), atol=1e-6)


@pytest.mark.parametrize("rate", [16000, 44100, 48000])
def test_a_turn_amid_the_stream_is_exact(any_bundle: Bundle, rate: int) -> None:
    """The next frame delivered has it, also where the core is ahead of what is delivered."""
    audio = speech_like(1.5, rate)
    rt = Runtime(any_bundle, sample_rate=rate, seed=3, head=True)
    cuts = (rate // 2 + 1, rate + 77)

    def turned(before: list[int], between: list[int], after: list[int]) -> FloatArray:
        rt.reset()
        rt.set(gain={}, offset={}, smooth_ms=0)
        frames: list[FloatArray] = []

        def take(start: int, stop: int, sizes: list[int]) -> None:
            for size in sizes:
                size = min(size, stop - start)
                frames.append(rt.step(audio[start : start + size]))
                start += size
            frames.append(rt.step(audio[start:stop]))

        take(0, cuts[0], before)
        rt.set(gain={"mouth": 1.7, "head": 2}, offset={"jawOpen": 0.1}, smooth_ms=30)
        take(cuts[0], cuts[1], between)
        rt.set(gain={}, smooth_ms=0)
        take(cuts[1], len(audio), after)
        return np.concatenate([*frames, rt.flush()])

    whole = turned([], [], [])
    assert whole.shape == (90, 55)
    sizes = st.lists(st.sampled_from([0, 1, 7, 160, 441, 800, 4096]), max_size=30)

    @settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(sizes, sizes, sizes)
    def check(before: list[int], between: list[int], after: list[int]) -> None:
        np.testing.assert_array_equal(turned(before, between, after), whole)

    check()
    rt.reset()
    rt.set(gain={}, offset={}, smooth_ms=0)
    plain = run(rt, audio)
    due = int((np.abs(whole - plain).max(axis=1) > 0).argmax())
    rt.reset()
    assert due == len(rt.step(audio[: cuts[0]]))


def test_live_turns_show_on_poll(bundle_at_60: Bundle) -> None:
    audio = speech_like(1, 16000)
    rt = Runtime(bundle_at_60, seed=5)
    plain = run(rt, audio)
    with rt:
        rt.start()
        rt.push(audio[:8000])
        frames: list[Frame] = []
        while len(frames) < 20:
            frames += rt.poll(0.1)
        turned = len(frames)
        rt.set(strength_lower=0, strength_upper=0)
        rt.push(audio[8000:])
        rt.finish()
        frames += drain(rt)
    got = np.stack([f.curves for f in frames])
    np.testing.assert_array_equal(got[:turned], plain[:turned])
    assert got[turned:].max() == 0
    assert len(got) == len(plain)


def test_settings_say_what_is_in_force(bundle_at_60: Bundle) -> None:
    rt = Runtime(bundle_at_60)
    assert rt.settings == Settings()
    rt.set(gain={"mouth": 1.3})
    rt.set(smooth_ms=20, strength_upper=2)
    expected = Settings(gain={"mouth": 1.3}, smooth_ms=20.0, strength_upper=2.0)
    assert rt.settings == expected
    rt.reset()
    assert rt.settings == expected
    rt.set(gain={"jaw": 2})  # in place of what was given before
    assert rt.settings.gain == {"jaw": 2}


@pytest.mark.parametrize(
    ("knobs", "words"),
    [
        ({"gain": {"mout": 1}}, r"gain: 'mout' is no group.*did you mean mouth"),
        ({"gain": {"jawopen": 1}}, r"'jawopen'.*did you mean jawOpen"),
        ({"offset": {"eyeBlnkLeft": 0}}, r"offset: 'eyeBlnkLeft'.*eyeBlinkLeft"),
        ({"gain": {"eyeBlonk*": 1}}, r"'eyeBlonk\*'.*eyeBlink"),
        ({"gain": {"zzz": 1}}, r"'zzz'.*groups are mouth, jaw, lips, eyes"),
        ({"gain": {"head": 1}}, r"'head'.*head=True"),
        ({"gain": {"headYaw": 1}}, r"'headYaw'.*head=True"),
        ({"gain": {"jaw": -1}}, r"gain: jaw: expected a number from 0 to 10, got -1"),
        ({"gain": {"jaw": float("nan")}}, r"gain: jaw.*got nan"),
        ({"gain": {"jaw": "2"}}, r"gain: jaw.*got '2'"),
        ({"gain": {"jaw": True}}, r"gain: jaw.*got True"),
        ({"gain": {"jaw": None}}, r"gain: jaw: expected a number"),
        ({"gain": {3: 1}}, r"gain: expected names.*got 3"),
        ({"gain": 1.3}, r"gain: expected numbers by group.*got 1.3"),
        ({"offset": {"jaw": 1.5}}, r"offset: jaw: expected a number from -1 to 1, got 1.5"),
        ({"strength_lower": 11}, r"strength_lower.*0 to 10, got 11"),
        ({"strength_upper": float("inf")}, r"strength_upper.*got inf"),
        ({"smooth_ms": -1}, r"smooth_ms: expected a number from 0 to 1000, got -1"),
    ],
)
def test_what_is_wrong_is_refused_by_name_and_changes_nothing(
    bundle_at_60: Bundle, knobs: dict[str, object], words: str
) -> None:
    rt = Runtime(bundle_at_60)
    rt.set(gain={"mouth": 0.5})
    before = rt.settings
    with pytest.raises(ValueError, match=words):
        rt.set(**{"smooth_ms": 50, **knobs})  # type: ignore[arg-type]
    assert rt.settings == before
    audio = speech_like(0.5, 16000)
    other = Runtime(bundle_at_60)
    other.set(gain={"mouth": 0.5})
    np.testing.assert_array_equal(run(rt, audio), run(other, audio))


def test_groups_mean_what_the_runtime_takes_them_for() -> None:
    """The rules are the C library's as well (cpp/src/curves/knob_settings.cpp)."""
    names = (*CURVES, *HEAD)
    knobs = _core.Knobs(names, len(CURVES), 1 / 60)
    for group, members in GROUPS.items():
        assert [names[i] for i in knobs.chosen(group)] == [n for n in names if n in members]
    assert not _core.Knobs(CURVES, len(CURVES), 1 / 60).chosen("head")


@given(pattern=st.text("*?[]!-aeyBlinkjOpL", max_size=12))
def test_patterns_are_those_of_the_shell(pattern: str) -> None:
    names = ("eyeBlinkLeft", "jawOpen", "a", "-", "]", "[", "!", "")
    knobs = _core.Knobs(names, len(names), 1 / 60)
    chosen = [names[i] for i in knobs.chosen(pattern)]
    assert chosen == [name for name in names if fnmatchcase(name, pattern)]
