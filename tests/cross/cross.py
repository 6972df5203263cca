"""The C++ for machines that are not here, by PyPI's ziglang, which brings all of their libraries.

    python tests/cross/cross.py                   every target: built, and run where an emulator is
    python tests/cross/cross.py TARGET ...        some of them
    python tests/cross/cross.py --tests TARGET    the C++ tests too (wants /usr/src/googletest)

Builds the core, the C library, its wav_to_csv and dt_digest for each target, warnings as errors,
and compiles what draws pictures. Where the program can be run (wine, qemu, or as it is), its
digests must be those of tests/golden/digests.json, the same bits there as here, and wav_to_csv must
print what dt-stream writes. Exit code 1: something does not build, or gives others.
CMAKE_BUILD_PARALLEL_LEVEL says how many compilers run at once.
"""

from __future__ import annotations

import argparse
import contextlib
import csv
import functools
import importlib.util
import io
import json
import os
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "cpp" / "digest"))

import digests  # noqa: E402
import soundfile  # noqa: E402

BUILD = ROOT / "build" / "cross"
BUNDLE = ROOT / "python" / "diffusiontalker" / "bundles" / "default"
GOOGLETEST = Path("/usr/src/googletest")
_X86 = ("avx2", "scalar")
_ARM = ("neondot", "neon", "scalar")
_PICTURE = ("canvas", "faults", "lighting", "shading/avx2", "shading/plain")
# As CMakeLists.txt has them.
_FLAGS = (
    "-std=c++17", "-O3", "-Wall", "-Wextra", "-Wshadow", "-Wconversion", "-Wno-sign-conversion",
    "-Werror", "-ffp-contract=off", "-fno-math-errno", "-fno-trapping-math",
)  # fmt: skip


@dataclass(frozen=True)
class Target:
    """A kind of machine, as zig names it, and what runs its programs here."""

    zig: str
    system: str  #: CMake's word
    processor: str
    emulator: tuple[str, ...] | None = None  #: () runs as it is; None: nothing here does
    kernels: tuple[str, ...] = ()

    @property
    def ending(self) -> str:
        return ".exe" if self.system == "Windows" else ""


TARGETS = {
    "windows-x64": Target("x86_64-windows-gnu", "Windows", "AMD64", ("wine",), _X86),
    "windows-arm64": Target("aarch64-windows-gnu", "Windows", "ARM64"),
    "macos-x64": Target("x86_64-macos", "Darwin", "x86_64"),
    "macos-arm64": Target("aarch64-macos", "Darwin", "arm64"),
    "glibc-2.17-x64": Target("x86_64-linux-gnu.2.17", "Linux", "x86_64", (), _X86),
    "glibc-2.17-arm64": Target(
        "aarch64-linux-gnu.2.17", "Linux", "aarch64",
        ("qemu-aarch64", "-L", "/usr/aarch64-linux-gnu"), _ARM,
    ),
    "musl-x64": Target("x86_64-linux-musl", "Linux", "x86_64", (), _X86),
    "musl-arm64": Target("aarch64-linux-musl", "Linux", "aarch64", ("qemu-aarch64",), _ARM),
}  # fmt: skip


def wrapper(name: str, words: str) -> Path:
    """A program that is zig with these words: CMake wants one word."""
    path = BUILD / "bin" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m ziglang {words} "$@"\n')
    path.chmod(0o755)
    return path


def run(*command: str) -> str:
    """Its output. Raises CalledProcessError after printing all of it."""
    done = subprocess.run(command, capture_output=True, encoding="utf-8", errors="replace")
    if done.returncode != 0:
        print(f"{done.stdout}{done.stderr}".strip()[-4000:], flush=True)
        done.check_returncode()
    return done.stdout


def configured(target: Target, source: Path, folder: Path, *more: str) -> Path:
    # Unasked, zig puts UBSan into what is built with -O0, as the tests are, and links none of it.
    words = f"-target {target.zig} -fno-sanitize=undefined"
    compiler = wrapper(f"c++-{target.zig}", f"c++ {words}")
    cc = wrapper(f"cc-{target.zig}", f"cc {words}")
    run(
        "cmake", "-S", str(source), "-B", str(folder), "-G", "Ninja", "--log-level=WARNING",
        f"-DCMAKE_SYSTEM_NAME={target.system}", f"-DCMAKE_SYSTEM_PROCESSOR={target.processor}",
        f"-DCMAKE_CXX_COMPILER={compiler}", f"-DCMAKE_C_COMPILER={cc}",
        f"-DCMAKE_AR={wrapper('ar', 'ar')}", f"-DCMAKE_RANLIB={wrapper('ranlib', 'ranlib')}",
        f"-DCMAKE_RC_COMPILER={wrapper('rc', 'rc')}", "-DCMAKE_INSTALL_NAME_TOOL=/bin/true",
        "-DCMAKE_OSX_SYSROOT=", "-DCMAKE_BUILD_TYPE=Release",
        # A check of the compiler that links would have zig build each system's libraries twice.
        "-DCMAKE_TRY_COMPILE_TARGET_TYPE=STATIC_LIBRARY",
        *more,
    )  # fmt: skip
    return folder


def project(target: Target, name: str, *more: str) -> Path:
    return configured(
        target, ROOT, BUILD / name, "-DDT_DIGEST=ON", "-DDT_TENSORRT=OFF", "-DDT_WERROR=ON",
        "-DCMAKE_DISABLE_FIND_PACKAGE_nlohmann_json=ON", f"-DDT_JSON_INCLUDE={json_headers()}",
        *more,
    )  # fmt: skip


def built(target: Target, folder: Path, name: str) -> Path:
    jobs = os.environ.get("CMAKE_BUILD_PARALLEL_LEVEL") or str(os.cpu_count() or 1)
    run("cmake", "--build", str(folder), "--target", name, "--parallel", jobs)
    return folder / f"{name}{target.ending}"


def json_headers() -> Path:
    """A folder with nlohmann's headers alone: this machine's others are for no other one."""
    folder = BUILD / "json"
    link = folder / "nlohmann"
    if not link.is_dir():
        folder.mkdir(parents=True, exist_ok=True)
        places = [Path(one) / "nlohmann" for one in ("/usr/include", "/usr/local/include")]
        found = next((one for one in places if one.is_dir()), None)
        if found is None:
            raise SystemExit("cross.py: no nlohmann-json here: apt-get install nlohmann-json3-dev")
        link.symlink_to(found)
    return folder


def compiled(folder: Path) -> int:
    """How many files of cpp/ have an object in the build; one in two libraries is one."""
    objects = (str(one) for one in folder.rglob("*.o*") if one.suffix in (".o", ".obj"))
    return len({path.rpartition(".dir/cpp/")[2] for path in objects if ".dir/cpp/" in path})


def check(name: str, target: Target, *, tests: bool) -> int:
    """Builds and runs what can be; prints a line; returns what is wrong."""
    begun = time.monotonic()
    folder = project(target, name, "-DDT_TESTS=OFF")
    for part in ("dt_core", "dt_capi_objects", "wav_to_csv", "diffusiontalker"):
        built(target, folder, part)
    program = built(target, folder, "dt_digest")
    for part in _PICTURE:
        more = ("-mavx2",) if part == "shading/avx2" and target.kernels == _X86 else ()
        run(
            str(BUILD / "bin" / f"c++-{target.zig}"), *_FLAGS, *more, f"-I{ROOT}/cpp/src",
            f"-I{ROOT}/cpp/include", "-c", f"{ROOT}/cpp/src/picture/{part}.cpp", "-o",
            str(folder / f"picture_{part.replace('/', '_')}.o"),
        )  # fmt: skip
    seconds, size = time.monotonic() - begun, program.stat().st_size
    said = (
        f"{name}: {compiled(folder) + len(_PICTURE)} files of cpp/ compiled in {seconds:.0f} s, "
        f"dt_digest {size / 1e6:.1f} MB"
    )
    if target.emulator is None:
        print(f"{said}; nothing here runs it", flush=True)
        return 0
    if target.emulator and shutil.which(target.emulator[0]) is None:
        print(f"{said}; not run, no {target.emulator[0]} here", flush=True)
        return 0
    print(said, flush=True)
    digests.BUILD.mkdir(parents=True, exist_ok=True)
    variant = digests.Variant("zig", "-O3", emulator=target.emulator, kernels=target.kernels)
    golden = json.loads(digests.GOLDEN.read_text("utf-8"))
    wrong = digests.compare(name, variant, digests.digests(program, target.emulator), golden)
    wrong += _curves(name, target, folder)
    return wrong + (_tests(name, target) if tests else 0)


@functools.cache
def _expected(wav: Path) -> list[dict[str, str]]:
    """What dt-stream writes for the sound here, a frame a row."""
    from diffusiontalker.stream.cli import main as dt_stream

    out = wav.with_suffix(".csv")
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        code = dt_stream(["--wav", str(wav), "--out", str(out)])
    if code != 0:
        raise SystemExit(f"{said.getvalue()}cross.py: dt-stream failed")
    with out.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _curves(name: str, target: Target, folder: Path) -> int:
    """The installed example on the clip: the C library, its bundle reader, its numbers as text."""
    wav = BUILD / "clip.wav"
    samples, rate = soundfile.read(digests.CLIP, dtype="int16")
    soundfile.write(wav, samples, rate, subtype="PCM_16")
    expected = _expected(wav)
    program = folder / f"wav_to_csv{target.ending}"
    printed = run(*(target.emulator or ()), str(program), "--bundle", str(BUNDLE), str(wav))
    rows = list(csv.DictReader(printed.splitlines()))
    same = bool(rows) and rows == [
        {curve: row[curve[0].upper() + curve[1:]] for curve in rows[0]} for row in expected
    ]
    told = "those of dt-stream here" if same else "OTHER curves than dt-stream's here"
    print(f"{name}: wav_to_csv: {len(rows)} frames, {told}", flush=True)
    return int(not same)


def _tests(name: str, target: Target) -> int:
    """The C++ tests, with a GoogleTest for the same machine."""
    prefix = BUILD / f"{name}-gtest"
    folder = configured(
        target, GOOGLETEST, BUILD / f"{name}-googletest", f"-DCMAKE_INSTALL_PREFIX={prefix}",
        "-DBUILD_GMOCK=OFF",
    )  # fmt: skip
    run("cmake", "--build", str(folder), "--target", "install")
    folder = project(target, name, "-DDT_TESTS=ON", f"-DGTest_DIR={prefix}/lib/cmake/GTest")
    program = built(target, folder, "dt_tests")
    done = subprocess.run(
        [*(target.emulator or ()), str(program), "--gtest_brief=1"],
        capture_output=True, encoding="utf-8", errors="replace",
    )  # fmt: skip
    last = [line for line in done.stdout.splitlines() if line.startswith("[")]
    print(f"{name}: tests: {' '.join(last[-3:])}", flush=True)
    if done.returncode != 0:
        print(done.stdout[-6000:], done.stderr[-2000:], flush=True)
    return int(done.returncode != 0)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=", ".join(TARGETS))
    parser.add_argument("--tests", action="store_true", help="the C++ tests too, where they run")
    options = parser.parse_args()
    if unknown := set(options.targets) - set(TARGETS):
        parser.error(f"no target {', '.join(sorted(unknown))}; there are: {', '.join(TARGETS)}")
    if importlib.util.find_spec("ziglang") is None:
        parser.error("no ziglang here: pip install ziglang")
    wrong = 0
    for name in options.targets or TARGETS:
        try:
            wrong += check(name, TARGETS[name], tests=options.tests)
        except subprocess.CalledProcessError as error:
            print(f"{name}: failed: {' '.join(map(str, error.cmd[:12]))}", flush=True)
            wrong += 1
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
