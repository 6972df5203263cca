"""Commands over many takes: what is bad among them ends nothing, and is told at the end."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import soundfile

pytest.importorskip("torch")

import train_corpus
from paths import CONFIGS
from rich.console import Console
from rich.progress import Progress, TextColumn
from train_corpus import BeatTake

from diffusiontalker.bundle import Bundle
from diffusiontalker.train.cli import screen
from diffusiontalker.train.cli.commands import main
from diffusiontalker.train.config import load

BAD: dict[str, bytes] = {
    "cut.json": b'{"names": ["jawOpen"], "frames": [{"weights": [0.1',
    "deep.json": b'{"names": ["jawOpen"], "frames": [' + b"[" * 100_000,
    "long.json": b'{"names": ["jawOpen"], "frames": [{"weights": [9' + b"9" * 400 + b"]}]}",
    "percent.json": json.dumps(
        {"names": ["jawOpen"], "frames": [{"weights": [50], "time": i / 30} for i in range(90)]}
    ).encode(),
    "cues.json": b'{"mouthCues": []}',
    "rows.csv": b"Timecode,BlendShapeCount,JawOpen\n00:00:00:00,61,x\n",
    "phones.TextGrid": b"ooTextFile",
    "[red].json": b"\xff\xfe\x00",
}  # fmt: skip


def write_bad(folder: Path) -> list[str]:
    """Takes that cannot be used; their names as they are told."""
    names = list(BAD)
    for name, content in BAD.items():
        (folder / name).write_bytes(content)
        time = np.arange(48000) / 16000
        sound = 0.1 * np.sin(2 * np.pi * 200 * time)
        soundfile.write((folder / name).with_suffix(".wav"), sound, 16000)
    if os.name == "posix":
        Path(os.fsdecode(os.fsencode(folder) + b"/caf\xe9.json")).write_bytes(BAD["cut.json"])
        names.append(r"caf\udce9.json")
    (folder / "index.csv").write_text("take,words\n1,hello\n")
    return names


def must_list(said: str, names: list[str]) -> None:
    end = said[said.index("left out:") :]
    assert f"left out: {len(names)} takes skipped, 1 files passed over" in end
    for name in names:
        (line,) = (line for line in end.splitlines() if line.startswith(f"skipped {name}: "))
        assert len(line) > len(f"skipped {name}: ")
    assert "passed over 1 file (index.csv): a CSV without Timecode and curves" in end


def test_evaluate_measures_the_good_and_lists_the_bad(
    tmp_path: Path, bundle_at_60: Bundle, capsys: pytest.CaptureFixture[str]
) -> None:
    train_corpus.write_beat(tmp_path, BeatTake("good", seconds=2.0), seed=1)
    names = write_bad(tmp_path)
    words = ["evaluate", str(bundle_at_60.path), "--all", "--data", str(tmp_path)]
    assert main(words) == 0
    said, error = capsys.readouterr()
    must_list(said, names)
    assert not error
    # Nothing but bad ones: they are listed before the line that says so.
    for ending in ("json", "wav"):
        (tmp_path / f"good.{ending}").unlink()
    assert main(words) == 2
    said, error = capsys.readouterr()
    assert "skipped percent.json: jawOpen reaches 50" in said
    assert "holds no usable takes" in error
    assert error.count("\n") == 1


def test_a_run_trains_on_the_good_and_lists_the_bad(
    folders: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    measured = tmp_path / "measured"
    for i in range(3):
        train_corpus.write_measured(measured, f"take{i}", seed=i)
    names = write_bad(measured)
    text = (CONFIGS / "tiny.toml").read_text()
    config = tmp_path / "tiny.toml"
    text = text[: text.index("[[stages]]\nsteps = 16")]
    config.write_text(text.replace("epochs = 3", "epochs = 1"))
    data = [f"--data=measured={measured}", f"--data=spoken={folders['spoken']}"]
    out = tmp_path / "run"
    assert main(["run", str(config), *data, "--out", str(out), "--no-evaluate"]) == 0
    said, error = capsys.readouterr()
    must_list(said, names)
    assert not error
    assert "0.3 minutes to train on; steps, about: teacher 2" in said
    assert "too little data for teacher: 2 steps" in said
    report = json.loads((out / "data.json").read_text())
    assert len(report["skipped"]) == len(names)
    assert len(report["passed_over"]) == 1


def test_add_speaker_takes_the_good_and_lists_the_bad(
    tmp_path: Path, bundle_at_60: Bundle, capsys: pytest.CaptureFixture[str]
) -> None:
    takes = tmp_path / "takes"
    train_corpus.write_beat(takes, BeatTake("good", seconds=3.0), seed=1)
    names = write_bad(takes)
    words = ["add-speaker", str(bundle_at_60.path), str(takes), "--name", "dora", "--steps", "2"]
    assert main([*words, "-o", str(tmp_path / "out")]) == 0
    said, error = capsys.readouterr()
    must_list(said, names)
    assert not error
    # A take of 3 s is not silently taken for one without a face, nor its match for a proof.
    assert "the face was not learnt: the longest take with curves has 3.0 s, 4 s in one" in said
    assert "s of speech (3.0 s of sound), 10 s or more are wanted" in said
    assert "no curves among the takes" not in said


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (
            [3.0, 3.0],
            "stage student-8 learns from windows of 480 frames (8.0 s), the takes of one voice add "
            "up to 3.0 s: record more than 8 s of a voice",
        ),
        ([2.0], "add up to 2.0 s"),
    ],
)
def test_too_little_for_one_window_is_told_before_the_start(
    seconds: list[float],
    said: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The README's own line, on short takes."""
    for i, length_s in enumerate(seconds):
        train_corpus.write_beat(tmp_path / "takes", BeatTake(f"t{i}", seconds=length_s), seed=i)
    words = ["run", str(CONFIGS / "finetune.toml"), f"--data=takes={tmp_path / 'takes'}"]
    assert main([*words, "--out", str(tmp_path / "run")]) == 2
    _, error = capsys.readouterr()
    assert said in error.replace("\n", " ")
    assert error.count("\n") == 1
    assert not (tmp_path / "run" / "0-student-8").exists()


def test_one_take_is_learnt_from_and_its_steps_are_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from diffusiontalker.train.recipes import amount, run

    train_corpus.write_beat(tmp_path / "takes", BeatTake("one", seconds=11.0), seed=1)
    config = load(CONFIGS / "finetune.toml", {"takes": str(tmp_path / "takes")})
    data = run.read_data(config)
    (stage,) = amount.amounts(config, data, tmp_path)
    assert (stage.steps, stage.warmup_steps, stage.enough) == (8, 50, False)
    assert stage.wanted_minutes == pytest.approx(2 * 50 / 8 * 4 * 8 / 60)
    screen.tell_amount(Console(), config, data, tmp_path)
    said = capsys.readouterr().out
    assert "takes: the only take of takes is learnt from; to measure, too, record two" in said
    assert "0.2 minutes to train on; steps, about: student-8 8" in said
    assert "rises over the first 50; 7 minutes or more are wanted" in said
    # A stage that is done wants nothing.
    (tmp_path / config.stage_folder(0)).mkdir()
    (tmp_path / config.stage_folder(0) / "final.pt").touch()
    assert amount.amounts(config, data, tmp_path) == []


def play(
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    epochs: Sequence[int],
    epoch_s: float,
    times: int = 1,
) -> list[float]:
    """A stage shown `times` times, of epochs of so many steps; what its bars were left at."""
    now = [0.0]
    monkeypatch.setattr(screen.time, "monotonic", lambda: now[0])
    with Progress(TextColumn("{task.description}"), console=Console()) as progress:
        on_step = screen.stage_bars(progress)
        for _ in range(times):
            for epoch, steps in enumerate(epochs):
                for step in range(1, steps + 1):
                    on_step(name, epoch, len(epochs), step, steps, {"loss": 0.5})
                    now[0] += epoch_s / steps
        return [task.completed for task in progress.tasks]


def test_an_epochs_line_tells_the_time_left(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    play(monkeypatch, "teacher", [10] * 4, 300.0)
    said = capsys.readouterr().out
    assert "teacher epoch 1/4 loss 0.5000, 15 min left" in said
    assert "teacher epoch 3/4 loss 0.5000, 5 min left" in said
    assert "teacher epoch 4/4 loss 0.5000\n" in said
    assert [screen.duration(s) for s in (40, 720, 12000)] == ["40 s", "12 min", "3 h 20 min"]


def test_a_stage_of_the_same_name_has_a_bar_and_a_time_of_its_own(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    # Versions of the data differ in length.
    assert play(monkeypatch, "student-8", [10, 14, 10], 300.0, times=2) == [30, 30]
    said = capsys.readouterr().out
    assert said.count("student-8 epoch 1/3 loss 0.5000, 10 min left") == 2
    assert said.count("student-8 epoch 2/3 loss 0.5000, 5 min left") == 2


def test_long_lists_are_bounded(capsys: pytest.CaptureFixture[str]) -> None:
    from diffusiontalker.train.corpora import Skipped

    skipped = [Skipped(Path(f"{i}.json"), "broken") for i in range(100)]
    passed = [Skipped(Path(f"{i}.csv"), f"reason {i % 60}") for i in range(120)]
    screen.tell_in_the_end(Console(), skipped, passed)
    said = capsys.readouterr().out.splitlines()
    assert said[0] == "left out: 100 takes skipped, 120 files passed over"
    assert "skipped 60 more" in said
    assert said[-1] == "passed over 40 more files for other reasons"
    assert len(said) == 1 + 41 + 41
