"""`dt-train run` from takes to a bundle, cut with SIGKILL on the way."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")

import train_corpus

from diffusiontalker import bundle as bundles

CONFIG = Path(__file__).parents[2] / "configs" / "tiny.toml"


def command(folders: dict[str, Path], out: Path) -> list[str]:
    sources = [f"--data={name}={folder}" for name, folder in folders.items()]
    program = [sys.executable, "-m", "diffusiontalker.train.cli", "run", str(CONFIG)]
    return [*program, *sources, "--out", str(out)]


@pytest.mark.slow
def test_a_killed_run_ends_where_an_uninterrupted_one_does(tmp_path: Path) -> None:
    folders = train_corpus.write_corpus(tmp_path)
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    done = subprocess.run(command(folders, whole), capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    assert "skipped truncated.json" in done.stdout

    # Kill it twice: within the teacher, and within the first student.
    for waited in (cut / "0-teacher" / "checkpoint.pt", cut / "1-student-16" / "checkpoint.pt"):
        running = subprocess.Popen(command(folders, cut), stdout=subprocess.DEVNULL)
        deadline = time.monotonic() + 120
        while not waited.exists() and time.monotonic() < deadline:
            assert running.poll() is None, "the run ended before it could be killed"
            time.sleep(0.005)
        os.kill(running.pid, signal.SIGKILL)
        running.wait()
    assert not (cut / "bundle").exists()
    done = subprocess.run(command(folders, cut), capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr

    first, second = bundles.read(whole / "bundle"), bundles.read(cut / "bundle")
    for name, value in first.tensors.items():
        np.testing.assert_allclose(second.tensors[name], value, atol=2e-3, err_msg=name)
    assert first.identities == ("anna", "bert", "measured")
    assert first.manifest["postprocess"]["tongueOut"] == {"gain": 0.0}  # nothing ever moved it
    one = json.loads((whole / "report.json").read_text())
    two = json.loads((cut / "report.json").read_text())
    assert one["spoken"]["own"]["lbe"] == pytest.approx(two["spoken"]["own"]["lbe"], rel=0.01)
    assert one["measured"]["own"]["clips"] == 1
    assert one["spoken"]["own"]["closures_asked"] == 6
    sources = first.manifest["training"]["sources"]
    assert [source["takes"] for source in sources] == [4, 4]
    assert first.manifest["training"]["metrics"] == one
    data = json.loads((whole / "data.json").read_text())
    assert len(data["skipped"]) == 2

    # The same folder with other settings is refused, not mixed.
    other = tmp_path / "other.toml"
    other.write_text(CONFIG.read_text().replace("seed = 3", "seed = 4"))
    refused = subprocess.run(
        [*command(folders, whole)[:4], str(other), *command(folders, whole)[5:]],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert refused.returncode == 2
    assert "another configuration" in refused.stderr


def test_missing_sources_and_files_are_one_line(tmp_path: Path) -> None:
    from diffusiontalker.train.cli import main

    assert main(["run", str(tmp_path / "none.toml")]) == 2
    assert main(["run", str(CONFIG), "--data", "measured"]) == 2
    assert main(["evaluate", str(tmp_path)]) == 2
