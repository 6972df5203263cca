"""Timed phones performed by rule: what the mouth does, and when."""

from __future__ import annotations

import numpy as np
import pytest

from diffusiontalker.curves import CURVES
from diffusiontalker.train import lip_axes
from diffusiontalker.train.corpora import Phone
from diffusiontalker.train.data.performer import perform, style_of
from diffusiontalker.train.measure import metrics


def performance(symbols: str, **options: object) -> tuple[np.ndarray, list[Phone]]:
    phones = [Phone("_", 0.0, 0.5)]
    for symbol in symbols:
        phones.append(Phone(symbol, phones[-1].end_s, phones[-1].end_s + 0.1, True))
    phones.append(Phone("_", phones[-1].end_s, phones[-1].end_s + 0.7))
    frames = int(phones[-1].end_s * 60)
    curves = perform(phones, frames, style=style_of("anna"), seed=1, **options)  # type: ignore[arg-type]
    return curves, phones


def at(curves: np.ndarray, name: str, seconds: float) -> float:
    return float(curves[round(seconds * 60), CURVES.index(name)])


@pytest.mark.parametrize("symbol", "pbm")
def test_bilabials_close_between_open_vowels(symbol: str) -> None:
    curves, phones = performance(f"ɑ{symbol}ɑ")
    middle_s = phones[2].start_s + 0.05
    gap = (curves @ lip_axes.matrix())[:, 0]  # on the head that the mouth was fitted to
    assert gap[round(middle_s * 60)] < 0.005
    assert at(curves, "mouthPressLeft", middle_s) > 0.1  # 0.14 where measured lips close
    assert at(curves, "jawOpen", phones[1].start_s + 0.05) > 0.15
    assert metrics.closures(curves, phones, 60.0) == (1, 1)


def test_the_mouth_is_shut_in_silence_and_alive_in_speech() -> None:
    curves, phones = performance("ɑsuʃifo")
    rest = [0.1, phones[-1].end_s - 0.2]
    for name in ("jawOpen", "mouthFunnel", "mouthPucker", "mouthLowerDownLeft"):
        # Measured jaws begin to open for a wide vowel while it is still silent, and rest is not 0.
        most = 0.12 if name == "mouthPucker" else 0.05
        assert all(at(curves, name, t) < most for t in rest), name
    spoken = curves[30 : int(phones[-1].start_s * 60)]
    for name, least in (("jawOpen", 0.15), ("mouthPucker", 0.1), ("mouthFunnel", 0.03)):
        assert spoken[:, CURVES.index(name)].max() > least, name
    assert curves.min() >= 0.0
    assert curves.max() <= 1.0


@pytest.mark.parametrize("pause_s", [0.5, 1.0, 3.0])
def test_the_mouth_shuts_smoothly_into_a_silence_of_any_length(pause_s: float) -> None:
    phones = [Phone("_", 0.0, pause_s)]
    for symbol in "ɑtoɑ":
        phones.append(Phone(symbol, phones[-1].end_s, phones[-1].end_s + 0.1))
    phones.append(Phone("_", phones[-1].end_s, phones[-1].end_s + pause_s))
    curves = perform(phones, int(phones[-1].end_s * 60), style=style_of("anna"), seed=1)
    jaw = curves[:, CURVES.index("jawOpen")]
    assert jaw.max() > 0.3
    assert np.abs(np.diff(jaw)).max() < 0.5 * jaw.max()
    assert at(curves, "jawOpen", phones[-1].start_s + 0.25) < 0.02


def test_lips_round_early_tuck_for_f_and_narrow_for_s() -> None:
    curves, phones = performance("tttu")
    start_s = phones[4].start_s
    assert at(curves, "mouthPucker", start_s - 0.03) > 0.05  # as measured faces do
    tucked, phones = performance("ɑfɑ")
    assert at(tucked, "mouthRollLower", phones[2].start_s + 0.05) > 0.3
    hissed, phones = performance("ɑsɑ")
    middle_s = phones[2].start_s + 0.05  # the jaw comes a little later than the sound
    assert at(hissed, "jawOpen", middle_s + 0.03) < 0.85 * at(hissed, "jawOpen", middle_s - 0.15)


def test_a_performance_follows_from_its_seed_and_the_mouth_from_the_phones() -> None:
    first, phones = performance("ɑsu" * 8)
    again = perform(phones, len(first), style=style_of("anna"), seed=1)
    other = perform(phones, len(first), style=style_of("anna"), seed=2)
    assert np.array_equal(first, again)
    lips = [CURVES.index(name) for name in ("jawOpen", "mouthPucker", "mouthFunnel")]
    assert np.array_equal(first[:, lips], other[:, lips])
    assert not np.array_equal(first, other)
    assert style_of("anna") == style_of("anna")
    assert style_of("anna") != style_of("bert")
