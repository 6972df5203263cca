"""Takes as a user makes them: killed, out of disk, replayed, shown; and what is refused."""

from __future__ import annotations

import json
import re
import resource
import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest
from processes import PATIENCE_S, Start, command, parse, run, subscribe

from diffusiontalker.sound import read_all
from diffusiontalker.takes import find, read


@pytest.fixture(scope="module")
def takes(tmp_path_factory: pytest.TempPathFactory, bundle: Path) -> Path:
    """A folder with one take of 2 s of the demo clip."""
    folder = tmp_path_factory.mktemp("takes")
    result = run(
        "dt-stream", "--demo", "--seconds", 2, "--fast", "--bundle", bundle, "--record", folder,
        "--seed", 5, "--gain", "jawOpen=1.5", "--out", folder / "face.csv", "--head",
    )  # fmt: skip
    assert (result.returncode, result.stderr) == (0, "")
    (path,) = find(folder)
    assert result.stdout.splitlines()[-1] == f"take: {path}"
    return folder


def test_a_take_has_all_that_made_it(takes: Path, bundle: Path, tmp_path: Path) -> None:
    take = read(takes)
    assert take.complete
    assert (take.settings["seed"], take.settings["gain"]) == (5, {"jawOpen": 1.5})
    assert take.settings["bundle_sha256"].startswith(take.schema.model_version)
    assert len(take.names) == 55
    assert take.found["identity"]
    # Its sound through the same settings gives the same bits.
    again = run(
        "dt-stream", "--wav", take.path / "sound.wav", "--fast", "--bundle", bundle, "--seed", 5,
        "--gain", "jawOpen=1.5", "--head", "--record", tmp_path,
    )  # fmt: skip
    assert again.returncode == 0, again.stderr
    second = read(tmp_path)
    assert second.values.tobytes() == take.values.tobytes()
    assert second.sound().tobytes() == take.sound().tobytes()
    assert second.source == "sound"


def test_a_killed_recorder_leaves_all_that_it_heard(
    start: Start, endpoint: str, bundle: Path, tmp_path: Path
) -> None:
    process = start(
        *command("dt-stream"), "--demo", "--quiet", "--bundle", bundle, "--bind", endpoint,
        "--record", tmp_path,
    )  # fmt: skip
    deadline = time.monotonic() + PATIENCE_S
    size = 0
    while size < 60 * 236 and time.monotonic() < deadline:
        time.sleep(0.05)
        size = sum(path.stat().st_size for path in tmp_path.rglob("frames.bin"))
    process.popen.send_signal(signal.SIGKILL)
    process.popen.wait(PATIENCE_S)
    take = read(tmp_path)
    assert len(take.index) >= 60
    assert take.index.tolist() == list(range(len(take.index)))
    assert re.search(r"read up to the cut: it was not ended \(its recorder was killed", take.cut)
    sound, rate_hz, _ = read_all(take.path / "sound.wav")
    assert len(sound) / rate_hz >= take.index[-1] / 60
    shown = run("dt-take", "list", tmp_path)
    assert (shown.returncode, shown.stderr) == (0, "")
    assert shown.stdout.splitlines()[-1].endswith("broken off")


def _small_files() -> None:
    # As a disk that fills up; Python ignores the signal and gets an error.
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))


def test_a_full_disk_stops_the_take_and_not_the_stream(
    start: Start, endpoint: str, bundle: Path, tmp_path: Path
) -> None:
    subscriber = subscribe(start, endpoint)
    result = run(
        "dt-stream", "--demo", "--seconds", 1, "--plain", "--bundle", bundle, "--bind", endpoint,
        "--record", tmp_path, preexec_fn=_small_files,
    )  # fmt: skip
    assert result.returncode == 2
    (line,) = result.stderr.splitlines()
    assert re.search(r"--record .*: File too large; what came before is kept", line)
    assert "60 frames at 60 Hz" in result.stdout, "it went on"
    messages = [parse(text) for text in subscriber.rest()]
    assert messages[-1].kind == "bye"
    take = read(tmp_path)
    assert 0 < len(take.index) < 60
    assert "was not ended" in take.cut


def test_a_replay_is_the_take(start: Start, endpoint: str, takes: Path, tmp_path: Path) -> None:
    take = read(takes)
    subscriber = subscribe(start, endpoint)
    result = run(
        "dt-stream", "replay", takes, "--bind", endpoint, "--publish-audio", "--plain",
        "--out", tmp_path / "again.csv", "--subject", "bo",
    )  # fmt: skip
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.splitlines()[-1].endswith(
        f"120 of 120 frames at 60 Hz replayed from {take.path}"
    )
    messages = [parse(text) for text in subscriber.rest()]
    frames = [m for m in messages if m.kind == "frame" and not m.fields[10] & 1]
    got = np.array([m.fields[11] for m in frames], np.float32)
    assert got.tobytes() == take.values[-len(got) :].tobytes()
    assert len(got) >= 119
    assert all(m.topic.startswith("dt/bo/") for m in messages)
    pieces = [m for m in messages if m.kind == "audio"]
    assert pieces, "the sound too"
    assert (tmp_path / "again.csv").read_bytes() == (takes / "face.csv").read_bytes()
    apart_ms = np.diff([m.arrival_ns for m in frames]) / 1e6
    assert np.median(apart_ms) == pytest.approx(1000 / 60, abs=3)


def test_ctrl_c_ends_a_recording_as_a_whole_take(
    start: Start, endpoint: str, bundle: Path, tmp_path: Path
) -> None:
    process = start(
        *command("dt-stream"), "--demo", "--plain", "--bundle", bundle, "--bind", endpoint,
        "--record", tmp_path,
    )  # fmt: skip
    for _ in range(3):
        assert process.next_line() is not None
    process.popen.send_signal(signal.SIGINT)
    code, said = process.finish()
    assert (code, said) == (0, "")
    take = read(tmp_path)
    assert take.cut == ""
    assert take.reason == "stopped by the user"
    assert json.loads((take.path / "take.json").read_text())["frames"]["count"] == len(take.index)


def test_a_reader_that_leaves_is_no_error(takes: Path) -> None:
    done = subprocess.run(
        ["sh", "-c", f"{' '.join(command('dt-take'))} show {takes} | head -1"],
        capture_output=True, text=True, timeout=PATIENCE_S,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("take ")
