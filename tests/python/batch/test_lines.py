"""What sources name, and what their results are called."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from inline import sounds

from diffusiontalker.batch import manifest
from diffusiontalker.batch.lines import find
from diffusiontalker.stream import StreamError


def named(*sources: object, out: object = "elsewhere") -> list[tuple[str, str]]:
    lines, failures = find(
        [str(source) for source in sources], out=str(out), identity="auto", seed=0, formats=("csv",)
    )
    return [(line.audio, line.out) for line in lines] + [(f.audio, f.reason) for f in failures]


def test_a_folder_with_its_folders_in_order(tmp_path: Path) -> None:
    sounds(tmp_path, ["b.wav", "a/z.FLAC", "a/b.wav", ".hidden/c.wav", "out/x.wav"])
    (tmp_path / "note.txt").write_text("no sound")
    found = named(tmp_path, out=tmp_path / "out")
    assert [name for _, name in found] == ["a/b", "a/z", "b"]
    assert found[1][0] == str(tmp_path / "a" / "z.FLAC")


def test_results_beside_their_sounds(tmp_path: Path) -> None:
    sounds(tmp_path, ["a.wav", "b/c.wav"])
    assert [name for _, name in named(tmp_path, out=tmp_path)] == ["a", "b/c"]


def test_links_that_lead_round_in_a_circle(tmp_path: Path) -> None:
    sounds(tmp_path, ["a/b.wav"])
    (tmp_path / "a" / "up").symlink_to(tmp_path)
    assert [name for _, name in named(tmp_path)] == ["a/b"]


def test_a_pattern_keeps_what_lies_below_its_fixed_part(tmp_path: Path) -> None:
    sounds(tmp_path, ["x/one/a.wav", "x/two/a.wav", "y/b.wav"])
    assert [n for _, n in named(tmp_path / "x" / "*" / "a.wav")] == ["one/a", "two/a"]
    assert [n for _, n in named(tmp_path / "**" / "*.wav")] == ["x/one/a", "x/two/a", "y/b"]
    with pytest.raises(StreamError, match="no file matches"):
        named(tmp_path / "*.mp3")


def test_files_that_a_shell_listed_keep_the_folders_in_which_they_differ(tmp_path: Path) -> None:
    sounds(tmp_path, ["x/one/a.wav", "x/two/a.wav"])
    files = [tmp_path / "x" / "one" / "a.wav", tmp_path / "x" / "two" / "a.wav"]
    assert [name for _, name in named(*files)] == ["one/a", "two/a"]
    assert [name for _, name in named(files[0])] == ["a"]


def test_two_sounds_of_one_name(tmp_path: Path) -> None:
    sounds(tmp_path, ["a.flac", "a.wav"])
    assert named(tmp_path)[1] == (
        str(tmp_path / "a.wav"), f"left out: a is what {tmp_path / 'a.flac'} becomes"
    )  # fmt: skip
    assert len(named(tmp_path / "a.wav", tmp_path / "a.wav")) == 1


def test_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(StreamError, match="no sound in it"):
        named(tmp_path)
    with pytest.raises(StreamError, match="no such file or folder"):
        named(tmp_path / "none")


@pytest.mark.parametrize("ending", ["csv", "tsv", "jsonl"])
def test_a_manifest(tmp_path: Path, ending: str) -> None:
    sounds(tmp_path, ["a/one.wav", "a/two.wav", "three.wav"])
    rows: list[dict[str, object]] = [
        {"audio": "a/one.wav", "text": "Hello, you"},
        {"audio": "a/two.wav", "out": "x/second", "identity": "anna", "seed": 7, "text": ""},
        {"audio": str(tmp_path / "three.wav"), "seed": 2**64 - 1},
        {"audio": "gone.wav"},
    ]
    path = tmp_path / f"lines.{ending}"
    if ending == "jsonl":
        path.write_text("\n".join(json.dumps(row) for row in rows) + "\n\n", "utf-8")
    else:
        comma = "\t" if ending == "tsv" else ","
        names = ["text", "audio", "out", "seed", "identity"]
        text = comma.join(names) + "\n"
        for row in rows:
            text += comma.join(f'"{row.get(name, "")}"' for name in names) + "\n"
        path.write_text(text, "utf-8-sig")  # as spreadsheets write it
    lines, (gone,) = find([str(path)], out="o", identity="auto", seed=5, formats=("csv",))
    assert [(line.out, line.identity, line.seed) for line in lines] == [
        ("a/one", "auto", 5), ("x/second", "anna", 7), ("three", "auto", 2**64 - 1),
    ]  # fmt: skip
    assert (gone.out, gone.reason) == ("gone", "cannot open it: No such file or directory")


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("m.csv", "", "expected a header with a column audio, got nothing"),
        ("m.csv", "path,seed\nx,1\n", "expected a header with a column audio, got path, seed"),
        ("m.csv", "audio,sed\na.wav,1\n", "column 'sed' is not known; did you mean seed?"),
        ("m.csv", "audio\n", "holds no lines"),
        ("m.csv", "audio,seed\na.wav,-1\n", "line 2: seed: expected a whole number from 0"),
        ("m.csv", f"audio,seed\na.wav,{2**64}\n", "line 2: seed: expected 0 to"),
        ("m.csv", "audio,out\na.wav,../b\n", "line 2: out: expected a path below --out"),
        ("m.csv", "audio,out\na.wav,/b\n", "line 2: out: expected a path below --out"),
        ("m.csv", "audio\na.wav,b\n", "line 2: more fields than the header has"),
        ("m.csv", "audio,seed\n,1\n", "line 2: audio is missing"),
        ("m.jsonl", '{"audio": 3}\n', "line 1: audio: expected text, got 3"),
        ("m.jsonl", '\n{"audio": "a.wav"\n', "line 2: "),
        ("m.jsonl", "[]\n", "line 1: expected {"),
        ("m.jsonl", '{"audoi": "a.wav"}\n', "column 'audoi' is not known; did you mean audio?"),
        ("m.jsonl", '{"audio": "a.wav", "seed": true}\n', "seed: expected a whole number"),
    ],
)
def test_a_bad_manifest_is_refused_with_its_line(
    tmp_path: Path, name: str, text: str, words: str
) -> None:
    (tmp_path / name).write_text(text, "utf-8")
    with pytest.raises(StreamError) as refusal:
        manifest.read(str(tmp_path / name))
    assert words in str(refusal.value)
    assert str(refusal.value).startswith(str(tmp_path / name))
