"""Inputs good and bad: each gives a right result, or one line and exit code 2."""

from __future__ import annotations

import csv
import math
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from processes import PATIENCE_S, command, error_line, run

from diffusiontalker.curves import LIPS, pascal_case


def speech(seconds: float, rate: int) -> np.ndarray:
    """The demo clip's beginning at another rate, by linear interpolation: good enough here."""
    import diffusiontalker

    clip, clip_rate = soundfile.read(
        Path(diffusiontalker.__file__).parent / "data" / "demo.flac", dtype="float32"
    )
    at = np.arange(round(seconds * rate)) / rate
    return np.interp(at, np.arange(len(clip)) / clip_rate, clip).astype(np.float32)


def convert(bundle: Path, wav: Path, out: Path, *more: object, **options: object) -> list[dict]:
    """--fast to a CSV; returns its rows."""
    result = run(
        "dt-stream", "--wav", wav, "--fast", "--no-publish", "--out", out, "--bundle", bundle,
        *more, **options,
    )  # fmt: skip
    assert (result.returncode, result.stderr) == (0, "")
    (line,) = result.stdout.splitlines()
    assert re.search(r"real-time factor \d+\.\d{3}, look-ahead \d+\.\d ms", line)
    assert len(out.read_text().splitlines()[0].split(",")) == 63
    with open(out, newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize(
    ("rate", "channels", "subtype", "seconds"),
    [
        (16000, 1, "PCM_16", 2.0),
        (16000, 1, "PCM_16", 0.005),
        (16000, 1, "FLOAT", 1 / 16000),
        (8000, 1, "PCM_16", 1.51),
        (44100, 2, "PCM_24", 1.51),
        (48000, 6, "PCM_32", 0.7),
    ],
)
def test_good_files(
    tmp_path: Path, bundle: Path, rate: int, channels: int, subtype: str, seconds: float
) -> None:
    wav = tmp_path / "speech.wav"
    mono = speech(seconds, rate)
    soundfile.write(wav, np.repeat(mono[:, None], channels, 1), rate, subtype=subtype)
    rows = convert(bundle, wav, tmp_path / "face.csv")
    assert len(rows) == math.ceil(len(mono) / rate * 60 - 1e-9)
    assert rows[0]["Timecode"] == "00:00:00:00.000"


def test_knobs_and_the_head(tmp_path: Path, bundle: Path) -> None:
    wav = tmp_path / "speech.wav"
    soundfile.write(wav, speech(2, 16000), 16000)
    plain = convert(bundle, wav, tmp_path / "plain.csv", "--idle", 0)
    turned = convert(
        bundle, wav, tmp_path / "turned.csv", "--idle", 0, "--gain", "jaw=0.5,mouth*=0",
        "--gain", "jawOpen=0.25", "--offset", "browInnerUp=1",
    )  # fmt: skip
    for before, after in zip(plain, turned, strict=True):
        assert float(after["JawOpen"]) == pytest.approx(float(before["JawOpen"]) / 4, abs=1e-9)
        assert float(after["JawLeft"]) == pytest.approx(float(before["JawLeft"]) / 2, abs=1e-9)
        assert (float(after["MouthClose"]), float(after["BrowInnerUp"])) == (0, 1)
        assert float(before["HeadYaw"]) == 0
    swaying = convert(bundle, wav, tmp_path / "head.csv", "--head")
    for name in ("HeadYaw", "HeadPitch", "HeadRoll"):
        assert any(float(row[name]) for row in swaying)


def test_bad_files(tmp_path: Path, bundle: Path) -> None:
    text = tmp_path / "notes.txt"
    text.write_text("no sound\n" * 50)
    empty = tmp_path / "empty.wav"
    soundfile.write(empty, np.empty(0, np.float32), 16000)
    bad = tmp_path / "bad.wav"
    data = speech(2, 16000)
    data[20000] = np.nan
    soundfile.write(bad, data, 16000, subtype="FLOAT")
    slow = tmp_path / "slow.wav"
    soundfile.write(slow, speech(1, 4000), 4000)
    out = tmp_path / "face.csv"
    for how in ((), ("--fast",)):
        for wav, words in (
            (tmp_path / "missing.wav", "cannot open .*missing.wav: No such file"),
            (text, "notes.txt is no WAV"),
            (empty, "empty.wav holds no audio"),
            (bad, r"bad.wav: sample 20000 \(1.250 s\) is NaN"),
            (slow, "expected a whole number from 8000 to 192000 Hz, got 4000"),
        ):
            publish = () if how else ("--no-publish",)
            result = run(
                "dt-stream", "--wav", wav, "--bundle", bundle, "--out", out, *publish, *how
            )
            line = error_line(result)
            assert re.search(words, line), line
            assert list(tmp_path.glob("face*")) == [], "a run that fails leaves no CSV"


def test_options_that_make_no_sense(tmp_path: Path, bundle: Path) -> None:
    for arguments, words in (
        (("--fast", "--mic"), "--fast goes without --mic"),
        (("--demo", "--mic"), "not allowed with"),
        (("--demo", "--device", "x"), "--device names a microphone"),
        (("--out", "x.csv"), "no source: give --mic, --wav FILE or --demo"),
        (("--demo", "--seconds", "0"), "--seconds: expected more than 0"),
        (("--demo", "--seconds", "nan"), "--seconds: expected more than 0"),
        (("--demo", "--seconds", "soon"), "invalid float"),
        (("--demo", "--seed", "-1"), "seed: expected a whole number from 0"),
        (("--demo", "--subject", "a/b"), "--subject 'a/b'"),
        (("--demo", "--subject", ""), "--subject"),
        (("--demo", "--bind", "5560"), "expected tcp://HOST:PORT"),
        (("--demo", "--bind", "tcp://127.0.0.1:99999"), "expected a port"),
        (("--demo", "--bind", "tcp://0.0.0.0:5560"), "0.0.0.0:5560.*--allow-remote"),
        (("--demo", "--bind", "tcp://*:5560"), "--allow-remote"),
        (("--demo", "--bind", "tcp://*:5560", "--allow-remote"), "--keys FOLDER.*--insecure"),
        (
            ("--demo", "--bind", "tcp://203.0.113.9:5560", "--allow-remote", "--insecure"),
            "cannot bind",
        ),
        (("--demo", "--insecure"), "--insecure .*needs --allow-remote"),
        (
            ("--demo", "--allow-remote", "--insecure", "--keys", "x"),
            "--insecure goes without --keys",
        ),
        (("--demo", "--keys", "nowhere"), "--keys nowhere: no such folder.*keygen"),
        (("--demo", "--receiver", "anna"), "--receiver names somebody for dt-stream keygen"),
        (("keygen", "keys", "--receiver", "../a"), "--receiver ../a: expected letters"),
        (("--demo", "--fast", "--bind", "tcp://127.0.0.1:5560"), "--fast publishes nothing"),
        (("--demo", "--identity", "nobody"), "'auto' or one of ann, bob, cat, got 'nobody'"),
        (("--demo", "--backend", "abacus"), "abacus"),
        (("--demo", "--idle", "2"), "idle: expected a number from 0 to 1, got 2"),
        (("--demo", "--gain", "mouth"), "--gain: expected NAME=NUMBER.*got 'mouth'"),
        (("--demo", "--gain", "mout=1.3"), "gain: 'mout' is no group.*did you mean mouth"),
        (("--demo", "--gain", "jawOpen=-1"), "gain: jawOpen: expected a number from 0 to 10"),
        (("--demo", "--offset", "head=1"), "offset: 'head'.*--head"),
        (("--demo", "--strength-lower", "11"), "strength_lower: expected a number from 0 to 10"),
        (("--demo", "--smooth-ms", "nan"), "smooth_ms: expected a number from 0 to 1000, got nan"),
        (("--demo", "--no-publish", "--out", "/no/where/face.csv"), "/no/where/face.csv: No such"),
        (("--demo", "--frobnicate"), "unrecognized arguments: --frobnicate"),
        (("--demo", "--no-publsh"), "--no-publsh; did you mean --no-publish"),
        (("--demo", "--identity", "ana"), "got 'ana'; did you mean ann"),
        (("--demo", "--backend", "tensorr"), "did you mean tensorrt"),
        (("--demo", "--to", "livelnk://127.0.0.1"), "did you mean livelink"),
        (("--demo", "--to", "vmc://127.0.0.1?names=arkti"), "did you mean arkit"),
        (
            ("--demo", "--fast", "--out", "face.txt"),
            "--out face.txt: .*csv.*json.*--to csv:face.txt",
        ),
        (("--demo", "--fast", "--out", "-"), "--to csv:-"),
        (("--demo", "--fast", "--out", "folder/"), "a folder is for what --wav FILE names"),
        (("--wav", "a.wav", "b.wav"), "several files: give --out FOLDER/"),
        (("--wav", "a.wav", "b.wav", "--out", "a.csv"), "several files: give --out FOLDER/"),
        (("--wav", "a.wav", "-", "--out", "f/"), "standard input goes alone"),
        (("--demo", "--fast", "--to", "csv:-", "--to", "json:-"), "something goes there already"),
        (("--pcm", "s16", "-", "--fast"), "--pcm s16: .*s16le:24000:1"),
        (("--pcm", "s16le:24k", "-", "--fast"), "--pcm s16le:24k: expected CODING:RATE"),
        (("--pcm", "s16le:500:1", "-", "--fast"), "8000 to 192000 Hz, got 500"),
        (("--pcm", "s16le:16000:0", "-", "--fast"), "1 to 64 channels, got 0"),
        (("--pcm", "s16le:16000:1", "none.raw", "--fast"), "cannot open none.raw"),
        (("speech.wav",), "'speech.wav': expected devices, doctor, identities, keygen or replay"),
    ):
        more = () if "speech.wav" in arguments else ("--bundle", bundle)
        line = error_line(run("dt-stream", *arguments, *more))
        assert "Traceback" not in line
        assert re.search(words, line), line
    line = error_line(run("dt-stream", "--demo", "--bundle", tmp_path / "none"))
    assert "expected a folder with manifest.json" in line
    soundfile.write(tmp_path / "a.wav", speech(1, 16000), 16000)
    same = ("--wav", tmp_path / "a.wav", "--to", f"csv:{tmp_path}/a.wav", "--fast")
    assert "would overwrite" in error_line(run("dt-stream", *same, "--bundle", bundle))


def test_help_and_doctor(bundle: Path, tmp_path: Path) -> None:
    bare = run("dt-stream")
    assert bare.returncode == 0
    assert "dt-stream --wav speech.wav --fast --out face.csv" in bare.stdout
    assert bare.stdout == run("dt-stream", "--help").stdout
    for option in ("--idle", "--head", "--gain", "--offset", "--strength-upper", "--smooth-ms"):
        assert f"  {option}" in bare.stdout
    report = run("dt-stream", "doctor", "--bundle", bundle)
    assert report.returncode == 0, report.stdout + report.stderr
    for words in ("kernel", "look-ahead", "ann, bob, cat", "TensorRT backend: not built", "libzmq"):
        assert words in report.stdout
    broken = run("dt-stream", "doctor", "--bundle", tmp_path)
    assert broken.returncode == 1
    assert "bad " in broken.stdout


# Reports the peak memory of a command, which no parent can ask of one child among several.
_PEAK = (
    "import resource, subprocess, sys\n"
    "code = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL).returncode\n"
    "print(code, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)\n"
)


def peak_kib(bundle: Path, wav: Path, out: Path) -> int:
    result = subprocess.run(
        [
            sys.executable, "-c", _PEAK, *command("dt-stream"), "--wav", str(wav), "--fast",
            "--out", str(out), "--bundle", str(bundle),
        ],
        capture_output=True, text=True, check=True, timeout=3600,
    )  # fmt: skip
    code, peak = result.stdout.split()
    assert code == "0", result.stderr
    return int(peak)


def check_silence(tmp_path: Path, bundle: Path, minutes: float) -> None:
    short, long = tmp_path / "short.wav", tmp_path / "long.wav"
    soundfile.write(short, np.zeros(16000 * 5, np.int16), 16000)
    with soundfile.SoundFile(long, "w", 16000, 1, "PCM_16") as file:
        for _ in range(round(minutes * 60)):
            file.write(np.zeros(16000, np.int16))
    out = tmp_path / "face.csv"
    before = peak_kib(bundle, short, out)
    grown = peak_kib(bundle, long, out) - before
    assert grown < 16 * 1024, f"{grown} KiB more for {minutes} minutes than for 5 seconds"
    lips = [pascal_case(c) for c in LIPS]
    count = 0
    with open(out, newline="") as file:
        for row in csv.DictReader(file):
            count += 1
            assert max(abs(float(row[name])) for name in lips) < 0.05, row["Timecode"]
    assert count == round(minutes * 3600)


@pytest.mark.skipif(sys.platform == "win32", reason="peak memory is read the Unix way")
def test_minutes_of_silence(tmp_path: Path, bundle: Path) -> None:
    check_silence(tmp_path, bundle, 3)


@pytest.mark.skipif(not os.environ.get("DT_SOAK"), reason="takes minutes: set DT_SOAK=1 to run it")
@pytest.mark.slow
def test_an_hour_of_silence(tmp_path: Path, bundle: Path) -> None:
    check_silence(tmp_path, bundle, 60)


def test_an_interrupted_conversion_leaves_no_file(tmp_path: Path, bundle: Path) -> None:
    import signal
    import time

    wav = tmp_path / "long.wav"
    with soundfile.SoundFile(wav, "w", 16000, 1, "PCM_16") as file:
        for _ in range(4000):
            file.write(np.zeros(16000, np.int16))
    out = tmp_path / "face.csv"
    popen = subprocess.Popen(
        [*command("dt-stream"), "--wav", wav, "--fast", "--out", out, "--bundle", bundle],
        stderr=subprocess.PIPE,
        text=True,
    )
    part = tmp_path / "face.csv.part"
    deadline = time.monotonic() + PATIENCE_S
    while not (part.exists() and part.stat().st_size > 100000):
        assert time.monotonic() < deadline
        assert popen.poll() is None
        time.sleep(0.02)
    popen.send_signal(signal.SIGINT)
    _, stderr = popen.communicate(timeout=PATIENCE_S)
    assert (popen.returncode, stderr) == (130, "")
    assert list(tmp_path.glob("face*")) == []


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--demo", "--channel", "1"], "--channel is one of a microphone's"),
        (["--mic", "--channel", "0"], "--channel: expected 1 or more, got 0"),
        (["--demo", "--subject", "a=1"], "--subject a=1: a face's channel needs --mic"),
        (["--mic", "--subject", "a=1", "--subject", "b"], "several faces need a channel each"),
        (["--mic", "--subject", "a=1", "--subject", "a=2"], "two faces have the same name"),
        (["--mic", "--subject", "a=0"], "counted from 1"),
        (["--mic", "--subject", "a=1", "--channel", "2"], "--channel goes without --subject"),
        (["--mic", "--subject", "a=1", "--subject", "b=2", "--play"], "one voice be heard"),
        (
            ["--mic", "--subject", "a=1", "--subject", "b=2", "--to", "vmc://127.0.0.1"],
            "vmc://127.0.0.1: has room for one face",
        ),
        (["--demo", "--fast", "--no-publish", "--out", "f.csv", "--play"], "without --fast"),
        (["--demo", "--to", "vmc://127.255.255.255"], "add ?broadcast=1"),
    ],
)
def test_faces_channels_and_ways_out_that_do_not_fit(options: list[str], words: str) -> None:
    assert words in error_line(run("dt-stream", *options))
