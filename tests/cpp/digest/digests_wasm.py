"""dt_digest as WebAssembly: compiled as the browser package is (examples/web/build.py)."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parents[2]
#: Of the package's folders, those that no number comes from.
LEFT_OUT = ("cpp/capi", "cpp/src/weights/bundle")
#: The embedded model and a clip's features fit in without growing.
MEMORY_BYTES, STACK_BYTES = 512 << 20, 8 << 20
EMULATOR = ("node", str(HERE / "run_wasi.mjs"))


def _package() -> ModuleType:
    """The browser package's build script."""
    spec = importlib.util.spec_from_file_location(
        "web_build", REPOSITORY / "examples" / "web" / "build.py"
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def _shape(folder: Path) -> None:
    """Writes the header that CMake writes for the other variants: embedded_shape.h."""
    script = REPOSITORY / "tests" / "cpp" / "embedded_shape.cmake"
    subprocess.run(("cmake", "-P", str(script)), check=True, cwd=folder)


def built(folder: Path) -> Path:
    """The program, without relaxed SIMD, which Node 20 gets wrong. Exits with what zig says."""
    web = _package()
    folder.mkdir(parents=True, exist_ok=True)
    _shape(folder)
    flags = (
        *web.FLAGS, "-Icpp/include", "-Icpp/src", "-Itests/cpp", f"-I{folder / 'generated'}",
    )  # fmt: skip
    sources = sorted(HERE.glob("*.cpp"))
    for name in web.FOLDERS:
        if name not in LEFT_OUT:
            sources += sorted((REPOSITORY / name).glob("*.cpp"))
    units = []
    for source in sources:
        if source.name not in web.LEFT_OUT:
            name = source.relative_to(REPOSITORY).as_posix().replace("/", "_")
            units.append(web.Unit(source, folder / f"{name}.o", flags))
    program = folder / "dt_digest.wasm"
    try:
        web.compile_all(units, os.cpu_count() or 1)
        web.zig(
            "-target", "wasm32-wasi", "-O3", f"-Wl,--initial-memory={MEMORY_BYTES}",
            f"-Wl,-z,stack-size={STACK_BYTES}", "-o", str(program),
            *(str(unit.object) for unit in units),
        )  # fmt: skip
    except web.BuildError as error:
        raise SystemExit(f"digests.py: {error}") from None
    return program
