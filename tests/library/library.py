"""Outside CI: the C library as a stranger gets it. A fresh clone is built and installed without an
option, and without GoogleTest, Python and a network; then programs in C, C++ and Rust are built
against what was installed, and print the curves that `dt-stream` writes.

    python tests/library/library.py [--keep FOLDER]
"""

from __future__ import annotations

import argparse
import csv
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

PROJECT = """cmake_minimum_required(VERSION 3.21)
project(host LANGUAGES C CXX)
find_package(DiffusionTalker 0.1 REQUIRED)
add_executable(host_cpp "{examples}/cpp/wav_to_csv.cpp")
target_link_libraries(host_cpp PRIVATE DiffusionTalker::diffusiontalker)
target_compile_features(host_cpp PRIVATE cxx_std_17)
add_executable(host_static "{examples}/cpp/wav_to_csv.cpp")
target_link_libraries(host_static PRIVATE DiffusionTalker::diffusiontalker_static)
target_compile_features(host_static PRIVATE cxx_std_17)
message(STATUS "model: ${{DiffusionTalker_BUNDLE}}")
"""


def say(*command: object, **options: object) -> str:
    print("$", *command, flush=True)
    words = [str(word) for word in command]
    done = subprocess.run(words, stdout=subprocess.PIPE, text=True, check=True, **options)  # type: ignore[call-overload]
    return str(done.stdout)


def install(folder: Path) -> Path:
    """A fresh clone, built and installed; the prefix."""
    clone, prefix = folder / "clone", folder / "P"
    say("git", "clone", "--quiet", ROOT, clone)
    # No Python of an environment, no GoogleTest, no proxy by which something could be fetched.
    outside = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "VIRTUAL_ENV"))}
    outside |= {"PATH": "/usr/local/bin:/usr/bin:/bin", "https_proxy": "http://127.0.0.1:9"}
    if not shutil.which("cmake", path=outside["PATH"]):
        outside["PATH"] = f"{Path(shutil.which('cmake') or 'cmake').parent}:{outside['PATH']}"
    configured = say(
        "cmake", "-S", ".", "-B", "build", "-DCMAKE_DISABLE_FIND_PACKAGE_GTest=ON", cwd=clone,
        env=outside,
    )  # fmt: skip
    assert "Tests: left out" in configured, configured
    say("cmake", "--build", "build", cwd=clone, env=outside)
    say("cmake", "--install", "build", "--prefix", prefix, cwd=clone, env=outside)
    return prefix


def hosts(folder: Path, prefix: Path) -> dict[str, list[object]]:
    """The programs, by what they are written in, with their arguments but the sound."""
    examples, library = ROOT / "examples", next(prefix.glob("lib*/**/libdiffusiontalker.so")).parent
    bundle = prefix / "share/diffusiontalker/default"
    found: dict[str, list[object]] = {"installed": [prefix / "bin/wav_to_csv"]}
    where = {**os.environ, "PKG_CONFIG_PATH": str(library / "pkgconfig")}
    if shutil.which("pkg-config"):
        flags = say("pkg-config", "--cflags", "--libs", "diffusiontalker", env=where).split()
    else:
        flags = [f"-I{prefix}/include/diffusiontalker", f"-L{library}", "-ldiffusiontalker"]
    c_host = folder / "host_c"
    say("cc", examples / "c/wav_to_csv.c", *flags, f"-Wl,-rpath,{library}", "-o", c_host)
    found["C"] = [c_host, bundle]
    project = folder / "project"
    project.mkdir()
    (project / "CMakeLists.txt").write_text(PROJECT.format(examples=examples))
    say("cmake", "-S", project, "-B", project / "build", f"-DCMAKE_PREFIX_PATH={prefix}")
    say("cmake", "--build", project / "build")
    for name in ("host_cpp", "host_static"):
        found[f"C++, {name}"] = [project / "build" / name, "--bundle", bundle]
    if shutil.which("rustc"):
        out = folder / "host_rust"
        say(
            "rustc", "-O", examples / "rust/wav_to_csv.rs", "-L", library, "-l", "diffusiontalker",
            "-C", f"link-arg=-Wl,-rpath,{library}", "-o", out,
        )  # fmt: skip
        found["Rust"] = [out, bundle]
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--keep", type=Path, help="leave what was built in this folder")
    given = parser.parse_args()
    import soundfile

    from diffusiontalker.stream.cli import main as dt_stream
    from diffusiontalker.stream.sources.wav import demo_path

    with tempfile.TemporaryDirectory() as made:
        folder = given.keep or Path(made)
        folder.mkdir(parents=True, exist_ok=True)
        prefix = install(folder)
        shared = next(prefix.glob("lib*/**/libdiffusiontalker.so"))
        stripped = folder / "stripped.so"
        say("strip", shared.resolve(), "-o", stripped)
        print(f"library, stripped, without weights: {stripped.stat().st_size:,} bytes")
        wav, out = folder / "speech.wav", folder / "out.csv"
        sound, rate = soundfile.read(demo_path(), dtype="int16")
        soundfile.write(wav, sound, rate, subtype="PCM_16")
        assert dt_stream(["--wav", str(wav), "--out", str(out)]) == 0
        theirs = list(csv.DictReader(out.open()))
        for name, command in hosts(folder, prefix).items():
            rows = list(csv.DictReader(say(*command, wav).splitlines()))
            expected = [{k: row[k[0].upper() + k[1:]] for k in rows[0]} for row in theirs]
            assert rows == expected, f"{name}: other curves than dt-stream's"
            print(f"{name}: {len(rows)} frames, those of dt-stream")
    print("passed")
    return 0


if __name__ == "__main__":
    sys.exit(main())
