"""The same bits everywhere: what dt_digest prints, built by every compiler that is here.

    python tests/cpp/digest/digests.py [VARIANT ...]    all that are in CI, if none is named
    python tests/cpp/digest/digests.py --renew          writes the golden digests, with the first

Builds dt_digest once a variant (a compiler, its flags, and an emulator where another processor is
meant), plays the demo clip through it and through the embedded model, with every kernel that the
machine has, and compares each stage's digest with tests/golden/digests.json. A compiler that is not
here is skipped aloud. Exit code 1: a stage gives other bits, and which, with which kernel.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import digests_wasm
import numpy as np
import soundfile

from diffusiontalker import bundle

REPOSITORY = Path(__file__).resolve().parents[3]
GOLDEN = REPOSITORY / "tests" / "golden" / "digests.json"
CLIP = REPOSITORY / "python" / "diffusiontalker" / "data" / "demo.flac"
BUILD = REPOSITORY / "build" / "digest"


@dataclass(frozen=True)
class Variant:
    """A way to build dt_digest and to run it. `needs` names what has to be on the PATH."""

    compiler: str
    flags: str
    cmake: tuple[str, ...] = ()
    emulator: tuple[str, ...] = ()
    kernels: tuple[str, ...] = ("scalar",)  # that must be among those it plays
    library_of: tuple[str, ...] = ()  # a compiler for the same processor whose library it uses
    in_ci: bool = True

    @property
    def needs(self) -> tuple[str, ...]:
        return (self.compiler, *self.library_of, *self.emulator[:1])


ARM = (
    "-DCMAKE_SYSTEM_NAME=Linux",
    "-DCMAKE_SYSTEM_PROCESSOR=aarch64",
    "-DCMAKE_EXE_LINKER_FLAGS=-static",
)
ZIGLANG = "ziglang"  # PyPI's: a package, not a program
NEON = ("neondot", "neon", "scalar")
VARIANTS = {
    "gcc-O3": Variant("g++", "-O3"),
    "gcc-O0": Variant("g++", "-O0", in_ci=False),
    "gcc-O3-native": Variant("g++", "-O3 -march=native"),
    "clang-O3": Variant("clang++", "-O3"),
    "clang-O2-native": Variant("clang++", "-O2 -march=native", in_ci=False),
    "gcc-aarch64": Variant(
        "aarch64-linux-gnu-g++",
        "-O3",
        ARM,
        ("qemu-aarch64",),
        kernels=NEON,
        in_ci=False,
    ),
    "clang-aarch64": Variant(
        "clang++",
        "-O3",
        (*ARM, "-DCMAKE_CXX_COMPILER_TARGET=aarch64-linux-gnu"),
        ("qemu-aarch64",),
        kernels=NEON,
        library_of=("aarch64-linux-gnu-g++",),
        in_ci=False,
    ),
    "wasm": Variant(
        ZIGLANG,
        "-O3",
        emulator=digests_wasm.EMULATOR,
        kernels=("wasm", "scalar"),
        in_ci=False,
    ),
}


def run(*command: str) -> str:
    """What it prints on standard output. Exits with all that it printed where it fails."""
    done = subprocess.run(command, capture_output=True, encoding="utf-8", errors="replace")
    if done.returncode != 0:
        raise SystemExit(f"{done.stdout}{done.stderr}digests.py: failed: {' '.join(command)}")
    return done.stdout


def built(name: str, variant: Variant) -> Path:
    """The variant's dt_digest."""
    folder = BUILD / name
    if variant.compiler == ZIGLANG:
        return digests_wasm.built(folder)
    run(
        "cmake", "-S", str(REPOSITORY), "-B", str(folder), "--log-level=WARNING",
        "-DCMAKE_BUILD_TYPE=Release", f"-DCMAKE_CXX_COMPILER={variant.compiler}",
        f"-DCMAKE_CXX_FLAGS_RELEASE={variant.flags}", "-DDT_TESTS=OFF", "-DDT_DIGEST=ON",
        "-DDT_TENSORRT=OFF", "-DDT_CAPI=OFF", "-DDT_WERROR=ON", *variant.cmake,
    )  # fmt: skip
    jobs = str(os.cpu_count() or 1)
    run("cmake", "--build", str(folder), "--target", "dt_digest", "--parallel", jobs)
    return folder / "dt_digest"


def words(value: Any) -> str:
    """As dt_digest reads them: numbers that are no integers in base 16, which loses nothing."""
    if isinstance(value, list):
        return " ".join(map(words, value))
    if isinstance(value, bool):
        return str(int(value))
    return value.hex() if isinstance(value, float) else str(value)


def settings(options: Any, prefix: str = "") -> Iterator[str]:
    """A line a setting of a ModelConfig, and of what stands in it."""
    for name in sorted(vars(type(options)).keys() - {"RANGES"}):
        if name.startswith("_"):
            continue
        value = getattr(options, name)
        if name == "curve_options":
            for number, curve in enumerate(value):
                yield from settings(curve, f"{prefix}{name}.{number}.")
        elif name in ("context", "gate", "idle"):
            if value is not None:
                yield from settings(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name} {words(value)}".rstrip()


def write_model(path: Path) -> None:
    """The embedded bundle as dt_digest reads it (tests/cpp/digest/model_file.cpp)."""
    embedded = bundle.read()
    tensors = {**embedded.core_tensors(), "identity_features": embedded.identity_features()}
    lines = list(settings(embedded.core_config()))
    for name, tensor in tensors.items():
        kind = "i8" if tensor.dtype == np.int8 else "f32"
        lines.append(f"tensor {name} {kind} {words(list(tensor.shape))}".rstrip())
    content = bytearray("\n".join([*lines, "end", ""]).encode())
    for tensor in tensors.values():
        content += bytes(-len(content) % 8)
        content += tensor.astype("<i1" if tensor.dtype == np.int8 else "<f4").tobytes()
    path.write_bytes(content)


def write_clip(path: Path) -> None:
    samples, rate = soundfile.read(CLIP, dtype="float32")
    assert rate == 16000, f"{CLIP}: expected 16 kHz"
    path.write_bytes(samples.astype("<f4").tobytes())


@dataclass(frozen=True)
class Line:
    """What dt_digest prints: a stage's digest, of a kernel and a way to compute it."""

    stage: str
    digest: str
    kernel: str = ""
    way: str = ""


def is_here(tool: str) -> bool:
    if tool == ZIGLANG:
        return importlib.util.find_spec(tool) is not None
    return shutil.which(tool) is not None


def digests(program: Path, emulator: tuple[str, ...] = ()) -> list[Line]:
    clip, model = BUILD / "clip.f32", BUILD / "model.dt"
    write_clip(clip)
    write_model(model)
    printed = run(*emulator, str(program), str(clip), str(model))
    return [Line(*line.split(" ", 3)) for line in printed.splitlines()]


def compare(name: str, variant: Variant, lines: list[Line], golden: dict[str, str]) -> int:
    """Prints a line for each that differs, or one; returns how many differ."""
    kernels = list(dict.fromkeys(line.kernel for line in lines if line.kernel))
    wrong = [
        f"{name}: {line.stage}{f', {line.kernel}' * bool(line.kernel)}"
        f"{f', {line.way}' * bool(line.way)}: {line.digest}, "
        f"expected {golden.get(line.stage, 'none')}"
        for line in lines
        if line.digest != golden.get(line.stage)
    ]
    wrong += [f"{name}: {stage}: missing" for stage in golden.keys() - {x.stage for x in lines}]
    wrong += [f"{name}: no kernel {kernel}" for kernel in variant.kernels if kernel not in kernels]
    same = f"{name}: the same bits in {len(golden)} stages, by {', '.join(kernels)}"
    print("\n".join(wrong) if wrong else same, flush=True)
    return len(wrong)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("variants", nargs="*", metavar="VARIANT", help=", ".join(VARIANTS))
    parser.add_argument("--renew", action="store_true", help="write the golden digests anew")
    options = parser.parse_args()
    if unknown := set(options.variants) - set(VARIANTS):
        parser.error(f"no variant {', '.join(sorted(unknown))}; there are: {', '.join(VARIANTS)}")
    names = options.variants or [name for name, variant in VARIANTS.items() if variant.in_ci]
    wrong = 0
    for name in names:
        variant = VARIANTS[name]
        if missing := [tool for tool in variant.needs if not is_here(tool)]:
            print(f"{name}: SKIPPED, no {', '.join(missing)} here", flush=True)
            wrong += 1 if options.variants else 0  # who asks for it wants it
            continue
        lines = digests(built(name, variant), variant.emulator)
        if options.renew:
            golden = {line.stage: line.digest for line in reversed(lines)}
            golden = {line.stage: golden[line.stage] for line in lines}
            GOLDEN.write_text(json.dumps(golden, indent=2) + "\n", "utf-8")
            print(f"{GOLDEN.relative_to(REPOSITORY)}: written by {name}")
            return 1 if compare(name, variant, lines, golden) else 0
        wrong += compare(name, variant, lines, json.loads(GOLDEN.read_text("utf-8")))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
