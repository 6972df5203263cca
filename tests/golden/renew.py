"""Writes the golden files anew, for a change that is meant:

    python tests/golden/renew.py [curves | digests | help ...]      all, if none is named

Look at `git diff tests/golden` and say in the commit why it changed.
"""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from pathlib import Path

import demo_curves
import help_pages
import numpy as np

from diffusiontalker import _core


def renew_curves() -> None:
    kernels = _core.cpu_info()["available"]
    missing = {"scalar", "avx2", "avx512"} - set(kernels)
    if missing or not demo_curves.exact_here():
        raise SystemExit(
            "renew.py: digests are of Linux on x86-64 with AVX-512 (every kernel but NEON); "
            f"this machine lacks {', '.join(sorted(missing)) or 'that system'}"
        )
    digests: dict[str, dict[str, str]] = {}
    played: dict[str, dict[str, demo_curves.Curves]] = {}
    for kernel in sorted(kernels):
        os.environ["DT_KERNEL"] = kernel
        played[kernel] = {name: demo_curves.play(name) for name in demo_curves.PLAYS}
        digests[kernel] = {name: demo_curves.digest(c) for name, c in played[kernel].items()}
    # Midway between the kernels, so that each is as near as it can be.
    values = {
        name: np.mean([demo_curves.kept(played[k][name]) for k in played], axis=0)
        for name in demo_curves.PLAYS
    }
    compiler = subprocess.run(["g++", "--version"], capture_output=True, encoding="utf-8").stdout
    made_with = f"{compiler.splitlines()[0]}, {' '.join(platform.libc_ver())}"
    demo_curves.write(digests, values, made_with)


def renew_digests() -> None:
    program = Path(__file__).parents[1] / "cpp" / "digest" / "digests.py"
    subprocess.run([sys.executable, str(program), "--renew"], check=True)


def renew_help() -> None:
    help_pages.FOLDER.mkdir(exist_ok=True)
    for path in help_pages.FOLDER.glob("*.txt"):
        path.unlink()
    for name, page in help_pages.pages().items():
        (help_pages.FOLDER / name).write_text(page, "utf-8")


def main() -> None:
    parts = {"curves": renew_curves, "digests": renew_digests, "help": renew_help}
    wanted = sys.argv[1:] or list(parts)
    if unknown := set(wanted) - set(parts):
        unknown_parts, expected = ", ".join(sorted(unknown)), ", ".join(parts)
        raise SystemExit(f"renew.py: no part {unknown_parts}; expected {expected}")
    for part in wanted:
        parts[part]()


if __name__ == "__main__":
    main()
