"""A glTF 2.0 animation of a head's morph targets, in the form that every engine reads.

Targets and materials stay those of the head's own file. One sampler a mesh node has all of its
curves, also those that rest, LINEAR, with a key a frame from 0 on: engines differ in what they make
of sparser or cleverer animations (docs/takes.md).
"""

from __future__ import annotations

import base64
import json
import mimetypes
from importlib import resources
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import numpy as np
from numpy.typing import NDArray

from ...curves import CURVES, curves_of
from ...head import HeadError, document, vrm
from ...head.document import Document
from ...head.gltf import Writer, spell_out
from ..errors import TakeError
from ..motion import Motion

FloatArray = NDArray[np.float32]

_INDEX = {name: i for i, name in enumerate(CURVES)}


def write(motion: Motion, path: Path, head: Path | None, name: str) -> list[str]:
    """Raises TakeError for a head that cannot be animated, OSError."""
    source = read_head(head)
    writer = _writer(source, Path(".") if head is None else head.parent)
    moved = _tracks(source.json, motion)
    if not moved:
        raise TakeError(
            f"{head}: no morph target is named as an ARKit curve (jawOpen, ...): "
            "name them in the mesh's extras.targetNames, as Blender's export does"
        )
    times = writer.accessor(motion.times_s.astype(np.float32)[:, None], "SCALAR", bounds=True)
    animation: dict[str, Any] = {"name": name, "channels": [], "samplers": []}
    for node, weights in moved.items():
        animation["channels"].append(
            {
                "sampler": len(animation["samplers"]),
                "target": {"node": node, "path": "weights"},
            }
        )
        animation["samplers"].append(
            {
                "input": times,
                "interpolation": "LINEAR",
                "output": writer.accessor(weights.reshape(-1, 1), "SCALAR"),
            }
        )
    # Programs that play one animation play the first.
    writer.json["animations"] = [animation, *source.json.get("animations", [])]
    path.write_bytes(writer.glb())
    return _notes(motion, source.json)


def read_head(head: Path | None) -> Document:
    """The glTF of a head as it lies, the one that ships without a path. Raises TakeError."""
    try:
        if head is not None:
            return document.read(head)
        with resources.as_file(resources.files("diffusiontalker.head") / "default.glb") as path:
            return document.read(path)
    except (HeadError, OSError) as error:
        said = str(error)
        raise TakeError(
            f"--head {said if head and head.name in said else f'{head}: {said}'}"
        ) from None


def _writer(source: Document, folder: Path) -> Writer:
    """The document with all its bytes in one buffer, to add to."""
    found: dict[str, Any] = json.loads(json.dumps(source.json))
    writer = Writer(found)
    starts = []
    for buffer in source.buffers:
        starts.append(len(writer.data))
        writer.data += bytes(buffer) + bytes(-len(buffer) % 4)
    for view in found.get("bufferViews", []):
        view["byteOffset"] = view.get("byteOffset", 0) + starts[view.get("buffer", 0)]
        view["buffer"] = 0
    for image in found.get("images", []):
        _embed(image, folder)
    spell_out(found)
    return writer


def _embed(image: dict[str, Any], folder: Path) -> None:
    """Puts a picture that lies beside the file into it."""
    uri = image.get("uri")
    if uri is None or uri.startswith("data:"):
        return
    beside = (folder / unquote(uri)).resolve()
    if not beside.is_relative_to(folder.resolve()) or not beside.is_file():
        return
    data = beside.read_bytes()
    kind = mimetypes.guess_type(beside.name)[0] or "image/png"
    image["uri"] = f"data:{kind};base64,{base64.b64encode(data).decode()}"


def _tracks(found: dict[str, Any], motion: Motion) -> dict[int, FloatArray]:
    """By node: weights (F, targets) of each mesh that has curves."""
    wanted = vrm.expressions(found)
    curves = np.clip(motion.curves, 0.0, 1.0)
    tracks: dict[int, FloatArray] = {}
    for node, one in enumerate(found.get("nodes", [])):
        if "mesh" not in one:
            continue
        mesh = found["meshes"][one["mesh"]]
        names = target_names(mesh)
        try:
            placed = curves_of(names)
        except ValueError as error:
            raise TakeError(f"--head: mesh {mesh.get('name', one['mesh'])}: {error}") from None
        weights = np.zeros((len(curves), len(names)), np.float32)
        for target, curve in enumerate(placed):
            if curve is not None:
                weights[:, target] += curves[:, _INDEX[curve]]
        own = {curve for curve in placed if curve is not None}
        for curve, binds in wanted.of(node, one["mesh"]).items():
            for target, weight in binds if curve not in own else ():
                if target < len(names):
                    weights[:, target] += np.float32(weight) * curves[:, _INDEX[curve]]
                    own.add(curve)
        if own:
            tracks[node] = np.clip(weights, 0.0, 1.0)
    return tracks


def target_names(mesh: dict[str, Any]) -> list[str]:
    """A name a morph target, "" where the file has none."""
    count = max((len(p.get("targets", ())) for p in mesh.get("primitives", ())), default=0)
    for extras in (mesh.get("extras"), *(p.get("extras") for p in mesh.get("primitives", ()))):
        named = extras.get("targetNames") if isinstance(extras, dict) else None
        if isinstance(named, list) and len(named) == count:
            return [str(name) for name in named]
    return [""] * count


def _notes(motion: Motion, found: dict[str, Any]) -> list[str]:
    notes = []
    wanted = vrm.expressions(found)
    have: set[str] = set(wanted.binds)
    for mesh in found.get("meshes", []):
        have |= {curve for curve in curves_of(target_names(mesh)) if curve is not None}
    lacking = [
        name for place, name in enumerate(CURVES)
        if name not in have and motion.curves[:, place].any()
    ]  # fmt: skip
    if lacking:
        notes.append(f"the head has no {', '.join(lacking)}: left out")
    if motion.head is not None:
        notes.append("the head's rotation is left out: morph targets have none")
    return notes
