"""The same bits everywhere: what dt_digest prints, built by every compiler that is here.

    python tests/cpp/digest/digests.py [VARIANT ...]    all that are in CI, if none is named
    python tests/cpp/digest/digests.py --renew          writes the golden digests, with the first

Builds dt_digest once a variant (a compiler, its flags, and an emulator where another processor is
meant), plays the demo clip through it and compares each stage's digest with
tests/golden/digests.json. A compiler that is not here is skipped aloud. Exit code 1: a stage gives
other bits, and which.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import soundfile

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
    in_ci: bool = True

    @property
    def needs(self) -> tuple[str, ...]:
        return (self.compiler, *self.emulator[:1])


ARM = (
    "-DCMAKE_SYSTEM_NAME=Linux",
    "-DCMAKE_SYSTEM_PROCESSOR=aarch64",
    "-DCMAKE_EXE_LINKER_FLAGS=-static",
)
VARIANTS = {
    "gcc-O3": Variant("g++", "-O3"),
    "gcc-O0": Variant("g++", "-O0"),
    "gcc-O3-native": Variant("g++", "-O3 -march=native"),
    "clang-O3": Variant("clang++", "-O3"),
    "clang-O2-native": Variant("clang++", "-O2 -march=native"),
    "gcc-aarch64": Variant("aarch64-linux-gnu-g++", "-O3", ARM, ("qemu-aarch64",), in_ci=False),
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
    run(
        "cmake", "-S", str(REPOSITORY), "-B", str(folder), "--log-level=WARNING",
        "-DCMAKE_BUILD_TYPE=Release", f"-DCMAKE_CXX_COMPILER={variant.compiler}",
        f"-DCMAKE_CXX_FLAGS_RELEASE={variant.flags}", "-DDT_TESTS=OFF", "-DDT_DIGEST=ON",
        "-DDT_TENSORRT=OFF", "-DDT_WERROR=ON", *variant.cmake,
    )  # fmt: skip
    jobs = str(os.cpu_count() or 1)
    run("cmake", "--build", str(folder), "--target", "dt_digest", "--parallel", jobs)
    return folder / "dt_digest"


def digests(program: Path, emulator: tuple[str, ...] = ()) -> dict[str, str]:
    """Stage -> digest."""
    samples, rate = soundfile.read(CLIP, dtype="float32")
    assert rate == 16000, f"{CLIP}: expected 16 kHz"
    clip = BUILD / "clip.f32"
    clip.write_bytes(samples.astype("<f4").tobytes())
    printed = run(*emulator, str(program), str(clip))
    return dict(line.split() for line in printed.splitlines())


def compare(name: str, found: dict[str, str], golden: dict[str, str]) -> int:
    """Prints a line a stage that differs, or one; returns how many differ."""
    wrong = [
        f"{name}: {stage}: {found.get(stage, 'missing')}, expected {golden.get(stage, 'none')}"
        for stage in {**golden, **found}
        if found.get(stage) != golden.get(stage)
    ]
    print("\n".join(wrong) if wrong else f"{name}: the same bits in {len(golden)} stages")
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
        if missing := [tool for tool in variant.needs if shutil.which(tool) is None]:
            print(f"{name}: SKIPPED, no {', '.join(missing)} here", flush=True)
            wrong += 1 if options.variants else 0  # who asks for it wants it
            continue
        found = digests(built(name, variant), variant.emulator)
        if options.renew:
            GOLDEN.write_text(json.dumps(found, indent=2) + "\n", "utf-8")
            print(f"{GOLDEN.relative_to(REPOSITORY)}: written by {name}")
            return 0
        wrong += compare(name, found, json.loads(GOLDEN.read_text("utf-8")))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
