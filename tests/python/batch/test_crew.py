"""Workers that are processes: those that die, and the same bytes from any number of them."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path

import pytest
from inline import sounds

from diffusiontalker.batch.cli import main
from diffusiontalker.batch.crew import Crew
from diffusiontalker.batch.lines import Failure, Line, find
from diffusiontalker.batch.run import REPORT
from diffusiontalker.batch.stores import OWN, open_store
from diffusiontalker.batch.work import Done, Settings


def results(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and OWN not in path.parts
    }


def test_the_command_with_one_job_and_with_three(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sounds(tmp_path / "in", [f"s{i}/{i}.wav" for i in range(5)], 0.3)
    (tmp_path / "in" / "bad.wav").write_bytes(b"no sound at all")
    outs = [tmp_path / "one", tmp_path / "three"]
    for out, jobs in zip(outs, ("1", "3"), strict=True):
        code = main(
            [str(tmp_path / "in"), "--out", str(out), "--jobs", jobs, "--format", "csv,npz"]
        )
        said = capsys.readouterr()
        assert code == 1
        assert f"{out}: 5 of 6 lines, 90 frames from 1.5 s of audio in " in said.out
        assert said.out.endswith(f"; 1 failed, see {out / REPORT}\n")
        assert f"dt-batch: {tmp_path / 'in' / 'bad.wav'}: is no WAV" in said.err
    one, three = map(results, outs)
    assert len(one) == 11
    assert one == three
    assert (
        main([str(tmp_path / "in"), "--out", str(outs[0]), "--format", "csv,npz", "--quiet"]) == 1
    )
    assert results(outs[0]) == one


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ([], "the following arguments are required: --out"),
        (["--out", "o", "--format", "cvs"], "--format cvs: expected csv, json"),
        (["--out", "o", "--jobs", "0"], "--jobs: expected 1 to 1024, got 0"),
        (["--out", "o", "--jobs", "2", "--ray", "auto"], "--jobs goes without --ray"),
        (["--out", "o", "--seed", "-1"], "--seed: expected 0 to"),
        (["--out", "o", "--head", "x.glb"], "a head's file goes with --format glb"),
        (["--out", "o"], "nowhere: no such file or folder"),
    ],
)
def test_mistakes_are_one_line(
    more: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["nowhere", *more]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("dt-batch: ")
    assert words in line


def test_a_worker_that_dies_takes_no_line_along(tmp_path: Path) -> None:
    """Killed twice over one line, which waits in a pipe; the lines behind it are done."""
    sounds(tmp_path / "in", [f"{i}.wav" for i in range(4)], 0.1)
    found, _ = find([str(tmp_path / "in")], out="", identity="auto", seed=0, formats=("csv",))
    pipe = tmp_path / "pipe.wav"
    os.mkfifo(pipe)
    stuck = Line(str(pipe), "stuck", "auto", 0, 0, "", ("csv",))
    store = open_store(str(tmp_path / "out"))
    crew = Crew(1, Settings(), store)

    def kill() -> None:
        for _ in range(2):
            with pipe.open("wb"):  # waits until the worker reads
                (process,) = (crew._workers[0].pool._processes or {}).values()
                os.kill(process.pid, signal.SIGKILL)
                process.join(60)

    killer = threading.Thread(target=kill)
    killer.start()
    ended = [result for result in crew.work([found[0], stuck, *found[1:]]) if result is not None]
    killer.join(60)
    crew.close()
    by_name = {line.out: result for line, result in ended}
    assert len(ended) == len(by_name) == 5
    failure = by_name.pop("stuck")
    assert isinstance(failure, Failure)
    assert failure.reason == "the process that read it died, 2 times"
    assert all(isinstance(result, Done) for result in by_name.values())
