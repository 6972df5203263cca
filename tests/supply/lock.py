"""Writes .ci/constraints.txt: every package that CI installs, at one version.

    python tests/supply/lock.py    as the index has them now, torch kept where it is

pip solves it for the Python that runs this, without installing. CI runs Debian 12's, 3.11.2: make it
with that one (pymdown-extensions 13 wants 3.11.5, so a newer 3.11 writes what CI cannot install).
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
LOCK = ROOT / ".ci" / "constraints.txt"
EXTRAS = "train,test,docs"
#: The newest PyTorch would bring gigabytes of CUDA libraries.
KEPT = ("torch",)


def pinned() -> dict[str, str]:
    """Package -> its line, as the file has them."""
    lines = LOCK.read_text("utf-8").splitlines()
    return {line.partition("==")[0]: line for line in lines if line and not line.startswith("#")}


def main() -> int:
    kept = [line for name, line in pinned().items() if name in KEPT]
    with tempfile.TemporaryDirectory() as folder:
        report, constraints = Path(folder) / "report.json", Path(folder) / "kept.txt"
        constraints.write_text("\n".join(kept) + "\n")
        subprocess.run(
            [sys.executable, "-m", "pip", "install", "--quiet", "--dry-run", "--ignore-installed",
             "--constraint", str(constraints), "--report", str(report), f"{ROOT}[{EXTRAS}]"],
            check=True,
        )  # fmt: skip
        write(json.loads(report.read_text("utf-8")))
    print(f"{LOCK.relative_to(ROOT)}: {len(pinned())} packages")
    return 0


def write(report: dict[str, Any]) -> None:
    """Writes what pip reports that it would install."""
    found = [each["metadata"] for each in report["install"]]
    lines = sorted(
        f"{one['name'].lower().replace('_', '-')}=={one['version'].partition('+')[0]}"
        for one in found
        if one["name"] != "diffusiontalker"
    )
    LOCK.write_text("\n".join(lines) + "\n", "utf-8")


if __name__ == "__main__":
    sys.exit(main())
