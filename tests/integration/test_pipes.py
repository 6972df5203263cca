"""Sound from pipes, frames into pipes, and whoever ends them."""

from __future__ import annotations

import csv
import json
import os
import re
import signal
import struct
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from processes import PATIENCE_S, command, error_line, run
from test_cli_errors import speech

unix = pytest.mark.skipif(sys.platform == "win32", reason="signals and devices of Unix")


def fed(data: bytes, *arguments: object, **options: Any) -> subprocess.CompletedProcess[bytes]:
    """dt-stream with `data` on its standard input."""
    return subprocess.run(
        [*command("dt-stream"), *map(str, arguments)],
        input=data, capture_output=True, timeout=PATIENCE_S, **options,
    )  # fmt: skip


def pcm() -> np.ndarray:
    return np.rint(speech(2.0, 24000) * 32767).astype("<i2")


def streamed_wav(samples: np.ndarray, rate: int = 24000) -> bytes:
    """As a speech service sends it: no size is known."""
    fmt = struct.pack("<HHIIHH", 1, 1, rate, 2 * rate, 2, 16)
    return (
        b"RIFF\xff\xff\xff\xffWAVEfmt " + struct.pack("<I", 16) + fmt
        + b"data\xff\xff\xff\xff" + samples.tobytes()
    )  # fmt: skip


def wide(samples: np.ndarray, width: int) -> bytes:
    whole = samples.astype("<i4") << 16
    return whole.view("<u1").reshape(-1, 4)[:, 4 - width :].tobytes()


def test_a_pipe_a_file_and_samples_without_a_header_give_the_same(
    tmp_path: Path, bundle: Path
) -> None:
    samples = pcm()
    wav = tmp_path / "a.wav"
    soundfile.write(wav, samples, 24000)
    (tmp_path / "a.raw").write_bytes(samples.tobytes())
    rest = ("--fast", "--bundle", bundle, "--to", "csv:-")
    want = fed(b"", "--wav", wav, *rest)
    assert want.returncode == 0
    assert len(want.stdout.splitlines()) == 1 + 120
    floats = (samples / 32768).astype("<f4").tobytes()
    for data, source in (
        (streamed_wav(samples), ("--wav", "-")),
        (wav.read_bytes(), ("--wav", "-")),
        (samples.tobytes(), ("--pcm", "s16le:24000:1", "-")),
        (samples.tobytes(), ("--pcm", "s16le:24000", "-")),
        (b"", ("--pcm", "s16le:24000:1", tmp_path / "a.raw")),
        (np.repeat(samples, 2).tobytes(), ("--pcm", "s16le:24000:2", "-")),
        (floats, ("--pcm", "f32le:24000:1", "-")),
        (wide(samples, 3), ("--pcm", "s24le:24000:1", "-")),
        (wide(samples, 4), ("--pcm", "s32le:24000:1", "-")),
    ):
        result = fed(data, *source, *rest)
        assert result.returncode == 0, result.stderr
        assert result.stdout == want.stdout, source


@pytest.mark.parametrize("how", [("--fast",), ("--plain",)])
@pytest.mark.parametrize("place", ["-", "/dev/stdout", "/dev/fd/1"])
@pytest.mark.parametrize("redirected", [False, True])
@unix
def test_frames_on_stdout_stand_there_alone(
    tmp_path: Path, bundle: Path, how: tuple[str, ...], place: str, redirected: bool
) -> None:
    arguments = ("--wav", "-", *how, "--bundle", bundle, "--to", f"json:{place}")
    if redirected:
        with open(tmp_path / "out.json", "wb") as out:
            result = subprocess.run(
                [*command("dt-stream"), *map(str, arguments)], input=streamed_wav(pcm()[:12000]),
                stdout=out, stderr=subprocess.PIPE, timeout=PATIENCE_S,
            )  # fmt: skip
        lines = (tmp_path / "out.json").read_bytes().splitlines()
    else:
        result = fed(streamed_wav(pcm()[:12000]), *arguments)
        lines = result.stdout.splitlines()
    assert result.returncode == 0, result.stderr
    kinds = [json.loads(line)["kind"] for line in lines]
    assert kinds == ["schema", *["frame"] * 30]
    assert b"standard output: 30 frames" in result.stderr


def test_out_goes_by_its_ending(tmp_path: Path, bundle: Path) -> None:
    wav = tmp_path / "a.wav"
    soundfile.write(wav, speech(0.5, 16000), 16000)
    for name, is_json in (("f.csv", False), ("f.json", True), ("f.jsonl", True), ("F.JSON", True)):
        out = tmp_path / name
        result = run("dt-stream", "--wav", wav, "--fast", "--out", out, "--bundle", bundle)
        assert (result.returncode, result.stderr) == (0, "")
        assert out.read_text().startswith("{" if is_json else "Timecode,")


def test_several_files_to_a_folder(tmp_path: Path, bundle: Path) -> None:
    for name, seconds in (("a", 0.5), ("b", 0.9)):
        soundfile.write(tmp_path / f"{name}.wav", speech(seconds, 16000), 16000)
    (tmp_path / "bad.wav").write_bytes(b"no sound")
    (tmp_path / "other").mkdir()
    soundfile.write(tmp_path / "other" / "a.flac", speech(0.5, 16000), 16000)
    files = [tmp_path / n for n in ("a.wav", "bad.wav", "other/a.flac", "gone.wav", "b.wav")]
    out = tmp_path / "curves"
    result = run("dt-stream", "--wav", *files, "--out", f"{out}/", "--bundle", bundle)
    assert result.returncode == 2
    assert sorted(p.name for p in out.iterdir()) == ["a.csv", "b.csv"]
    with open(out / "b.csv", newline="") as file:
        assert len(list(csv.DictReader(file))) == 54
    errors = result.stderr.splitlines()
    assert len(errors) == 3
    for line, words in zip(
        errors, ("bad.wav is no WAV", "a.csv came from", "gone.wav"), strict=True
    ):
        assert words in line
    assert len(result.stdout.splitlines()) == 3
    assert "2 of 5 files converted" in result.stdout
    good = run("dt-stream", "--wav", files[0], files[4], "--to", f"json:{out}/", "--bundle", bundle)
    assert (good.returncode, good.stderr) == (0, "")
    assert (out / "a.jsonl").exists()


def start(bundle: Path, *arguments: object, **pipes: Any) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [*command("dt-stream"), *map(str, arguments), "--bundle", str(bundle)],
        **{"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE, **pipes},
    )


def wait_for(condition: Any) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@unix
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_a_signal_leaves_no_part_of_a_file(
    tmp_path: Path, bundle: Path, name: str, request: pytest.FixtureRequest
) -> None:
    number = getattr(signal, name)
    if signal.getsignal(number) is signal.SIG_IGN:  # under nohup, whose children ignore it too
        signal.signal(number, signal.SIG_DFL)
        request.addfinalizer(lambda: signal.signal(number, signal.SIG_IGN))
    out = tmp_path / "out"
    out.mkdir()
    process = start(
        bundle, "--demo", "--seconds", 36000, "--fast", "--out", out / "a.csv",
        "--to", f"json:{out / 'a.json'}",
    )  # fmt: skip
    wait_for(lambda: len(list(out.iterdir())) == 2)
    process.send_signal(number)
    _, error = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 128 + number
    assert b"Traceback" not in error
    assert list(out.iterdir()) == []


@unix
@pytest.mark.parametrize("how", ["--fast", "--plain"])
def test_a_pipe_that_brings_nothing_is_left(bundle: Path, how: str) -> None:
    out, into = os.pipe()
    process = start(
        bundle, "--pcm", "s16le:16000:1", "-", how, "--no-publish", stdin=out,
        stdout=subprocess.PIPE,
    )  # fmt: skip
    os.write(into, bytes(2 * 16000))
    if how == "--plain":
        assert process.stdout is not None
        process.stdout.readline()
    time.sleep(3.0)
    for _ in range(2):
        process.send_signal(signal.SIGINT)
        time.sleep(0.3)
    _, error = process.communicate(timeout=10)
    assert process.returncode == (130 if how == "--fast" else 0)
    assert b"Traceback" not in error
    os.close(into)
    os.close(out)


@unix
@pytest.mark.parametrize("how", ["--fast", "--plain"])
def test_a_pipe_that_takes_nothing_is_left_at_the_second_ctrl_c(bundle: Path, how: str) -> None:
    out, into = os.pipe()
    process = start(bundle, "--demo", "--seconds", 36000, how, "--to", "json:-", stdout=into)
    os.set_blocking(into, False)
    # Full: whoever writes waits.
    wait_for(lambda: not _writable(into))
    time.sleep(1.0)
    process.send_signal(signal.SIGINT)
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=10)
    assert process.returncode == (130 if how == "--fast" else 2)
    assert b"Traceback" not in error
    assert b"Fatal" not in error
    os.close(into)
    os.close(out)


def _writable(descriptor: int) -> bool:
    import select

    return bool(select.select([], [descriptor], [], 0)[1])


@unix
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
@pytest.mark.parametrize(
    "arguments",
    [
        ("--help",), ("--version",), ("identities",), ("doctor",),
        ("--demo", "--seconds", "1", "--fast"),
        ("--demo", "--seconds", "1", "--plain", "--no-publish"),
        ("--demo", "--fast", "--to", "json:-"),
    ],
)  # fmt: skip
def test_a_full_disk_is_one_line(arguments: tuple[str, ...]) -> None:
    with open("/dev/full", "w") as full:
        result = subprocess.run(
            [*command("dt-stream"), *arguments], stdout=full, stderr=subprocess.PIPE, text=True,
            timeout=PATIENCE_S,
        )  # fmt: skip
    assert result.returncode == 2
    (line,) = result.stderr.splitlines()
    assert line.startswith("dt-stream: cannot write")
    assert "No space left" in line


def test_names_that_a_terminal_cannot_show(tmp_path: Path, bundle: Path) -> None:
    wav = tmp_path / "gr\u00fc\u00dfe \u4f60.wav"
    soundfile.write(str(wav), speech(0.5, 16000), 16000)
    plain = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    env = {**os.environ, **plain, "PYTHONIOENCODING": "ascii"}
    out = tmp_path / "f\u00fc.csv"
    for how in ("--fast", "--plain"):
        for place in ("--no-publish", "--quiet"):
            more = (place, "--no-publish") if place == "--quiet" else (place,)
            result = run(
                "dt-stream", "--wav", wav, how, *more, "--out", out, "--bundle", bundle, env=env
            )
            assert result.returncode == 0, result.stderr
            assert "Traceback" not in result.stderr
    line = error_line(run("dt-stream", "--wav", f"{wav}x", "--fast", "--bundle", bundle, env=env))
    assert "No such file" in line


@unix
def test_ctrl_c_at_the_start_is_no_traceback(bundle: Path) -> None:
    # Python itself cannot be asked to be quiet in its own first moments.
    bare = [sys.executable, "-c", "pass"]
    begun = time.monotonic()
    subprocess.run(bare, check=True)
    own_s = time.monotonic() - begun
    for step in range(12):
        process = start(bundle, "--demo", "--no-publish", "--plain")
        time.sleep(2 * own_s + 0.02 * step)
        process.send_signal(signal.SIGINT)
        _, error = process.communicate(timeout=PATIENCE_S)
        assert b"diffusiontalker/" not in error, "a traceback through this package"
        if b"Traceback" not in error:
            assert process.returncode in (130, 0)


def test_version_and_identities(bundle: Path) -> None:
    import diffusiontalker

    for name in ("dt-stream", "dt-watch"):
        result = run(name, "--version")
        assert result.stdout == f"{name} {diffusiontalker.__version__}\n"
        assert result.returncode == 0
    lines = run("dt-stream", "identities").stdout.splitlines()
    assert sum(line.startswith("*") for line in lines) == 2
    assert any(re.match(r"\* grid_s1 +GRID .*measured", line) for line in lines)
    assert any(re.match(r"  af_heart +Kokoro-82M .*Apache-2.0", line) for line in lines)
    own = run("dt-stream", "identities", "--bundle", bundle).stdout.splitlines()
    assert [line[2:5] for line in own[:3]] == ["ann", "bob", "cat"]


def test_a_long_conversion_tells_how_far_it_is(bundle: Path) -> None:
    result = run("dt-stream", "--demo", "--seconds", 600, "--fast", "--bundle", bundle)
    assert result.returncode == 0
    if re.search(r"in [0-2]\.\d+ s", result.stdout):
        pytest.skip("this machine was too fast to have to say anything")
    assert re.match(r"dt-stream: demo.flac: \d+ of 600 s of audio \(\d+ %\)", result.stderr)
