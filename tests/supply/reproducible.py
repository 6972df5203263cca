"""Builds the wheel twice, from two folders, and says whether it is the same file.

    python tests/supply/reproducible.py

Both are built from the commit that is checked out, with SOURCE_DATE_EPOCH set to its time. Exit
code 1: they differ, and which of their files do.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def built(folder: Path, epoch: str) -> Path:
    """The wheel of the commit, unpacked and built in `folder`."""
    source = folder / "source"
    source.mkdir(parents=True)
    packed = subprocess.run(["git", "archive", "HEAD"], cwd=ROOT, capture_output=True, check=True)
    subprocess.run(["tar", "-x", "-C", str(source)], input=packed.stdout, check=True)
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "-w", str(folder)]
    subprocess.run(
        [*build, str(source)], check=True, env={**os.environ, "SOURCE_DATE_EPOCH": epoch}
    )
    return next(folder.glob("*.whl"))


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def main() -> int:
    epoch = subprocess.run(
        ["git", "log", "-1", "--format=%ct"], cwd=ROOT, capture_output=True, check=True, text=True
    ).stdout.strip()
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as other:
        wheels = [built(Path(one) / "a", epoch), built(Path(other) / "another-place", epoch)]
        found = [digest(wheel.read_bytes()) for wheel in wheels]
        print(f"{wheels[0].name} {found[0]}\n{wheels[1].name} {found[1]}", flush=True)
        if found[0] == found[1]:
            print("the same")
            return 0
        first, second = (zipfile.ZipFile(wheel) for wheel in wheels)
        for name in sorted({*first.namelist(), *second.namelist()}):
            inside = [z.read(name) if name in z.namelist() else b"missing" for z in (first, second)]
            if inside[0] != inside[1]:
                print(f"differs: {name}")
    return 1


if __name__ == "__main__":
    sys.exit(main())
