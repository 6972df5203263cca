"""A head from a file: any glTF or VRM whose shapes are named as ARKit's curves."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Iterator
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..curves import CURVES, curves_of
from . import compressed, document, vrm
from .document import Document
from .model import FloatArray, Head, HeadError, Part, welded
from .paint import Pictures, painted

#: More cannot be shown smoothly, nor filmed on two cores.
MOST_TRIANGLES = 1_000_000
MOST_POINTS = 1_000_000

#: Whoever waits longer for a file is told that it is being read.
SLOW_S = 2.0

#: What a file may require of its reader without harm to a face: pictures and shine are not read.
_HARMLESS = ("KHR_materials_", "KHR_texture_", "EXT_texture_", "KHR_lights_", "VRM", "MSFT_")
_READ = ("KHR_mesh_quantization", "EXT_mesh_gpu_instancing", *compressed.EXTENSIONS)


@cache
def default() -> Head:
    """The head that ships, made by code (docs/head.md)."""
    with resources.as_file(resources.files(__package__) / "default.glb") as path:
        return load(path)


def load(path: str | os.PathLike[str], *, slow: Callable[[str], None] | None = None) -> Head:
    """The head in a .glb, .gltf or .vrm (VRM 1.0 or 0.x), all meshes put where their nodes stand.

    Shapes may be spelt in any way that `curves.curve_of` reads; a VRM's expressions count as
    shapes. What the head lacks: `Head.missing`. `slow` is called with a line, once, from another
    thread, where reading takes over two seconds. Raises FileNotFoundError, or HeadError whose one
    line says what is wrong and what helps.
    """
    file = Path(path)
    try:
        with _told(file, slow):
            return _head(compressed.decoded(document.read(file)), file.name)
    except FileNotFoundError:
        raise
    except HeadError as error:
        raise HeadError(f"{file.name}: {error}") from error
    except OSError as error:
        raise HeadError(f"{file.name} cannot be read: {error}") from error
    except Exception as error:  # a damaged file can raise nearly anything
        said = f"{type(error).__name__} {error}".splitlines()[0][:160]
        raise HeadError(f"{file.name} is damaged: {said}") from error


@contextlib.contextmanager
def _told(file: Path, slow: Callable[[str], None] | None) -> Iterator[None]:
    if slow is None:
        yield
        return
    size = file.stat().st_size / 1e6
    timer = threading.Timer(SLOW_S, slow, [f"reading {file.name} ({size:.0f} MB) ..."])
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _head(source: Document, file: str) -> Head:
    for name in source.json.get("extensionsRequired", []):
        if name not in _READ and not name.startswith(_HARMLESS):
            raise HeadError(f"it requires {name}, which is not read: export it without")
    _check_size(source)
    merged = _Merged()
    wanted = vrm.expressions(source.json)
    for node in _in_scene(source.json):
        merged.add(source, node, wanted)
    return merged.head(turned=vrm.looks_back(source.json))


def _in_scene(found: dict[str, Any]) -> list[int]:
    """Nodes with a mesh, those of the scene that is shown, from its roots down."""
    nodes = found.get("nodes", [])
    scenes = found.get("scenes", [])
    roots = scenes[found.get("scene", 0)].get("nodes", []) if scenes else range(len(nodes))
    reached: list[int] = []
    waiting = list(roots)
    seen: set[int] = set()
    while waiting:
        node = waiting.pop(0)
        if node in seen:
            continue
        seen.add(node)
        waiting += nodes[node].get("children", [])
        if "mesh" in nodes[node]:
            reached.append(node)
    return sorted(reached)


def _check_size(source: Document) -> None:
    """Before anything is decoded. Raises HeadError."""
    accessors = source.json.get("accessors", [])
    meshes = source.json.get("meshes", [])
    triangles = points = 0
    for node in _in_scene(source.json):
        seen = set()
        for primitive in meshes[source.json["nodes"][node]["mesh"]]["primitives"]:
            position = primitive["attributes"]["POSITION"]
            triangles += accessors[primitive.get("indices", position)]["count"] // 3
            if position not in seen:
                points += accessors[position]["count"]
            seen.add(position)
    if triangles > MOST_TRIANGLES or points > MOST_POINTS:
        raise HeadError(
            f"{triangles:,} triangles of {points:,} points, expected at most {MOST_TRIANGLES:,}: "
            "simplify it, as by: npx @gltf-transform/cli simplify IN.glb OUT.glb --ratio 0.1"
        )


class _Merged:
    """Points, parts and shapes of the primitives that have been added."""

    def __init__(self) -> None:
        self.points: list[FloatArray] = []
        self.colours: list[FloatArray] = []
        self.parts: list[Part] = []
        self.count = 0
        self.targets = 0
        self.unread: list[str] = []
        self.pictures: Pictures = {}
        #: By curve: where a run of displacements starts, and the run.
        self.shapes: dict[str, list[tuple[int, FloatArray]]] = {}

    def add(self, source: Document, node: int, wanted: vrm.Expressions) -> None:
        index = source.json["nodes"][node]["mesh"]
        mesh = source.json["meshes"][index]
        placing = source.placing(node)
        #: Where a list of vertices starts, and the number of its run of colours.
        shared: dict[str, tuple[int, int]] = {}
        for primitive in mesh["primitives"]:
            if primitive.get("mode", 4) not in (4, 5, 6):
                continue  # points and lines
            # Materials split a mesh into primitives that often share one list of vertices.
            key = repr((sorted(primitive["attributes"].items()), primitive.get("targets")))
            new = key not in shared
            first, run = shared.setdefault(key, (self.count, len(self.colours)))
            colours = self._colours(source, primitive)
            if new:
                self._add_points(source, primitive, placing)
                self.colours.append(colours)
                self._add_shapes(source, (node, index), mesh, primitive, placing, wanted, first)
            self._add_part(source, primitive, first, flipped=bool(np.linalg.det(placing) < 0))
            if not new:
                # Its own material's picture, at those of the vertices that are its own.
                used = np.unique(self.parts[-1].triangles) - first
                self.colours[run][used] = colours[used]

    def _add_points(
        self, source: Document, primitive: dict[str, Any], placing: npt.NDArray[np.float64]
    ) -> None:
        still = source.numbers(primitive["attributes"]["POSITION"])
        self.points.append((still @ placing[:3, :3].T + placing[:3, 3]).astype(np.float32))
        self.count += len(still)

    def _colours(self, source: Document, primitive: dict[str, Any]) -> FloatArray:
        """(V, 4): the vertices' colours times the material's times its picture's."""
        attributes = primitive["attributes"]
        count = source.json["accessors"][attributes["POSITION"]]["count"]
        colours = np.ones((count, 4), np.float32)
        if "COLOR_0" in attributes:
            own = source.numbers(attributes["COLOR_0"])
            colours[:, : own.shape[1]] = own
        material = _material(source, primitive)
        factor = material.get("pbrMetallicRoughness", {}).get("baseColorFactor", (1, 1, 1, 1))
        picture = painted(source, primitive, material, self.pictures)
        return (colours * np.array(factor, np.float32) * picture).clip(0, 1)

    def _add_shapes(
        self,
        source: Document,
        place: tuple[int, int],
        mesh: dict[str, Any],
        primitive: dict[str, Any],
        placing: npt.NDArray[np.float64],
        wanted: vrm.Expressions,
        first: int,
    ) -> None:
        targets = primitive.get("targets", [])
        self.targets += len(targets)
        names = _target_names(mesh, primitive, len(targets))
        turn = placing[:3, :3].T
        turned = not np.array_equal(turn, np.eye(3))  # products are what takes long
        mixes: dict[str, list[tuple[int, float]]] = {}
        for number, curve in enumerate(curves_of(names)):
            if curve is not None:
                mixes.setdefault(curve, []).append((number, 1.0))
            elif names[number]:
                self.unread.append(names[number])
        for curve, binds in wanted.of(*place).items():
            mixes.setdefault(curve, binds)
        for curve, mix in mixes.items():
            moved = sum(
                weight * source.numbers(targets[number]["POSITION"])
                for number, weight in mix
                if "POSITION" in targets[number]
            )
            if isinstance(moved, np.ndarray) and moved.any():
                run = (moved @ turn if turned else moved).astype(np.float32)
                self.shapes.setdefault(curve, []).append((first, run))

    def _add_part(
        self, source: Document, primitive: dict[str, Any], first: int, *, flipped: bool
    ) -> None:
        if "indices" in primitive:
            corners = source.accessor(primitive["indices"])[:, 0].astype(np.int64)
        else:
            count = source.json["accessors"][primitive["attributes"]["POSITION"]]["count"]
            corners = np.arange(count)
        if len(corners) and corners.max() + first >= self.count:
            raise HeadError(f"a triangle of point {corners.max()}, there are {self.count - first}")
        triangles = _triangles(corners, primitive.get("mode", 4))
        if flipped:
            triangles = triangles[:, ::-1]
        material = _material(source, primitive)
        self.parts.append(
            Part(
                str(material.get("name") or f"part {len(self.parts)}"),
                np.ascontiguousarray(triangles + first, np.uint32),
                float(material.get("pbrMetallicRoughness", {}).get("roughnessFactor", 1.0)),
                material.get("alphaMode", "OPAQUE") == "BLEND",
            )
        )

    def head(self, *, turned: bool) -> Head:
        if not self.targets:
            raise HeadError(
                "it has no morph targets: expected shapes named as ARKit's curves (jawOpen, ...)"
            )
        if not self.shapes:
            some = ", ".join(dict.fromkeys(self.unread)) or "no names"
            raise HeadError(
                "none of its shapes is an ARKit curve (jawOpen, eyeBlinkLeft, ...): it has "
                f"{some[:120]}"
            )
        points = np.concatenate(self.points)
        shapes = {}
        for name in CURVES:
            if name in self.shapes:
                whole = np.zeros_like(points)
                for first, run in self.shapes[name]:
                    whole[first : first + len(run)] += run
                shapes[name] = whole
        # VRM 0.x looks along -z.
        turn = np.array([-1, 1, -1] if turned else [1, 1, 1], np.float32)
        head = Head(
            points * turn,
            np.concatenate(self.colours),
            tuple(part for part in self.parts if len(part.triangles)),
            {name: shape * turn for name, shape in shapes.items()},
        )
        figures = (head.points, *head.shapes.values())
        if not all(np.isfinite(one).all() for one in figures):
            raise HeadError("its points or shapes hold NaN or infinite figures")
        return welded(head)


def _target_names(mesh: dict[str, Any], primitive: dict[str, Any], count: int) -> list[str]:
    """One a target; "" where the file does not say."""
    for extras in (mesh.get("extras"), primitive.get("extras")):
        if isinstance(extras, dict) and isinstance(extras.get("targetNames"), list):
            own = [str(name) for name in extras["targetNames"]]
            if len(own) != count:
                raise HeadError(f"{count} morph targets with {len(own)} names")
            return own
    return [""] * count


def _material(source: Document, primitive: dict[str, Any]) -> dict[str, Any]:
    index = primitive.get("material")
    return {} if index is None else dict(source.json["materials"][index])


def _triangles(corners: npt.NDArray[Any], mode: int) -> npt.NDArray[Any]:
    """(T, 3) from a list (4), a strip (5) or a fan (6)."""
    if mode == 4:
        return corners[: len(corners) // 3 * 3].reshape(-1, 3)
    count = max(len(corners) - 2, 0)
    if mode == 6:
        first = np.broadcast_to(corners[:1], count)
        return np.stack([corners[1 : 1 + count], corners[2 : 2 + count], first], 1)
    strip = np.stack([corners[i : i + count] for i in range(3)], 1)
    strip[1::2] = strip[1::2, [0, 2, 1]]
    return strip
