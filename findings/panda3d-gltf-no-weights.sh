#!/bin/sh
# panda3d-gltf 1.3.0, panda3d 1.10.16.
#
# Input: a glTF of one triangle with one morph target, named in extras.targetNames. glTF 2.0 (chapter
# 3.7.2.2) makes a mesh's `weights` optional, and zeros where they are not given. With "weights":
# [0.0] the loaded model has a Character with the target as its slider; without them it has neither,
# and nothing says so. Expected: the same of both.
# (Targets that share an accessor, which is valid too, fail an assertion: not run here.)
#
# Ends with 0 while that is so, with 1 as soon as the package behaves otherwise.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
  panda3d-gltf==1.3.0 panda3d==1.10.16
cd "$folder"
"$folder/venv/bin/python" - <<'PROGRAM'
import base64
import json
import struct
import sys
from pathlib import Path

import gltf
from panda3d.core import CharacterSlider, NodePath

POINTS = struct.pack("<9f", 0, 0, 0, 1, 0, 0, 0, 1, 0)
MOVED = struct.pack("<9f", 0, 0, 1, 0, 0, 1, 0, 0, 1)
CORNERS = struct.pack("<3I", 0, 1, 2)


def written(name: str, weights: dict[str, list[float]]) -> Path:
    data = base64.b64encode(POINTS + MOVED + CORNERS).decode()
    triangle = {"attributes": {"POSITION": 0}, "targets": [{"POSITION": 1}], "indices": 2}
    extras = {"targetNames": ["jawOpen"]}
    path = Path(name)
    path.write_text(
        json.dumps(
            {
                "asset": {"version": "2.0"},
                "scene": 0,
                "scenes": [{"nodes": [0]}],
                "nodes": [{"name": "face", "mesh": 0}],
                "meshes": [{"name": "face", "primitives": [triangle], "extras": extras} | weights],
                "buffers": [
                    {"byteLength": 84, "uri": "data:application/octet-stream;base64," + data}
                ],
                "bufferViews": [
                    {"buffer": 0, "byteOffset": 0, "byteLength": 36, "target": 34962},
                    {"buffer": 0, "byteOffset": 36, "byteLength": 36, "target": 34962},
                    {"buffer": 0, "byteOffset": 72, "byteLength": 12, "target": 34963},
                ],
                "accessors": [
                    {"bufferView": 0, "componentType": 5126, "count": 3, "type": "VEC3",
                     "min": [0, 0, 0], "max": [1, 1, 0]},
                    {"bufferView": 1, "componentType": 5126, "count": 3, "type": "VEC3",
                     "min": [0, 0, 1], "max": [0, 0, 1]},
                    {"bufferView": 2, "componentType": 5125, "count": 3, "type": "SCALAR"},
                ],
            }
        )
    )  # fmt: skip
    return path


def sliders(path: Path) -> tuple[int, list[str]]:
    """How many characters, and the names of their sliders."""
    found = []
    characters = NodePath(gltf.load_model(str(path))).find_all_matches("**/+Character")
    for one in characters:
        waiting = [one.node().get_bundle(0)]
        while waiting:
            group = waiting.pop()
            waiting += [group.get_child(i) for i in range(group.get_num_children())]
            if isinstance(group, CharacterSlider):
                found.append(group.get_name())
    return characters.get_num_paths(), found


stated = sliders(written("stated.gltf", {"weights": [0.0]}))
silent = sliders(written("silent.gltf", {}))
print("weights stated: characters, sliders:", stated)
print("no weights:     characters, sliders:", silent)

as_stated = stated == (1, ["jawOpen"]) and silent == (0, [])
print("as stated" if as_stated else "OTHERWISE than stated")
sys.exit(0 if as_stated else 1)
PROGRAM
