"""The Godot addon in the real engine; outside CI, as it wants Debian's godot3-server:

    poe godot          or: python -m pytest -s tests/engines/godot_engine.py

The engine imports our head from its glTF, a real dt-stream sends a clip, and every picture's shapes
are held against the curves that `Runtime` makes of that clip. For Godot 4 there is its grammar
only (gdtoolkit). `DT_GODOT` names another engine of version 3.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from importlib import resources
from pathlib import Path

import numpy as np
import pytest

from diffusiontalker import CURVES, Runtime
from diffusiontalker.sound import read_all
from diffusiontalker.stream.sources.wav import demo_path

HERE = Path(__file__).parent
ADDONS = HERE.parents[1] / "examples" / "godot" / "addons"
ENGINE = os.environ.get("DT_GODOT", "godot3-server")
PROJECT = """config_version=4
[application]
config/name="DiffusionTalker's test"
[editor_plugins]
enabled=PoolStringArray( "diffusiontalker_godot3" )
"""
#: What the engine says of a shell without a locale, and of what it has not freed when it ends.
NOISE = re.compile(r"locale|translation\.cpp|free_static|memory\.cpp|At: |^$|^ $|^Godot Engine")
PATIENCE_S = 180.0
SHOWN = ("jawOpen", "mouthClose", "eyeBlinkLeft")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Godot project with the addon and the head, which the engine's own editor has imported."""
    folder = tmp_path_factory.mktemp("project")
    (folder / "project.godot").write_text(PROJECT)
    for addon in ("diffusiontalker", "diffusiontalker_godot3"):
        shutil.copytree(ADDONS / addon, folder / "addons" / addon)
    for script in HERE.glob("godot/*.gd"):
        shutil.copy(script, folder)
    head = resources.files("diffusiontalker.head") / "default.glb"
    (folder / "head.glb").write_bytes(head.read_bytes())
    said = imported(folder)
    assert "SCRIPT ERROR" not in said, said
    return folder


def imported(folder: Path) -> str:
    """Has the editor import what lies in the folder; gives what it said.

    Godot 3.2.3's headless editor does not always end by itself, so it is ended once the list of
    what was imported is written, which is the last that it does.
    """
    log = folder / "editor.log"
    with log.open("w") as out:
        editor = subprocess.Popen(
            [ENGINE, "--path", str(folder), "--editor", "--quit"], stdout=out, stderr=out
        )
        until = time.monotonic() + PATIENCE_S
        while editor.poll() is None and time.monotonic() < until:
            if list(folder.glob(".import/*.scn")) and list(folder.glob(".import/*.md5")):
                time.sleep(3.0)
                editor.send_signal(signal.SIGKILL)
                break
            time.sleep(0.2)
        editor.wait(PATIENCE_S)
    assert list(folder.glob(".import/*.scn")), log.read_text()
    return log.read_text()


def engine(project: Path, script: str, **variables: str) -> list[str]:
    """The lines of a script that the engine runs, without its own noise."""
    done = subprocess.run(
        [ENGINE, "--path", str(project), "-s", script],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        env={**os.environ, **variables},
        timeout=PATIENCE_S,
    )
    lines = [line for line in done.stdout.splitlines() if not NOISE.search(line)]
    assert done.returncode == 0, "\n".join(lines)
    return lines


def free_port() -> int:
    with socket.socket(type=socket.SOCK_DGRAM) as probe:
        probe.bind(("", 0))
        port: int = probe.getsockname()[1]
        return port


def test_the_parts_in_the_engine(project: Path) -> None:
    with socket.socket(type=socket.SOCK_DGRAM) as taken:
        taken.bind(("", 0))
        lines = engine(project, "units.gd", DT_TAKEN=str(taken.getsockname()[1]))
    print(*lines, sep="\n")
    assert not [line for line in lines if "FAILED" in line or "SCRIPT ERROR" in line], lines
    assert sum(line.startswith("ok ") for line in lines) == 11


def test_the_jaws_course(project: Path) -> None:
    """Every shape of every picture is the curve of its instant, between frames too."""
    port = free_port()
    sound, rate, _ = read_all(Path(demo_path()))
    runtime = Runtime(sample_rate=rate)
    expected = np.concatenate([runtime.step(sound[: 6 * rate]), runtime.flush()])
    stream = subprocess.Popen(
        [sys.executable, "-c", "import time; time.sleep(2.5)\n"
         "from diffusiontalker.stream.cli import main; main()",
         "--demo", "--seconds", "6", "--quiet", "--to", f"livelink://127.0.0.1:{port}"],
    )  # fmt: skip
    try:
        lines = engine(project, "live.gd", DT_PORT=str(port))
    finally:
        assert stream.wait(PATIENCE_S) == 0
    shapes = dict(line.split()[1:] for line in lines if line.startswith("shape "))
    print(lines[0])
    assert tuple(shapes) == CURVES, "the importer keeps names and their order"
    assert {float(value) for value in shapes.values()} == {0.0}, "and the weights at rest"
    pictures = np.array([line.split()[1:] for line in lines if line.startswith("shown ")], float)
    first = float(next(line for line in lines if line.startswith("first ")).split()[1])
    index = (pictures[:, 0] - first) * 60 / 1e6
    assert index[-1] >= len(expected) - 1
    speaking = index <= len(expected) - 1  # afterwards dt-stream closes the face
    for column, curve in enumerate(SHOWN, 1):
        wanted = np.interp(
            index[speaking], np.arange(len(expected)), expected[:, CURVES.index(curve)]
        )
        np.testing.assert_allclose(pictures[speaking, column], wanted, atol=2e-5, err_msg=curve)
    assert np.all(pictures[-5:, 1:] == 0), "and closes at the end"
    between = np.abs(index - np.round(index))[speaking] > 0.02
    assert between.sum() > 20, "pictures between two frames show a face between theirs"
    jaw = CURVES.index("jawOpen")
    print("time s   jaw shown   jaw of the model")
    for second in np.arange(0.25, 6, 0.25):
        at = int(np.argmin(np.abs(index - 60 * second)))
        model = np.interp(index[at], np.arange(len(expected)), expected[:, jaw])
        print(f"{index[at] / 60:6.3f}   {pictures[at, 1]:9.4f}   {model:9.4f}")
    print(f"{len(pictures)} pictures; {lines[-2]}; {lines[-1]}")


@pytest.mark.parametrize("script", sorted(p.name for p in ADDONS.glob("diffusiontalker/*.gd")))
def test_godot_4_reads_what_both_share(script: str) -> None:
    parses(ADDONS / "diffusiontalker" / script)


@pytest.mark.parametrize("script", ["face.gd", "plugin.gd"])
def test_godot_4_reads_its_own(script: str) -> None:
    parses(ADDONS / "diffusiontalker_godot4" / script)


def parses(path: Path) -> None:
    """By gdtoolkit's grammar of Godot 4: no engine of that version was at hand."""
    done = subprocess.run(
        [sys.executable, "-m", "gdtoolkit.parser", str(path)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
