"""Files of frames: columns by name, exact timecodes, whole files."""

from __future__ import annotations

import csv
import json
import os
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from diffusiontalker.curves import CURVES, HEAD, pascal_case
from diffusiontalker.frames import FLAG_CLOSING, Bye, Schema, StampedFrame
from diffusiontalker.live_link_csv import COLUMNS, HEADER, timecode
from diffusiontalker.stream import StreamError
from diffusiontalker.stream.outputs.recorder import CsvRecorder, JsonRecorder, Recorder

BYE = Bye("face", 1, 0, "done")


def schema_of(curves: tuple[str, ...] = CURVES) -> Schema:
    return Schema("face", 1, curves, 60, 1, "m", "v", 59.25, 16000, 10, 20)


def frame_of(index: int, values: np.ndarray, flags: int = 0) -> StampedFrame:
    return StampedFrame(
        "face", 1, index, index, 60, 1, index * 16000 // 60, 16000, 99, flags,
        tuple(values.tolist()),
    )  # fmt: skip


def begun(recorder: Recorder, frames: int = 0) -> Recorder:
    recorder.announce(schema_of())
    for index in range(frames):
        recorder.send(frame_of(index, np.zeros(52, np.float32)))
    return recorder


def rows_of(path: Path) -> list[dict[str, str]]:
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def test_header_has_61_named_columns_in_the_apps_order() -> None:
    assert len(COLUMNS) == 61
    assert len(set(COLUMNS)) == 61
    assert set(COLUMNS[:52]) == {pascal_case(c) for c in CURVES}
    names = HEADER.split(",")
    assert names[:3] == ["Timecode", "BlendShapeCount", "EyeBlinkLeft"]
    jaw = names.index("JawForward")
    assert names[jaw : jaw + 10] == [
        "JawForward", "JawRight", "JawLeft", "JawOpen", "MouthClose", "MouthFunnel",
        "MouthPucker", "MouthRight", "MouthLeft", "MouthSmileLeft",
    ]  # fmt: skip
    assert names[-10:] == [
        "TongueOut", "HeadYaw", "HeadPitch", "HeadRoll", "LeftEyeYaw", "LeftEyePitch",
        "LeftEyeRoll", "RightEyeYaw", "RightEyePitch", "RightEyeRoll",
    ]  # fmt: skip


def test_every_value_stands_under_its_own_name(tmp_path: Path) -> None:
    values = np.linspace(0.01, 0.99, 52, dtype=np.float32)
    shuffled = np.random.default_rng(3).permutation(52)
    recorder = CsvRecorder(tmp_path / "a.csv")
    recorder.announce(schema_of(tuple(CURVES[i] for i in shuffled)))
    recorder.send(frame_of(0, values[shuffled]))
    recorder.send(frame_of(1, values[shuffled], FLAG_CLOSING))
    recorder.close(BYE)
    (row,) = rows_of(tmp_path / "a.csv")
    assert row["BlendShapeCount"] == "61"
    for curve, value in zip(CURVES, values, strict=True):
        text = row[pascal_case(curve)]
        assert np.float32(text) == value
        assert len(text.split(".")[1]) == 10
    assert all(float(row[name]) == 0 for name in COLUMNS[52:])


@pytest.mark.parametrize(
    ("index", "rate", "code"),
    [
        (0, Fraction(60), "00:00:00:00.000"),
        (59, Fraction(60), "00:00:00:59.000"),
        (60, Fraction(60), "00:00:01:00.000"),
        (60 * 3600 * 25 + 61, Fraction(60), "25:00:01:01.000"),
        (24, Fraction(25), "00:00:00:24.000"),
        (25 * 61 + 3, Fraction(25), "00:01:01:03.000"),
        # At 29.97 Hz frame 30 comes at 1.001 s: 0.02997 frames into the next second.
        (29, Fraction(30000, 1001), "00:00:00:29.000"),
        (30, Fraction(30000, 1001), "00:00:01:00.029"),
        (1800, Fraction(30000, 1001), "00:01:00:01.798"),
        (30000, Fraction(30000, 1001), "00:16:41:00.000"),
    ],
)
def test_timecodes(index: int, rate: Fraction, code: str) -> None:
    assert timecode(index, rate) == code


@pytest.mark.parametrize("rate", [Fraction(60), Fraction(25), Fraction(30000, 1001)])
def test_timecodes_tell_the_time(rate: Fraction) -> None:
    last = -1.0
    for index in range(0, 200000, 37):
        h, m, s, f = timecode(index, rate).split(":")
        at = int(h) * 3600 + int(m) * 60 + int(s) + float(f) / float(rate)
        assert abs(at - index / float(rate)) <= 0.001 / float(rate) + 1e-9
        assert at > last
        last = at


def test_json_lines_have_every_curve_by_name(tmp_path: Path) -> None:
    values = np.linspace(0.01, 0.99, 52, dtype=np.float32)
    recorder = JsonRecorder(tmp_path / "a.jsonl")
    recorder.announce(schema_of())
    recorder.send(frame_of(7, values))
    recorder.send(frame_of(8, values, FLAG_CLOSING))
    recorder.close(BYE)
    head, line = map(json.loads, (tmp_path / "a.jsonl").read_text("utf-8").splitlines())
    assert (head["kind"], head["curves"], head["rate_num"]) == ("schema", list(CURVES), 60)
    assert (line["kind"], line["index"], line["position"]) == ("frame", 7, 1866)
    assert line["time_s"] == 7 / 60
    assert list(line["curves"]) == list(CURVES)
    np.testing.assert_array_equal(np.array(list(line["curves"].values()), np.float32), values)


@pytest.mark.parametrize("kind", [CsvRecorder, JsonRecorder])
def test_an_older_take_survives_a_run_that_fails(tmp_path: Path, kind: type[Recorder]) -> None:
    path = tmp_path / "take"
    path.write_text("precious")
    begun(kind(path), 3).close()
    assert path.read_text() == "precious"
    assert [p.name for p in tmp_path.iterdir()] == ["take"]
    begun(kind(path), 3).close(BYE)
    assert len(path.read_text().splitlines()) == 4


def test_a_take_is_on_the_disk_before_it_takes_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "take"
    path.write_text("precious")
    flushed: list[tuple[str, str]] = []
    monkeypatch.setattr(
        os, "fsync", lambda _: flushed.append((part.read_text()[-1:], path.read_text()))
    )
    recorder = begun(CsvRecorder(path), 3)
    part = path.with_name("take.part")
    recorder.close(BYE)
    assert flushed == [("\n", "precious")]
    assert len(path.read_text().splitlines()) == 4


def test_places_that_cannot_be_written_are_named(tmp_path: Path) -> None:
    with pytest.raises(StreamError, match=r"none/face\.csv: No such file"):
        CsvRecorder(tmp_path / "none" / "face.csv")
    with pytest.raises(StreamError, match="directory"):
        JsonRecorder(tmp_path)


def test_a_full_disk_is_an_error() -> None:
    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    recorder = CsvRecorder(Path("/dev/full"))
    with pytest.raises(StreamError, match="No space left"):
        begun(recorder, 2000)
    recorder.close()


def test_the_heads_rotation_goes_by_name(tmp_path: Path) -> None:
    values = np.arange(55, dtype=np.float32) / 64
    recorders = CsvRecorder(tmp_path / "a.csv"), JsonRecorder(tmp_path / "a.jsonl")
    for recorder in recorders:
        recorder.announce(schema_of((*HEAD, *CURVES)))
        recorder.send(frame_of(0, values))
        recorder.close(BYE)
    (row,) = rows_of(tmp_path / "a.csv")
    assert [float(row[pascal_case(n)]) for n in HEAD] == [0, 1 / 64, 2 / 64]
    assert float(row["EyeBlinkLeft"]) == 3 / 64
    assert float(row["LeftEyeYaw"]) == 0
    assert row["BlendShapeCount"] == "61"
    line = json.loads((tmp_path / "a.jsonl").read_text().splitlines()[1])
    assert [line["curves"][name] for name in HEAD] == [0, 1 / 64, 2 / 64]
