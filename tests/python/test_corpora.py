"""Corpora: each form of takes, what is refused in it, and faces against their sound."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")

import train_corpus
from train_corpus import BeatTake

from diffusiontalker.curves import CURVES
from diffusiontalker.train import corpora
from diffusiontalker.train.corpora.sync import estimate_offset, synchronise

SECONDS = train_corpus.BEAT_SECONDS
FRAMES = round(60 * SECONDS)
JAW = CURVES.index("jawOpen")
CONFIG = """
name = "beat"
seed = 5
threads = 1
train_steps = 32

[encoder]
channels = 16
dilations = [1, 2]
lookahead_columns = 4

[decoder]
hidden = 32
layers = 2
step_dim = 8
identity_hidden = 8

[augmentation]
versions = 1

[[sources]]
name = "beat"
path = "beat"
kind = "beat"
licence = "made by the test"
hold_out_per_speaker = 1

[[stages]]
steps = 32
epochs = 2
batch = 4
window_frames = 90

[[stages]]
steps = 16
epochs = 1
batch = 4
window_frames = 90
"""


def by_id(corpus: corpora.Corpus) -> dict[str, corpora.Recording]:
    return {take.id: take for take in corpus.train + corpus.held_out}


# ------------------------------------------------------------------------------------------- BEAT


@pytest.fixture(scope="module")
def beat_corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train_corpus.write_beat_corpus(tmp_path_factory.mktemp("corpus") / "beat")


@pytest.fixture(scope="module")
def beat_takes(beat_corpus: Path) -> corpora.Corpus:
    return corpora.load(beat_corpus, kind="beat")


def test_beat_takes_are_read_by_name_at_any_rate(beat_takes: corpora.Corpus) -> None:
    corpus, takes = beat_takes, by_id(beat_takes)
    assert {take.speaker for take in takes.values()} == {
        "1_wayne", "2_scott", "3_solomon", "4_lawrence", "5_stewart",
    }  # fmt: skip
    reasons = {skip.path.stem: skip.reason for skip in corpus.skipped}
    assert set(reasons) == {
        "3_solomon_0_2_2", "4_lawrence_0_1_1", "1_wayne_0_3_3", "5_stewart_0_1_1",
    }  # fmt: skip
    assert "not whole JSON" in reasons["3_solomon_0_2_2"]
    assert "no audio file 4_lawrence_0_1_1.wav" in reasons["4_lawrence_0_1_1"]
    assert "uneven frame" in reasons["1_wayne_0_3_3"]
    assert "early" in reasons["5_stewart_0_1_1"]
    for take in takes.values():
        assert take.curves is not None
        assert take.rate_hz == pytest.approx(60.0, rel=1e-3)
        assert set(CURVES) - set(take.curve_names) == {"tongueOut"}
        assert len(take.audio) == pytest.approx(16000 * take.duration_s, abs=1)
        assert take.curves[:, CURVES.index("eyeWideLeft")].max() == 0.0
    # Names in another order, another rate and stereo change nothing.
    for name, seed in (("4_lawrence_0_3_3", 34), ("3_solomon_0_1_1", 13)):
        opening = train_corpus.beat_opening(seed, SECONDS)
        curves = takes[name].curves
        assert curves is not None
        np.testing.assert_allclose(curves[:, JAW], 0.5 * opening, atol=1e-4)
    stereo = takes["3_solomon_0_1_1"]
    assert len(stereo.audio) == pytest.approx(SECONDS * 16000, abs=2)
    assert float(np.abs(stereo.audio).max()) > 0.2


def test_a_late_face_is_moved_and_said(beat_takes: corpora.Corpus, tmp_path: Path) -> None:
    takes = by_id(beat_takes)
    late = takes["2_scott_0_2_2"]
    assert late.offset is not None
    assert late.offset.shifted
    assert late.offset.late_s == pytest.approx(0.12, abs=0.015)
    assert "ms late: moved into place" in corpora.changes(late)[0]
    assert [take.id for take in takes.values() if take.offset and take.offset.shifted] == [late.id]
    # Afterwards it is in place, and sound without a face is cut off.
    again = estimate_offset(late)
    assert again is not None
    assert abs(again.late_s) < 0.015
    assert late.times_s is not None
    assert late.curves is not None
    assert 0.0 <= late.times_s[0] < 1 / 60
    assert late.duration_s == pytest.approx(SECONDS - 0.12, abs=0.02)
    opening = train_corpus.beat_opening(22, SECONDS)
    there = np.interp(late.times_s, np.arange(FRAMES) / 60, opening)
    assert np.corrcoef(there, late.curves[:, JAW])[0, 1] > 0.98
    # An early one loses sound before the face begins.
    early = tmp_path / "early"
    train_corpus.write_beat(early, BeatTake("9_x_0_1_1", late_s=-0.15), seed=3)
    moved = corpora.load(early).train[0]
    assert moved.offset is not None
    assert moved.offset.late_s == pytest.approx(-0.15, abs=0.015)
    assert moved.duration_s == pytest.approx(SECONDS - 0.15, abs=0.02)
    there = np.interp(
        moved.times_s + 0.15, np.arange(FRAMES) / 60, train_corpus.beat_opening(3, SECONDS)
    )
    assert np.corrcoef(there, moved.curves[:, JAW])[0, 1] > 0.98


def test_offsets_can_be_reported_only_or_left_alone(tmp_path: Path) -> None:
    train_corpus.write_beat(tmp_path, BeatTake("1_a_0_1_1", late_s=0.3), seed=1)
    assert corpora.load(tmp_path, sync="off").train[0].offset is None
    told = corpora.load(tmp_path, sync="report").train[0]
    assert told.offset is not None
    assert told.offset.clear
    assert told.offset.late_s == pytest.approx(0.3, abs=0.015)
    assert told.duration_s == SECONDS
    refused = corpora.load(tmp_path)
    assert "ms late" in refused.skipped[0].reason
    assert "the limit is 250 ms" in refused.skipped[0].reason
    assert len(corpora.load(tmp_path, max_offset_s=0.4).train) == 1
    report = corpora.offset_report([told])
    assert report["clear"] == 1
    assert report["median_ms"] == pytest.approx(300, abs=15)
    assert report["shifted_ms"] == {}


def test_a_face_that_does_not_follow_the_sound_is_left_alone(tmp_path: Path) -> None:
    train_corpus.write_beat(tmp_path, BeatTake("1_a_0_1_1"), seed=1)
    take = corpora.load(tmp_path).train[0]
    assert take.curves is not None
    rng = np.random.default_rng(0)
    shuffled = take.curves[rng.permutation(len(take.curves))]
    unclear = synchronise(replace(take, curves=shuffled), "shift", 0.25)
    assert unclear.offset is not None
    assert not unclear.offset.clear
    assert np.array_equal(unclear.audio, take.audio)
    assert estimate_offset(replace(take, curves=None, times_s=None)) is None


def test_a_real_face_in_sync_is_found_in_sync(shared: Path) -> None:
    """Clips of 3 s say little each; twenty of them together say that the face is in place."""
    takes = []
    for path in sorted((shared / "data" / "grid_s1").glob("*.json"))[:21]:
        if path.stem != "words":
            take = corpora.take_at(path)
            assert take is not None
            takes.append(take.read(speaker="s1"))
    assert not any(synchronise(take, "shift", 0.25).offset.shifted for take in takes)
    joined = replace(
        takes[0],
        audio=np.concatenate([take.audio for take in takes]),
        curves=np.concatenate([take.curves for take in takes]),
        times_s=np.concatenate(
            [take.times_s + sum(t.duration_s for t in takes[:i]) for i, take in enumerate(takes)]
        ),
    )
    offset = estimate_offset(joined)
    assert offset is not None
    assert offset.clear
    assert abs(offset.late_s) < 0.05
    late = estimate_offset(replace(joined, times_s=joined.times_s + 0.12))
    assert late is not None
    assert late.clear
    assert late.late_s == pytest.approx(offset.late_s + 0.12, abs=0.02)


def test_a_lost_face_leaves_the_longest_whole_stretch(tmp_path: Path) -> None:
    train_corpus.write_beat(tmp_path, BeatTake("1_a_0_1_1"), seed=1)
    path = tmp_path / "1_a_0_1_1.json"
    document = json.loads(path.read_text())
    whole = document["frames"]
    document["frames"] = whole[:10] + whole[12:120] + whole[180:]  # a blink of a hole, and 1 s
    path.write_text(json.dumps(document))
    take = corpora.load(tmp_path, sync="off").train[0]
    assert take.duration_s == pytest.approx(SECONDS - 3.0, abs=0.001)
    assert take.rate_hz == pytest.approx(60.0, rel=1e-3)
    assert "no face at" in take.notes[0]
    opening = train_corpus.beat_opening(1, SECONDS)[180:]
    np.testing.assert_allclose(take.curves[:, JAW], 0.5 * opening, atol=1e-4)
    assert take.times_s[0] < 1e-3


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda d: d.update(names=d["names"][:-1]), "expected 50 a frame"),
        (lambda d: d.update(names=["jawOpen", "JawOpen", *d["names"][2:]]), "named twice"),
        (lambda d: d.update(names=[f"x{i}" for i in range(51)]), "no ARKit curve"),
        (lambda d: d.update(frames=d["frames"][:1]), "1 frames"),
        (lambda d: d.update(frames=[]), "0 frames"),
        (lambda d: d.update(frames=["a", "b"]), "uneven frame"),
        (lambda d: d["frames"][3].update(time=None), "uneven frame"),
        (lambda d: d["frames"][3].update(time=0.0), "do not rise"),
        (lambda d: d["frames"][3]["weights"].__setitem__(0, float("nan")), "NaN"),
        (lambda d: d.update(frames=d["frames"][:200]), "longer than the face"),
    ],
)
def test_what_is_wrong_with_a_take_is_said(tmp_path: Path, change, reason: str) -> None:
    train_corpus.write_beat(tmp_path, BeatTake("1_a_0_1_1"), seed=1)
    path = tmp_path / "1_a_0_1_1.json"
    document = json.loads(path.read_text())
    change(document)
    path.write_text(json.dumps(document))
    skipped = corpora.load(tmp_path, kind="beat").skipped
    assert len(skipped) == 1
    assert reason in skipped[0].reason
    assert "1_a_0_1_1.json" in skipped[0].reason


def test_takes_that_were_read_are_not_read_again(tmp_path: Path) -> None:
    folder, cache = tmp_path / "corpus", tmp_path / "cache"
    train_corpus.write_beat(folder, BeatTake("1_a_0_1_1"), seed=1)
    train_corpus.write_spoken(folder, "one", "anna")
    first = corpora.load(folder, cache=cache)
    entries = {path: path.stat().st_mtime_ns for path in cache.iterdir()}
    again = corpora.load(folder, cache=cache)
    assert {path: path.stat().st_mtime_ns for path in cache.iterdir()} == entries
    for before, after in zip(first.train, again.train, strict=True):
        np.testing.assert_array_equal(before.audio, after.audio)
        np.testing.assert_array_equal(before.curves, after.curves)
        assert replace(before, audio=after.audio, curves=None, times_s=None) == replace(
            after, curves=None, times_s=None
        )
    # A changed file and a damaged entry are read afresh.
    train_corpus.write_beat(folder, BeatTake("1_a_0_1_1"), seed=2)
    next(iter(cache.iterdir())).write_bytes(b"PK damaged")
    changed = corpora.load(folder, cache=cache)
    assert not np.array_equal(changed.train[0].curves, first.train[0].curves)
    assert len(changed.train) == 2


@pytest.mark.slow
def test_a_beat_corpus_trains_and_the_report_says_what_was_dropped(tmp_path: Path) -> None:
    train_corpus.write_beat_corpus(tmp_path / "beat")
    (tmp_path / "beat.toml").write_text(CONFIG)
    out = tmp_path / "run"
    command = [
        sys.executable,
        "-m",
        "diffusiontalker.train.cli",
        "run",
        str(tmp_path / "beat.toml"),
    ]
    done = subprocess.run(
        [*command, "--out", str(out)],
        capture_output=True,
        text=True,
        timeout=300,
        env={**os.environ, "COLUMNS": "200"},
    )
    assert done.returncode == 0, done.stderr
    report = json.loads((out / "data.json").read_text())
    beat = report["beat"]
    assert beat["speakers"] == ["1_wayne", "2_scott", "3_solomon", "4_lawrence", "5_stewart"]
    assert beat["takes"] == 6
    assert len(beat["held_out"]) == 5
    assert beat["rates_hz"] == [60.0]
    assert beat["missing_curves"] == ["tongueOut"]
    assert beat["hours"] == pytest.approx(6 * SECONDS / 3600, rel=0.02)
    offsets = beat["offsets"]
    assert list(offsets["shifted_ms"]) == ["2_scott_0_2_2"]
    assert offsets["shifted_ms"]["2_scott_0_2_2"] == pytest.approx(120, abs=15)
    assert offsets["estimated"] == 11
    skipped = " ".join(report["skipped"])
    for name, reason in (
        ("3_solomon_0_2_2.json", "not whole JSON"),
        ("4_lawrence_0_1_1.json", "no audio file"),
        ("1_wayne_0_3_3.json", "uneven frame"),
        ("5_stewart_0_1_1.json", "ms early"),
    ):
        assert f"skipped {name}" in done.stdout
        assert name in skipped
        assert reason in skipped
    assert len(report["skipped"]) == 4
    assert "2_scott_0_2_2: the face was" in done.stdout
    scores = json.loads((out / "report.json").read_text())
    assert scores["beat"]["own"]["clips"] == 5
    assert (out / "bundle" / "manifest.json").exists()
