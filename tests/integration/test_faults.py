"""The faults of tests/faults/run in short form; the long ones are stages of tests/run.sh."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from processes import need

FAULTS = Path(__file__).resolve().parents[1] / "faults" / "faults.py"


def faults(*arguments: object) -> str:
    need(sys.platform == "linux", "processes are stopped and woken by signals: Linux")
    done = subprocess.run(
        [sys.executable, str(FAULTS), *map(str, arguments)],
        capture_output=True, text=True, timeout=600,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1] == "survived"
    return done.stdout


@pytest.mark.slow
def test_paused_receivers_live() -> None:
    assert "2 of 2: both live" in faults("--paused-receivers", 2)


@pytest.mark.slow
def test_random_faults_around_a_stream() -> None:
    for tool in ("pulseaudio", "pactl", "paplay"):
        need(shutil.which(tool) is not None, f"{tool} is missing")
    assert faults("--around", 0.6).startswith("seed ")


@pytest.mark.slow
def test_rows_of_the_table() -> None:
    said = faults("--table", "--rows", "disk-full,clock-stepped")
    assert [line.split(" | ")[0] for line in said.splitlines()[2:-1]] == [
        "| disk-full", "| clock-stepped",
    ]  # fmt: skip
