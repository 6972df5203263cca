"""The browser package, whole: `poe web`, outside CI.

Builds it by PyPI's ziglang; holds its frames to Python's, bit for bit, in Node and in a real
Chromium with a microphone that plays a file. Wants node, npm and Debian's chromium. DT_WEB_SECONDS:
how long it listens (60).
"""

from __future__ import annotations

import base64
import csv
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from playwright.sync_api import Browser, Page, sync_playwright

from chromium import WITH_SOUND, Quiet, executable, served
from diffusiontalker import Runtime

REPOSITORY = Path(__file__).resolve().parents[2]
PACKAGE = REPOSITORY / "examples" / "web"
CLIP = REPOSITORY / "python" / "diffusiontalker" / "data" / "demo.flac"
IN_NODE = Path(__file__).with_name("in_node.mjs")
LISTENS_S = float(os.environ.get("DT_WEB_SECONDS", "60"))
RATES = (8000, 16000, 22050, 44100, 48000)
MOST_BYTES = 6_000_000


def node(*arguments: object) -> list[dict[str, Any]]:
    """What in_node.mjs says, a JSON object a line."""
    done = subprocess.run(
        ["node", IN_NODE, PACKAGE, *map(str, arguments)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.fixture(scope="module", autouse=True)
def built() -> None:
    command = [sys.executable, str(PACKAGE / "build.py"), "--head"]
    subprocess.run(command, check=True)


@pytest.fixture(scope="module")
def speech(tmp_path_factory: pytest.TempPathFactory) -> dict[int, Path]:
    """Five seconds of the demo clip at each rate."""
    folder = tmp_path_factory.mktemp("speech")
    samples, _ = soundfile.read(CLIP, dtype="float32", frames=80000)
    made = {}
    for rate in RATES:
        # Any sound of that rate serves: it is played faster or slower.
        made[rate] = folder / f"{rate}.wav"
        soundfile.write(made[rate], samples[: 4 * min(rate, 16000)], rate, subtype="PCM_16")
    return made


def by_python(path: Path, **options: Any) -> np.ndarray:
    settings = options.pop("settings", {})
    samples, rate = soundfile.read(path, dtype="float32")
    runtime = Runtime(sample_rate=rate, **options)
    runtime.set(**settings)
    return np.concatenate([runtime.step(samples), runtime.flush()])


def test_the_download_is_small() -> None:
    built = PACKAGE / "built"
    modules = [built / "diffusiontalker.wasm", built / "diffusiontalker-relaxed.wasm"]
    fetched = [PACKAGE / name for name in ("face.js", "runtime.js", "track.js", "worker.js")]
    fetched += [PACKAGE / "tap.js", built / "default.tar", max(modules, key=os.path.getsize)]
    assert sum(path.stat().st_size for path in fetched) < MOST_BYTES


def test_the_package_is_whole(tmp_path: Path) -> None:
    command = ["npm", "pack", "--silent", "--pack-destination", str(tmp_path)]
    subprocess.run(command, cwd=PACKAGE, check=True, capture_output=True)
    (packed,) = tmp_path.glob("*.tgz")
    app = tmp_path / "app"
    app.mkdir()
    (app / "package.json").write_text('{"type": "module"}')
    install = ["npm", "install", "--silent", "--no-audit", "--no-fund", str(packed)]
    subprocess.run(install, cwd=app, check=True, capture_output=True)
    (app / "use.mjs").write_text(
        'import { Runtime } from "diffusiontalker/runtime";\n'
        "const runtime = await Runtime.load();\n"
        "console.log(runtime.step(new Float32Array(16000)).count, runtime.names.length);\n"
    )
    done = subprocess.run(["node", "use.mjs"], cwd=app, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["58", "52"]


def test_the_parts_without_a_model() -> None:
    assert node("logic") == [{"logic": "ok"}]


def test_frames_are_those_of_python_bit_for_bit(speech: dict[int, Path], tmp_path: Path) -> None:
    jobs: list[dict[str, Any]] = []
    expected: list[np.ndarray] = []

    def add(
        rate: int, sizes: list[int], *, resets: int = 0, kernels: str | None = None, **options: Any
    ) -> None:
        job = {"seed": "0", "identity": "auto", "head": False, **options}
        by_name = {"strengthLower": "strength_lower", "smoothMs": "smooth_ms"}
        settings = {by_name.get(k, k): v for k, v in job.get("settings", {}).items()}
        chosen = {"identity": job["identity"], "head": job["head"], "settings": settings}
        expected.append(by_python(speech[rate], seed=int(job["seed"]), **chosen))
        out = tmp_path / f"{len(jobs)}.f32"
        job |= {"wav": str(speech[rate]), "out": str(out), "sizes": sizes}
        jobs.append({**job, "resets": resets, "kernels": kernels})

    for rate in RATES:
        add(rate, [1, 777, 4000, 13])
    for size in (1, 128, 384, 16000, 10**6):
        add(16000, [size])
    for seed in ("7", str(2**53 + 1), str(2**64 - 1)):
        add(16000, [5000], seed=seed)
    add(48000, [480], resets=20000)
    add(16000, [800], identity="am_adam", head=True)
    knobs = {"gain": {"mouth": 1.5, "jawOpen": 0.5}, "offset": {"eyeBlink*": 0.1}}
    add(16000, [800], settings={**knobs, "strengthLower": 1.2, "smoothMs": 40})
    add(44100, [512], kernels="wasm")
    (tmp_path / "jobs.json").write_text(json.dumps(jobs))
    node("frames", tmp_path / "jobs.json")
    for job, frames in zip(jobs, expected, strict=True):
        assert Path(job["out"]).read_bytes() == frames.tobytes(), job


@pytest.mark.parametrize("rate", [16000, 44100])
def test_run_prints_what_dt_stream_writes(
    speech: dict[int, Path], tmp_path: Path, rate: int
) -> None:
    out = tmp_path / "curves.csv"
    command = [sys.executable, "-m", "diffusiontalker.stream.cli", "--wav", str(speech[rate])]
    subprocess.run([*command, "--fast", "--no-publish", "--quiet", "--out", str(out)], check=True)
    done = subprocess.run(
        ["node", PACKAGE / "run.mjs", speech[rate]], capture_output=True, text=True, check=True
    )
    assert done.stdout == out.read_text("utf-8")
    assert len(list(csv.DictReader(done.stdout.splitlines()))) > 80


def test_bad_input_is_one_sentence(tmp_path: Path) -> None:
    said = {line["case"]: line for line in node("refusals", PACKAGE / "built" / "default.tar")}
    codes = {"newer": "newer-version", "damaged": "bad-bundle", "short": "bad-bundle",
             "missing": "not-found", "module": "bad-module", "flush": "ended", "step": "ended",
             "closed": "bad-handle"}  # fmt: skip
    for case, line in said.items():
        assert line["name"] == "FaceError", line
        assert line["code"] == codes.get(case, "invalid-argument"), line
        assert re.fullmatch(r".{5,700}", line["message"]), line
    text = tmp_path / "text.wav"
    text.write_text("no sound")
    for arguments in (["nothing.wav"], [str(text)], [], ["--seed", "x", "a.wav"], ["--sed"]):
        done = subprocess.run(
            ["node", PACKAGE / "run.mjs", *arguments], capture_output=True, text=True
        )
        assert done.returncode == 2
        assert re.fullmatch(r"run\.mjs: .+\n", done.stderr), done.stderr


# ---- in a browser -------------------------------------------------------------------------------

PAGE = Path(__file__).with_name("page.html").read_bytes()


class WithTestPage(Quiet):
    def do_GET(self) -> None:
        if self.path.startswith("/test.html"):
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.send_header("Content-Length", str(len(PAGE)))
            self.end_headers()
            self.wfile.write(PAGE)
        else:
            super().do_GET()


@pytest.fixture(scope="module")
def site() -> Iterator[str]:
    """The package's folder over plain HTTP: no header that a host would have to set."""
    with served(PACKAGE, WithTestPage) as address:
        yield address


@contextmanager
def chromium(microphone: Path | None = None) -> Iterator[Browser]:
    more = [] if microphone is None else [f"--use-file-for-fake-audio-capture={microphone}"]
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=executable(), args=[*WITH_SOUND, *more])
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def microphone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the microphone plays, over and over: speech in a noise that is never quite zero."""
    path = tmp_path_factory.mktemp("microphone") / "speech.wav"
    samples, rate = soundfile.read(CLIP, dtype="float32", frames=5 * 16000)
    noise = np.random.default_rng(1).uniform(-0.004, 0.004, 3 * len(samples))
    at = np.arange(3 * len(samples)) / 3
    soundfile.write(path, np.interp(at, np.arange(len(samples)), samples) + noise, 3 * rate)
    return path


@pytest.fixture(scope="module")
def browser(microphone: Path) -> Iterator[Browser]:
    with chromium(microphone) as opened:
        yield opened


@pytest.fixture
def page(browser: Browser, site: str) -> Iterator[Page]:
    context = browser.new_context(permissions=["microphone"])
    opened = context.new_page()
    opened.set_default_timeout(1000 * (LISTENS_S + 120))
    opened.goto(f"{site}/test.html")
    opened.wait_for_function("window.ready")
    yield opened
    context.close()


def check_that_nothing_is_lost(report: dict[str, Any]) -> None:
    assert report["indices"] == list(range(report["frames"]))
    assert report["frames"] == -(-report["samples"] * 60 // report["sampleRateHz"])
    assert report["lostSamples"] == report["invalidSamples"] == 0


@pytest.mark.parametrize("rate", [44100, 48000])
def test_frames_in_a_page_are_those_of_python(page: Page, rate: int) -> None:
    samples, _ = soundfile.read(CLIP, dtype="float32", frames=3 * rate)
    page.evaluate("test.open({ seed: 7 })")
    report = page.evaluate(f"test.buffer({rate}, {samples.tolist()})")
    check_that_nothing_is_lost(report)
    heard = np.zeros(report["samples"], np.float32)
    heard[report["before"] : report["before"] + len(samples)] = samples
    runtime = Runtime(sample_rate=rate, seed=7)
    expected = np.concatenate([runtime.step(heard), runtime.flush()])
    curves = np.array(report["curves"], np.float32).reshape(-1, 52)
    assert np.array_equal(curves, expected)


def percentile(values: list[float], share: float) -> float:
    return float(np.percentile(values, share)) if values else float("nan")


def floats(packed: str) -> np.ndarray:
    return np.frombuffer(base64.b64decode(packed), np.float32)


def drop_outs(heard: np.ndarray) -> int:
    """Samples of silence in what a microphone gave that is never silent."""
    begins = int(np.argmax(heard != 0)) + 24000  # it stutters until its buffers are full
    spoken = heard[begins:]
    return int((np.convolve(spoken == 0, np.ones(32), "valid") >= 32).sum())


@pytest.mark.parametrize("rate", [48000, 44100])
def test_a_microphone_for_a_minute(page: Page, rate: int) -> None:
    seconds = LISTENS_S if rate == 48000 else min(10.0, LISTENS_S)
    page.evaluate("test.open({})")
    report = page.evaluate(f"test.microphone({rate}, {seconds})")
    alone = page.evaluate(f"test.microphone({rate}, {seconds / 3}, true)")
    check_that_nothing_is_lost(report)
    assert report["samples"] > 0.9 * seconds * rate
    heard = floats(report["heard"])
    assert np.abs(heard).max() > 0.05
    found, without = drop_outs(heard), 3 * drop_outs(floats(alone["heard"]))
    print(
        f"{rate} Hz, {seconds:g} s, {report['kernels']}: ready after its sound p50 "
        f"{percentile(report['late'], 50):.1f} p99 {percentile(report['late'], 99):.1f} ms, step "
        f"p99 {percentile(report['took'], 99):.1f} ms, underruns {report['underruns']}, samples "
        f"that the browser dropped {found} (without a face, of as long: {without})"
    )
    # What a recorder beside it heard, the model heard: every sample, in its place.
    before = report["before"]
    runtime = Runtime(sample_rate=rate)
    expected = runtime.step(heard[before : before + report["samples"]])
    curves = floats(report["curves"]).reshape(-1, 52)
    assert np.array_equal(curves[: len(expected)], expected)
    # A machine that is too busy to play sound drops some with no face, too; none is dropped by us.
    assert found < 0.005 * len(heard)
    assert percentile(report["late"], 99) < float(os.environ.get("DT_WEB_P99_MS", "60"))


def test_closing_and_opening_again(page: Page) -> None:
    page.evaluate("test.open({})")
    for _ in range(3):
        check_that_nothing_is_lost(page.evaluate("test.microphone(48000, 1)"))
    for _ in range(3):
        page.evaluate("test.open({})")  # closes the one before
        check_that_nothing_is_lost(page.evaluate("test.microphone(44100, 0.5)"))


def test_a_tab_in_the_background(page: Page) -> None:
    page.evaluate("test.open({})")
    page.evaluate("window.running = test.microphone(48000, 8)")
    page.wait_for_timeout(1500)
    front = page.context.new_page()
    front.goto("about:blank")
    front.bring_to_front()
    front.wait_for_timeout(5000)
    page.bring_to_front()
    report = page.evaluate("window.running")
    check_that_nothing_is_lost(report)
    assert max(np.diff(report["at"])) < 1000  # ms between frames


def test_what_cannot_be_is_said(page: Page) -> None:
    page.evaluate("test.open({})")
    refused = {
        "end": "face => face.end()",
        "twice": "async face => { await face.listen(new ConstantSourceNode(new AudioContext()));"
        " const first = face.end(); try { await face.end() } finally { await first } }",
        "source": "face => face.listen({})",
        "option": "() => Face.load({ sede: 1 })",
        "bundle": "() => Face.load({ bundle: './nothing.tar' })",
        "set": "face => face.set({ gain: { jawOpn: 2 } })",
    }
    for name, call in refused.items():
        said = page.evaluate(f"test.refused({call})")
        assert said is not None, name
        assert said["is"], (name, said)
        assert re.fullmatch(r".{5,700}", said["message"]), (name, said)


def test_the_first_curve_comes_soon(browser: Browser, site: str) -> None:
    times = []
    context = browser.new_context()
    for _ in range(4):
        opened = context.new_page()
        opened.goto(f"{site}/test.html#first")
        opened.wait_for_function("window.first")
        times.append(opened.evaluate("window.first"))
        opened.close()
    print(f"page load to first curve: {', '.join(f'{t:.0f}' for t in times)} ms")
    assert min(times[1:]) < float(os.environ.get("DT_WEB_FIRST_MS", "1500"))


def test_the_page_with_our_head(browser: Browser, site: str, tmp_path: Path) -> None:
    context = browser.new_context(
        permissions=["microphone"], viewport={"width": 1100, "height": 720}
    )
    opened = context.new_page()
    problems: list[str] = []
    opened.on("pageerror", lambda error: problems.append(str(error)))
    opened.goto(f"{site}/talk.html")
    opened.wait_for_selector("#microphone:enabled")
    opened.click("#microphone")
    opened.wait_for_function("Number(document.querySelector('#frames').textContent) >= 120")
    opened.wait_for_function("page.view.pictures > 5 && page.face.now()")
    opened.screenshot(path=tmp_path / "talk.png")
    print(f"screenshot: {tmp_path / 'talk.png'}")
    opened.click("#stop")
    opened.wait_for_selector("#microphone:enabled")
    assert opened.inner_text("#said").endswith("frames.")
    assert not problems
    context.close()


def test_frame_by_frame_it_is_faster_than_the_native_scalar_kernel(speech: dict[int, Path]) -> None:
    """CPU time of this process and of Node's, one after the other, the best of three rounds."""
    by_kernel: dict[str, float] = {}
    script = (
        "import sys, time, soundfile\nfrom diffusiontalker import Runtime\n"
        "x, _ = soundfile.read(sys.argv[1], dtype='float32')\nr = Runtime()\n"
        "for _ in range(2):\n"
        "    r.reset(); t = time.process_time(); at = f = 0\n"
        "    while at < len(x):\n"
        "        f += 1; n = f * 16000 // 60; r.step(x[at:n]); at = n\n"
        "    print(1000 * (time.process_time() - t) / r.stats.frames)\n"
    )
    for _ in range(3):
        done = subprocess.run(
            [sys.executable, "-c", script, str(speech[16000])],
            env={**os.environ, "DT_KERNEL": "scalar"}, capture_output=True, text=True, check=True,
        )  # fmt: skip
        native = min(map(float, done.stdout.split()))
        by_kernel["native scalar"] = min(native, by_kernel.get("native scalar", native))
        for line in node("speed", speech[16000]):
            kernels = line["kernels"]
            by_kernel[kernels] = min(line["cpuMs"], by_kernel.get(kernels, line["cpuMs"]))
    print(", ".join(f"{name} {ms:.2f} ms" for name, ms in by_kernel.items()), "a frame")
    assert by_kernel["wasm"] * 1.1 < by_kernel["native scalar"]
