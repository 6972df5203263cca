"""Corpora: each form of takes, what is refused in it, and faces against their sound."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import soundfile

pytest.importorskip("torch")

import train_corpus
from train_corpus import BeatTake
from vocaset_corpus import write_vocaset

from diffusiontalker.curves import CURVES
from diffusiontalker.frames import Bye, Schema
from diffusiontalker.live_link_csv import COLUMNS, HEADER
from diffusiontalker.stream.outputs.recorder import CsvRecorder
from diffusiontalker.stream.session.stamp import make_frame
from diffusiontalker.train import config, corpora
from diffusiontalker.train.corpora import Phone
from diffusiontalker.train.corpora.live_link import seconds_of
from diffusiontalker.train.corpora.phones import ARPABET, KNOWN, LOOKS_LIKE, shapes_of, to_shapes
from diffusiontalker.train.corpora.sync import estimate_offset, synchronise
from diffusiontalker.train.corpora.vocaset import solve_weights, unpickle
from diffusiontalker.train.data import performer, streams

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


def test_frames_beyond_the_sound_are_left_out(tmp_path: Path) -> None:
    for i in (1, 2):
        name = f"1_a_0_{i}_{i}"
        train_corpus.write_beat(tmp_path, BeatTake(name), seed=i)
        path = tmp_path / f"{name}.wav"
        sound, rate_hz = soundfile.read(path, dtype="float32")
        soundfile.write(path, sound[: -int(0.3 * rate_hz)], rate_hz)
    takes = corpora.load(tmp_path).train
    assert [len(take.times_s) for take in takes] == [FRAMES - 18] * 2
    # One after another without a pause, they make a stream whose curves are numbers in range.
    settings = config.Config(name="x", sources=(), stages=())
    made = streams.make_stream(
        takes, [streams.Draw(), streams.Draw()], settings, np.random.default_rng(0)
    )
    curves = made.curves[:, takes[0].seen]
    assert np.isfinite(curves).all()
    assert 0.0 <= curves.min() <= curves.max() <= 0.51


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
        (lambda d: d.update(frames=d["frames"][:30]), "the face 0.50 s long"),
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


# --------------------------------------------------------------------------------- Live Link Face


def distinct_curves(frames: int) -> np.ndarray:
    """(frames, 52): every curve its own level, jawOpen moving, so that a swap shows."""
    curves = np.tile((np.arange(52) + 1) / 64.0, (frames, 1))
    curves[:, JAW] = 0.3 + 0.2 * np.sin(np.arange(frames) / 5)
    return curves.astype(np.float32)


def write_wav(path: Path, seconds: float, rate_hz: int = 16000) -> None:
    time = np.arange(round(seconds * rate_hz)) / rate_hz
    soundfile.write(path, (0.1 * np.sin(2 * np.pi * 200 * time)).astype(np.float32), rate_hz)


@pytest.mark.parametrize("rate", [Fraction(60), Fraction(30000, 1001), Fraction(25)])
def test_our_own_csv_comes_back_with_every_curve_under_its_name(
    tmp_path: Path, rate: Fraction
) -> None:
    frames = int(70 * rate)  # over a minute: what drop-frame code would look like is in it
    curves = distinct_curves(frames)
    schema = Schema("face", 1, CURVES, rate.numerator, rate.denominator, "m", "v", 0.0, 16000, 0, 0)
    recorder = CsvRecorder(tmp_path / "take.csv")
    recorder.announce(schema)
    for index, values in enumerate(curves):
        recorder.send(make_frame(schema, index, index, index, 0, values))
    recorder.close(Bye("face", 1, frames, "done"))
    write_wav(tmp_path / "take.wav", frames / float(rate))
    header = (tmp_path / "take.csv").read_text().split("\n")[0].split(",")
    assert header.index("JawRight") < header.index("JawLeft")  # unlike the UDP packets
    take = corpora.load(tmp_path, sync="off").train[0]
    for i, name in enumerate(CURVES):
        np.testing.assert_allclose(take.curves[:, i], curves[:, i], atol=1e-6, err_msg=name)
    assert set(take.curve_names) == set(CURVES)
    assert take.rate_hz == pytest.approx(float(rate), rel=2e-4)
    np.testing.assert_allclose(take.times_s, np.arange(frames) / float(rate), atol=1.1e-3)
    assert take.speaker == tmp_path.name


def write_csv(path: Path, codes: list[str], rows: list[str] | None = None) -> None:
    """A take of the phone's: its column order, its spelling of the count's name."""
    header = HEADER.replace("BlendShapeCount", "BlendshapeCount")
    values = {name: 0.01 * i for i, name in enumerate(COLUMNS)}
    line = ",".join(f"{values[name]:.10f}" for name in COLUMNS)
    lines = [
        f"{code},61,{row}" for code, row in zip(codes, rows or [line] * len(codes), strict=True)
    ]
    path.write_text(header + "\n" + "\n".join(lines) + "\n")


def label(frame: int, base: int = 60, start_s: int = 0) -> str:
    """HH:MM:SS:FF of a frame that is counted without gaps."""
    second, rest = divmod(frame, base)
    second += start_s
    return f"{second // 3600:02d}:{second // 60 % 60:02d}:{second % 60:02d}:{rest:02d}.652"


def test_a_phones_take_with_missing_rows_a_lost_face_and_midnight(tmp_path: Path) -> None:
    codes = [label(i) for i in range(60 * 86399, 60 * 86400)]
    codes += [label(i) for i in range(300) if i not in (30, 31)]  # two frames were not written
    whole = ",".join(["0.5"] * 61)
    rows = [whole] * len(codes)
    rows[100] = "," * 60  # a row without a face
    folder = tmp_path / "20260102_Slate_1"
    folder.mkdir()
    write_csv(folder / "Slate_1_Phone.csv", codes, rows)
    write_wav(folder / "Slate_1_Phone.wav", 6.0, 48000)
    write_csv(folder / "Slate_1_Phone_neutral.csv", codes[:1], rows[:1])
    write_csv(folder / "Slate_1_Phone_raw.csv", codes, rows)
    (folder / "frame_log.csv").write_text("kind,frame\n")
    corpus = corpora.load(tmp_path)
    assert not corpus.skipped
    (take,) = corpus.train
    assert take.id == "Slate_1_Phone"
    assert take.speaker == tmp_path.name  # not the take's own folder
    assert take.rate_hz == pytest.approx(60.0)
    assert take.times_s[0] == 0.0
    assert take.times_s[-1] == pytest.approx(6.0 - 1 / 60)
    assert len(take.times_s) == 357
    assert take.notes == ("1 of 358 rows without a face",)
    # With a calibrated variant beside the raw one, the calibrated is the take.
    (folder / "Slate_1_Phone.csv").rename(folder / "Slate_1_Phone_cal.csv")
    assert [t.id for t in corpora.load(tmp_path).train] == ["Slate_1_Phone_cal"]


def test_timecodes() -> None:
    def steps(codes: list[str], rate: int | None = None) -> np.ndarray:
        return np.diff(seconds_of(codes, rate))

    # Drop-frame: 00:00:59;29 is followed by 00:01:00;02, and time goes on evenly.
    at_30 = ["00:00:59;28", "00:00:59;29", "00:01:00;02", "00:01:00;03"]
    np.testing.assert_allclose(steps(at_30), 1001 / 30000, rtol=1e-9)
    unmarked = [code.replace(";", ":") for code in at_30]
    np.testing.assert_allclose(steps(unmarked), 1001 / 30000, rtol=1e-9)
    at_60 = ["00:09:58:59", "00:09:59:00", "00:09:59:58", "00:09:59:59", "00:10:00:00"]
    np.testing.assert_allclose(steps(at_60), [1 / 60, 58 / 60, 1 / 60, 1 / 60], rtol=1e-9)
    jump = ["00:08:59:58", "00:08:59:59", "00:09:00:04", "00:09:00:05"]
    np.testing.assert_allclose(steps(jump), 1001 / 60000, rtol=1e-9)
    # A whole hour of labels is an hour of time but for 3.6 ms.
    whole = seconds_of(["00:00:00;00", "01:00:00;00"], 30)
    assert whole[1] == pytest.approx(3600, abs=0.004)
    # Without it the second is real time, and the largest number tells the base.
    np.testing.assert_allclose(steps(["00:00:00:23.500", "00:00:01:00.000"]), 0.5 / 24)
    np.testing.assert_allclose(steps(["00:00:00:24", "00:00:01:00"]), 1 / 25)
    np.testing.assert_allclose(steps(["10:00:00:10", "10:00:00:11"]), 1 / 60)
    for wrong in ("1:2:3", "", "00:00:00:240", "aa:00:00:00"):
        with pytest.raises(ValueError, match="timecode"):
            seconds_of([wrong])


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("Timecode,BlendShapeCount,JawOpen,JawLeft\n00:00:00:00,61,1,0\n00:00:00:01,61,0.", "cut"),
        ("Timecode,BlendShapeCount,JawOpen\n00:00:00:00,61,0.1\n00:00:00:01,61,x\n", "line 3"),
        ("Timecode,BlendShapeCount,JawOpen\n00:00:00:00,61,0.1\n", "1 rows with a face"),
        ("Timecode,BlendShapeCount,JawOpen\nnoon,61,0.1\n00:00:00:01,61,0.1\n", "timecode 'noon'"),
        ("Timecode,BlendShapeCount,JawOpen\n00:00:00:00,61,0.1\n00:00:00:01,61,0.1\n", "no audio"),
    ],
)
def test_a_broken_csv_is_skipped_and_named(tmp_path: Path, text: str, reason: str) -> None:
    (tmp_path / "one.csv").write_text(text)
    skipped = corpora.load(tmp_path).skipped
    assert len(skipped) == 1
    assert skipped[0].path.name == "one.csv"
    assert reason in skipped[0].reason


def test_the_sound_of_a_take_may_be_in_its_video(tmp_path: Path) -> None:
    codes = [label(i, start_s=3600) for i in range(120)]
    write_csv(tmp_path / "a.csv", codes)
    # The film starts a quarter of a second before the first row.
    pytest.importorskip("av")
    train_corpus.write_video(tmp_path / "a.mov", 2.25, timecode="00:59:59:22")
    (take,) = corpora.load(tmp_path, sync="off").train
    assert len(take.audio) == pytest.approx(2.25 * 16000, abs=40)
    loud = np.flatnonzero(np.abs(take.audio) > 0.05)[0] / 16000
    assert loud == pytest.approx(0.5, abs=0.01)
    start_s = 8 / 30 + 0.652 / 60
    assert take.times_s[0] == pytest.approx(start_s, abs=1e-6)
    (tmp_path / "a.mov").write_bytes(b"no film")
    assert "cannot read a.mov" in corpora.load(tmp_path).skipped[0].reason


def test_without_pyav_a_video_is_refused_with_the_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_csv(tmp_path / "a.csv", [label(i) for i in range(120)])
    (tmp_path / "a.mov").write_bytes(b"")
    monkeypatch.setitem(sys.modules, "av", None)
    assert "pip install 'diffusiontalker[capture]'" in corpora.load(tmp_path).skipped[0].reason


# ------------------------------------------------------------------------------------ phone times


def test_phone_labels_of_aligners_and_dictionaries() -> None:
    assert set(performer.PHONES) - {"_"} == KNOWN
    for label, shapes in (
        ("AY1", "aɪ"), ("CH", "tʃ"), ("UW0", "u"), ("Y", "j"), ("y", "u"), ("HH", "h"),
        ("ow", "oʊ"), ("aj", "aɪ"), ("əw", "əʊ"), ("ej", "eɪ"), ("t͡ʃ", "tʃ"), ("tʃ", "tʃ"),
        ("ʤ", "dʒ"), ("pʰ", "p"), ("ɑː", "ɑ"), ("ˈiː", "i"), ("ã", "a"), ("t̪", "t"), ("mʲ", "m"),
        ("ɫ", "l"), ("ɝ", "ɜ"), ("bcl", "b"), ("ç", "j"), ("c", "k"), ("ʉː", "u"), ("axr", "ɚ"),
    ):  # fmt: skip
        assert shapes_of(label) == tuple(shapes), label
    for silence in ("", "sil", "SP", "spn", "<eps>", "h#", " "):
        assert shapes_of(silence) == ()
    for unknown in ("QQ", "??", "@", "1", "hello", "me", "bin"):
        assert shapes_of(unknown) is None
    assert all(set(shape) <= KNOWN for shape in (*ARPABET.values(), *LOOKS_LIKE.values()))
    timed = [
        Phone("", 0.0, 0.1),
        Phone("AY1", 0.1, 0.2),
        Phone("AH0", 0.2, 0.3),
        Phone("@", 0.3, 0.4),
    ]
    phones, unknown = to_shapes(timed)
    assert [p.symbol for p in phones] == ["_", "a", "ɪ", "ə", "@"]
    assert phones[1].end_s == pytest.approx(0.16)  # a diphthong stays longer on its first vowel
    assert [p.stressed for p in phones] == [False, True, True, False, False]
    assert unknown == ("@",)


def write_textgrid(path: Path, tiers: dict[str, list[tuple[float, float, str]]], kind: str) -> None:
    textgrid = pytest.importorskip("praatio.textgrid")
    end_s = max(entries[-1][1] for entries in tiers.values())
    grid = textgrid.Textgrid()
    for name, entries in tiers.items():
        grid.addTier(textgrid.IntervalTier(name, entries, 0, end_s))
    path.parent.mkdir(parents=True, exist_ok=True)
    grid.save(str(path), kind, includeBlankSpaces=True)


HELLO = [(0.0, 0.3, ""), (0.3, 0.4, "HH"), (0.4, 0.5, "AH0"), (0.5, 0.6, "L"), (0.6, 0.9, "OW1")]


@pytest.mark.parametrize("kind", ["long_textgrid", "short_textgrid"])
@pytest.mark.parametrize("tier", ["phones", "anna - phones", "MAU"])
def test_a_textgrid_is_performed_by_rule(tmp_path: Path, kind: str, tier: str) -> None:
    words = [(0.3, 0.9, "hello")]
    write_textgrid(tmp_path / "anna" / "a.TextGrid", {"words": words, tier: HELLO}, kind)
    write_wav(tmp_path / "anna" / "a.wav", 1.0)
    (take,) = corpora.load(tmp_path).train
    assert take.speaker == "anna"
    assert [p.symbol for p in take.phones] == ["_", "h", "ə", "l", "o", "ʊ"]
    assert take.phones[0] == Phone("_", 0.0, 0.3)
    assert take.phones[-1].end_s == pytest.approx(0.9)
    assert take.phones[-1].stressed
    assert take.curves is None
    curves = performer.perform(take.phones, 60, style=performer.style_of("anna"), seed=0)
    assert curves[48, CURVES.index("mouthPucker")] > 0.06  # measured lips pucker 0.07 in "o"


def test_a_textgrid_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    def reason(tiers: dict[str, list[tuple[float, float, str]]], cut: int | None = None) -> str:
        path = tmp_path / "a.TextGrid"
        write_textgrid(path, tiers, "short_textgrid")
        write_wav(tmp_path / "a.wav", 1.0)
        path.write_text(path.read_text()[:cut])
        corpus = corpora.load(tmp_path, kind="textgrid")
        assert not corpus.train
        return corpus.skipped[0].reason

    assert "found 'words', 'syllables'" in reason({"words": HELLO, "syllables": HELLO})
    assert "not a whole TextGrid" in reason({"phones": HELLO}, 60)
    assert "no phone in ARPAbet or IPA" in reason({"phones": [(0.0, 0.9, "hello!")]})
    assert "after the sound" in reason({"phones": [(0.0, 3.0, "AA")]})
    long = [(0.0, 1.0, "AA"), (1.0, 1.2, "B"), (1.2, 3.0, "")]
    assert "cut" in reason({"phones": long}, -len('1.2\n3\n""\n') - 3)
    write_textgrid(tmp_path / "a.TextGrid", {"phones": HELLO}, "short_textgrid")
    (tmp_path / "a.wav").write_bytes(b"")
    assert "a.wav" in corpora.load(tmp_path).skipped[0].reason


def test_measured_curves_come_before_the_phones_of_the_same_take(tmp_path: Path) -> None:
    train_corpus.write_beat(tmp_path, BeatTake("1_a_0_1_1"), seed=1)
    write_textgrid(tmp_path / "1_a_0_1_1.TextGrid", {"phones": HELLO}, "long_textgrid")
    (take,) = corpora.load(tmp_path).train
    assert take.curves is not None
    (spoken,) = corpora.load(tmp_path, kind="textgrid").train
    assert spoken.phones
    assert spoken.speaker == "1_a"


# ---------------------------------------------------------------------------------------- VOCASET


def test_solved_weights_are_the_best_within_the_limits() -> None:
    rng = np.random.default_rng(0)
    basis = rng.standard_normal((6, 40))
    gram = basis @ basis.T
    # Weights that keep the limits come back as they were.
    smooth = 0.5 + 0.5 * np.sin(np.linspace(0, 6, 80)[:, None] + np.arange(6))
    assert np.abs(np.diff(smooth, axis=0)).max() < 0.1
    np.testing.assert_allclose(solve_weights(gram, smooth @ gram), smooth, atol=2e-3)
    # Others are met as well as the limits allow: no allowed step away lowers the error.
    wild = np.repeat(rng.uniform(-0.4, 1.4, (10, 6)), 4, axis=0)
    target = wild @ gram
    found = solve_weights(gram, target)
    assert found.min() >= 0.0
    assert found.max() <= 1.0
    assert np.abs(np.diff(found, axis=0)).max() <= 0.1 + 1e-9
    gradient = found @ gram - target
    cost = float(0.5 * np.sum((found @ gram) * found) - np.sum(target * found))
    for _ in range(200):
        start = rng.uniform(0, 1, 6)
        walk = np.clip(start + np.cumsum(rng.uniform(-0.1, 0.1, found.shape), axis=0), 0, 1)
        assert np.sum(gradient * (walk - found)) > -2e-3 * abs(cost)
    # It really is better than what clipping frame by frame gives.
    clipped = np.clip(wild, 0, 1)
    for t in range(1, len(clipped)):
        clipped[t] = np.clip(clipped[t], clipped[t - 1] - 0.1, clipped[t - 1] + 0.1)
    other = float(0.5 * np.sum((clipped @ gram) * clipped) - np.sum(target * clipped))
    assert cost < other


def test_vocaset_is_solved_for_curves(tmp_path: Path) -> None:
    folder, deltas, truth = write_vocaset(tmp_path / "voca")
    corpus = corpora.load(folder, kind="vocaset", deltas=deltas, sync="off", hold_out_per_speaker=1)
    assert len(corpus.train) == len(corpus.held_out) == 2
    for name, take in by_id(corpus).items():
        assert (
            take.curve_names == ("jawOpen", "mouthPucker", "mouthLeft")
            or len(take.curve_names) == 3
        )
        for column, curve in enumerate(("jawOpen", "mouthPucker", "mouthLeft")):
            np.testing.assert_allclose(
                take.curves[:, CURVES.index(curve)], truth[name][:, column], atol=5e-3
            )
        assert take.speaker in ("FaceTalk_1_TA", "FaceTalk_2_TA")
        assert take.rate_hz == pytest.approx(60.0)
        assert len(take.audio) == pytest.approx(16000, abs=2)
        assert float(np.abs(take.audio).max()) == pytest.approx(3000 / 32767, rel=0.05)
    # Frames that are not in the index leave a gap in time, and a wrong take is skipped.
    index = pickle.loads((folder / "subj_seq_to_idx.pkl").read_bytes())
    del index["FaceTalk_1_TA"]["sentence01"][30]
    index["FaceTalk_2_TA"]["sentence02"][0] = 10**6
    (folder / "subj_seq_to_idx.pkl").write_bytes(pickle.dumps(index, protocol=2))
    corpus = corpora.load(folder, deltas=deltas, sync="off")
    gap = by_id(corpus)["FaceTalk_1_TA_sentence01"]
    assert len(gap.times_s) == 59
    assert gap.times_s[30] == pytest.approx(31 / 60)
    assert "beyond data_verts.npy" in corpus.skipped[0].reason


class Hostile:
    def __reduce__(self) -> tuple[object, ...]:
        return os.system, ("touch ran",)


def test_vocaset_refuses_code_and_what_does_not_fit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    folder, deltas, _ = write_vocaset(tmp_path / "voca")
    with pytest.raises(ValueError, match="give `deltas`"):
        corpora.load(folder)
    with pytest.raises(FileNotFoundError, match=r"nothing\.npz do not exist"):
        corpora.load(folder, deltas=tmp_path / "nothing.npz")
    np.savez(tmp_path / "few.npz", names=np.array(["jawOpen"]), deltas=np.zeros((1, 7, 3)))
    with pytest.raises(ValueError, match=r"expected \(N, 7, 3\)"):
        corpora.load(folder, deltas=tmp_path / "few.npz")
    (folder / "templates.pkl").write_bytes(pickle.dumps({"a": Hostile()}))
    with pytest.raises(ValueError, match=r"asks for \w+\.system"):
        corpora.load(folder, deltas=deltas)
    assert not (tmp_path / "ran").exists()
    (folder / "raw_audio_fixed.pkl").unlink()
    with pytest.raises(FileNotFoundError, match=r"raw_audio_fixed\.pkl is missing"):
        corpora.load(folder, deltas=deltas)


def test_pickles_of_python_2_are_read(tmp_path: Path) -> None:
    """Protocol 2 with byte strings, as Python 2 wrote them: keys come back as text."""
    array = np.arange(3, dtype=np.int16)
    old = (
        b"\x80\x02}q\x00U\x05audioq\x01cnumpy.core.multiarray\n_reconstruct\nq\x02cnumpy\nndarray\n"
        b"q\x03K\x00\x85q\x04U\x01bq\x05\x87q\x06Rq\x07(K\x01K\x03\x85q\x08cnumpy\ndtype\nq\tU\x02i2"
        b"q\nK\x00K\x01\x87q\x0bRq\x0c(K\x03U\x01<q\rNNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tq"
        b"\x0eb\x89U\x06" + array.tobytes() + b"q\x0ftq\x10bs."
    )
    (tmp_path / "old.pkl").write_bytes(old)
    table = unpickle(tmp_path / "old.pkl")
    np.testing.assert_array_equal(table["audio"], array)
    lists = {"a": [array.astype(">f4"), (np.float64(0.5), "b", b"c")], "b": np.zeros((0, 3))}
    lists["c"] = np.asfortranarray(np.arange(6.0).reshape(2, 3))
    for protocol in (0, 2, 4):
        (tmp_path / "new.pkl").write_bytes(pickle.dumps(lists, protocol=protocol))
        read = unpickle(tmp_path / "new.pkl")
        np.testing.assert_array_equal(read["a"][0], array)
        assert read["a"][1] == (0.5, "b", b"c")
        assert read["b"].shape == (0, 3)
        np.testing.assert_array_equal(read["c"], lists["c"])
    # A shape or a type that does not fit the bytes: NumPy is not asked what becomes of it.
    for wrong in (old.replace(b"K\x03\x85q\x08", b"K\x07\x85q\x08"), old.replace(b"i2", b"O8")):
        assert wrong != old
        (tmp_path / "wrong.pkl").write_bytes(wrong)
        with pytest.raises(ValueError, match=r"in 6 bytes|not let in"):
            unpickle(tmp_path / "wrong.pkl")
    (tmp_path / "cut.pkl").write_bytes(old[:40])
    with pytest.raises(ValueError, match="cannot be read as a pickle"):
        unpickle(tmp_path / "cut.pkl")


def test_a_source_of_an_unknown_kind_is_refused(tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_text(CONFIG.replace('kind = "beat"', 'kind = "beta"'))
    with pytest.raises(config.ConfigError, match="source beat: kind: expected one of auto, beat"):
        config.load(tmp_path / "c.toml")
    (tmp_path / "c.toml").write_text(CONFIG.replace('kind = "beat"', 'sync = "maybe"'))
    with pytest.raises(config.ConfigError, match="sync: expected one of shift"):
        config.load(tmp_path / "c.toml")
    # Settings at their defaults leave a configuration's description, and so its runs, as it was.
    (tmp_path / "c.toml").write_text(CONFIG.replace('kind = "beat"\n', ""))
    plain = config.load(tmp_path / "c.toml").describe()
    assert not {"kind", "sync", "max_offset_ms", "deltas"} & set(plain["sources"][0])
    (tmp_path / "c.toml").write_text(CONFIG.replace('kind = "beat"', 'sync = "off"'))
    assert config.load(tmp_path / "c.toml").describe()["sources"][0]["sync"] == "off"
