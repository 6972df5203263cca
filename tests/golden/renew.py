"""Writes the golden files anew, for a change that is meant:

    python tests/golden/renew.py [curves | digests | help ...]      all, if none is named

Look at `git diff tests/golden` and say in the commit why it changed.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import demo_curves
import help_pages

from diffusiontalker import _core


def renew_curves() -> None:
    played: dict[str, demo_curves.Curves] = {}
    for kernel in _core.cpu_info()["available"]:
        os.environ["DT_KERNEL"] = kernel
        for name in demo_curves.PLAYS:
            curves = demo_curves.play(name)
            if demo_curves.digest(curves) != demo_curves.digest(played.setdefault(name, curves)):
                raise SystemExit(f"renew.py: {name}: other bits by the kernel {kernel}")
    digests = {name: demo_curves.digest(curves) for name, curves in played.items()}
    demo_curves.write(digests, {name: demo_curves.kept(curves) for name, curves in played.items()})


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
