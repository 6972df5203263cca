"""Expressions of a VRM: which morph targets a curve stands for (VRM 1.0 and 0.x)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ..curves import curve_of

#: What presets stand for where the model has no ARKit curve of its own.
PRESETS: dict[str, tuple[str, ...]] = {
    "blinkleft": ("eyeBlinkLeft",),
    "blink_l": ("eyeBlinkLeft",),
    "blinkright": ("eyeBlinkRight",),
    "blink_r": ("eyeBlinkRight",),
    "aa": ("jawOpen",),
    "a": ("jawOpen",),
    "ou": ("mouthPucker",),
    "u": ("mouthPucker",),
    "oh": ("mouthFunnel",),
    "o": ("mouthFunnel",),
}

#: (target, weight) of one mesh.
Binds = list[tuple[int, float]]


@dataclass
class Expressions:
    """Binds by curve, then by the node (VRM 1.0) or the mesh (0.x) that they are of."""

    by_node: bool = True
    binds: dict[str, dict[int, Binds]] = field(default_factory=dict)

    def of(self, node: int, mesh: int) -> dict[str, Binds]:
        """By curve, for the mesh on that node."""
        place = node if self.by_node else mesh
        return {curve: at[place] for curve, at in self.binds.items() if place in at}

    def add(self, curve: str, place: int, target: int, weight: float) -> None:
        self.binds.setdefault(curve, {}).setdefault(place, []).append((target, weight))


def looks_back(document: dict[str, Any]) -> bool:
    """VRM 0.x looks along -z, everything else along +z."""
    extensions = document.get("extensions", {})
    return "VRM" in extensions and "VRMC_vrm" not in extensions


def expressions(document: dict[str, Any]) -> Expressions:
    """Of a VRM; of any other glTF none."""
    extensions = document.get("extensions", {})
    if "VRMC_vrm" in extensions:
        return _of_1_0(extensions["VRMC_vrm"].get("expressions", {}))
    if "VRM" in extensions:
        return _of_0_x(extensions["VRM"].get("blendShapeMaster", {}).get("blendShapeGroups", []))
    return Expressions()


def _of_1_0(found: dict[str, Any]) -> Expressions:
    named = [
        (str(name), str(name), one.get("morphTargetBinds") or [])
        for group in ("custom", "preset")
        for name, one in (found.get(group) or {}).items()
    ]
    out = Expressions()
    for curve, binds in _by_curve(named):
        for bind in binds:
            out.add(curve, int(bind["node"]), int(bind["index"]), float(bind.get("weight", 1)))
    return out


def _of_0_x(groups: list[dict[str, Any]]) -> Expressions:
    named = [
        (str(one.get("name", "")), str(one.get("presetName", "")), one.get("binds") or [])
        for one in groups
    ]
    out = Expressions(by_node=False)
    for curve, binds in _by_curve(named):
        for bind in binds:
            # Per cent.
            out.add(
                curve, int(bind["mesh"]), int(bind["index"]), float(bind.get("weight", 100)) / 100
            )
    return out


def _by_curve(named: list[tuple[str, str, Any]]) -> list[tuple[str, Any]]:
    """Curve and binds: expressions named as a curve, then presets for what those leave out."""
    found: dict[str, Any] = {}
    for name, _, binds in named:
        place = curve_of(name)
        if place is not None and not place[1] and binds:
            found.setdefault(place[0], binds)
    for name, preset, binds in named:
        for key in (preset.lower(), name.lower()):
            for curve in PRESETS.get(key, ()):
                if binds:
                    found.setdefault(curve, binds)
    return list(found.items())
