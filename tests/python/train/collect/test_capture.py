"""Faces from video, up to the detector: a stand-in answers in MediaPipe's place."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import soundfile

pytest.importorskip("torch")
pytest.importorskip("av")

import train_corpus

from diffusiontalker.curves import CURVES
from diffusiontalker.train import corpora
from diffusiontalker.train.cli.commands import main
from diffusiontalker.train.collect import capture, landmark_head, takes
from diffusiontalker.train.collect.capture import CaptureError
from diffusiontalker.train.collect.measured import Measured
from diffusiontalker.train.corpora import video


@dataclass(frozen=True)
class Score:
    category_name: str
    score: float


@dataclass(frozen=True)
class Point:
    x: float
    y: float
    z: float = 0.0


HEAD = landmark_head.default()
UNSEEN = {*takes.UNSEEN, "jawForward"}


def head_with(picture: np.ndarray, **curves: float) -> list[Point]:
    """The head's own landmarks in the middle of a picture, its face half as wide as that."""
    values = np.zeros((1, len(HEAD.names)))
    for name, value in curves.items():
        values[0, HEAD.names.index(name)] = value
    height, width = picture.shape[:2]
    pixels = HEAD.moved(values)[0] * 0.5 * width * [1.0, -1.0, -1.0] + [width / 2, height / 4, 0]
    return [Point(x / width, y / height, z / width) for x, y, z in pixels.tolist()]


def turned(yaw_deg: float) -> np.ndarray:
    c, s = np.cos(np.radians(yaw_deg)), np.sin(np.radians(yaw_deg))
    matrix = np.eye(4)
    matrix[:3, :3] = 7.0 * np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]])
    return matrix


def face_at(x: float, width: float = 0.1) -> list[Point]:
    return [Point(x - width / 2, 0.4), Point(x + width / 2, 0.6)]


class StandIn:
    """Sees a jaw as open as the picture is bright, and no face in some pictures."""

    def __init__(self, blind: frozenset[int] = frozenset()) -> None:
        self.blind = blind
        self.seen = 0
        self.shapes: set[tuple[int, ...]] = set()

    def __call__(self, picture: np.ndarray) -> Any:
        number = self.seen
        self.seen += 1
        self.shapes.add(picture.shape)
        if number in self.blind:
            return SimpleNamespace(
                face_blendshapes=[], face_landmarks=[], facial_transformation_matrixes=[]
            )
        # MediaPipe's order is alphabetical, with _neutral first.
        values = {name: 0.001 * i for i, name in enumerate(CURVES) if name != "tongueOut"}
        values |= {"jawOpen": float(picture.mean()) / 255.0, "_neutral": 0.9, "jawLeft": 1.2}
        return SimpleNamespace(
            face_blendshapes=[[Score(k, v) for k, v in sorted(values.items())]],
            face_landmarks=[head_with(picture, jawOpen=float(picture.mean()) / 255.0)],
            facial_transformation_matrixes=[turned(0.5 * number)],
        )


def take_of(film: Path, folder: Path, detector: Any, **how: Any) -> Measured:
    """The network's curves of one film, as the command writes them."""
    seen = capture.measure(film, detector, **how)
    names = [name for name in takes.NAMES if name != "jawForward"]
    sound, rate_hz = video.read_sound(film)
    target = folder / f"{film.stem}.json"
    takes.write(seen, takes.curves_of(seen, None), names, sound, rate_hz, target)
    return seen


def test_a_video_becomes_a_take_that_the_corpora_read(tmp_path: Path) -> None:
    train_corpus.write_video(tmp_path / "film.mov", 2.0)
    detector = StandIn(blind=frozenset((20, 21)))
    shown: list[int] = []
    done = take_of(
        tmp_path / "film.mov", tmp_path / "takes", detector, on_frame=lambda: shown.append(1)
    )
    assert (len(done.times_s), done.lost) == (58, 2)
    assert len(shown) == 60
    (note,) = capture.notes(done)
    assert "no face in 2 of 60 pictures" in note
    assert detector.shapes == {(48, 64, 3)}
    assert sorted(p.name for p in (tmp_path / "takes").iterdir()) == ["film.json", "film.wav"]

    (take,) = corpora.load(tmp_path / "takes", sync="off").train
    assert set(CURVES) - set(take.curve_names) == UNSEEN
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
    rows = json.loads((tmp_path / "takes" / "film.json").read_text())["frames"]
    assert rows[-1]["rotation"] == pytest.approx([29.5, 0.0, 0.0], abs=1e-3)
    assert np.flatnonzero(np.abs(take.audio) > 0.05)[0] / 16000 == pytest.approx(0.5, abs=0.01)


def test_videos_that_give_no_take_are_refused(tmp_path: Path) -> None:
    train_corpus.write_video(tmp_path / "film.mov", 1.0)
    with pytest.raises(corpora.BrokenTake, match="a face in 10 of 30 pictures"):
        capture.measure(tmp_path / "film.mov", StandIn(frozenset(range(20))))
    unnamed = SimpleNamespace(
        face_blendshapes=[[Score("smile", 0.5)]],
        face_landmarks=[face_at(0.5)],
        facial_transformation_matrixes=[],
    )
    with pytest.raises(CaptureError, match="no blendshape scores"):
        capture.measure(tmp_path / "film.mov", lambda picture: unnamed)


def test_one_of_two_faces_is_followed() -> None:
    """The landmarker's order changes from picture to picture; the largest at first is the left."""

    def seen(*faces: tuple[str, float]) -> Any:
        width = {"left": 0.2, "right": 0.15}
        opening = {"left": 0.25, "right": 0.75}
        return SimpleNamespace(
            face_blendshapes=[[Score("jawOpen", opening[who])] for who, _ in faces],
            face_landmarks=[face_at(x, width[who]) for who, x in faces],
            facial_transformation_matrixes=[],
        )

    def jaws(results: list[Any]) -> tuple[list[float | None], list[int]]:
        answers = iter(results)
        pictures = ((i / 25, np.zeros((4, 4, 3), np.uint8)) for i in range(len(results)))
        found = list(capture.faces_of(pictures, lambda picture: next(answers)))
        jaw = CURVES.index("jawOpen")
        return [face and float(face.scores[jaw]) for face, _ in found], [n for _, n in found]

    both = [seen(("right", 0.7), ("left", 0.3)), seen(("left", 0.33), ("right", 0.7))]
    alone, none = seen(("right", 0.7)), seen()
    # The left one turns away for two pictures: a hole, not the other face.
    values, counts = jaws([*both, alone, none, *both])
    assert values == [0.25, 0.25, None, None, 0.25, 0.25]
    assert counts == [2, 2, 1, 0, 2, 2]
    # Gone for over MAX_HOLE_S, where a reader cuts the take: then the other may come.
    values, _ = jaws([both[0], *[alone] * 8])
    assert values == [0.25, *[None] * 6, 0.75, 0.75]
    none_at_all = np.zeros((9, 0), np.float32)
    seen = Measured(np.arange(9.0), none_at_all, none_at_all, none_at_all, lost=1, shared=4)
    assert "more than one face in 4 of 10 pictures" in capture.notes(seen)[1]


def test_times_are_the_pictures_own_and_sound_keeps_its_place(tmp_path: Path) -> None:
    """Uneven picture times; the picture starts 0.2 s after the sound, as phones record it."""
    at_s = [0.2, 0.24, 0.36, 0.4, 0.52, 0.6, 0.64, 0.8, 0.84, 1.0]
    train_corpus.write_uneven_video(tmp_path / "phone.mkv", at_s, beep_s=0.7)
    take_of(tmp_path / "phone.mkv", tmp_path, StandIn())
    rows = json.loads((tmp_path / "phone.json").read_text())["frames"]
    assert [row["time"] for row in rows] == pytest.approx([t - 0.2 for t in at_s], abs=2e-3)
    sound, rate_hz = soundfile.read(tmp_path / "phone.wav")
    assert rate_hz == 44100
    assert np.flatnonzero(np.abs(sound) > 0.05)[0] / rate_hz == pytest.approx(0.5, abs=0.005)


def stand_in_module(detector: StandIn, log: list[Any]) -> SimpleNamespace:
    """As much of the mediapipe module as capture uses (the names are those of version 1.2)."""

    class Landmarker:
        @staticmethod
        def create_from_options(options: Any) -> Any:
            log.append(options)
            if options.base_options.model_asset_buffer == b"no library":
                raise OSError("libEGL.so.1: cannot open shared object file")
            if options.base_options.model_asset_buffer != b"a model":
                raise RuntimeError("Unable to open zip archive.\nmore")
            os.write(2, b"W0000 another\n")
            return Landmarker()

        def detect(self, image: Any) -> Any:
            assert image.image_format == "srgb"
            assert image.data.flags.c_contiguous
            os.write(2, b"W0000 a line of native code\n")
            return detector(image.data)

        def close(self) -> None:
            log.append("closed")

    vision = SimpleNamespace(
        FaceLandmarker=Landmarker,
        FaceLandmarkerOptions=SimpleNamespace,
        RunningMode=SimpleNamespace(IMAGE="image"),
    )
    return SimpleNamespace(
        tasks=SimpleNamespace(vision=vision, BaseOptions=SimpleNamespace),
        Image=SimpleNamespace,
        ImageFormat=SimpleNamespace(SRGB="srgb"),
    )


def test_the_command_captures_skips_and_leaves_what_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    log: list[Any] = []
    monkeypatch.setitem(sys.modules, "mediapipe", stand_in_module(StandIn(), log))
    monkeypatch.setenv("COLUMNS", "40")
    film = tmp_path / "film [b] of a name longer than a line of the terminal.mov"
    train_corpus.write_video(film, 1.0)
    (tmp_path / "broken.mp4").write_bytes(b"nothing")
    model = tmp_path / "face.task"
    model.write_bytes(b"a model")
    films = [str(film), str(tmp_path / "broken.mp4")]
    out = tmp_path / "out"
    command = ["capture", *films, "-o", str(out), "--model", str(model)]
    assert main(command) == 0
    said = capfd.readouterr()
    assert f"{out / film.stem}.json: 30 frames" in said.out.splitlines()
    skipped, told_again = [line for line in said.out.splitlines() if "broken.mp4" in line]
    assert told_again == "skipped: broken.mp4; the reasons stand above"
    assert skipped == (
        "skipped broken.mp4: cannot read broken.mp4: Invalid data found when processing input; "
        "copy or convert the file again"
    )
    assert f"1 takes in {out}, 1 videos skipped" in said.out
    # One landmarker for all films; what its start logs is kept from the progress bar.
    assert log[1:] == ["closed"]
    assert said.err.count("W0000 another") == 0
    assert log[0].output_face_blendshapes is True
    assert log[0].running_mode == "image"
    document = json.loads((out / f"{film.stem}.json").read_text())
    assert set(CURVES) - set(document["names"]) == UNSEEN
    # The jaw is solved from the landmarks; the face at rest is that of the first pictures.
    jaw = document["names"].index("jawOpen")
    solved = [row["weights"][jaw] for row in document["frames"]]
    assert solved == pytest.approx([2 * i / 255 for i in range(30)], abs=0.05)
    assert main(command) == 0
    assert "left as it is" in capfd.readouterr().out
    model.write_bytes(b"something else")
    (out / f"{film.stem}.json").unlink()
    assert main(command) == 2
    assert "is no face landmarker model: Unable to open zip archive." in capfd.readouterr().err


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
    monkeypatch.setitem(sys.modules, "mediapipe", stand_in_module(StandIn(), []))
    model.write_bytes(b"no library")
    assert "needs the packages libegl1 and libgles2" in refused(film)
    (tmp_path / "o" / "measured").rmdir()
    (tmp_path / "o").rmdir()
    (tmp_path / "o").write_bytes(b"a file")
    assert "cannot make that folder" in refused(film)
    other = tmp_path / "other" / "film.mov"
    other.parent.mkdir()
    other.write_bytes(b"")
    assert "two videos are called film" in refused(film, other)


def test_one_bad_film_never_ends_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What goes wrong in a film is told in a line, and again at the end; the rest go on."""

    class Failing(StandIn):
        def __call__(self, picture: np.ndarray) -> Any:
            if self.seen == 45:  # in the second film that can be read
                self.seen += 1
                raise RuntimeError("the graph failed\nwith more to say")
            return super().__call__(picture)

    monkeypatch.setitem(sys.modules, "mediapipe", stand_in_module(Failing(), []))
    model = tmp_path / "face.task"
    model.write_bytes(b"a model")
    films = [tmp_path / f"{name}.mov" for name in ("a", "b", "c", "cut", "empty", "still")]
    for film in films[:3]:
        train_corpus.write_video(film, 1.0)
    whole = films[0].read_bytes()
    films[3].write_bytes(whole[: len(whole) // 3])
    films[4].write_bytes(b"")
    train_corpus.write_video(films[5], 1 / 30)
    out = tmp_path / "out"
    words = ["capture", *map(str, films), "-o", str(out), "--model", str(model), "--speaker", "one"]
    assert main(words) == 0
    said = capsys.readouterr().out.splitlines()
    assert {path.name for path in out.glob("*.json")} == {"a.json", "c.json"}
    assert "skipped b.mov: the graph failed with more to say" in said
    (still,) = [line for line in said if line.startswith("skipped still.mov")]
    assert still == "skipped still.mov: too short, pictures: 1; a take needs a second"
    assert "skipped: b.mov, cut.mov, empty.mov, still.mov; the reasons stand above" in said
    assert f"2 takes in {out}, 4 videos skipped" in said
    # Again: what was measured is kept, so the landmarker looks at the bad ones alone.
    again = StandIn()
    monkeypatch.setitem(sys.modules, "mediapipe", stand_in_module(again, []))
    (out / "a.json").unlink()
    assert main(words) == 0
    assert again.seen == 30 + 1 + 1  # b, still, and the start


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["--pixel-aspect", "wide"], "--pixel-aspect: expected W:H as in 16:15, got 'wide'"),
        (["--head", "head.glb"], "--head needs --landmark-table"),
        (["--landmark-table", "none.npz"], "no landmark table none.npz"),
    ],
)
def test_options_that_do_not_fit(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], reason: str
) -> None:
    film = tmp_path / "film.mov"
    film.write_bytes(b"")
    assert main(["capture", str(film), "-o", str(tmp_path), "--model", "m", *words]) == 2
    error = capsys.readouterr().err
    assert reason in error
    assert error.count("\n") == 1


def test_the_network_alone_needs_no_landmarks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A model with fewer landmarks gives the network's curves, and is refused for solving."""

    class Few(StandIn):
        def __call__(self, picture: np.ndarray) -> Any:
            seen = super().__call__(picture)
            seen.face_landmarks = [face_at(0.5)]
            return seen

    monkeypatch.setitem(sys.modules, "mediapipe", stand_in_module(Few(), []))
    model, film = tmp_path / "face.task", tmp_path / "film.mov"
    model.write_bytes(b"a model")
    train_corpus.write_video(film, 1.0)
    words = ["capture", str(film), "-o", str(tmp_path / "out"), "--model", str(model)]
    assert main(words) == 2
    assert "2 landmarks, 468 are needed" in capsys.readouterr().err
    assert main([*words, "--curves", "network", "--report"]) == 0
    assert (tmp_path / "out" / "film.json").exists()
