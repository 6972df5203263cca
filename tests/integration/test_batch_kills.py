"""dt-batch killed twice: every file once, and as if nobody had killed it."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import soundfile
from processes import PATIENCE_S, command, run

LINES = 60


def results(out: Path) -> dict[str, tuple[int, int, bytes]]:
    """By name: inode and time, which change where a file is written again, and what is in it."""
    found = {}
    for path in out.glob("*.csv"):
        stat = path.stat()
        found[path.name] = (stat.st_ino, stat.st_mtime_ns, path.read_bytes())
    return found


def kill_soon(out: Path, arguments: list[str]) -> None:
    """Starts the command and kills it, workers too, once it has placed a result more.

    The first of a run is placed at once and later ones twice a second: who waits for several sees
    half a second's work, all there is, on a fast machine. And workers of a killed parent would
    finish what they were given, which may be all that is left.
    """
    before = len(results(out))
    process = subprocess.Popen(
        [*command("dt-batch"), *arguments], stderr=subprocess.DEVNULL, start_new_session=True
    )
    deadline = time.monotonic() + PATIENCE_S
    while len(list(out.glob("*.csv"))) <= before:
        assert time.monotonic() < deadline
        assert process.poll() is None, "it was over before it could be killed"
        time.sleep(0.002)
    os.killpg(process.pid, signal.SIGKILL)
    assert process.wait(PATIENCE_S) == -signal.SIGKILL


def test_killed_twice_every_file_is_there_once(tmp_path: Path, bundle: Path) -> None:
    sounds, out = tmp_path / "in", tmp_path / "out"
    sounds.mkdir()
    rng = np.random.default_rng(0)
    for i in range(LINES):  # so long that many are left when the program is killed
        soundfile.write(sounds / f"{i:03d}.wav", 0.1 * rng.normal(size=160000), 16000)
    arguments = [str(sounds), "--out", str(out), "--bundle", str(bundle), "--jobs", "2"]
    seen: dict[str, tuple[int, int, bytes]] = {}
    for _ in range(2):
        kill_soon(out, arguments)
        now = results(out)
        assert {name: now[name] for name in seen} == seen
        seen = now
    assert 2 <= len(seen) < LINES
    result = run("dt-batch", *arguments)
    assert result.returncode == 0, result.stderr
    whole = results(out)
    assert {name: whole[name] for name in seen} == seen
    assert f"{LINES} of {LINES} lines (" in result.stdout
    assert len(whole) == LINES
    assert not list((out / ".dt-batch" / "parts").iterdir())
    other = tmp_path / "other"
    assert run("dt-batch", *arguments[:2], other, *arguments[3:-1], 1).returncode == 0
    assert {name: f[2] for name, f in whole.items()} == {
        name: f[2] for name, f in results(other).items()
    }


def test_ctrl_c_keeps_what_is_done(tmp_path: Path, bundle: Path) -> None:
    sounds, out = tmp_path / "in", tmp_path / "out"
    sounds.mkdir()
    noise = 0.1 * np.random.default_rng(0).normal(size=16000 * 20)
    for i in range(30):
        soundfile.write(sounds / f"{i}.wav", noise, 16000)
    arguments = [str(sounds), "--out", str(out), "--bundle", str(bundle), "--jobs", "1"]
    process = subprocess.Popen(
        [*command("dt-batch"), *arguments],
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    deadline = time.monotonic() + PATIENCE_S
    while not list(out.glob("*.csv")) and time.monotonic() < deadline:
        time.sleep(0.002)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: all processes of it
    _, said = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 130
    assert "Traceback" not in said
    before = results(out)
    assert before
    assert not list((out / ".dt-batch" / "parts").glob("*.csv"))
    assert run("dt-batch", *arguments).returncode == 0
    assert {name: results(out)[name] for name in before} == before
    assert len(results(out)) == 30
