"""`dt-stream --film` and `--plot`: what is made, and the one line where it cannot be."""

from __future__ import annotations

import resource
from pathlib import Path

import pytest

pytest.importorskip("av")
pytest.importorskip("PIL")
pytest.importorskip("diffusiontalker._picture")

from films_made import read

from diffusiontalker.stream.cli import main

DEMO = ("--demo", "--seconds", "0.4")


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_a_film_a_sheet_and_the_curves(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("matplotlib")
    assert main([*DEMO, "--film", "demo.mp4", "--film-size", "320x180", "--layout", "face+curves",
                 "--out", "demo.csv", "--plot", "demo.png"]) == 0  # fmt: skip
    said = capsys.readouterr()
    assert said.err == ""
    curves, sheet, film = said.out.splitlines()
    assert curves.startswith("demo.csv: 24 frames")
    assert sheet == "demo.png: plot of 24 frames"
    assert film.startswith("demo.mp4: 0.4 s, 320x180, 30 pictures a second, in ")
    assert len(read(Path("demo.mp4")).pictures) == 12
    assert sorted(path.name for path in Path().iterdir()) == ["demo.csv", "demo.mp4", "demo.png"]


def test_two_settings_on_one_voice(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*DEMO, "--film", "ab.mp4", "--film-size", "320x180",
                 "--film-b", "seed=3,strength-lower=2"]) == 0  # fmt: skip
    assert "ab.mp4: 0.4 s" in capsys.readouterr().out
    assert len(read(Path("ab.mp4")).pictures) == 12


def test_a_full_disk_loses_nothing_that_was_recorded(capsys: pytest.CaptureFixture[str]) -> None:
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (25_000, limits[1]))
    try:
        code = main([*DEMO, "--film", "demo.mp4", "--out", "demo.csv", "--quiet"])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    said = capsys.readouterr()
    assert code == 2
    assert said.err == (
        "dt-stream: --film: cannot write demo.mp4: File too large; demo.csv is whole\n"
    )
    assert len(Path("demo.csv").read_text().splitlines()) == 25
    assert [path.name for path in Path().iterdir()] == ["demo.csv"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--mic", "--film", "a.mp4"), "--film is made offline: it needs --wav, --pcm or --demo"),
        ((*DEMO, "--film", "a.avi"), "--film a.avi: expected a name that ends with .mp4"),
        ((*DEMO, "--film", "no/a.mp4"), "--film no/a.mp4: there is no folder"),
        ((*DEMO, "--film", "a.mp4", "--layout", "faces"), "did you mean"),
        ((*DEMO, "--film", "a.mp4", "--layout", "a-b"), "--layout a-b and --film-b go together"),
        ((*DEMO, "--film", "a.mp4", "--film-b", "sed=3"), "--film-b sed=3: expected identity,"),
        ((*DEMO, "--film", "a.mp4", "--film-b", "seed=x"), "--film-b seed=x: seed is a number"),
        ((*DEMO, "--film", "a.mp4", "--film-size", "big"), "expected WIDTHxHEIGHT, as in 1280x720"),
        ((*DEMO, "--film", "a.mp4", "--film-size", "321x180"), "size 321x180: expected even sides"),
        ((*DEMO, "--film", "a.mp4", "--fps", "500"), "fps 500: expected 1 to 120 pictures"),
        ((*DEMO, "--film", "a.mp4", "--play"), "--film is made offline: it goes without --play"),
        ((*DEMO, "--film", "a.mp4", "--to", "zmq://127.0.0.1"), "it goes without --to zmq://"),
        ((*DEMO, "--film", "a.mp4", "--head", "no.glb"), "--head no.glb: there is no such file"),
        ((*DEMO, "--fps", "30"), "--fps is a film's: it needs --film FILE.mp4"),
        ((*DEMO, "--plot", "a.txt"), "--plot a.txt: expected a name that ends with .png or"),
    ],
)
def test_refusals(options: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(options) == 2
    out, err = capsys.readouterr()
    assert out == ""
    (line,) = err.splitlines()
    assert line.startswith("dt-stream: ")
    assert said in line
    assert not list(Path().iterdir())


def test_a_damaged_head_is_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    Path("bad.glb").write_bytes(b"glTF\x02\x00\x00\x00\xff\xff\xff\xff")
    assert main([*DEMO, "--film", "a.mp4", "--head", "bad.glb"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("dt-stream: --head: bad.glb")
