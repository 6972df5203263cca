"""Heads of any make: names, nodes, numbers of every kind, VRM, and what is refused in one line."""

from __future__ import annotations

import base64
import json
import random
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from diffusiontalker import head as heads
from diffusiontalker.curves import CURVES
from diffusiontalker.head import HeadError, document
from diffusiontalker.head.gltf import Writer

SQUARE = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [1, 1, 0]], np.float32)
CORNERS = np.array([0, 1, 2, 2, 1, 3], np.uint16).reshape(-1, 1)


def square(names: list[str] | None, *, targets: int | None = None) -> Writer:
    """A square of two triangles; target k moves point k % 4 by k + 1 along y."""
    writer = Writer({"asset": {"version": "2.0"}, "nodes": [{"mesh": 0}]})
    count = len(names or ()) if targets is None else targets
    moved = []
    for k in range(count):
        one = np.zeros_like(SQUARE)
        one[k % 4, 1] = k + 1
        moved.append({"POSITION": writer.accessor(one, "VEC3", bounds=True)})
    primitive: dict[str, Any] = {
        "attributes": {"POSITION": writer.accessor(SQUARE, "VEC3", bounds=True)},
        "indices": writer.accessor(CORNERS, "SCALAR"),
    }
    if moved:
        primitive["targets"] = moved
    mesh: dict[str, Any] = {"primitives": [primitive]}
    if names is not None:
        mesh["extras"] = {"targetNames": names}
    writer.json["meshes"] = [mesh]
    return writer


def saved(writer: Writer, path: Path) -> Path:
    path.write_bytes(writer.glb())
    return path


def refusal(path: Path) -> str:
    with pytest.raises(HeadError) as caught:
        heads.load(path)
    said = str(caught.value)
    assert said.startswith(path.name)
    assert "\n" not in said
    return said


def test_a_head_comes_back_as_it_was_written(tmp_path: Path) -> None:
    own = heads.default()
    heads.gltf.write(own, tmp_path / "a.glb")
    again = heads.load(tmp_path / "a.glb")
    np.testing.assert_array_equal(again.points, own.points)
    np.testing.assert_array_equal(again.triangles, own.triangles)
    np.testing.assert_allclose(again.colours, own.colours, atol=1e-5)
    assert [p.name for p in again.parts] == [p.name for p in own.parts]
    assert list(again.shapes) == list(own.shapes)
    for name, moved in own.shapes.items():
        np.testing.assert_array_equal(again.shapes[name], moved)
    heads.gltf.write(again, tmp_path / "b.glb", morph_normals=True)
    twice = heads.load(tmp_path / "b.glb")
    np.testing.assert_array_equal(twice.shapes["jawOpen"], own.shapes["jawOpen"])


@pytest.mark.parametrize(
    "names",
    [
        ["jawOpen", "eyeBlinkLeft", "mouthSmileRight"],
        ["JawOpen", "EyeBlinkLeft", "MouthSmileRight"],
        ["jaw_open", "eye_blink_left", "mouth_smile_right"],
        ["jawOpen", "eyeBlink_L", "mouthSmile_R"],
        ["blendShape1.jawOpen", "blendShape1.eyeBlink_L", "blendShape1.mouthSmile_R"],
    ],
)
def test_names_in_any_spelling(names: list[str], tmp_path: Path) -> None:
    head = heads.load(saved(square(names), tmp_path / "head.glb"))
    assert set(head.shapes) == {"jawOpen", "eyeBlinkLeft", "mouthSmileRight"}
    assert head.shapes["eyeBlinkLeft"][1, 1] == 2
    assert head.missing() == tuple(c for c in CURVES if c not in head.shapes)
    assert len(head.missing()) == 49


def test_halves_of_a_curve_add_up(tmp_path: Path) -> None:
    names = ["browInnerUp_L", "browInnerUp_R", "something else"]
    head = heads.load(saved(square(names), tmp_path / "head.glb"))
    assert list(head.shapes) == ["browInnerUp"]
    assert head.shapes["browInnerUp"][:, 1].tolist() == [1, 2, 0, 0]


def test_nodes_place_meshes_and_meshes_are_merged(tmp_path: Path) -> None:
    writer = square(["jawOpen"])
    writer.json["meshes"].append({"primitives": writer.json["meshes"][0]["primitives"]})
    # A quarter turn about z, twice as large, under a node that moves it; the other mesh is still.
    half = 0.5**0.5
    writer.json["nodes"] = [
        {"mesh": 0, "rotation": [0, 0, half, half], "scale": [2, 2, 2]},
        {"children": [0], "translation": [10, 0, 0]},
        {"mesh": 1, "scale": [-1, 1, 1]},
        {"mesh": 0, "name": "not in the scene"},
    ]
    writer.json |= {"scene": 0, "scenes": [{"nodes": [1, 2]}]}
    head = heads.load(saved(writer, tmp_path / "head.glb"))
    assert len(head.points) == 8
    assert len(head.parts) == 2
    np.testing.assert_allclose(head.points[1], [10, 2, 0], atol=1e-6)
    np.testing.assert_allclose(head.shapes["jawOpen"][0], [-2, 0, 0], atol=1e-6)
    # Mirrored by its scale, the second is turned inside out and back again.
    for part in head.parts:
        a, b, c = head.points[part.triangles[0]]
        assert np.cross(b - a, c - a)[2] > 0


def test_seams_are_closed_and_lips_that_touch_are_not(tmp_path: Path) -> None:
    writer = Writer({"asset": {"version": "2.0"}, "nodes": [{"mesh": 0}]})
    points = np.concatenate([SQUARE, SQUARE])
    moved = np.zeros_like(points)
    moved[5] = (0, 1, 0)
    corners = np.concatenate([CORNERS, CORNERS + 4])
    primitive = {
        "attributes": {"POSITION": writer.accessor(points, "VEC3")},
        "indices": writer.accessor(corners, "SCALAR"),
        "targets": [{"POSITION": writer.accessor(moved, "VEC3")}],
    }
    writer.json["meshes"] = [{"primitives": [primitive], "extras": {"targetNames": ["jawOpen"]}}]
    assert len(heads.load(saved(writer, tmp_path / "head.glb")).points) == 5


def test_quantised_and_sparse_numbers(tmp_path: Path) -> None:
    writer = square(["jawOpen", "jawLeft"])
    primitive = writer.json["meshes"][0]["primitives"][0]
    short = writer.accessor((SQUARE * 32767).astype(np.uint16), "VEC3", normalized=True)
    writer.json["accessors"][short]["componentType"] = 5122
    primitive["attributes"]["POSITION"] = short
    row = writer.accessor(np.array([[3]], np.uint16), "SCALAR")
    new = writer.accessor(np.array([[0, 0, 7]], np.float32), "VEC3")
    views = [writer.json["accessors"][k]["bufferView"] for k in (row, new)]
    writer.json["accessors"].append(
        {
            "componentType": 5126,
            "type": "VEC3",
            "count": 4,
            "sparse": {
                "count": 1,
                "indices": {"bufferView": views[0], "componentType": 5123},
                "values": {"bufferView": views[1]},
            },
        }
    )
    primitive["targets"][1]["POSITION"] = len(writer.json["accessors"]) - 1
    writer.json["extensionsRequired"] = ["KHR_mesh_quantization"]
    head = heads.load(saved(writer, tmp_path / "head.glb"))
    np.testing.assert_allclose(head.points, SQUARE, atol=1e-4)
    assert head.shapes["jawLeft"].tolist() == [[0, 0, 0]] * 3 + [[0, 0, 7]]


def test_a_gltf_with_its_bytes_beside_it_or_within(tmp_path: Path) -> None:
    writer = square(["jawOpen"])
    writer.glb()
    writer.json["buffers"][0]["uri"] = "the%20bytes.bin"
    (tmp_path / "the bytes.bin").write_bytes(bytes(writer.data))
    (tmp_path / "head.gltf").write_text(json.dumps(writer.json))
    assert list(heads.load(tmp_path / "head.gltf").shapes) == ["jawOpen"]
    (tmp_path / "the bytes.bin").unlink()
    assert "the%20bytes.bin is not beside it" in refusal(tmp_path / "head.gltf")
    text = base64.b64encode(bytes(writer.data)).decode()
    writer.json["buffers"][0]["uri"] = f"data:application/octet-stream;base64,{text}"
    (tmp_path / "head.gltf").write_text(json.dumps(writer.json))
    assert list(heads.load(tmp_path / "head.gltf").shapes) == ["jawOpen"]
    writer.json["buffers"][0]["uri"] = "../secret.bin"
    (tmp_path / "head.gltf").write_text(json.dumps(writer.json))
    assert "outside" in refusal(tmp_path / "head.gltf")


def test_expressions_of_vrm_1(tmp_path: Path) -> None:
    writer = square(None, targets=3)
    binds = [[{"node": 0, "index": k, "weight": weight}] for k, weight in enumerate((1, 0.5, 1))]
    writer.json["extensions"] = {
        "VRMC_vrm": {
            "expressions": {
                "custom": {"JawOpen": {"morphTargetBinds": binds[0]}},
                "preset": {
                    "blinkLeft": {"morphTargetBinds": binds[1]},
                    "aa": {"morphTargetBinds": binds[2]},
                    "happy": {},
                },
            }
        }
    }
    head = heads.load(saved(writer, tmp_path / "head.vrm"))
    assert set(head.shapes) == {"jawOpen", "eyeBlinkLeft"}
    assert head.shapes["jawOpen"][0, 1] == 1  # the model's own, not its "aa"
    assert head.shapes["eyeBlinkLeft"][1, 1] == 1


def test_expressions_of_vrm_0_which_looks_back(tmp_path: Path) -> None:
    writer = square(None, targets=2)
    groups = [
        {"name": "A", "presetName": "a", "binds": [{"mesh": 0, "index": 0, "weight": 50}]},
        {"name": "eyeBlink_L", "presetName": "unknown", "binds": [{"mesh": 0, "index": 1}]},
    ]
    writer.json["extensions"] = {"VRM": {"blendShapeMaster": {"blendShapeGroups": groups}}}
    head = heads.load(saved(writer, tmp_path / "head.vrm"))
    assert set(head.shapes) == {"jawOpen", "eyeBlinkLeft"}
    assert head.shapes["jawOpen"][0, 1] == 0.5
    np.testing.assert_array_equal(head.points[1], [-1, 0, 0])


def test_strips_and_colours_of_materials(tmp_path: Path) -> None:
    writer = square(["jawOpen"])
    primitive = writer.json["meshes"][0]["primitives"][0]
    primitive |= {"mode": 5, "material": 0}
    primitive["indices"] = writer.accessor(np.array([[0], [1], [2], [3]], np.uint16), "SCALAR")
    writer.json["materials"] = [
        {
            "name": "tin",
            "alphaMode": "BLEND",
            "pbrMetallicRoughness": {"baseColorFactor": [1, 0.5, 0, 0.25], "roughnessFactor": 0.1},
        }
    ]
    head = heads.load(saved(writer, tmp_path / "head.glb"))
    assert head.triangles.tolist() == [[0, 1, 2], [1, 3, 2]]
    assert head.colours[0].tolist() == [1, 0.5, 0, 0.25]
    assert (head.parts[0].name, head.parts[0].transparent) == ("tin", True)


def test_what_cannot_be_a_head(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        heads.load(tmp_path / "none.glb")
    path = tmp_path / "head.glb"
    assert "no morph targets" in refusal(saved(square(None), path))
    assert "none of its shapes" in refusal(saved(square(["smirk", "glare"]), path))
    assert "smirk, glare" in refusal(saved(square(["smirk", "glare"]), path))
    assert "2 morph targets with 1 names" in refusal(saved(square(["jawOpen"], targets=2), path))
    writer = square(["jawOpen"])
    writer.json["extensionsRequired"] = ["ACME_secret"]
    assert "requires ACME_secret" in refusal(saved(writer, path))
    path.write_bytes(b"solid a box")
    assert "no glTF" in refusal(path)
    path.write_bytes(b"")
    assert "no glTF" in refusal(path)
    writer = square(["jawOpen"])
    writer.data[8:12] = np.float32(np.nan).tobytes()
    assert "NaN" in refusal(saved(writer, path))


def test_a_head_of_two_million_triangles(tmp_path: Path) -> None:
    writer = square(["jawOpen"])
    primitive = writer.json["meshes"][0]["primitives"][0]
    writer.json["accessors"][primitive["indices"]]["count"] = 6_000_000
    said = refusal(saved(writer, tmp_path / "head.glb"))
    assert "2,000,000 triangles" in said
    assert "simplify" in said


def test_a_file_cut_off_anywhere_is_one_line(tmp_path: Path) -> None:
    whole = square(["jawOpen", "jawLeft"]).glb()
    path = tmp_path / "head.glb"
    for length in (3, 11, 19, 40, 300, len(whole) - 1):
        path.write_bytes(whole[:length])
        refusal(path)


def test_a_file_with_any_byte_changed_loads_or_is_refused(tmp_path: Path) -> None:
    whole = square(["jawOpen", "jawLeft"]).glb()
    path = tmp_path / "head.glb"
    draw = random.Random(27)
    for _ in range(400):
        damaged = bytearray(whole)
        for _ in range(draw.choice((1, 4))):
            damaged[draw.randrange(len(damaged))] = draw.randrange(256)
        path.write_bytes(damaged)
        try:
            heads.load(path)
        except HeadError as error:
            assert "\n" not in str(error)  # noqa: PT017


def test_compressed_heads_say_what_undoes_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for extension, package in (
        ("EXT_meshopt_compression", "meshoptimizer"),
        ("KHR_draco_mesh_compression", "DracoPy"),
    ):
        writer = square(["jawOpen"])
        writer.json |= {"extensionsUsed": [extension], "extensionsRequired": [extension]}
        monkeypatch.setitem(sys.modules, package, None)
        said = refusal(saved(writer, tmp_path / "head.glb"))
        assert f"pip install {package}" in said
        assert "npx @gltf-transform/cli copy" in said


def test_meshopt_is_decoded(tmp_path: Path) -> None:
    meshoptimizer = pytest.importorskip("meshoptimizer")
    writer = square(["jawOpen"])
    views, accessors = writer.json["bufferViews"], writer.json["accessors"]
    primitive = writer.json["meshes"][0]["primitives"][0]
    packed = bytearray()
    for accessor, mode, stride in (
        (primitive["targets"][0]["POSITION"], "ATTRIBUTES", 12),
        (primitive["attributes"]["POSITION"], "ATTRIBUTES", 12),
        (primitive["indices"], "TRIANGLES", 2),
    ):
        view = views[accessors[accessor]["bufferView"]]
        count = accessors[accessor]["count"]
        raw = bytes(writer.data[view["byteOffset"] :][: view["byteLength"]])
        if mode == "ATTRIBUTES":
            rows = np.frombuffer(raw, np.float32).reshape(count, 3)
            new = meshoptimizer.encode_vertex_buffer(rows, count, stride)
        else:
            wide = np.frombuffer(raw, np.uint16).astype(np.uint32)
            new = meshoptimizer.encode_index_buffer(wide, count, 4)
        view["extensions"] = {
            "EXT_meshopt_compression": {
                "buffer": 0,
                "byteOffset": len(packed),
                "byteLength": len(new),
                "byteStride": stride,
                "count": count,
                "mode": mode,
            }
        }
        packed += bytes(new)
    plain = heads.load(saved(square(["jawOpen"]), tmp_path / "plain.glb"))
    writer.data = packed
    writer.json["extensionsUsed"] = ["EXT_meshopt_compression"]
    head = heads.load(saved(writer, tmp_path / "packed.glb"))
    np.testing.assert_array_equal(head.points, plain.points)
    np.testing.assert_array_equal(head.shapes["jawOpen"], plain.shapes["jawOpen"])
    assert len(head.triangles) == 2


def test_draco_is_decoded(tmp_path: Path) -> None:
    DracoPy = pytest.importorskip("DracoPy")
    writer = square(["jawOpen"])
    primitive = writer.json["meshes"][0]["primitives"][0]
    packed = DracoPy.encode(SQUARE, CORNERS.reshape(-1, 3).astype(np.uint32), preserve_order=True)
    view = writer.accessor(np.frombuffer(packed, np.uint8).astype(np.uint16), "SCALAR")
    place = writer.json["bufferViews"][writer.json["accessors"][view]["bufferView"]]
    writer.data[place["byteOffset"] :] = packed
    place["byteLength"] = len(packed)
    number = DracoPy.decode(packed).attributes[0]["unique_id"]
    primitive["extensions"] = {
        "KHR_draco_mesh_compression": {
            "bufferView": len(writer.json["bufferViews"]) - 1,
            "attributes": {"POSITION": number},
        }
    }
    writer.json["extensionsUsed"] = ["KHR_draco_mesh_compression"]
    head = heads.load(saved(writer, tmp_path / "head.glb"))
    np.testing.assert_allclose(head.points, SQUARE, atol=1e-3)
    assert len(head.triangles) == 2
    assert head.shapes["jawOpen"][:, 1].max() == 1


def test_a_picture_colours_the_points(tmp_path: Path) -> None:
    Image = pytest.importorskip("PIL.Image")
    pixels = np.array([[[255, 0, 0], [0, 255, 0]], [[0, 0, 255], [255, 255, 255]]], np.uint8)
    Image.fromarray(pixels).save(tmp_path / "skin.png")
    writer = square(["jawOpen"])
    places = np.array([[0.2, 0.2, 0], [0.7, 0.2, 0], [0.2, 0.7, 0], [1.7, -0.3, 0]], np.float32)
    primitive = writer.json["meshes"][0]["primitives"][0]
    primitive["attributes"]["TEXCOORD_0"] = writer.accessor(places, "VEC3")
    primitive["material"] = 0
    writer.json |= {
        "materials": [{"pbrMetallicRoughness": {"baseColorTexture": {"index": 0}}}],
        "textures": [{"source": 0}],
        "images": [{"uri": "skin.png"}],
    }
    # Texture places are pairs: the third number is the next row's.
    view = writer.json["accessors"][primitive["attributes"]["TEXCOORD_0"]]
    view["type"] = "VEC2"
    writer.json["bufferViews"][view["bufferView"]]["byteStride"] = 12
    path = saved(writer, tmp_path / "head.glb")
    colours = heads.load(path).colours[:, :3]
    assert colours.tolist() == [[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 1]]
    (tmp_path / "skin.png").write_bytes(b"damaged")
    assert heads.load(path).colours.min() == 1


def test_materials_that_share_vertices_keep_their_own_colours(tmp_path: Path) -> None:
    writer = square(["jawOpen"])
    mesh = writer.json["meshes"][0]
    (whole,) = mesh["primitives"]
    mesh["primitives"] = []
    writer.json["materials"] = []
    # As avatars' exporters write a face: a list of vertices, a primitive a material.
    for corners, colour in (((0, 0, 1), (1, 0, 0, 1)), ((2, 3, 3), (0, 0, 1, 1))):
        index = writer.accessor(np.array(corners, np.uint16)[:, None], "SCALAR")
        mesh["primitives"].append(whole | {"indices": index, "material": len(mesh["primitives"])})
        writer.json["materials"].append({"pbrMetallicRoughness": {"baseColorFactor": colour}})
    head = heads.load(saved(writer, tmp_path / "head.glb"))
    assert len(head.points) == 4
    red, blue = (head.colours[np.unique(part.triangles)] for part in head.parts)
    np.testing.assert_array_equal(red, [[1, 0, 0, 1]] * 2)
    np.testing.assert_array_equal(blue, [[0, 0, 1, 1]] * 2)


def test_whoever_waits_long_is_told_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = saved(square(["jawOpen"]), tmp_path / "head.glb")
    told: list[str] = []
    heads.load(path, slow=told.append)
    assert told == []
    read = document.read
    monkeypatch.setattr(sys.modules[heads.load.__module__], "SLOW_S", 0.01)
    monkeypatch.setattr(document, "read", lambda file: (time.sleep(0.3), read(file))[1])
    heads.load(path, slow=told.append)
    assert told == ["reading head.glb (0 MB) ..."]
