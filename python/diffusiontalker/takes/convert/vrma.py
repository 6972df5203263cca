"""A VRM animation 1.0 (VRMC_vrm_animation): expressions, each the x of a node's translation."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...curves import CURVES
from ...head.gltf import GENERATOR, Writer
from ...vrm_presets import PRESETS, preset_weights
from ..errors import TakeError
from ..motion import Motion
from .glb import read_head

FloatArray = NDArray[np.float32]

EXTENSION = "VRMC_vrm_animation"


def write(
    motion: Motion, path: Path, head: Path | None, expressions: str | None, name: str
) -> list[str]:
    """`expressions`: "both", "arkit" (custom expressions), "presets", or None: what the model at
    `head` has, both without one. Raises TakeError, OSError.
    """
    custom, notes = _custom(head, expressions)
    tracks: dict[str, dict[str, FloatArray]] = {}
    curves = np.clip(motion.curves, 0.0, 1.0)
    if custom:
        tracks["custom"] = {
            custom[curve]: curves[:, place] for place, curve in enumerate(CURVES) if curve in custom
        }
    if expressions in ("both", "presets") or (expressions is None and (head is None or not custom)):
        presets = preset_weights(curves).astype(np.float32)
        tracks["preset"] = {each: presets[:, place] for place, each in enumerate(PRESETS)}
    path.write_bytes(_document(motion, tracks, name).glb())
    if head is None and len(tracks) == 2:
        notes.append(
            "ARKit's names and the presets are both in it: for an avatar that has both (perfect "
            "sync), give --head AVATAR.vrm or --expressions arkit, or its mouth opens twice"
        )
    if motion.head is not None:
        notes.append("the head's rotation is left out: it would need the avatar's skeleton")
    return notes


def _custom(head: Path | None, expressions: str | None) -> tuple[dict[str, str], list[str]]:
    """The expressions that curves move, by curve, as the model spells them."""
    if expressions == "presets":
        return {}, []
    if head is None:
        return {curve: curve for curve in CURVES}, []
    named = _expressions_of(head)
    own = {curve: spelt for curve in CURVES for spelt in named if spelt.lower() == curve.lower()}
    if expressions == "arkit" and not own:
        raise TakeError(
            f"--head {head}: it has no expression named as an ARKit curve: "
            "leave --expressions out, or give presets"
        )
    lacking = [curve for curve in CURVES if curve not in own]
    notes = []
    if own and lacking:
        notes.append(f"the avatar has no {', '.join(lacking)}: left out")
    return own, notes


def _expressions_of(head: Path) -> list[str]:
    """Names of a VRM's expressions that are no presets. Raises TakeError."""
    extensions = read_head(head).json.get("extensions", {})
    if "VRMC_vrm" in extensions:
        return list((extensions["VRMC_vrm"].get("expressions") or {}).get("custom") or {})
    if "VRM" in extensions:
        groups = (extensions["VRM"].get("blendShapeMaster") or {}).get("blendShapeGroups") or []
        return [str(group.get("name", "")) for group in groups]
    raise TakeError(f"--head {head}: expected a VRM for a .vrma, found a glTF without VRM's part")


def _document(motion: Motion, tracks: dict[str, dict[str, FloatArray]], name: str) -> Writer:
    writer = Writer(
        {
            "asset": {"version": "2.0", "generator": GENERATOR},
            "extensionsUsed": [EXTENSION],
            "scene": 0,
            "scenes": [{"nodes": []}],
            "nodes": [],
        }
    )
    times = writer.accessor(motion.times_s.astype(np.float32)[:, None], "SCALAR", bounds=True)
    animation: dict[str, Any] = {"name": name, "channels": [], "samplers": []}
    placed: dict[str, dict[str, dict[str, int]]] = {}
    for group, named in tracks.items():
        for expression, weights in named.items():
            node = len(writer.json["nodes"])
            writer.json["nodes"].append({"name": expression})
            writer.json["scenes"][0]["nodes"].append(node)
            placed.setdefault(group, {})[expression] = {"node": node}
            moved = np.zeros((len(weights), 3), np.float32)
            moved[:, 0] = weights
            animation["samplers"].append(
                {
                    "input": times,
                    "interpolation": "LINEAR",
                    "output": writer.accessor(moved, "VEC3"),
                }
            )
            animation["channels"].append(
                {"sampler": node, "target": {"node": node, "path": "translation"}}
            )
    writer.json["animations"] = [animation]
    writer.json["extensions"] = {EXTENSION: {"specVersion": "1.0", "expressions": placed}}
    return writer
