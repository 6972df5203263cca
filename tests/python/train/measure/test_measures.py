"""Evaluation end to end: a random bundle on the tests' own takes, the report and its plots."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")

import random_bundle
import train_corpus

from diffusiontalker.bundle import Bundle
from diffusiontalker.curves import CURVES, pascal_case
from diffusiontalker.live_link_csv import COLUMNS, HEADER
from diffusiontalker.train import corpora
from diffusiontalker.train.cli.commands import main
from diffusiontalker.train.config import Config
from diffusiontalker.train.measure import metrics, report, scores, takes


def learnt_bundle(folder: Path, folders: dict[str, Path]) -> Bundle:
    """A random bundle that says it learnt from the measured takes but one and knows anna."""
    source = {
        "name": "measured",
        "held_out": ["take1"],
        "rest_taken_out": {"percentile": 20.0, "curves": ["eyeSquintLeft"]},
        "gain": {"jawOpen": 0.5},
    }
    return random_bundle.write(
        folder,
        identities={"names": ["bert", "anna"], "default": "bert"},
        training={"sources": [source]},
    )


def test_only_what_training_kept_aside_is_scored(tmp_path: Path, folders: dict[str, Path]) -> None:
    bundle = learnt_bundle(tmp_path, folders)
    measured = corpora.load(folders["measured"]).train
    fair = takes.fair_takes(bundle, measured)
    assert [take.id for take in fair] == ["take1"]
    squint, jaw = CURVES.index("eyeSquintLeft"), CURVES.index("jawOpen")
    raw = next(take for take in measured if take.id == "take1")
    assert raw.curves is not None
    assert fair[0].curves is not None
    assert np.abs(fair[0].curves[:, squint]).max() < 1e-6
    np.testing.assert_allclose(fair[0].curves[:, jaw], 0.5 * raw.curves[:, jaw])
    spoken = corpora.load(folders["spoken"]).train
    assert takes.fair_takes(bundle, spoken) == spoken
    assert list(takes.alike(measured + spoken)) == ["25 Hz", "by rule"]


def test_a_report_holds_every_metric_with_its_definition(
    tmp_path: Path, folders: dict[str, Path]
) -> None:
    pytest.importorskip("matplotlib")
    bundle = learnt_bundle(tmp_path / "bundle", folders)
    deltas = np.random.default_rng(0).random((52, 6, 3)).astype(np.float32)
    np.savez(tmp_path / "head.npz", names=list(CURVES), deltas=deltas)
    log = tmp_path / "run" / "0-teacher" / "log.jsonl"
    log.parent.mkdir(parents=True)
    log.write_text("".join(json.dumps({"epoch": i, "loss": 1 / (i + 1)}) + "\n" for i in (0, 1)))
    out = tmp_path / "report"
    command = ["evaluate", str(bundle.path), "--out", str(out), "--run", str(log.parent.parent)]
    command += ["--data", str(folders["measured"]), "--data", str(folders["spoken"])]
    assert main([*command, "--head", str(tmp_path / "head.npz"), "--clips", "3"]) == 0

    content = json.loads((out / "report.json").read_text())
    assert content["about"]["clips"] == 4
    assert set(content["sources"]) == {"measured", "spoken"}
    assert set(content["sources"]["measured"]) == {"auto", "library"}  # an unknown speaker
    own = content["sources"]["spoken"]["own"]
    for key in ("mbe", "lbe_ratio", "fdd_signed", "lve", "lag_jawOpen_ms", "closure_recall"):
        assert isinstance(own[key], float), key
    assert own["seed_spread_lips"] > 0
    library = content["sources"]["spoken"]["library"]
    for key in ("identity_precision", "identity_f1", "decided_share", "music_flaps_a_minute"):
        assert key in library
    assert 0 < library["itf_sampler_s"] < library["itf_s"]

    text = (out / "report.md").read_text()
    for keys, function in metrics.DEFINITIONS:
        assert f"`{keys}`" in text
        assert metrics.definition(function) in text
    for name in ("loss", "curves_measured", "clip_measured_take1", "curves_spoken"):
        assert (out / f"{name}.png").read_bytes().startswith(b"\x89PNG")
        assert f"({name}.png)" in text


def as_live_link(take: Path, folder: Path) -> None:
    """A take of BEAT's form as the phone's app writes it, 60 fps."""
    folder.mkdir()
    document = json.loads(take.read_text())
    lines = [HEADER.replace("BlendShapeCount", "BlendshapeCount")]
    for i, frame in enumerate(document["frames"]):
        value = dict(zip(map(pascal_case, document["names"]), frame["weights"], strict=True))
        row = ",".join(f"{value.get(name, 0.0):.10f}" for name in COLUMNS)
        lines.append(f"10:20:{i // 60:02d}:{i % 60:02d}.250,61,{row}")
    (folder / f"{take.stem}.csv").write_text("\n".join(lines) + "\n")
    shutil.copy(take.with_suffix(".wav"), folder)


def test_a_phones_take_and_the_same_as_beats_are_scored_alike(tmp_path: Path) -> None:
    bundle = random_bundle.write(tmp_path / "bundle")
    beat = tmp_path / "beat"
    train_corpus.write_beat(beat, train_corpus.BeatTake("1_wayne_0_1_1"), seed=11)
    as_live_link(beat / "1_wayne_0_1_1.json", tmp_path / "phone")
    scores = []
    for folder in (beat, tmp_path / "phone"):
        out = tmp_path / f"report_{folder.name}"
        words = ["evaluate", str(bundle.path), "--data", str(folder), "--out", str(out)]
        assert main(words) == 0
        report = json.loads((out / "report.json").read_text())
        assert report["about"]["clips"] == 1
        scores.append(report["sources"][folder.name]["auto"])
    first, second = scores
    assert first["frames"] > 300
    assert abs(first["frames"] - second["frames"]) <= 1  # times to a microsecond, and exact ones
    for key in ("mbe_mean_face", "lbe_mean_face", "mbe", "lbe", "velocity_error_lips"):
        assert second[key] == pytest.approx(first[key], rel=0.02), key


def test_numbers_that_are_none_stay_readable() -> None:
    assert report.plain({"a": [float("nan"), 1.0]}) == {"a": [None, 1.0]}
    assert report.number(float("nan")) == "-"


def test_what_cannot_be_measured_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    bundle = random_bundle.write(tmp_path / "bundle")
    (tmp_path / "empty").mkdir()
    command = ["evaluate", str(bundle.path)]
    assert main(command) == 2
    assert main([*command, "--data", str(tmp_path / "empty")]) == 2
    assert main([*command, "--data", str(tmp_path), "--clips", "0"]) == 2
    assert main([*command, "--data", str(tmp_path), "--head", str(tmp_path / "no.glb")]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 4
    assert "no usable takes" in lines[1]


def test_curves_that_a_take_does_not_have_are_not_scored(tiny: Config) -> None:
    source = tiny.sources[0]
    take = corpora.load(tiny.source_path(source), kind=source.kind).train[0]
    blind = replace(take, curve_names=("jawOpen",))
    frames = round(take.duration_s * 60)
    wild = [np.full((frames, 52), 0.9, np.float32)]
    pairs = scores.at_true_instants([blind], wild, Fraction(60))
    other = np.arange(52) != CURVES.index("jawOpen")
    assert (pairs.predicted[0][:, other] == 0).all()
    assert (pairs.true[0][:, other] == 0).all()
    assert (pairs.predicted[0][:, ~other] == np.float32(0.9)).all()
    (clip,) = scores.clips_of([blind], wild, Fraction(60))
    assert (clip.predicted[:, other] == 0).all()
