"""Films: read back, they last as long, show as many pictures, and lips and sound agree."""

from __future__ import annotations

import resource
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("av")
pytest.importorskip("PIL")
pytest.importorskip("diffusiontalker._picture")

import av
from films_made import RATE_HZ, Read, Spoken, lag_in_pictures, lip_gap, read, spoken

from diffusiontalker import film, head
from diffusiontalker.curves import CURVES
from diffusiontalker.film import mp4


@pytest.fixture(autouse=True)
def no_display(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)


def written(path: Path, voice: Spoken, **options: object) -> film.Film:
    given: dict = {"size": (320, 180), **options}
    return film.write(
        path, voice.curves, CURVES, voice.times, voice.sound, RATE_HZ, head=head.default(), **given
    )


def gap_of(made: Read, size: tuple[int, int]) -> np.ndarray:
    """The drawn lip gap, where the head's own lips are on the picture."""
    shown = head.default()
    portrait = film.Portrait(shown, CURVES, size)
    lips = np.linalg.norm(shown.shapes["mouthClose"], axis=1)
    place = portrait.on_picture(shown.points[lips > 0.5 * lips.max()])
    middle, top = place.mean(axis=0)[0], place[:, 1].min()
    tall = 0.16 * size[1]
    return lip_gap(
        made.pictures,
        slice(int(top), int(top + tall)),
        slice(int(middle - 0.02 * size[0]), int(middle + 0.02 * size[0]) + 1),
    )


@pytest.mark.parametrize(("fps", "seconds"), [(30, 2.0), (60, 0.51), (24, 0.7)])
def test_a_film_lasts_as_long_as_its_sound(tmp_path: Path, fps: int, seconds: float) -> None:
    voice = spoken(seconds)
    told: list[tuple[float, float]] = []
    made = written(
        tmp_path / "film.mp4", voice, fps=fps, progress=lambda done, of: told.append((done, of))
    )
    count = -(-round(seconds * fps * 1000) // 1000)
    seen = read(tmp_path / "film.mp4")
    assert seen.codecs == ("h264", "aac")
    assert len(seen.pictures) == made.pictures == count == len(told)
    assert seen.pictures.shape[1:] == (180, 320, 3)
    np.testing.assert_allclose(seen.times, np.arange(count) / fps, atol=1e-3)
    assert told[-1] == pytest.approx((seconds, seconds))
    end_s = seen.sound_starts_s + len(seen.sound) / seen.rate_hz
    assert abs(seen.sound_starts_s) < 0.001
    assert seconds <= end_s + 1e-9 < seconds + 0.05
    assert not list(tmp_path.glob(".*"))  # nothing beside it


@pytest.mark.parametrize(("fps", "size"), [(30, (240, 240)), (60, (180, 320))])
def test_lips_and_sound_agree_within_a_picture(
    tmp_path: Path, fps: int, size: tuple[int, int]
) -> None:
    voice = spoken(3.0)
    written(tmp_path / "film.mp4", voice, fps=fps, size=size)
    seen = read(tmp_path / "film.mp4")
    assert abs(lag_in_pictures(seen, gap_of(seen, size), fps)) < 1


def test_lips_that_are_late_are_found_late(tmp_path: Path) -> None:
    voice = spoken(3.0, late_s=0.1)
    written(tmp_path / "film.mp4", voice, size=(240, 240))
    seen = read(tmp_path / "film.mp4")
    assert lag_in_pictures(seen, gap_of(seen, (240, 240)), 30) == pytest.approx(3, abs=1)


def test_the_same_film_has_the_same_pictures(tmp_path: Path) -> None:
    voice = spoken(0.3)
    for name in ("a.mp4", "b.mp4"):
        written(tmp_path / name, voice, layout="face+curves")
    first, second = (read(tmp_path / name) for name in ("a.mp4", "b.mp4"))
    np.testing.assert_array_equal(first.pictures, second.pictures)


@pytest.mark.parametrize("size", [(320, 180), (180, 320)])
def test_two_faces_differ_where_their_curves_do(tmp_path: Path, size: tuple[int, int]) -> None:
    voice = spoken(0.2)
    other = voice.curves.copy()
    other[:, CURVES.index("eyeBlinkLeft")] = other[:, CURVES.index("eyeBlinkRight")] = 1
    beside = film.Beside(other, CURVES, voice.times, label="blinking")
    written(tmp_path / "ab.mp4", voice, layout="a-b", beside=beside, label="awake", size=size)
    last = read(tmp_path / "ab.mp4").pictures[-1].astype(int)
    axis = 1 if size[0] > size[1] else 0
    tall = size[1] - round(0.09 * size[1])
    half = (size[0] if axis else tall) // 2 - 2
    first, second = (
        np.take(last[:tall], range(start, start + half), axis=axis)
        for start in (0, (size[0] if axis else tall) - half)
    )
    assert np.abs(first - second).max() > 60  # the eyes
    same = film.Beside(voice.curves, CURVES, voice.times, label="awake")
    written(tmp_path / "aa.mp4", voice, layout="a-b", beside=same, label="awake", size=size)
    assert not np.array_equal(read(tmp_path / "aa.mp4").pictures[-1], last)


def test_without_sound_it_lasts_as_long_as_the_curves(tmp_path: Path) -> None:
    voice = spoken(0.5)
    voice.sound = voice.sound[:0]
    made = written(tmp_path / "film.mp4", voice)
    assert made.seconds == pytest.approx(voice.times[-1])


def test_curves_are_read_on_the_line_between_frames() -> None:
    track = film.Track([[0.0], [1.0]], ["jawOpen"], [1.0, 2.0])
    assert [float(track.at(t)[0]) for t in (0.0, 1.0, 1.25, 2.0, 9.0)] == [0, 0, 0.25, 1, 1]


def test_without_an_h264_encoder_it_is_mpeg4_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(av, "codecs_available", av.codecs_available - {"libx264"})
    made = written(tmp_path / "film.mp4", spoken(0.2))
    (note,) = made.notes
    assert "no H.264" in note
    assert read(tmp_path / "film.mp4").codecs == ("mpeg4", "aac")


def test_a_full_disk_is_a_line_and_leaves_what_was_there(tmp_path: Path) -> None:
    target = tmp_path / "film.mp4"
    target.write_bytes(b"older")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, limits[1]))
    try:
        with pytest.raises(film.FilmError, match=r"cannot write .*film\.mp4: File too large"):
            written(target, spoken(1.0))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert target.read_bytes() == b"older"
    assert [path.name for path in tmp_path.iterdir()] == ["film.mp4"]


def test_ctrl_c_leaves_nothing(tmp_path: Path) -> None:
    def leave(done_s: float, _: float) -> None:
        if done_s > 0.2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        written(tmp_path / "film.mp4", spoken(1.0), progress=leave)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"size": (321, 180)}, "size 321x180: expected even sides"),
        ({"size": (320, 9000)}, "size 320x9000: expected sides of 64 to 4096 pixels"),
        ({"fps": 0}, "fps 0: expected 1 to 120 pictures a second"),
        ({"layout": "b-a"}, "layout 'b-a': expected face, face\\+curves, a-b"),
        ({"layout": "a-b"}, "layout a-b: expected two faces"),
    ],
)
def test_what_cannot_be_filmed(tmp_path: Path, options: dict, said: str) -> None:
    with pytest.raises(film.FilmError, match=f"^{said}$"):
        written(tmp_path / "film.mp4", spoken(0.1), **options)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("curves", "times", "said"),
    [
        (np.zeros((2, 2)), [0.0, 0.1], r"expected \(2 times, 1 names\), got shape \(2, 2\)"),
        (np.zeros((0, 1)), [], "expected one frame or more"),
        (np.full((1, 1), np.nan), [0.0], "expected finite values"),
        (np.zeros((2, 1)), [0.1, 0.1], "expected seconds that rise"),
    ],
)
def test_curves_that_are_none(curves: np.ndarray, times: list[float], said: str) -> None:
    with pytest.raises(film.FilmError, match=said):
        film.Track(curves, ["jawOpen"], times)


def test_pyav_missing_is_a_line_with_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "av", None)
    with pytest.raises(film.FilmError, match=r"pip install 'diffusiontalker\[film\]'"):
        mp4.load()


def test_sound_at_any_rate_keeps_its_length(tmp_path: Path) -> None:
    for rate in (8000, 44100, 22050):
        with mp4.written(
            tmp_path / f"{rate}.mp4", (64, 64), Fraction(25), np.zeros(rate, np.float32), rate
        ) as made:
            for _ in range(25):
                made.add(np.zeros((64, 64, 3), np.uint8))
        seen = read(tmp_path / f"{rate}.mp4")
        assert len(seen.sound) / seen.rate_hz == pytest.approx(1.0, abs=0.03)
