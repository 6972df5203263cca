"""Builds the browser package: examples/web/built/, and what `npm pack` makes of the folder.

    python -m pip install ziglang nlohmann-json
    python examples/web/build.py                 # the two .wasm and the model
    python examples/web/build.py --head          # and what the page draws with: three.js, by npm

A .wasm is compiled by PyPI's ziglang (Zig's C++ compiler with a C++ library for WASI) and nothing
else. What was compiled before and has not changed since stays as it is (build/web).
"""

from __future__ import annotations

import argparse
import importlib.util
import io
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parents[1]
PACKAGE = REPOSITORY / "python" / "diffusiontalker"
OBJECTS = REPOSITORY / "build" / "web"

#: Of the C++ runtime, what needs no threads, no shared libraries and no files.
FOLDERS = (
    "cpp/capi", "cpp/src/arithmetic", "cpp/src/audio", "cpp/src/curves", "cpp/src/features",
    "cpp/src/kernels", "cpp/src/refusal", "cpp/src/runtime", "cpp/src/sampler",
    "cpp/src/sampler/cpu", "cpp/src/weights", "cpp/src/weights/bundle",
)  # fmt: skip
LEFT_OUT = ("live_runtime.cpp",)
FLAGS = (
    "-target", "wasm32-wasi", "-std=c++17", "-O3", "-msimd128", "-fno-exceptions", "-fno-rtti",
    "-ffp-contract=off", "-ffunction-sections", "-fdata-sections", "-DNDEBUG", "-DDT_STATIC",
    "-DDT_WITHOUT_TENSORRT",
)  # fmt: skip
#: Of little work, so small before fast: a page fetches the module before all else.
SMALL = ("cpp/capi", "cpp/src/curves", "cpp/src/refusal", "cpp/src/weights/bundle")
SMALL_FLAG = "-Os"
#: The instructions of one file alone: the rest keeps to those whose results are the same anywhere.
RELAXED_FILE, RELAXED_FLAG = "wasmrelaxed.cpp", "-mrelaxed-simd"
#: The embedded model with its streams fits in without growing.
MEMORY_BYTES = 64 << 20
STACK_BYTES = 1 << 20
THREE = "three@0.180.0"
THREE_FILES = (
    "LICENSE", "build/three.module.js", "build/three.core.js",
    "examples/jsm/loaders/GLTFLoader.js", "examples/jsm/utils/BufferGeometryUtils.js",
)  # fmt: skip


@dataclass(frozen=True)
class Unit:
    source: Path
    object: Path
    flags: tuple[str, ...]


class BuildError(Exception):
    """One sentence for whoever builds."""


def zig(*arguments: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "ziglang", "c++", *arguments],
        capture_output=True, encoding="utf-8", errors="replace", cwd=REPOSITORY,
    )  # fmt: skip
    if done.returncode != 0:
        raise BuildError(f"ziglang failed:\n{done.stderr[-4000:]}")


def json_include() -> Path:
    """The folder of nlohmann/json.hpp: PyPI's package, or the system's."""
    places = [Path(sys.prefix) / "include", Path("/usr/include"), Path("/usr/local/include")]
    found = importlib.util.find_spec("nlohmann_json")
    if found is not None:
        places[:0] = [Path(place) / "include" for place in found.submodule_search_locations or []]
    for place in places:
        if (place / "nlohmann" / "json.hpp").is_file():
            return place
    raise BuildError("nlohmann/json.hpp is not here: python -m pip install nlohmann-json")


def json_flags() -> tuple[str, ...]:
    """Only its own folder: /usr/include would bring the machine's C library in."""
    linked = OBJECTS / "include"
    linked.mkdir(parents=True, exist_ok=True)
    target = linked / "nlohmann"
    source = json_include() / "nlohmann"
    if not target.exists():
        shutil.copytree(source, target)
    return ("-isystem", str(linked), "-DJSON_NOEXCEPTION")


def version() -> str:
    text = (REPOSITORY / "CMakeLists.txt").read_text("utf-8")
    found = re.search(r"project\(diffusiontalker VERSION ([\d.]+)", text)
    if found is None:
        raise BuildError("CMakeLists.txt: no version")
    return found.group(1)


def units() -> list[Unit]:
    sources = [HERE / "module.cpp"]
    for folder in FOLDERS:
        sources += sorted((REPOSITORY / folder).glob("*.cpp"))
    common = (*FLAGS, "-Icpp/include", "-Icpp/src", "-Icpp/capi", f'-DDT_VERSION="{version()}"')
    common += json_flags()
    made = []
    for source in sources:
        if source.name in LEFT_OUT:
            continue
        name = source.relative_to(REPOSITORY).as_posix().replace("/", "_")
        small = source.parent.relative_to(REPOSITORY).as_posix() in SMALL
        flags = (*common, SMALL_FLAG) if small else common
        made.append(Unit(source, OBJECTS / f"{name}.o", flags))
        if source.name == RELAXED_FILE:
            made.append(Unit(source, OBJECTS / f"relaxed_{name}.o", (*common, RELAXED_FLAG)))
    return made


def is_fresh(unit: Unit) -> bool:
    """Whether its object was made with these flags, after all that its .d file lists."""
    listing, flags = unit.object.with_suffix(".d"), unit.object.with_suffix(".flags")
    if not (unit.object.exists() and listing.exists() and flags.exists()):
        return False
    made = unit.object.stat().st_mtime
    parts = listing.read_text("utf-8").replace("\\\n", " ").split(":", 1)[-1].split()
    used = [REPOSITORY / part for part in parts]
    return flags.read_text("utf-8") == " ".join(unit.flags) and all(
        path.exists() and path.stat().st_mtime <= made for path in used
    )


def compile_unit(unit: Unit) -> None:
    listing = unit.object.with_suffix(".d")
    source = unit.source.relative_to(REPOSITORY).as_posix()
    zig(*unit.flags, "-MD", "-MF", str(listing), "-c", source, "-o", str(unit.object))
    unit.object.with_suffix(".flags").write_text(" ".join(unit.flags), "utf-8")


def compile_all(every: list[Unit], jobs: int) -> None:
    stale = [unit for unit in every if not is_fresh(unit)]
    with ThreadPoolExecutor(jobs) as pool:
        for number, _ in enumerate(pool.map(compile_unit, stale), 1):
            print(f"\rcompiled {number} of {len(stale)} files", end="", flush=True)
    if stale:
        print()


def link(every: list[Unit], out: Path, relaxed: bool) -> None:
    """The module: no main, no threads, and of the library only what module.cpp hands out."""
    chosen = [
        unit for unit in every
        if unit.source.name != RELAXED_FILE or (RELAXED_FLAG in unit.flags) == relaxed
    ]  # fmt: skip
    zig(
        "-target", "wasm32-wasi", "-mexec-model=reactor", "-O3", "-s", "-Wl,--gc-sections",
        f"-Wl,--initial-memory={MEMORY_BYTES}", f"-Wl,-z,stack-size={STACK_BYTES}",
        "-o", str(out), *(str(unit.object) for unit in chosen),
    )  # fmt: skip


def pack_bundle(folder: Path, out: Path) -> None:
    """The bundle as one file (dt_bundle_open_memory reads it), the same bytes each time.

    A page has no use for the models that this one went on from: that part of the manifest stays.
    """
    manifest = json.loads((folder / "manifest.json").read_text("utf-8"))
    manifest.get("training", {}).pop("starts_from", None)
    contents = {
        "manifest.json": json.dumps(manifest, separators=(",", ":")).encode(),
        "weights.safetensors": (folder / "weights.safetensors").read_bytes(),
    }
    with tarfile.open(out, "w", format=tarfile.USTAR_FORMAT) as archive:
        for name, content in contents.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))


def bring_three(built: Path) -> None:
    """three.js and our head, for talk.html; nothing of them is kept in the repository."""
    npm = shutil.which("npm")
    if npm is None:
        raise BuildError("npm is not here: the page's head is drawn by three.js, which comes by it")
    work = OBJECTS / "three"
    work.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(
        [npm, "install", "--silent", "--no-fund", "--no-audit", "--prefix", str(work), THREE],
        capture_output=True, encoding="utf-8", errors="replace",
    )  # fmt: skip
    if done.returncode != 0:
        raise BuildError(f"npm could not install {THREE}: {done.stderr.strip()[-300:]}")
    module = work / "node_modules" / "three"
    for name in THREE_FILES:
        place = built / "three" / name
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(module / name, place)
    shutil.copyfile(PACKAGE / "head" / "default.glb", built / "head.glb")


def build(built: Path, bundle: Path, jobs: int, head: bool) -> None:
    if importlib.util.find_spec("ziglang") is None:
        raise BuildError("ziglang is not here: python -m pip install ziglang")
    OBJECTS.mkdir(parents=True, exist_ok=True)
    built.mkdir(parents=True, exist_ok=True)
    every = units()
    compile_all(every, jobs)
    link(every, built / "diffusiontalker.wasm", relaxed=False)
    link(every, built / "diffusiontalker-relaxed.wasm", relaxed=True)
    pack_bundle(bundle, built / "default.tar")
    if (bundle / "NOTICE").is_file():
        shutil.copyfile(bundle / "NOTICE", built / "NOTICE")
    if head:
        bring_three(built)
    for path in sorted(built.glob("*.*")):
        print(f"{path.relative_to(REPOSITORY)}: {path.stat().st_size / 1e6:.2f} MB")


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--out", type=Path, default=HERE / "built", help="folder to build into")
    parser.add_argument("--bundle", type=Path, default=PACKAGE / "bundles" / "default")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="compilers at once")
    parser.add_argument("--head", action="store_true", help="three.js and our head, for talk.html")
    options = parser.parse_args()
    try:
        build(options.out.resolve(), options.bundle, options.jobs, options.head)
    except (BuildError, OSError) as error:
        print(f"build.py: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
