"""`dt-train` before a command runs: its help, and what it says where something is missing."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from paths import CONFIGS

from diffusiontalker import bundle

COMMANDS = (
    *("run", "export", "evaluate", "table1", "table2", "table4", "table5"),
    *("capture", "add-speaker", "speech"),
)


def without_torch(*words: str) -> subprocess.CompletedProcess[str]:
    """`dt-train WORDS` where torch cannot be imported."""
    code = f"""if True:
        import sys
        sys.modules["torch"] = None
        sys.argv = ["dt-train", *{words!r}]
        from diffusiontalker.train import __main__
        sys.exit(__main__.main())
    """
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize(
    "words",
    [
        ("run", "any.toml"),
        ("export", "any.toml"),
        ("evaluate", "default", "--data", "takes"),
        ("table1", "any.toml", "--out", "tables"),
        ("add-speaker", "default", "takes", "--name", "anna", "-o", "more"),
    ],
    ids=lambda words: words[0],
)
def test_a_missing_torch_is_one_line(words: tuple[str, ...]) -> None:
    done = without_torch(*words)
    assert done.returncode == 2
    assert done.stderr == "dt-train: torch is missing: pip install '.[train]'\n"


@pytest.mark.parametrize("words", [(), *((name,) for name in COMMANDS)], ids=" ".join)
def test_help_needs_no_torch(words: tuple[str, ...]) -> None:
    done = without_torch(*words, "--help")
    assert done.returncode == 0, done.stderr
    assert " ".join(("usage: dt-train", *words)) in done.stdout
    assert "examples:" in done.stdout


def test_a_bundle_is_written_in_another_type(tmp_path: Path) -> None:
    embedded = bundle.read()
    made = tmp_path / "int8"
    done = without_torch("export", "default", "--dtype", "int8", "--to", str(made))
    assert (done.returncode, done.stderr) == (0, "")
    assert f"bundle in {made}, weights in int8: " in done.stdout
    whole = bundle.read(made)
    own = ("format_version", "weights")
    assert whole.manifest["weights"]["dtype"] == "int8"
    for manifest in (whole.manifest, embedded.manifest):
        assert {k: v for k, v in manifest.items() if k not in own} == {
            k: v for k, v in embedded.manifest.items() if k not in own
        }
    back = tmp_path / "float32"
    done = without_torch("export", str(made), "--dtype", "float32", "--to", str(back))
    assert done.returncode == 0
    for name, value in bundle.read(back).tensors.items():
        np.testing.assert_array_equal(value, whole.tensors[name])


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("default",), "default is a bundle: expected --dtype and --to, --onnx or --tensorrt"),
        (("default", "--dtype", "int8"), "default is a bundle: expected --dtype and --to"),
        (("default", "--dtype", "int8", "--onnx", "x"), "of graphs and engines say --precision"),
        (("default", "--dtype", "int4", "--to", "x"), "invalid choice: 'int4'"),
        (("my_bundel", "--dtype", "int8", "--to", "x"), "bundle my_bundel: expected a folder"),
    ],
)
def test_an_export_that_cannot_be_is_one_line(words: tuple[str, ...], said: str) -> None:
    done = without_torch("export", *words)
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_what_trains_nothing_needs_no_torch(tmp_path: Path) -> None:
    film = tmp_path / "film.mov"
    film.touch()
    done = without_torch("capture", str(film), "-o", str(tmp_path), "--model", "none.task")
    assert (done.returncode, "no model file none.task" in done.stderr) == (2, True)
    done = without_torch("speech", "-o", str(tmp_path), "--only", "none")
    assert (done.returncode, "--only none: there are " in done.stderr) == (2, True)


def test_help_comes_at_once() -> None:
    """In processor time: other work may hold up the clock."""
    command = [sys.executable, "-m", "diffusiontalker.train", "--help"]
    seconds = []
    for _ in range(3):
        before = os.times()
        subprocess.run(command, check=True, capture_output=True)
        after = os.times()
        user_s = after.children_user - before.children_user
        seconds.append(user_s + after.children_system - before.children_system)
    assert min(seconds) < 0.6


def test_missing_sources_and_files_are_one_line(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    from diffusiontalker.train.cli.commands import main

    assert main(["run", str(tmp_path / "none.toml")]) == 2
    assert main(["run", str(CONFIGS / "tiny.toml"), "--data", "measured"]) == 2
    assert main(["evaluate", str(tmp_path)]) == 2
