"""What is installed is what the checkout holds."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from paths import ROOT

import diffusiontalker

INSTALLED = Path(diffusiontalker.__file__).parent


@pytest.mark.skipif(ROOT in INSTALLED.parents and "site-packages" not in INSTALLED.parts,
                    reason="the package is the checkout's own")  # fmt: skip
def test_no_file_of_the_package_is_left_out_of_the_wheel() -> None:
    listed = subprocess.run(
        ["git", "ls-files", "python/diffusiontalker"],
        cwd=ROOT, capture_output=True, encoding="utf-8", check=True,
    ).stdout.splitlines()  # fmt: skip
    missing = [
        name
        for name in listed
        if not (INSTALLED / name.removeprefix("python/diffusiontalker/")).is_file()
    ]
    assert missing == []
