"""Takes by name, calibrated; marks between timed phones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import train_corpus

from diffusiontalker.curves import CURVES
from diffusiontalker.train import corpora
from diffusiontalker.train.corpora import Phone
from diffusiontalker.train.corpora.phone_timed import merge_marks


def test_marks_give_their_time_to_neighbours() -> None:
    timed = [
        ("_", 0.0, 0.2), ("b", 0.2, 0.25), ("ˈ", 0.25, 0.3), ("i", 0.3, 0.35), ("ː", 0.35, 0.4),
        (" ", 0.4, 0.5), ("t", 0.5, 0.6), (" ", 0.6, 1.0), ("u", 1.0, 1.1),
    ]  # fmt: skip
    phones = merge_marks(timed)
    assert [p.symbol for p in phones] == ["_", "b", "i", "t", "_", "u"]
    assert phones[2] == Phone("i", 0.25, 0.45, True)
    assert phones[3] == Phone("t", 0.45, 0.6, False)


def test_takes_are_read_by_name_and_broken_ones_are_named(tmp_path: Path) -> None:
    folders = train_corpus.write_corpus(tmp_path)
    corpus = corpora.load(folders["measured"], hold_out=1)
    assert len(corpus.train) == 4
    assert len(corpus.held_out) == 1
    assert {skip.path.stem for skip in corpus.skipped} == {"truncated", "silent"}
    assert any("not whole JSON" in skip.reason for skip in corpus.skipped)
    assert any("no audio" in skip.reason for skip in corpus.skipped)
    by_id = {take.id: take for take in corpus.train + corpus.held_out}
    train_corpus.write_measured(tmp_path / "plain", "shuffled", seed=9)
    plain = corpora.load(tmp_path / "plain").train[0]
    assert plain.curves is not None
    np.testing.assert_array_equal(by_id["shuffled"].curves, plain.curves)
    assert by_id["shuffled"].rate_hz == pytest.approx(25.0)
    with pytest.raises(FileNotFoundError, match="does not exist"):
        corpora.load(tmp_path / "nowhere")


def test_calibration_takes_the_rest_out_and_leaves_the_mouth(tmp_path: Path) -> None:
    train_corpus.write_measured(tmp_path, "one", seed=1)
    corpus = corpora.load(tmp_path)
    squint = [name for name in CURVES if "Squint" in name]
    after = corpora.calibrate(corpus, rest_percentile=20, rest_curves=squint, gain={})
    before_curves, after_curves = corpus.train[0].curves, after.train[0].curves
    assert before_curves is not None
    assert after_curves is not None
    jaw = CURVES.index("jawOpen")
    np.testing.assert_array_equal(before_curves[:, jaw], after_curves[:, jaw])
    assert before_curves[:, CURVES.index("eyeSquintLeft")].mean() == pytest.approx(0.5)
    assert after_curves[:, CURVES.index("eyeSquintLeft")].max() < 1e-6
