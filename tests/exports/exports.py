"""What is exported, read by other people's programs; outside CI, as it installs them:

    poe exports          or: python -m pytest tests/exports/exports.py

Khronos' glTF validator, three.js and three-vrm come by npm (Node 18 or newer), usd-core and
Blender's module by pip into an environment of their own (Blender's is built for Python 3.11 and
3.13 only). `EXPORTS_CACHE` names a folder to keep them in; without it they go with the test.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny_vrm import write_vrm

from diffusiontalker.curves import CURVES
from diffusiontalker.takes import Take, read
from diffusiontalker.vrm_presets import PRESETS, preset_weights

HERE = Path(__file__).parent
PACKAGES = ("three@0.187.0", "@pixiv/three-vrm@3.5.5", "@pixiv/three-vrm-animation@3.5.5",
            "gltf-validator@2.0.0-dev.3.10")  # fmt: skip
BLENDER = {(3, 11): "bpy==5.0.1", (3, 13): "bpy==5.3.0"}
#: 30000/1001 too: rates that are no whole number are where times go wrong.
CLOSE = 1e-6


def run(*words: object, cwd: Path | None = None) -> str:
    done = subprocess.run(
        [str(word) for word in words], cwd=cwd, capture_output=True, text=True, timeout=900
    )
    assert done.returncode == 0, f"{words[0]}: {done.stdout[-2000:]}\n{done.stderr[-4000:]}"
    return done.stdout


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    named = os.environ.get("EXPORTS_CACHE")
    folder = Path(named) if named else tmp_path_factory.mktemp("exports")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture(scope="session")
def node(cache: Path) -> Path:
    """A folder with the packages and our scripts."""
    folder = cache / "node"
    if not (folder / "node_modules" / "three").is_dir():
        folder.mkdir(exist_ok=True)
        (folder / "package.json").write_text('{"private": true, "type": "module"}')
        run("npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", *PACKAGES, cwd=folder)
    for script in HERE.glob("*.mjs"):
        shutil.copy(script, folder)
    return folder


@pytest.fixture(scope="session")
def blender(cache: Path) -> Path:
    """A Python that has Blender and usd-core."""
    package = BLENDER.get(sys.version_info[:2])
    assert package, f"Blender's module is there for Python 3.11 and 3.13, not {sys.version}"
    folder = cache / "blender"
    python = folder / "bin" / "python"
    if not python.exists():
        run(sys.executable, "-m", "venv", folder)
        run(python, "-m", "pip", "install", "--quiet", package)
    return python


@pytest.fixture(scope="session")
def take(tmp_path_factory: pytest.TempPathFactory) -> Take:
    folder = tmp_path_factory.mktemp("takes")
    run(sys.executable, "-m", "diffusiontalker.stream.cli", "--demo", "--fast", "--gain",
        "mouth=1.2", "--record", folder)  # fmt: skip
    found = read(folder)
    assert found.complete
    assert len(found.index) > 600
    return found


@pytest.fixture(scope="session")
def exported(take: Take, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("exported")
    made = {}
    for name in ("face.glb", "face.usda", "face.usdc", "face.vrma"):
        run(sys.executable, "-m", "diffusiontalker.takes.cli", "convert", take.path, folder / name)
        made[name] = folder / name
    made["avatar.vrm"] = folder / "avatar.vrm"
    write_vrm(made["avatar.vrm"])
    for style in ("arkit", "presets"):
        made[style] = folder / f"{style}.vrma"
        run(sys.executable, "-m", "diffusiontalker.takes.cli", "convert", take.path, made[style],
            "--expressions", style, "--head", made["avatar.vrm"])  # fmt: skip
    made["on avatar"] = folder / "on_avatar.glb"
    run(sys.executable, "-m", "diffusiontalker.takes.cli", "convert", take.path,
        made["on avatar"], "--head", made["avatar.vrm"])  # fmt: skip
    return made


def expected(take: Take, names: list[str]) -> np.ndarray[Any, Any]:
    return take.motion.curves[:, [CURVES.index(name) for name in names]]


def test_the_validator_finds_no_error_and_no_warning(node: Path, exported: dict[str, Path]) -> None:
    files = [path for path in exported.values() if path.suffix in (".glb", ".vrma", ".vrm")]
    head = Path(str(sys.modules["diffusiontalker"].__file__)).parent / "head" / "default.glb"
    found = json.loads(run("node", "validate.mjs", head, *files, cwd=node))
    assert len(found) == len(files) + 1
    for path, messages in found.items():
        # 0 is an error, 1 a warning; 2, information: VRM's extensions are unknown to it.
        assert [m for m in messages if m["severity"] < 2] == [], path
    for path in (head, exported["face.glb"]):
        assert [m for m in found[str(path)] if m["code"] != "NODE_EMPTY"] == []


@pytest.mark.parametrize("which", ["face.glb", "on avatar"])
def test_three_plays_the_same_curves_at_the_same_times(
    which: str, node: Path, exported: dict[str, Path], take: Take
) -> None:
    found = json.loads(run("node", "three_reads.mjs", exported[which], cwd=node))
    np.testing.assert_allclose(found["times"], take.motion.times_s, rtol=1e-7)
    assert set(found["names"]) <= set(CURVES)
    assert len(found["names"]) >= 51
    values = np.array(found["values"])  # (frames, meshes, names)
    for mesh in range(values.shape[1]):
        np.testing.assert_allclose(values[:, mesh], expected(take, found["names"]), atol=CLOSE)


@pytest.mark.parametrize("which", ["face.glb", "face.usdc"])
def test_blender_has_the_same_keys(
    which: str, blender: Path, exported: dict[str, Path], take: Take, tmp_path: Path
) -> None:
    out = tmp_path / "keys.json"
    run(blender, HERE / "blender_reads.py", exported[which], 60, out)
    found = json.loads(out.read_text())
    assert found["fps"] == 60
    assert set(found["curves"]) <= set(CURVES)
    moving = {name for i, name in enumerate(CURVES) if take.motion.curves[:, i].any()}
    assert moving - {"tongueOut"} <= set(found["curves"])
    for name, keys in found["curves"].items():
        times_s, values = np.array(keys).T
        np.testing.assert_allclose(times_s, take.motion.times_s, atol=2e-6)
        np.testing.assert_allclose(values, expected(take, [name])[:, 0], atol=CLOSE)


def test_three_vrm_moves_an_avatar(node: Path, exported: dict[str, Path], take: Take) -> None:
    for style in ("arkit", "presets"):
        words = ("vrm_moves.mjs", exported["avatar.vrm"], exported[style])
        found = json.loads(run("node", *words, cwd=node))
        np.testing.assert_allclose(found["times"], take.motion.times_s, rtol=1e-7)
        values = np.array(found["values"])
        if style == "arkit":
            np.testing.assert_allclose(values, expected(take, found["names"]), atol=CLOSE)
            continue
        presets = preset_weights(take.motion.curves)
        # The avatar's aa opens the jaw, its blinks close the lids (tiny_vrm.py).
        for preset, curve in (("aa", "jawOpen"), ("blinkLeft", "eyeBlinkLeft")):
            moved = values[:, found["names"].index(curve)]
            np.testing.assert_allclose(moved, presets[:, PRESETS.index(preset)], atol=CLOSE)
        assert moved.max() > 0.9
