"""Streams: curves between their points, voiced frames, the windows of an epoch."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import train_corpus
from paths import CONFIGS

from diffusiontalker.curves import CURVES
from diffusiontalker.train import config, corpora
from diffusiontalker.train.clock import columns_for
from diffusiontalker.train.config import Config
from diffusiontalker.train.data import streams


def test_interpolation_meets_its_points_and_never_overshoots() -> None:
    times = np.array([0.0, 0.04, 0.08, 0.5, 0.54])
    values = np.array([[0.0], [1.0], [1.0], [0.0], [0.3]], np.float32)
    at_points = streams.monotone_cubic(times, values, times)
    np.testing.assert_allclose(at_points, values, atol=1e-6)
    between = streams.monotone_cubic(times, values, np.linspace(-0.1, 0.7, 500))
    assert between.min() >= -1e-6
    assert between.max() <= 1.0 + 1e-6


def test_windows_of_an_epoch_are_the_same_on_every_call(tmp_path: Path) -> None:
    folders = train_corpus.write_corpus(tmp_path)
    settings = config.load(CONFIGS / "tiny.toml", {k: str(v) for k, v in folders.items()})
    takes = [corpora.load(folder).train for folder in folders.values()]
    made = streams.make_version(takes, settings, 1)
    again = streams.make_version(takes, settings, 1)
    assert all(np.array_equal(a.mel, b.mel) for a, b in zip(made, again, strict=True))
    assert all(
        np.array_equal(a.curves, b.curves, equal_nan=True) for a, b in zip(made, again, strict=True)
    )
    names = sorted({stream.speaker for stream in made})
    kwargs = {
        "window_frames": 90,
        "batch": 2,
        "rate": Fraction(60),
        "lookahead_columns": 4,
        "seed": [1, 2],
    }
    first = [load() for load in streams.epoch_batches(made, names, **kwargs)]  # type: ignore[arg-type]
    second = [load() for load in streams.epoch_batches(made, names, **kwargs)]  # type: ignore[arg-type]
    assert len(first) > 3
    for a, b in zip(first, second, strict=True):
        assert np.array_equal(a.mel, b.mel)
        assert a.mel.shape == (2, columns_for(90, Fraction(60), 4), 80)


def test_curves_that_a_take_does_not_have_are_nobodys(tiny: Config) -> None:
    """They stay out of the units, and of a window's truth; takes beside it keep theirs."""
    source = tiny.sources[0]
    takes = corpora.load(tiny.source_path(source), kind=source.kind).train
    assert takes[0].curve_names
    blind = [replace(takes[0], curve_names=("jawOpen",)), replace(takes[1], curve_names=())]
    pucker, jaw = CURVES.index("mouthPucker"), CURVES.index("jawOpen")
    alone, whole = (
        streams.make_stream([take], [streams.Draw()], tiny, np.random.default_rng(0))
        for take in blind
    )
    assert np.isnan(alone.curves[:, pucker]).all()
    assert np.isfinite(alone.curves[:, jaw]).all()
    assert np.isfinite(whole.curves).all()
    mean, std = streams.statistics([alone, whole])
    own_mean, own_std = streams.statistics([whole])
    assert mean[pucker] == own_mean[pucker]
    assert std[pucker] == own_std[pucker]
    assert mean[jaw] != own_mean[jaw]
    together = streams.make_stream(blind, [streams.Draw()] * 2, tiny, np.random.default_rng(0))
    assert np.isnan(together.curves[10, pucker])
    assert np.isfinite(together.curves[-10, pucker])
