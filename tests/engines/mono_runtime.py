"""Unity's part under Debian's mono; outside CI, as it wants mono's compiler:

    poe mono          or: python -m pytest -s tests/engines/mono_runtime.py

The plain assembly as it ships: its parts on made clocks, a real dt-stream, the real C library by
P/Invoke. The component on stand-ins for the few classes of Unity that it uses. `DT_LIBRARY` names
the C library (libdiffusiontalker.so); without it the one that CMake has built under build/ is
looked for, and else it is built.
"""

from __future__ import annotations

import io
import json
import os
import shutil
import socket
import subprocess
import sys
import tarfile
from importlib import resources
from pathlib import Path

import numpy as np
import pytest

from diffusiontalker import CURVES, Runtime
from diffusiontalker.sound import read_all
from diffusiontalker.stream.sources.wav import demo_path

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
PACKAGE = ROOT / "examples" / "unity" / "Runtime"
COMPILE = ("mcs", "-langversion:7", "-warn:4", "-warnaserror")
PATIENCE_S = 900.0  # the library may have to be built
SHOWN = ("jawOpen", "mouthClose", "eyeBlinkLeft")


def run(*words: object, env: dict[str, str] | None = None) -> str:
    done = subprocess.run(
        [str(word) for word in words], capture_output=True, encoding="utf-8", timeout=PATIENCE_S,
        env={**os.environ, **(env or {})},
    )  # fmt: skip
    assert done.returncode == 0, f"{words}: {done.stdout[-4000:]}\n{done.stderr[-4000:]}"
    return done.stdout


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tests' program beside the plain assembly."""
    folder = tmp_path_factory.mktemp("mono")
    plain = folder / "DiffusionTalker.dll"
    run(*COMPILE, "-target:library", f"-out:{plain}", *PACKAGE.glob("Plain/*.cs"))
    # 649: fields that Unity's inspector sets.
    run(*COMPILE, "-nowarn:649", f"-out:{folder / 'Tests.exe'}", f"-r:{plain}",
        *HERE.glob("mono/*.cs"), *PACKAGE.glob("Unity/*.cs"))  # fmt: skip
    return folder / "Tests.exe"


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment in which mono finds the C library."""
    found = os.environ.get("DT_LIBRARY")
    built = sorted(ROOT.glob("build/*/libdiffusiontalker.so"))
    if found is None and built:
        found = str(built[0])
    if found is None:
        build = tmp_path_factory.mktemp("library")
        run("cmake", "-S", ROOT, "-B", build, "-DCMAKE_BUILD_TYPE=Release", "-DDT_TESTS=OFF",
            "-DDT_PYTHON=OFF", "--log-level=WARNING")  # fmt: skip
        run("cmake", "--build", build, "--target", "diffusiontalker")
        found = str(next(build.glob("**/libdiffusiontalker.so")))
    return {"LD_LIBRARY_PATH": str(Path(found).parent)}


@pytest.fixture(scope="module")
def bundle() -> Path:
    return Path(str(resources.files("diffusiontalker") / "bundles" / "default"))


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, int, np.ndarray]:
    """3 s of the demo clip: as a file of float32, its rate, the samples."""
    samples, rate, _ = read_all(Path(demo_path()))
    path = tmp_path_factory.mktemp("sound") / "sound.f32"
    samples = np.ascontiguousarray(samples[: 3 * rate], np.float32)
    samples.tofile(path)
    return path, rate, samples


def expected(samples: np.ndarray, rate: int, seed: int = 0) -> np.ndarray:
    runtime = Runtime(sample_rate=rate, seed=seed)
    return np.concatenate([runtime.step(samples), runtime.flush()])


def test_the_parts(program: Path) -> None:
    said = run("mono", program, "parts")
    print(said)
    assert "FAILED" not in said
    assert said.count("ok ") == 11


@pytest.mark.parametrize(("chunk", "seed"), [(160, 0), (1000, 7), (99999, 2**63 + 1)])
def test_the_librarys_frames_are_pythons(
    program: Path,
    library: dict[str, str],
    bundle: Path,
    sound: tuple[Path, int, np.ndarray],
    tmp_path: Path,
    chunk: int,
    seed: int,
) -> None:
    """Bit for bit, in any chunking, of any seed, after a reset too."""
    path, rate, samples = sound
    out = tmp_path / "frames.f32"
    said = run("mono", program, "frames", bundle, path, rate, chunk, seed, out, env=library)
    print(said)
    assert "FAILED" not in said
    assert "jawOpne" in said.splitlines()[-1], "a knob that is none"
    got = np.fromfile(out, np.float32).reshape(-1, len(CURVES))
    np.testing.assert_array_equal(got, expected(samples, rate, seed))


def test_another_rate_is_resampled_by_the_library(
    program: Path,
    library: dict[str, str],
    bundle: Path,
    tmp_path: Path,
) -> None:
    """48 kHz, as Unity plays: Python's frames too, as `Runtime` resamples by the same code."""
    rate = 48000
    samples = np.random.default_rng(2).normal(0, 0.1, rate).astype(np.float32)
    samples.tofile(tmp_path / "sound.f32")
    got = []
    for chunk in (480, 5000):
        out = tmp_path / f"{chunk}.f32"
        run(
            "mono",
            program,
            "frames",
            bundle,
            tmp_path / "sound.f32",
            rate,
            chunk,
            0,
            out,
            env=library,
        )
        got.append(np.fromfile(out, np.float32).reshape(-1, len(CURVES)))
    assert len(got[0]) == 60
    np.testing.assert_array_equal(got[0], got[1])
    np.testing.assert_array_equal(got[0], expected(samples, rate))


def test_refusals_are_sentences(
    program: Path, library: dict[str, str], bundle: Path, tmp_path: Path
) -> None:
    newer, broken = tmp_path / "newer", tmp_path / "broken"
    for folder in (newer, broken):
        shutil.copytree(bundle, folder)
    manifest = json.loads((newer / "manifest.json").read_text("utf-8"))
    manifest["format_version"] += 100
    (newer / "manifest.json").write_text(json.dumps(manifest))
    weights = bytearray((broken / "weights.safetensors").read_bytes())
    weights[-1] ^= 1
    (broken / "weights.safetensors").write_bytes(weights)
    said = run("mono", program, "refusals", bundle, newer, broken, env=library).splitlines()
    print(*said, sep="\n")
    for line, word in zip(
        said,
        ("no path", "/nowhere/at/all", "version", "weights", "", "4000", "nobody", "", ""),
        strict=True,
    ):
        assert word in line
        assert "nothing was refused" not in line
    missing = run("mono", program, "refusals", bundle, newer, broken,
                  env={"LD_LIBRARY_PATH": "/nowhere"}).splitlines()  # fmt: skip
    assert missing[1].startswith("the native library is not there: put "), missing


def test_the_component_keeps_to_its_clip(
    program: Path,
    library: dict[str, str],
    bundle: Path,
    sound: tuple[Path, int, np.ndarray],
    tmp_path: Path,
) -> None:
    """On stand-ins for Unity: a packed bundle, a clip of two channels, a mesh of weight 1."""
    path, rate, samples = sound
    expected(samples, rate).astype(np.float32).tofile(tmp_path / "frames.f32")
    packed = tmp_path / "packed.bundle"
    with tarfile.open(packed, "w", format=tarfile.USTAR_FORMAT) as tar:
        for name in ("manifest.json", "weights.safetensors"):
            data = (bundle / name).read_bytes()
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))
    said = run("mono", program, "component", packed, path, rate, tmp_path / "frames.f32",
               env=library).splitlines()  # fmt: skip
    print(*said, sep="\n")
    assert not [line for line in said if "FAILED" in line]
    assert said[0].startswith("DiffusionTalker: no blend shapes for eyeBlinkLeft, ")
    assert said[1] == "speaking"
    assert "/nowhere/at/all" in said[2]


def test_a_real_dt_stream_is_received(program: Path) -> None:
    with socket.socket(type=socket.SOCK_DGRAM) as probe:
        probe.bind(("", 0))
        port = probe.getsockname()[1]
    samples, rate, _ = read_all(Path(demo_path()))
    model = expected(samples[: 4 * rate], rate)
    receiver = subprocess.Popen(
        ["mono", str(program), "receive", str(port)], stdout=subprocess.PIPE, encoding="utf-8"
    )
    assert receiver.stdout is not None
    assert receiver.stdout.readline() == "listening\n"
    run(sys.executable, "-m", "diffusiontalker.stream.cli", "--demo", "--seconds", 4, "--quiet",
        "--to", f"livelink://127.0.0.1:{port}")  # fmt: skip
    said, _ = receiver.communicate(timeout=PATIENCE_S)
    lines = said.splitlines()
    pictures = np.array([line.split()[1:] for line in lines if line.startswith("shown ")], float)
    # The first picture shows the first frame, or the way from it to the next.
    index = (pictures[:, 0] - pictures[0, 0]) * 60e-9
    columns = [CURVES.index(curve) for curve in SHOWN]

    def off(shift: float) -> float:
        speaking = index + shift <= len(model) - 1  # afterwards dt-stream closes the face
        at = index[speaking] + shift
        wanted = [np.interp(at, np.arange(len(model)), model[:, column]) for column in columns]
        return float(np.abs(np.transpose(wanted) - pictures[speaking, 1:]).max())

    best = min(off(shift) for shift in np.arange(0.0, 3.0, 0.0005))
    print(f"{len(pictures)} pictures; {lines[-1]}; the jaw at most {pictures[:, 1].max():.4f}")
    assert best < 2e-4
    assert np.all(pictures[-3:, 1:] == 0), "closed at the end"
    assert ", 0 refused" in lines[-1]
