"""`dt-take` and `dt-stream replay` in this process: what they show, and what they refuse."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import soundfile
from takes_made import whole

from diffusiontalker import film
from diffusiontalker.curves import CURVES, HEAD
from diffusiontalker.sound import read_all
from diffusiontalker.stream import cli as stream_cli
from diffusiontalker.takes import cli, find, read


@pytest.fixture(scope="module")
def takes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one take of 2 s."""
    folder = tmp_path_factory.mktemp("takes")
    whole(folder)
    return folder


def said_by(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, str, str]:
    """Exit code, stdout, stderr."""
    name, *arguments = map(str, words)
    code = (cli if name == "dt-take" else stream_cli).main(arguments)
    out, err = capsys.readouterr()
    return code, out, err


def test_several_files_make_a_take_each_and_a_disk_that_refuses_is_an_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("one.wav", "two.wav"):
        soundfile.write(tmp_path / name, np.zeros(1600, np.float32), 16000)
    words = ("dt-stream", "--wav", tmp_path / "one.wav", tmp_path / "two.wav", "--record")
    code, out, err = said_by(capsys, *words, tmp_path / "takes")
    assert (code, err) == (0, "")
    found = find(tmp_path / "takes")
    assert [path.name.split("-")[-1] for path in found] == ["one", "two"]
    assert f"take: {found[0]}" in out
    assert len(read(found[0]).index) == 6

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    # With nobody watching meanwhile there is nothing to go on for.
    monkeypatch.setattr("diffusiontalker.sound.growing_wav.GrowingWav.write", full)
    code, out, err = said_by(capsys, *words, tmp_path / "full")
    assert code == 2
    assert [line.rpartition(": ")[2] for line in err.splitlines()] == [
        "No space left on device"
    ] * 2
    assert find(tmp_path / "full") == []


def test_a_table_where_there_is_no_terminal(
    takes: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = said_by(capsys, "dt-take", "show", takes)
    assert (code, err) == (0, "")
    for said in ("Anna's mic", "120 at 60 Hz, 52 values each", "2.000 s at 16000 Hz", "seed 3",
                 "af_heart (auto)", "jawOpen", "end of the audio",
                 "at rest throughout: eyeLookOutLeft"):  # fmt: skip
        assert said in out
    assert re.search(r"gaps +none", out)
    code, out, err = said_by(capsys, "dt-take", "list", takes)
    assert re.search(r"-anna-s-mic +2\.00 +120 +60 Hz +16 kHz +whole$", out.rstrip())


def test_a_part_is_a_take(takes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    part = tmp_path / "part"
    code, out, _ = said_by(capsys, "dt-take", "trim", takes, part, "--from-s", 0.5, "--to-s", 1.5)
    assert (code, out) == (0, f"{part}: 60 of 120 frames, 1.00 s\n")
    glb = tmp_path / "a.glb"
    assert said_by(capsys, "dt-take", "convert", part, glb, "--sound")[0] == 0
    assert glb.read_bytes()[:4] == b"glTF"
    assert len(read_all(tmp_path / "a.wav")[0]) == 16000
    assert said_by(capsys, "dt-take", "convert", glb.with_name("none"), glb)[0] == 2


def test_a_film_turns_the_head_as_the_take_has_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("av")
    pytest.importorskip("diffusiontalker._picture")
    names = (*CURVES, *HEAD)
    path = whole(tmp_path, 10, names=names)
    drawn: list[np.ndarray] = []
    whole_head = film.Portrait.posed

    def posed(portrait: film.Portrait, values: np.ndarray) -> np.ndarray:
        drawn.append(values)
        return whole_head(portrait, values)

    monkeypatch.setattr(film.Portrait, "posed", posed)
    code, _, _ = said_by(
        capsys, "dt-take", "film", path, tmp_path / "a.mp4", "--size", "64x64", "--fps", "60"
    )
    assert code == 0
    taken = read(path).values
    np.testing.assert_allclose(
        sorted(values[-3] for values in drawn), sorted(taken[:, names.index("headYaw")]), atol=1e-6
    )


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["dt-take"], ""),
        (["dt-take", "lst"], "expected list, show, trim, convert, film; did you mean list?"),
        (["dt-take", "show", "{none}"], "there is no such take"),
        (["dt-take", "list", "{none}"], "there is no such folder"),
        (["dt-take", "list", "{empty}"], "holds no take; dt-stream --record"),
        (["dt-take", "show", "{empty}"], "holds no take"),
        (["dt-take", "trim", "{take}", "{take}"], "is there already"),
        (["dt-take", "trim", "{take}", "{empty}/x", "--from-s", "9"], "it lasts 2.00 s"),
        (["dt-take", "convert", "{take}", "a.fbx"], "no such form; there are .csv"),
        (["dt-take", "convert", "{take}", "{none}/a.csv"], "there is no folder"),
        (["dt-take", "convert", "{take}", "{empty}/a.glb", "--hed", "x"], "did you mean --head?"),
        (["dt-take", "film", "{take}", "a.avi"], "expected a name that ends with .mp4"),
        (["dt-stream", "replay"], "name a take"),
        (["dt-stream", "replay", "{none}"], "there is no such take"),
        (["dt-stream", "replay", "{take}", "--seed", "2"], "replay goes without --seed"),
        (["dt-stream", "replay", "{take}", "--mic"], "replay goes without --mic"),
        (["dt-stream", "replay", "{take}", "--fast", "--play"], "replay --fast writes files"),
        (["dt-stream", "devices", "x"], "nothing stands after devices"),
        (["dt-stream", "--demo", "--record", "/dev/null/x"], "no take can be written there"),
    ],
)
def test_refusals_are_one_line(
    words: list[str],
    said: str,
    takes: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    places = {"none": tmp_path / "none", "empty": tmp_path / "empty", "take": read(takes).path}
    places["empty"].mkdir()
    code, out, err = said_by(capsys, *(word.format(**places) for word in words))
    if not said:
        assert (code, err) == (0, "")
        assert "examples:" in out
        return
    assert code == 2
    (line,) = err.splitlines()
    assert line.startswith(f"{words[0]}: ")
    assert said in line
