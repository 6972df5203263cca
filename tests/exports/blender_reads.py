"""Blender as a module imports a .glb or .usd and says what its shape keys' keys are, as JSON."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import bpy


def main(path: str, fps: int, out: str) -> None:
    bpy.ops.wm.read_factory_settings(use_empty=True)
    bpy.context.scene.render.fps = fps
    if path.endswith(".glb"):
        bpy.ops.import_scene.gltf(filepath=path)
    else:
        bpy.ops.wm.usd_import(filepath=path, set_frame_range=True)
    found = {}
    for key in bpy.data.shape_keys:
        action = key.animation_data.action if key.animation_data else None
        if action is None:
            continue
        bags = [
            bag for layer in action.layers for strip in layer.strips for bag in strip.channelbags
        ]
        for curve in (curve for bag in bags for curve in bag.fcurves):
            name = curve.data_path.split('"')[1]
            found[name] = [[point.co.x / fps, point.co.y] for point in curve.keyframe_points]
    fps_now = bpy.context.scene.render.fps / bpy.context.scene.render.fps_base
    meshes = [len(one.data.vertices) for one in bpy.data.objects if one.type == "MESH"]
    Path(out).write_text(json.dumps({"curves": found, "fps": fps_now, "vertices": meshes}))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3])
