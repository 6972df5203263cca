"""The file that ships and its like: what every importer reads (docs/head.md)."""

from __future__ import annotations

import json
import struct
from importlib import resources
from typing import Any

import numpy as np

from diffusiontalker import head as heads
from diffusiontalker.curves import CURVES
from diffusiontalker.head.gltf import document, spell_out


def shipped() -> tuple[dict[str, Any], bytes]:
    data = (resources.files("diffusiontalker.head") / "default.glb").read_bytes()
    length = struct.unpack_from("<I", data, 12)[0]
    return json.loads(data[20 : 20 + length]), data[28 + length :]


def test_one_node_one_mesh_names_in_extras_alone() -> None:
    found, _ = shipped()
    assert found["nodes"] == [{"mesh": 0, "name": "head"}]
    (mesh,) = found["meshes"]
    assert mesh["extras"] == {"targetNames": list(CURVES)}
    assert all(set(p) & {"extras", "extensions"} == set() for p in mesh["primitives"])
    assert "extensionsUsed" not in found


def test_dense_float_targets_for_every_curve() -> None:
    found, _ = shipped()
    for primitive in found["meshes"][0]["primitives"]:
        count = found["accessors"][primitive["attributes"]["POSITION"]]["count"]
        assert len(primitive["targets"]) == 52
        for target in primitive["targets"]:
            accessor = found["accessors"][target["POSITION"]]
            assert accessor["count"] == count
            assert accessor["componentType"] == 5126
            assert "sparse" not in accessor
            assert "bufferView" in accessor


def test_a_target_has_an_accessor_and_a_view_of_its_own_and_weights_are_stated() -> None:
    found, _ = shipped()
    (mesh,) = found["meshes"]
    assert mesh["weights"] == [0.0] * len(CURVES)
    own = [t["POSITION"] for p in mesh["primitives"] for t in p["targets"]]
    assert len(set(own)) == len(own)
    assert len({found["accessors"][index]["bufferView"] for index in own}) == len(own)


def test_shared_accessors_are_told_apart_over_the_same_bytes() -> None:
    found: dict[str, Any] = {
        "bufferViews": [{"buffer": 0, "byteOffset": 24, "byteLength": 12}],
        "accessors": [{"bufferView": 0, "componentType": 5126, "count": 1, "type": "VEC3"}],
        "meshes": [
            {"primitives": [{"attributes": {}, "targets": [{"POSITION": 0}, {"POSITION": 0}]}]},
            {"primitives": [{"attributes": {}}]},
        ],
    }
    spell_out(found)
    moved, still = found["meshes"]
    assert moved["weights"] == [0.0, 0.0]
    assert "weights" not in still
    assert moved["primitives"][0]["targets"] == [{"POSITION": 0}, {"POSITION": 1}]
    assert found["accessors"][1] == found["accessors"][0] | {"bufferView": 1}
    assert found["bufferViews"][1] == found["bufferViews"][0]


def test_bounds_are_what_lies_there() -> None:
    found, data = shipped()
    for primitive in found["meshes"][0]["primitives"]:
        for at in (primitive["attributes"], *primitive["targets"]):
            accessor = found["accessors"][at["POSITION"]]
            view = found["bufferViews"][accessor["bufferView"]]
            values = np.frombuffer(data, "<f4", accessor["count"] * 3, view["byteOffset"])
            np.testing.assert_array_equal(values.reshape(-1, 3).min(0), accessor["min"])
            np.testing.assert_array_equal(values.reshape(-1, 3).max(0), accessor["max"])


def test_normals_are_of_length_one() -> None:
    found, data = shipped()
    for primitive in found["meshes"][0]["primitives"]:
        accessor = found["accessors"][primitive["attributes"]["NORMAL"]]
        view = found["bufferViews"][accessor["bufferView"]]
        values = np.frombuffer(data, "<f4", accessor["count"] * 3, view["byteOffset"])
        length = np.linalg.norm(values.reshape(-1, 3), axis=1)
        np.testing.assert_allclose(length, 1, atol=1e-5)


def test_targets_may_carry_normals() -> None:
    head = heads.default()
    writer = document(head, morph_normals=True)
    target = writer.json["meshes"][0]["primitives"][0]["targets"][CURVES.index("jawOpen")]
    accessor = writer.json["accessors"][target["NORMAL"]]
    view = writer.json["bufferViews"][accessor["bufferView"]]
    turned = np.frombuffer(bytes(writer.data), "<f4", accessor["count"] * 3, view["byteOffset"])
    face = np.unique(head.parts[0].triangles)
    rest = heads.normals(head.points, head.triangles)[face]
    then = heads.normals(head.posed([1], ["jawOpen"]), head.triangles)[face]
    np.testing.assert_allclose(turned.reshape(-1, 3), then - rest, atol=1e-6)
