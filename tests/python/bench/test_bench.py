"""dt-bench: every row is there and says what it should; no time is asserted."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from diffusiontalker import bundle
from diffusiontalker.bench import BenchError, measure, processes, table, work
from diffusiontalker.bench.cli import main
from diffusiontalker.bundle import Bundle

ROWS = {
    "speed": {
        "build", "bundle", "mode", "kernel", "steps", "sha256", "minimum_us", "median_us", "rounds",
        "frames", "cpu_us", "stages", "multiplications", "multiplications_a_second",
    },
    "tails": {"build", "bundle", "kernel", "p50_us", "p99_us", "max_us", "frames"},
    "voices": {
        "build", "kernel", "at_once", "by", "voices_a_core", "cpu_voices_a_core", "us_a_frame",
    },
    "starts": {"build", "minimum_ms", "median_ms", "cpu_ms", "imports_ms", "runtime_mb", "live_mb"},
    "peaks": {"kernel", "sgemm", "core"},
    "frames": {"bundle", "of", "against", "identical", "largest_difference"},
}  # fmt: skip


@pytest.fixture(scope="module")
def found(bundle_at_60: Bundle, tmp_path_factory: pytest.TempPathFactory) -> dict:
    """A quick run against the interpreter that runs these tests, with another bundle."""
    file = tmp_path_factory.mktemp("bench") / "bench.json"
    before = os.environ.get("PYTHONPATH")
    words = ["--quick", "--quiet", "--steps", "4", "--against", sys.executable]
    assert main([*words, "--bundle", str(bundle_at_60.path), "--json", str(file)]) == 0
    assert os.environ.get("PYTHONPATH") == before
    read: dict = json.loads(file.read_text("utf-8"))
    return read


def test_every_row_is_there(found: dict) -> None:
    assert (found["format"], found["format_version"]) == ("diffusiontalker-bench", 1)
    for part, keys in ROWS.items():
        assert found[part], part
        for row in found[part]:
            assert keys <= row.keys(), part
    assert {"processor", "cores", "core", "system", "date"} <= found["machine"].keys()
    times = [r["minimum_us"] for r in found["speed"]]
    assert all(t > 0 for t in times)
    for row in found["tails"]:
        assert 0 < row["p50_us"] <= row["p99_us"] <= row["max_us"]


def test_cases_modes_and_builds(found: dict, bundle_at_60: Bundle) -> None:
    builds = [b["build"] for b in found["builds"]]
    assert builds == [measure.THIS, sys.executable]
    rows = {(r["build"], r["mode"], r["bundle"]): r["steps"] for r in found["speed"]}
    cases = {"own bundle": 8, "default, 4 steps": 4, str(bundle_at_60.path): 8}
    assert rows == {
        (build, mode, case): steps
        for build in builds
        for mode in measure.MODES
        for case, steps in cases.items()
    }
    whole = {r["frames"] for r in found["speed"]}
    assert whole == {120}  # two seconds, however they came in


def test_against_gives_ratios_and_agreeing_frames(found: dict) -> None:
    ratios = {(r["of"], r["what"]) for r in found["ratios"]}
    for what in ("frame by frame, own bundle", "whole clip, own bundle", "Runtime() ready"):
        assert (sys.executable, what) in ratios
    assert all(r[key] > 0 for r in found["ratios"] for key in ("minimum", "median", "cpu"))
    compared = {(r["bundle"], r["of"]) for r in found["frames"]}
    assert len(compared) == len(found["frames"]) == 6
    assert all(r["identical"] and r["largest_difference"] == 0 for r in found["frames"])


def test_tables_say_all_of_it(found: dict) -> None:
    fields = {k: v for k, v in found.items() if not k.startswith("format")}
    text = table.text(measure.Report(**fields))
    for title in ("Time a frame", "another core busy", "Voices a core", "From nothing",
                  "Multiplications a second", "This many times as long", "Frames"):  # fmt: skip
        assert title in text
    for line in text.splitlines():
        if line.startswith("|"):
            assert line.endswith(" |")


def test_a_plot(found: dict, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    fields = {k: v for k, v in found.items() if not k.startswith("format")}
    report = measure.Report(**fields)
    table.plot(report, tmp_path / "steps.png")
    assert (tmp_path / "steps.png").read_bytes()[1:4] == b"PNG"
    with pytest.raises(BenchError, match="--plot"):
        table.plot(report, tmp_path / "nowhere" / "steps.png")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--against", "/nowhere"], "--against /nowhere: no such virtual environment"),
        (["--against", "."], "--against .: no virtual environment: no bin/python"),
        (["--against", __file__], "no such virtual environment"),
        (["--kernel", "mmx"], "--kernel mmx: this machine has"),
        (["--steps", "3"], "--steps: expected divisors of 8, got 3"),
        (["--steps", "a,b"], "expected whole numbers"),
        (["--peers", "tensorflow"], "expected torch, compile, onnxruntime or none"),
        (["--rounds", "0"], "expected a whole number from 1 on"),
        (["--core", "4096"], "--core 4096: this process may use"),
        (["--bundle", "/nowhere"], "bundle /nowhere: expected a folder"),
        (["--json", "/nowhere/x.json"], "--json /nowhere/x.json: there is no such folder"),
        (["--agianst", "x"], "did you mean --against?"),
    ],
)
def test_mistakes_are_one_line(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    if words[0] == "--core" and not measure.cores():
        pytest.skip("this system does not say which cores there are")
    assert main(["--quick", "--quiet", *words]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("dt-bench: ")
    assert err.count("\n") == 1
    assert said in err


def test_an_environment_without_the_package_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "bare"], check=True)
    assert main(["--quick", "--quiet", "--against", str(tmp_path / "bare")]) == 2
    err = capsys.readouterr().err
    assert "is diffusiontalker installed there?" in err
    assert err.count("\n") == 1


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_ctrl_c_leaves_nothing_running(number: signal.Signals, code: int) -> None:
    program = "import sys; from diffusiontalker.bench.cli import main; sys.exit(main())"
    command = [sys.executable, "-c", program, "--peers", "none", "--rounds", "1000000"]
    running = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8"
    )
    assert running.stderr is not None
    assert "round 1" in running.stderr.readline()
    workers = _children(running.pid)
    running.send_signal(number)
    out, err = running.communicate(timeout=60)
    assert (running.returncode, out, err) == (code, "", "")
    deadline = time.monotonic() + 10
    while any(Path(f"/proc/{child}").exists() for child in workers):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def _children(pid: int) -> list[str]:
    try:
        return Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return []


def test_a_worker_that_dies_is_one_line() -> None:
    command = [sys.executable, "-c", "raise SystemExit('out of luck')"]
    with pytest.raises(BenchError, match=r"^x: its process ended: out of luck$"), \
            processes.Worker("x", command, os.environ) as worker:  # fmt: skip
        worker.ask("hello")


def test_multiplications_are_counted(bundle_with_context: Bundle) -> None:
    """By hand, for a small network: 60 frames, 100 columns and 50 tokens a second."""
    counted = work.multiplications(bundle_with_context.manifest)
    column = 3 * 80 * 32 + 3 * (3 * 32 * 32 + 32 * 32)
    layer = 3 * 32 * 32 + 32 * 32 + 2 * 32 * 64 + 2 * 5 * 32
    token = 2 * 3 * 80 * 32 + 3 * 32 * 32 + 2 * layer + 32 * 32
    step = 768 * (52 + 256) + 768 * 512 + 52 * 256
    assert counted == {
        "convolutions": column * 100 / 60,
        "context": token * 50 / 60,
        "sampler": 8 * step + 768 * 32,
    }


def test_fewer_steps_are_the_same_schedule(bundle_at_60: Bundle, tmp_path: Path) -> None:
    half = bundle.read(work.with_steps(bundle_at_60, 4, tmp_path / "four"))
    assert half.manifest["diffusion"]["alpha_bar"] == pytest.approx(
        bundle_at_60.manifest["diffusion"]["alpha_bar"][1::2]
    )
    with pytest.raises(ValueError, match="divisors of 8, got 5"):
        work.with_steps(bundle_at_60, 5, tmp_path / "five")


def test_onnx_runtime_is_fed_what_the_runtime_hears() -> None:
    pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    from diffusiontalker.bench.peers.course import Course, runtimes_own
    from diffusiontalker.bench.peers.onnx_runtime import OnnxRuntime
    from diffusiontalker.sound.reader import read_all

    embedded = bundle.read()
    clip = read_all(bundle.default_path().parents[1] / "data" / "demo.flac")[0][:16000]
    course = Course(embedded, clip, 58)
    seconds, _, frames = course.play(OnnxRuntime(embedded))
    assert seconds > 0
    np.testing.assert_allclose(frames, runtimes_own(course), atol=TOLERANCE)


def test_pytorch_is_fed_what_the_runtime_hears() -> None:
    pytest.importorskip("torch")
    from diffusiontalker.bench.peers.course import Course, runtimes_own
    from diffusiontalker.bench.peers.pytorch import PyTorch
    from diffusiontalker.sound.reader import read_all

    embedded = bundle.read()
    clip = read_all(bundle.default_path().parents[1] / "data" / "demo.flac")[0][:16000]
    course = Course(embedded, clip, 58)
    frames = course.play(PyTorch(embedded, compiled=False))[2]
    np.testing.assert_allclose(frames, runtimes_own(course), atol=TOLERANCE)


#: In curves: what rounding to float32 leaves, and what eight bits would.
TOLERANCE = 2e-2
