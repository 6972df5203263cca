"""Sounds beside clean speech: always the same, and as loud as asked."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")

from diffusiontalker.train import corpora
from diffusiontalker.train.measure import sounds


def test_sounds_that_are_not_speech_are_the_same_on_every_call() -> None:
    first, second = sounds.not_speech(), sounds.not_speech()
    assert first[0].id == "silence"
    for a, b in zip(first, second, strict=True):
        assert np.array_equal(a.audio, b.audio)
        assert np.abs(a.audio).max() <= 1
    assert all(sound.audio.std() > 5e-4 for sound in first[1:])


def test_takes_in_noise_are_as_noisy_as_asked_and_always_the_same(
    folders: dict[str, Path],
) -> None:
    takes = corpora.load(folders["measured"]).train
    first, second = sounds.in_noise(takes, 20.0), sounds.in_noise(takes, 20.0)
    for clean, a, b in zip(takes, first, second, strict=True):
        assert np.array_equal(a.audio, b.audio)
        ratio = np.mean(np.square(clean.audio)) / np.mean(np.square(a.audio - clean.audio))
        assert 10 * np.log10(ratio) == pytest.approx(20.0, abs=0.2)
    assert not np.array_equal(first[0].audio - takes[0].audio, first[1].audio - takes[1].audio)
