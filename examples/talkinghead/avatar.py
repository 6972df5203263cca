"""A head that TalkingHead can load: python examples/talkinghead/avatar.py avatar.glb [--head FILE]

TalkingHead wants more of a file than a face: a node "Armature" with a skeleton of Mixamo's names
below it, the eyes' too, and something at the floor that it stands on. This puts a head, the one
that ships or any that docs/head.md describes, on such a skeleton; the bones move the head as a
whole, and no skin.
"""

from __future__ import annotations

import argparse
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from diffusiontalker import head
from diffusiontalker.files import replaced

#: From the joint between neck and head to the middle between the eyes, metres.
JOINT_TO_EYES = (0.0, 0.06, 0.09)
SPINE = ("Armature", "Hips", "Spine", "Spine1", "Spine2", "Neck", "Head")
LIMBS = (
    ("Spine2", "Shoulder", "Arm", "ForeArm", "Hand"),
    ("Hips", "UpLeg", "Leg", "Foot", "ToeBase"),
)
FINGERS = ("Thumb", "Index", "Middle", "Ring", "Pinky")


def bones() -> dict[str, tuple[str, tuple[float, float, float]]]:
    """Bone -> (the bone above, where it is seen from there, metres).

    All joints but the eyes lie in one point: TalkingHead's gestures turn the head and tilt it, and
    a body that is not there does not carry it out of the picture.
    """
    joint = (0.0, 0.0, 0.0)
    found = {bone: (above, joint) for above, bone in pairwise(SPINE)}
    found["Hips"] = ("Armature", (0.0, 1.0, 0.0))  # where TalkingHead's poses put them
    for side, x in (("Left", 0.031), ("Right", -0.031)):
        found[f"{side}Eye"] = ("Head", (x, JOINT_TO_EYES[1], JOINT_TO_EYES[2] - 0.015))
        chains = [[limb[0], *(f"{side}{part}" for part in limb[1:])] for limb in LIMBS]
        for finger in FINGERS:
            hand = f"{side}Hand"
            chains.append([hand, *(f"{hand}{finger}{number}" for number in "123")])
        for chain in chains:
            found |= {bone: (above, joint) for above, bone in pairwise(chain)}
    return found


def avatar(face: head.Head) -> bytes:
    """The whole file."""
    writer = head.gltf.document(face, morph_normals=True)
    nodes = writer.json["nodes"]
    nodes[0]["translation"] = list(JOINT_TO_EYES)
    number = {"Armature": len(nodes)}
    nodes.append({"name": "Armature", "children": []})
    for name, (above, at) in bones().items():
        number[name] = len(nodes)
        nodes.append({"name": name, "translation": list(at)})
        nodes[number[above]].setdefault("children", []).append(number[name])
    nodes[number["Head"]]["children"].insert(0, 0)
    stand_still(writer.json, number["Head"])
    # TalkingHead puts the lowest point of all on the floor: a speck, so that it is not the chin.
    speck = writer.accessor(
        np.array([[0, 0, 0], [1e-5, 0, 0], [0, 0, 1e-5]], np.float32), "VEC3", bounds=True
    )
    writer.json["meshes"].append(
        {"name": "floor", "primitives": [{"attributes": {"POSITION": speck}}]}
    )
    nodes[number["Armature"]]["children"].append(len(nodes))
    nodes.append({"name": "floor", "mesh": len(writer.json["meshes"]) - 1})
    writer.json["scenes"] = [{"nodes": [number["Armature"]]}]
    return writer.glb()


def stand_still(document: dict[str, Any], bone: int) -> None:
    """Hair and clothes, which no curve moves, become a mesh without targets: less to draw."""
    mesh, accessors = document["meshes"][0], document["accessors"]

    def moves(primitive: dict[str, Any]) -> bool:
        places = [accessors[target["POSITION"]] for target in primitive["targets"]]
        return any(any(place["min"]) or any(place["max"]) for place in places)

    still = [primitive for primitive in mesh["primitives"] if not moves(primitive)]
    mesh["primitives"] = [primitive for primitive in mesh["primitives"] if moves(primitive)]
    for primitive in still:
        del primitive["targets"]
    if still:
        document["meshes"].append({"name": "still", "primitives": still})
        nodes = document["nodes"]
        nodes[bone]["children"].append(len(nodes))
        nodes.append({**nodes[0], "name": "still", "mesh": len(document["meshes"]) - 1})


def main() -> int:
    parser = argparse.ArgumentParser(description="A head on a skeleton, for TalkingHead.")
    parser.add_argument("out", type=Path, help="the .glb to write")
    parser.add_argument("--head", type=Path, help="glTF or VRM (default: the head that ships)")
    arguments = parser.parse_args()
    try:
        face = head.load(arguments.head) if arguments.head else head.default()
        with replaced(arguments.out) as part:
            part.write_bytes(avatar(face))
    except (OSError, head.HeadError) as error:
        print(f"avatar: {error}", file=sys.stderr)
        return 2
    print(f"{arguments.out}: {len(face.points)} points, {len(face.shapes)} of 52 curves")
    return 0


if __name__ == "__main__":
    sys.exit(main())
