"""An avatar for tests: the head that ships as a VRM 1.0, on the bones that every VRM must have."""

from __future__ import annotations

from pathlib import Path

from diffusiontalker.head import default, gltf

#: Bones that a VRM 1.0 must have, each with the one above it.
BONES = {
    "hips": None, "spine": "hips", "head": "spine",
    "leftUpperLeg": "hips", "leftLowerLeg": "leftUpperLeg", "leftFoot": "leftLowerLeg",
    "rightUpperLeg": "hips", "rightLowerLeg": "rightUpperLeg", "rightFoot": "rightLowerLeg",
    "leftUpperArm": "spine", "leftLowerArm": "leftUpperArm", "leftHand": "leftLowerArm",
    "rightUpperArm": "spine", "rightLowerArm": "rightUpperArm", "rightHand": "rightLowerArm",
}  # fmt: skip
#: What each preset moves, fully.
MOVED = {
    "aa": "jawOpen", "ih": "mouthStretchLeft", "ou": "mouthPucker", "ee": "mouthSmileLeft",
    "oh": "mouthFunnel", "blinkLeft": "eyeBlinkLeft", "blinkRight": "eyeBlinkRight",
}  # fmt: skip


def write_vrm(path: Path, *, custom: bool = True) -> None:
    """`custom`: with an expression for each of ARKit's curves (perfect sync)."""
    head = default()
    writer = gltf.document(head)
    found = writer.json
    curves = gltf.names(head)
    bones = {}
    for name, above in BONES.items():
        bones[name] = len(found["nodes"])
        found["nodes"].append({"name": name})
        if above is None:
            found["scenes"][0]["nodes"].append(bones[name])
        else:
            found["nodes"][bones[above]].setdefault("children", []).append(bones[name])

    def moves(curve: str) -> dict[str, object]:
        return {"morphTargetBinds": [{"node": 0, "index": curves.index(curve), "weight": 1.0}]}

    expressions = {"preset": {name: moves(curve) for name, curve in MOVED.items()}}
    if custom:
        expressions["custom"] = {curve: moves(curve) for curve in curves}
    found["extensionsUsed"] = ["VRMC_vrm"]
    found["extensions"] = {
        "VRMC_vrm": {
            "specVersion": "1.0",
            "meta": {
                "name": "test",
                "authors": ["test"],
                "licenseUrl": "https://vrm.dev/licenses/1.0/",
            },
            "humanoid": {"humanBones": {name: {"node": node} for name, node in bones.items()}},
            "expressions": expressions,
        }
    }
    path.write_bytes(writer.glb())
