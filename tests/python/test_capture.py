"""Faces from video, up to the detector: a stand-in answers in MediaPipe's place."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("av")

import train_corpus

from diffusiontalker.curves import CURVES
from diffusiontalker.train import capture, corpora
from diffusiontalker.train.capture import CaptureError
from diffusiontalker.train.cli import main


@dataclass(frozen=True)
class Score:
    category_name: str
    score: float


class StandIn:
    """Sees a jaw as open as the picture is bright, and no face in some pictures."""

    def __init__(self, blind: frozenset[int] = frozenset()) -> None:
        self.blind = blind
        self.times_ms: list[int] = []
        self.shapes: set[tuple[int, ...]] = set()

    def __call__(self, picture: np.ndarray, at_ms: int) -> Any:
        number = len(self.times_ms)
        self.times_ms.append(at_ms)
        self.shapes.add(picture.shape)
        if number in self.blind:
            return SimpleNamespace(face_blendshapes=[])
        # MediaPipe's order is alphabetical, with _neutral first.
        values = {name: 0.001 * i for i, name in enumerate(CURVES) if name != "tongueOut"}
        values |= {"jawOpen": float(picture.mean()) / 255.0, "_neutral": 0.9, "jawLeft": 1.2}
        return SimpleNamespace(face_blendshapes=[[Score(k, v) for k, v in sorted(values.items())]])


def test_a_video_becomes_a_take_that_the_corpora_read(tmp_path: Path) -> None:
    train_corpus.write_video(tmp_path / "film.mov", 2.0)
    detector = StandIn(blind=frozenset((20, 21)))
    shown: list[int] = []
    done = capture.capture(
        tmp_path / "film.mov", tmp_path / "takes", detector, lambda: shown.append(1)
    )
    assert (done.frames, done.lost) == (58, 2)
    assert len(shown) == 60
    assert "no face in 2 of 60 pictures" in capture.hole_note(done)
    assert all(later > earlier for earlier, later in pairwise(detector.times_ms))
    assert detector.times_ms[30] == 1000
    assert detector.shapes == {(48, 64, 3)}
    assert sorted(p.name for p in (tmp_path / "takes").iterdir()) == ["film.json", "film.wav"]

    (take,) = corpora.load(tmp_path / "takes", sync="off").train
    assert set(CURVES) - set(take.curve_names) == {"tongueOut"}
    assert take.rate_hz == pytest.approx(30.0, rel=1e-4)
    assert len(take.times_s) == 58
    at = np.round(take.times_s * 30)
    np.testing.assert_allclose(
        take.curves[:, CURVES.index("jawOpen")], 2 * at / 255, atol=0.02
    )  # the pictures brighten by 2 of 255 a frame
    assert take.curves[0, CURVES.index("jawLeft")] == 1.0  # limited to the curves' range
    eye = CURVES.index("eyeBlinkRight")
    assert take.curves[0, eye] == pytest.approx(0.001 * eye)
    assert take.duration_s == pytest.approx(2.0, abs=0.01)
    assert np.flatnonzero(np.abs(take.audio) > 0.05)[0] / 16000 == pytest.approx(0.5, abs=0.01)


def test_videos_that_give_no_take_are_refused(tmp_path: Path) -> None:
    train_corpus.write_video(tmp_path / "film.mov", 1.0)
    with pytest.raises(corpora.BrokenTake, match="a face in 10 of 30 pictures"):
        capture.capture(tmp_path / "film.mov", tmp_path, StandIn(frozenset(range(20))))
    assert not (tmp_path / "film.json").exists()
    unnamed = SimpleNamespace(face_blendshapes=[[Score("smile", 0.5)]])
    with pytest.raises(CaptureError, match="no blendshape scores"):
        capture.capture(tmp_path / "film.mov", tmp_path, lambda picture, at_ms: unnamed)


def stand_in_module(detector: StandIn, log: list[Any]) -> SimpleNamespace:
    """As much of the mediapipe module as capture uses (the names are those of version 1.2)."""

    class Landmarker:
        @staticmethod
        def create_from_options(options: Any) -> Any:
            log.append(options)
            if options.base_options.model_asset_buffer != b"a model":
                raise RuntimeError("Unable to open zip archive.\nmore")
            return Landmarker()

        def detect_for_video(self, image: Any, timestamp_ms: int) -> Any:
            assert image.image_format == "srgb"
            assert image.data.flags.c_contiguous
            return detector(image.data, timestamp_ms)

        def close(self) -> None:
            log.append("closed")

    vision = SimpleNamespace(
        FaceLandmarker=Landmarker,
        FaceLandmarkerOptions=SimpleNamespace,
        RunningMode=SimpleNamespace(VIDEO="video"),
    )
    return SimpleNamespace(
        tasks=SimpleNamespace(vision=vision, BaseOptions=SimpleNamespace),
        Image=SimpleNamespace,
        ImageFormat=SimpleNamespace(SRGB="srgb"),
    )


def test_the_command_captures_skips_and_leaves_what_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    log: list[Any] = []
    monkeypatch.setitem(sys.modules, "mediapipe", stand_in_module(StandIn(), log))
    monkeypatch.setenv("COLUMNS", "300")
    train_corpus.write_video(tmp_path / "film.mov", 1.0)
    (tmp_path / "broken.mp4").write_bytes(b"nothing")
    model = tmp_path / "face.task"
    model.write_bytes(b"a model")
    films = [str(tmp_path / "film.mov"), str(tmp_path / "broken.mp4")]
    command = ["capture", *films, "-o", str(tmp_path / "out"), "--model", str(model)]
    assert main(command) == 0
    said = capsys.readouterr().out
    assert "film.json: 30 frames" in said
    assert "skipped broken.mp4: cannot read broken.mp4" in said
    assert "1 takes in" in said
    assert log[-1] == "closed"
    assert log[0].output_face_blendshapes is True
    assert log[0].running_mode == "video"
    document = json.loads((tmp_path / "out" / "film.json").read_text())
    assert len(document["names"]) == 51
    assert main(command) == 0
    assert "left as it is" in capsys.readouterr().out
    model.write_bytes(b"something else")
    (tmp_path / "out" / "film.json").unlink()
    assert main(command) == 2
    assert "is no face landmarker model: Unable to open zip archive." in capsys.readouterr().err


def test_what_is_missing_is_said_in_a_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    film, model = tmp_path / "film.mov", tmp_path / "face.task"
    film.write_bytes(b"")

    def refused(*films: Path) -> str:
        words = ["capture", *map(str, films), "-o", str(tmp_path / "o"), "--model", str(model)]
        assert main(words) == 2
        error = capsys.readouterr().err
        assert error.count("\n") == 1
        return error

    assert "no model file" in refused(film)
    assert "face_landmarker.task" in refused(film)
    model.write_bytes(b"")
    monkeypatch.setitem(sys.modules, "mediapipe", None)
    assert "pip install 'diffusiontalker[capture]'" in refused(film)
    assert "does not exist" in refused(tmp_path / "none.mov")
    other = tmp_path / "other" / "film.mov"
    other.parent.mkdir()
    other.write_bytes(b"")
    assert "two videos are called film" in refused(film, other)
