"""Faces solved from landmarks: made faces of known curves, films of real ones, pixels' shapes."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

pytest.importorskip("torch")
pytest.importorskip("av")

from diffusiontalker.curves import CURVES
from diffusiontalker.train.cli.commands import main
from diffusiontalker.train.collect import (
    capture,
    draw,
    landmark_head,
    landmarks,
    pixels,
    solver,
    takes,
)
from diffusiontalker.train.collect import measured as store
from diffusiontalker.train.collect.measured import Measured
from diffusiontalker.train.corpora import video
from diffusiontalker.train.mesh import HeadError

Array = NDArray[np.float64]

HEAD = landmark_head.default()
#: The bound that each of these holds on made faces: mean absolute error.
HELD = ("jawOpen", "mouthClose", "mouthSmile", "mouthUpperUp", "mouthLowerDown")
HELD += ("mouthPucker", "mouthStretch")
AXES = ("gap", "width", "upper_raise", "lower_drop", "protrusion")


def drawn_curves(frames: int, seed: int) -> Array:
    """Smooth random speech of the head's curves, (frames, 51), resting every three seconds."""
    rng = np.random.default_rng(seed)
    time_s = np.arange(frames) / 25
    kernel = np.hanning(9) / np.hanning(9).sum()
    speaks = np.clip(4.0 * np.sin(2 * np.pi * time_s / 3.0) + 2.0, 0.0, 1.0)

    def wave(low: float, high: float) -> Array:
        noise = np.convolve(rng.standard_normal(frames + 8), kernel, "valid")
        return np.asarray(np.clip(low + high * noise / noise.std(), 0.0, 1.0) * speaks)

    curves = np.zeros((frames, len(HEAD.names)))
    jaw = wave(0.12, 0.12)
    amounts = {
        "jawOpen": jaw,
        "mouthClose": 0.4 * jaw * (wave(0.0, 0.3) > 0.3),
        "mouthPucker": wave(0.02, 0.15),
        "mouthLowerDown": wave(0.1, 0.2),
        "mouthUpperUp": wave(0.05, 0.15),
        "mouthStretch": wave(0.0, 0.12),
        "mouthSmile": wave(0.0, 0.08),
        "mouthRollUpper": wave(0.0, 0.08),
        "eyeBlink": wave(-0.3, 0.4),
        "browInnerUp": wave(0.0, 0.2),
    }
    for name, values in amounts.items():
        for side in ("", "Left", "Right"):
            if name + side in HEAD.names:
                curves[:, HEAD.names.index(name + side)] = values
    return curves


def published(folder: Path, clips: int) -> Array:
    """Measured curves of real speech, clip after clip, (frames, 51) in the head's order."""
    files = sorted(p for p in folder.glob("*.json") if p.name != "words.json")
    parts = []
    for file in files[:clips]:
        take = json.loads(file.read_text())
        values = np.array([frame["weights"] for frame in take["frames"]])
        parts.append(values[:, [take["names"].index(name) for name in HEAD.names]])
    return np.concatenate(parts)


def turns(yaw: Array, pitch: Array, roll: Array) -> Array:
    """(frames, 3, 3) from radians."""
    made = []
    for a, b, angle in ((0, 2, yaw), (1, 2, pitch), (0, 1, roll)):
        one = np.tile(np.eye(3), (len(angle), 1, 1))
        one[:, a, a] = one[:, b, b] = np.cos(angle)
        one[:, a, b], one[:, b, a] = -np.sin(angle), np.sin(angle)
        made.append(one)
    return made[0] @ made[1] @ made[2]


def filmed(curves: Array, *, jitter: float, seed: int = 0) -> Measured:
    """The head as a landmarker would see it in 16:15 pixels, made square again.

    jitter: of every coordinate, over the distance of the inner eye corners. The head nods and
    turns, nearer and farther; the network's scores are 0.
    """
    time_s = np.arange(len(curves)) / 25
    unit_px = 40.0
    points = HEAD.moved(curves) * (unit_px / landmarks.eye_distance(HEAD.neutral))
    nod = turns(0.14 * np.sin(time_s), 0.09 * np.sin(1.3 * time_s), 0.07 * np.sin(0.7 * time_s))
    points = points @ nod.swapaxes(1, 2) * (1.0 + 0.05 * np.sin(time_s))[:, None, None]
    stored = (points * [1.0, -1.0, -1.0] + [190.0, 120.0, 0.0]) * [15 / 16, 1.0, 15 / 16]
    seen = stored * [16 / 15, 1.0, 16 / 15]
    seen += np.random.default_rng(seed).standard_normal(seen.shape) * jitter * unit_px
    none = np.zeros((len(curves), len(CURVES)), np.float32)
    return Measured(time_s, seen.astype(np.float32), none, none[:, :3])


def solved(film: Measured) -> tuple[Array, takes.Person]:
    person = takes.know([film], HEAD)
    return takes.solve(film, person), person


def of(names: tuple[str, ...], values: Array, name: str) -> Array:
    """A curve's columns, both sides of it."""
    places = [i for i, n in enumerate(names) if n in (name, f"{name}Left", f"{name}Right")]
    return values[:, places]


def check_known_curves(curves: Array) -> None:
    found, person = solved(filmed(curves, jitter=0.005))
    error = {
        name: float(np.abs(of(person.names, found, name) - of(HEAD.names, curves, name)).mean())
        for name in HELD
    }
    assert max(error.values()) < 0.05, error


def test_known_curves_come_back_from_jittered_landmarks() -> None:
    check_known_curves(drawn_curves(450, seed=1))


@pytest.mark.parametrize("first", [0, 8])
def test_real_speech_comes_back_from_jittered_landmarks(shared: Path, first: int) -> None:
    frames = published(shared / "data" / "grid_s1_fit", first + 8)[75 * first :]
    check_known_curves(frames)


def test_lips_that_part_alone_leave_the_jaw_shut() -> None:
    """A jaw that opened for "ee" would show a hole for teeth."""
    curves = np.zeros((150, len(HEAD.names)))
    parted = np.clip(np.sin(2 * np.pi * np.arange(150) / 25), 0.0, 1.0)
    for name in ("mouthLowerDown", "mouthUpperUp"):
        for side in ("Left", "Right"):
            curves[:, HEAD.names.index(name + side)] = 0.8 * parted
    found, person = solved(filmed(curves, jitter=0.005))
    assert of(person.names, found, "jawOpen").max() < 0.05
    assert of(person.names, found, "mouthLowerDown")[parted > 0.9].min() > 0.5


def test_closures_are_not_rounded_off() -> None:
    """One closed picture between open ones stays closed."""
    curves = np.zeros((80, len(HEAD.names)))
    curves[30:, HEAD.names.index("jawOpen")] = 0.3
    curves[50, HEAD.names.index("mouthClose")] = 0.25
    found, person = solved(filmed(curves, jitter=0.002))
    gap = landmarks.lip_axes(np.einsum("tk,kpi->tpi", found, person.shapes))["gap"]
    true = landmarks.lip_axes(HEAD.moved(curves) - HEAD.neutral)["gap"] / person.unit
    assert gap[50] == pytest.approx(true[50], abs=0.02)
    assert gap[[49, 51]] == pytest.approx(true[[49, 51]], abs=0.02)


def test_a_persons_films_share_one_neutral_and_parts_change_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    curves = drawn_curves(300, seed=3)
    film = filmed(curves, jitter=0.002)
    halves = [
        replace(
            film,
            times_s=film.times_s[part],
            points=film.points[part],
            scores=film.scores[part],
            rotations=film.rotations[part],
        )
        for part in (slice(0, 150), slice(150, 300))
    ]
    person = takes.know(halves, HEAD)
    np.testing.assert_allclose(person.neutral, takes.know([film], HEAD).neutral, atol=1e-9)
    whole = takes.solve(film, person)
    monkeypatch.setattr(takes, "_PART", 37)
    np.testing.assert_allclose(takes.solve(film, person), whole, atol=1e-6)


def test_another_face_stretches_the_shapes() -> None:
    """A face whose mouth is a third wider spreads it a third further at the same curves."""
    near = np.exp(-((HEAD.neutral[:, 1] + 0.5) ** 2) / 0.1)
    face = HEAD.neutral.copy()
    face[:, 0] *= 1.0 + 0.3 * near
    i = HEAD.names.index("mouthStretchLeft")
    own = landmarks.lip_axes(HEAD.displacement[i])["width"]
    fitted = landmarks.lip_axes(HEAD.fitted(face)[i])["width"]
    assert fitted / own == pytest.approx(1.28, abs=0.08)
    np.testing.assert_allclose(HEAD.fitted(HEAD.neutral), HEAD.displacement, atol=1e-9)


def test_forward_is_named_where_depth_tells() -> None:
    jaw = takes.NAMES.index("jawForward")
    quiet = np.zeros((200, len(takes.NAMES)))
    assert not takes.forward_seen([quiet])
    noise = quiet.copy()
    noise[:, jaw] = np.abs(np.random.default_rng(0).standard_normal(200)) * 0.1
    assert not takes.forward_seen([noise])
    moves = quiet.copy()
    moves[:, jaw] = 0.2 * np.sin(np.arange(200) / 5.0) ** 2
    assert takes.forward_seen([moves[:100], moves[100:]])
    assert "jawForward" in takes.left_out(False)
    assert "jawForward" not in takes.left_out(True)


def test_what_was_measured_is_kept(tmp_path: Path) -> None:
    film = replace(filmed(drawn_curves(20, seed=4), jitter=0.0), lost=2, shared=1)
    store.write(film, tmp_path / "film.npz", "a key")
    kept = store.read(tmp_path / "film.npz", "a key")
    assert kept is not None
    np.testing.assert_allclose(kept.points, film.points, atol=0.01)
    np.testing.assert_array_equal(kept.times_s, film.times_s)
    assert (kept.lost, kept.shared) == (2, 1)
    assert store.read(tmp_path / "film.npz", "another") is None
    whole = (tmp_path / "film.npz").read_bytes()
    (tmp_path / "film.npz").write_bytes(whole[: len(whole) // 2])
    assert store.read(tmp_path / "film.npz", "a key") is None
    assert store.read(tmp_path / "none.npz", "a key") is None


def test_pixel_aspects() -> None:
    assert pixels.parse("16:15") == Fraction(16, 15)
    assert pixels.parse("4/3") == Fraction(4, 3)
    assert pixels.parse("1.0667") == Fraction(10667, 10000)
    for wrong in ("", "wide", "0:1", "1:0", "-4:3", "9:1", "nan"):
        with pytest.raises(ValueError, match="expected W:H"):
            pixels.parse(wrong)


@pytest.mark.parametrize(
    ("width", "height", "likely"),
    [
        (720, 576, "--pixel-aspect 16:15 (or 64:45"),
        (704, 576, "--pixel-aspect 12:11"),
        (360, 288, "--pixel-aspect 16:15"),
        (352, 288, "--pixel-aspect 12:11"),
        (720, 480, "--pixel-aspect 8:9 (or 32:27"),
        (1440, 1080, "--pixel-aspect 4:3 if"),
    ],
)
def test_sizes_of_television_are_asked_about(width: int, height: int, likely: str) -> None:
    for says in (None, Fraction(1)):
        asked = pixels.question("tape.mpg", width, height, says)
        assert asked.startswith(f"tape.mpg is {width} x {height}")
        assert likely in asked
    assert not pixels.question("tape.mpg", width, height, Fraction(16, 15))
    assert not pixels.question("film.mov", 1920, 1080, None)


def write_film(path: Path, size: tuple[int, int], aspect: Fraction | None) -> None:
    """Two dark pictures with a bright disc, round on the screen where `aspect` is right; a hum."""
    import av

    width, height = size
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        if aspect is not None:
            stream.codec_context.sample_aspect_ratio = aspect
            stream.sample_aspect_ratio = aspect
        sound = container.add_stream("pcm_s16le", rate=16000, layout="mono")
        shape = float(aspect or 1)
        x = (np.arange(width) + 0.5 - width / 2) * shape
        y = np.arange(height) + 0.5 - height / 2
        picture = np.zeros((height, width, 3), np.uint8)
        picture[x[None] ** 2 + y[:, None] ** 2 < (0.4 * height) ** 2] = 255
        for _ in range(2):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        hum = av.AudioFrame.from_ndarray(np.zeros((1, 1280), np.int16), format="s16", layout="mono")
        hum.rate = 16000
        container.mux(sound.encode(hum))


@pytest.mark.parametrize("aspect", [Fraction(16, 15), Fraction(4, 3), Fraction(8, 9)])
def test_pictures_come_at_their_true_shape(tmp_path: Path, aspect: Fraction) -> None:
    film = tmp_path / "film.mkv"
    write_film(film, (144, 96), aspect)
    assert video.info(film).pixel_aspect == aspect
    (_, picture), *_ = video.frames(film)
    lit = picture[..., 1] > 128
    wide, high = int(lit.any(0).sum()), int(lit.any(1).sum())
    assert wide == pytest.approx(high, abs=3)
    assert min(picture.shape[:2]) >= 96  # nothing is thrown away
    (_, stored), *_ = video.frames(film, Fraction(1))
    assert stored.shape == (96, 144, 3)


def test_what_the_film_says_is_overruled(tmp_path: Path) -> None:
    film = tmp_path / "film.mkv"
    write_film(film, (144, 96), None)
    (_, picture), *_ = video.frames(film, Fraction(16, 15))
    assert picture.shape == (96, 154, 3)


def test_a_picture_is_a_png() -> None:
    data = video.png(np.zeros((4, 6, 3), np.uint8))
    assert data.startswith(b"\x89PNG")


def test_heads_of_ones_own(shared: Path, tmp_path: Path) -> None:
    """The figures that ship are those of the head they were taken from."""
    table = shared / "heads" / "ict_at_mediapipe.npz"
    head = landmark_head.read(table, shared / "heads" / "ict_head_arkit52.glb")
    order = [head.names.index(name) for name in HEAD.names]
    scale = np.ptp(HEAD.neutral[[234, 454], 0]) / np.ptp(head.neutral[[234, 454], 0])
    np.testing.assert_allclose(head.displacement[order] * scale, HEAD.displacement, atol=2e-3)
    # Taken as it is, without the head, it is the default.
    np.testing.assert_array_equal(landmark_head.read(table).neutral, HEAD.neutral)


def test_tables_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    def refused(**arrays: Any) -> str:
        np.savez(tmp_path / "table.npz", **arrays)
        with pytest.raises(HeadError) as error:
            landmark_head.read(tmp_path / "table.npz")
        return str(error.value)

    good = {"names": list(HEAD.names), "neutral": HEAD.neutral, "displacement": HEAD.displacement}
    assert "expected an npz with names" in refused(names=["jawOpen"])
    assert "(468, 3)" in refused(**{**good, "neutral": HEAD.neutral[:100]})
    assert "look along +z" in refused(**{**good, "neutral": HEAD.neutral * [-1, 1, 1]})
    assert "jawOpen and mouthClose" in refused(**{**good, "names": ["x"] * len(HEAD.names)})
    with pytest.raises(FileNotFoundError):
        landmark_head.read(tmp_path / "none.npz")


@pytest.fixture(scope="module")
def model(shared: Path) -> Path:
    """The landmarker's file. Without it or MediaPipe tests are skipped, and in CI they fail."""
    file = shared / "weights" / "face_landmarker.task"
    try:
        capture.require(file)
        with capture.landmarker(file):
            return file
    except capture.CaptureError as reason:
        if os.environ.get("CI"):
            pytest.fail(f"{reason}")
        pytest.skip(f"{reason}")


def correlation(a: Array, b: Array) -> float:
    return float(np.corrcoef(a, b)[0, 1])


def test_a_rendered_face_is_read_by_the_landmarker(model: Path) -> None:
    """It sees a rendered face with a prior of its own: how the mouth moves must come through."""
    curves = drawn_curves(50, seed=6)
    points = HEAD.moved(curves)
    pictures = [draw.face(face, HEAD.neutral, 224) for face in points]
    with capture.landmarker(model) as detect:
        stamped = ((i / 25, picture) for i, picture in enumerate(pictures))
        faces = [face for face, _ in capture.faces_of(stamped, detect)]
    seen = [face for face in faces if face is not None]
    assert len(seen) == len(curves)
    film = Measured(
        np.array([face.at_s for face in seen]),
        np.stack([face.points for face in seen]),
        np.stack([face.scores for face in seen]),
        np.array([face.rotation for face in seen], np.float32),
    )
    found, person = solved(film)
    shown = landmarks.lip_axes(np.einsum("tk,kpi->tpi", found, person.shapes))
    true = landmarks.lip_axes(points)
    assert correlation(shown["gap"], true["gap"]) > 0.9
    assert correlation(shown["width"], true["width"]) > 0.9


def on_the_axes(take: Path, lip_axes: dict[str, Any]) -> dict[str, Array]:
    document = json.loads(take.read_text())
    values = np.array([frame["weights"] for frame in document["frames"]])
    names = document["names"]
    units = {axis: dict(zip(lip_axes["names"], lip_axes[axis], strict=True)) for axis in AXES}
    return {
        axis: values @ np.array([unit.get(name, 0.0) for name in names])
        for axis, unit in units.items()
    }


def test_published_movements_come_back_from_the_films(
    shared: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    films = sorted((shared / "data" / "films").glob("*.mpg"))
    words = ["capture", *map(str, films), "-o", str(tmp_path), "--model", str(model)]
    assert main([*words, "--pixel-aspect", "16:15", "--report"]) == 0
    assert "a size of television" not in capsys.readouterr().out
    axes = json.loads((shared / "design" / "lip_axes.json").read_text())
    at_least = {"gap": 0.98, "width": 0.98, "lower_drop": 0.98, "upper_raise": 0.95}
    at_least["protrusion"] = 0.95
    turned = np.load(shared / "data" / "grid_speakers_fit" / "rotations.npz")
    for film in films:
        speaker, clip = film.stem.split("_")
        found = on_the_axes(tmp_path / f"{film.stem}.json", axes)
        true = on_the_axes(shared / "data" / "grid_speakers_fit" / speaker / f"{clip}.json", axes)
        for axis, bound in at_least.items():
            assert correlation(found[axis], true[axis]) > bound, (film.name, axis)
        frames = json.loads((tmp_path / f"{film.stem}.json").read_text())["frames"]
        rotation = np.array([frame["rotation"] for frame in frames])
        np.testing.assert_allclose(rotation, turned[film.stem], atol=0.05)
        assert (tmp_path / "report" / f"{film.stem}.png").read_bytes().startswith(b"\x89PNG")
    report = (tmp_path / "report" / "report.md").read_text()
    assert "left out: cheekPuff" in report
    assert "| s2_bbas1p.mpg | 75 |" in report


def test_films_that_say_square_are_asked_about(
    shared: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    film = shared / "data" / "films" / "s5_bbae8n.mpg"
    words = ["capture", str(film), "-o", str(tmp_path), "--model", str(model)]
    assert main([*words, "--curves", "network"]) == 0
    said = capsys.readouterr().out
    assert "s5_bbae8n.mpg is 360 x 288, a size of television" in said
    assert "--pixel-aspect 16:15" in said


def test_the_order_of_the_solved_curves() -> None:
    assert len(solver.SOLVED) == 27
    assert solver.mirrored("mouthSmileLeft") == "mouthSmileRight"
    assert solver.mirrored("mouthLeft") is None
    assert solver.mirrored("mouthSmileRight") is None


def test_angles_of_a_matrix() -> None:
    yaw, pitch, roll = 20.0, -10.0, 5.0
    matrix = np.eye(4)
    y, p, r = np.radians([yaw, pitch, roll])
    about_y = [[np.cos(y), 0, np.sin(y)], [0, 1, 0], [-np.sin(y), 0, np.cos(y)]]
    about_x = [[1, 0, 0], [0, np.cos(p), -np.sin(p)], [0, np.sin(p), np.cos(p)]]
    about_z = [[np.cos(r), -np.sin(r), 0], [np.sin(r), np.cos(r), 0], [0, 0, 1]]
    matrix[:3, :3] = 3.0 * np.array(about_y) @ about_x @ np.array(about_z)
    assert store.angles(matrix) == pytest.approx((yaw, pitch, roll))
