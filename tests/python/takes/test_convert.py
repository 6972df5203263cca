"""Every form gives the curves back by name, at their times, within 1e-6."""

from __future__ import annotations

import json
import struct
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from takes_made import values_of, whole

from diffusiontalker.curves import CURVES, HEAD
from diffusiontalker.head import default as default_head
from diffusiontalker.head import document, gltf, load
from diffusiontalker.takes import TakeError, read, recorded
from diffusiontalker.takes.convert import ENDINGS, Options, check, convert
from diffusiontalker.takes.convert.convert import Voice
from diffusiontalker.takes.motion import Motion
from diffusiontalker.train.corpora.beat import read_beat
from diffusiontalker.vrm_presets import PRESETS, preset_weights

RATES = [Fraction(60), Fraction(30000, 1001)]
CLOSE = 1e-6


def motion_of(rate: Fraction = Fraction(60), frames: int = 90, first: int = 0) -> Motion:
    shuffled = tuple(np.random.default_rng(4).permutation(CURVES).tolist())
    return Motion(shuffled, rate, np.arange(frames), values_of(frames))


def placed(found: document.Document, path: str) -> tuple[dict[int, np.ndarray], np.ndarray]:
    """(values by node, times) of the first animation's channels of a kind."""
    animation = found.json["animations"][0]
    tracks = {}
    for channel in animation["channels"]:
        assert channel["target"]["path"] == path
        sampler = animation["samplers"][channel["sampler"]]
        assert sampler["interpolation"] == "LINEAR"
        accessor = found.json["accessors"][sampler["input"]]
        times = found.numbers(sampler["input"])[:, 0]
        assert (accessor["min"], accessor["max"]) == ([0.0], [float(times[-1])])
        assert "sparse" not in found.json["accessors"][sampler["output"]]
        tracks[channel["target"]["node"]] = found.numbers(sampler["output"])
    return tracks, times


@pytest.mark.parametrize("rate", RATES)
def test_csv_is_that_of_the_stream_and_comes_back(tmp_path: Path, rate: Fraction) -> None:
    motion = motion_of(rate)
    convert(motion, tmp_path / "a.csv")
    back = recorded.read(tmp_path / "a.csv")
    assert back.rate == rate
    assert back.head is None
    np.testing.assert_array_equal(back.index, motion.index)
    np.testing.assert_allclose(back.curves, motion.curves, atol=CLOSE)


@pytest.mark.parametrize("rate", RATES)
def test_beat_is_read_by_training(tmp_path: Path, rate: Fraction) -> None:
    take = read(whole(tmp_path / "takes", 90, rate))
    voice = Voice(take.sound_of_motion(), take.rate_hz)
    convert(take.motion, tmp_path / "a.json", voice, Options(sound=True))
    found = json.loads((tmp_path / "a.json").read_text())
    assert found["names"] == list(CURVES)
    times = [frame["time"] for frame in found["frames"]]
    assert times == [i * rate.denominator / rate.numerator for i in range(90)]
    weights = np.array([frame["weights"] for frame in found["frames"]], np.float32)
    np.testing.assert_array_equal(weights, take.motion.curves)
    recording = read_beat(tmp_path / "a.json")
    np.testing.assert_allclose(recording.audio, voice.samples, atol=2e-5)
    assert recording.curves is not None


def test_npz_has_the_bits(tmp_path: Path) -> None:
    motion = motion_of()
    convert(motion, tmp_path / "a.npz", Voice(np.ones(5, np.float32), 48000))
    with np.load(tmp_path / "a.npz") as found:
        assert tuple(found["names"]) == motion.names
        assert found["values"].tobytes() == motion.values.tobytes()
        assert found["rate"].tolist() == [60, 1]
        assert int(found["sound_rate_hz"]) == 48000
        np.testing.assert_array_equal(found["times_s"], motion.times_s)


@pytest.mark.parametrize("rate", RATES)
def test_glb_has_every_curve_a_key_a_frame(tmp_path: Path, rate: Fraction) -> None:
    motion = motion_of(rate)
    notes = convert(motion, tmp_path / "a.glb", name="take 7")
    assert bool(notes) == (len(default_head().shapes) < len(CURVES))
    found = document.read(tmp_path / "a.glb")
    assert found.json["animations"][0]["name"] == "take 7"
    tracks, times = placed(found, "weights")
    assert list(tracks) == [0]
    names = found.json["meshes"][0]["extras"]["targetNames"]
    weights = tracks[0].reshape(len(times), len(names))
    np.testing.assert_array_equal(times, motion.times_s.astype(np.float32))
    for name, track in zip(names, weights.T, strict=True):
        np.testing.assert_allclose(track, motion.curves[:, CURVES.index(name)], atol=CLOSE)
    # The head is the one that it was.
    assert load(tmp_path / "a.glb").points.tobytes() == default_head().points.tobytes()


def two_meshes(path: Path) -> None:
    """A head of two nodes, with a picture beside it, names of another tracker and a clip."""
    writer = gltf.document(default_head())
    found = writer.json
    names = found["meshes"][0]["extras"]["targetNames"]
    spelt = [f"Face_{n[0].upper()}{n[1:]}".replace("Left", "_L") for n in names]
    found["meshes"][0]["extras"]["targetNames"] = ["smirk", *spelt[1:]]
    found["meshes"].append({**found["meshes"][0], "extras": {"targetNames": names}})
    found["nodes"].append({"mesh": 1, "name": "teeth"})
    found["nodes"].append({"name": "hat"})
    found["scenes"][0]["nodes"] += [1, 2]
    found["images"] = [{"uri": "skin.png"}]
    times = writer.accessor(np.array([[0], [1]], np.float32), "SCALAR", bounds=True)
    still = writer.accessor(np.zeros((2, 3), np.float32), "VEC3")
    found["animations"] = [
        {
            "name": "nod",
            "samplers": [{"input": times, "output": still}],
            "channels": [{"sampler": 0, "target": {"node": 2, "path": "translation"}}],
        }
    ]
    path.write_bytes(writer.glb())
    (path.parent / "skin.png").write_bytes(b"\x89PNG")


def test_a_given_head_keeps_what_it_has(tmp_path: Path) -> None:
    (tmp_path / "heads").mkdir()
    two_meshes(tmp_path / "heads" / "mine.glb")
    motion = motion_of()
    options = Options(head=tmp_path / "heads" / "mine.glb")
    convert(motion, tmp_path / "a.glb", options=options)
    found = document.read(tmp_path / "a.glb")
    assert [one["name"] for one in found.json["animations"]] == ["take", "nod"]
    assert found.json["images"][0]["uri"].startswith("data:image/png;base64,")
    tracks, times = placed(found, "weights")
    assert list(tracks) == [0, 1]
    first, second = (tracks[node].reshape(len(times), -1) for node in (0, 1))
    assert not first[:, 0].any(), "what is no curve rests"
    np.testing.assert_array_equal(first[:, 1:], second[:, 1:])
    jaw = found.json["meshes"][1]["extras"]["targetNames"].index("jawOpen")
    np.testing.assert_allclose(first[:, jaw], motion.curves[:, CURVES.index("jawOpen")], atol=CLOSE)


def test_vrma_moves_expressions_by_the_x_of_a_translation(tmp_path: Path) -> None:
    motion = motion_of(frames=30)
    (note,) = convert(motion, tmp_path / "a.vrma")
    assert "--expressions arkit" in note
    found = document.read(tmp_path / "a.vrma")
    said = found.json["extensions"]["VRMC_vrm_animation"]
    assert said["specVersion"] == "1.0"
    assert list(said["expressions"]["custom"]) == sorted(CURVES)
    assert list(said["expressions"]["preset"]) == sorted(PRESETS)
    tracks, _ = placed(found, "translation")
    for place, name in enumerate(CURVES):
        moved = tracks[said["expressions"]["custom"][name]["node"]]
        np.testing.assert_allclose(moved[:, 0], motion.curves[:, place], atol=CLOSE)
        assert not moved[:, 1:].any()
    presets = preset_weights(motion.curves)
    for place, name in enumerate(PRESETS):
        moved = tracks[said["expressions"]["preset"][name]["node"]]
        np.testing.assert_allclose(moved[:, 0], presets[:, place], atol=CLOSE)


def vrm_of(path: Path, custom: list[str]) -> None:
    """A VRM's JSON with such expressions and nothing else."""
    text = json.dumps(
        {
            "asset": {"version": "2.0"},
            "extensions": {
                "VRMC_vrm": {
                    "specVersion": "1.0",
                    "expressions": {"preset": {"aa": {}}, "custom": {name: {} for name in custom}},
                }
            },
        }
    ).encode()
    text += b" " * (-len(text) % 4)
    path.write_bytes(
        struct.pack("<4sIIII", b"glTF", 2, 20 + len(text), len(text), 0x4E4F534A) + text
    )


@pytest.mark.parametrize(
    ("custom", "expressions", "groups"),
    [
        (["JawOpen", "smirk"], None, {"custom": ["JawOpen"]}),
        ([], None, {"preset": sorted(PRESETS)}),
        (["JawOpen"], "both", {"custom": ["JawOpen"], "preset": sorted(PRESETS)}),
        (["JawOpen"], "presets", {"preset": sorted(PRESETS)}),
    ],
)
def test_an_avatar_gets_what_it_has(
    tmp_path: Path, custom: list[str], expressions: str | None, groups: dict[str, Any]
) -> None:
    vrm_of(tmp_path / "her.vrm", custom)
    options = Options(head=tmp_path / "her.vrm", expressions=expressions)
    convert(motion_of(frames=5), tmp_path / "a.vrma", options=options)
    found = document.read(tmp_path / "a.vrma").json["extensions"]["VRMC_vrm_animation"]
    assert {group: list(each) for group, each in found["expressions"].items()} == groups


def test_usd_samples_a_frame_a_time_code(tmp_path: Path) -> None:
    from pxr import Usd, UsdGeom, UsdSkel

    for rate in RATES:
        for ending in ("usda", "usdc"):
            motion = motion_of(rate)
            path = tmp_path / f"{rate.denominator}.{ending}"
            convert(motion, path)
            stage = Usd.Stage.Open(str(path))
            assert stage.GetTimeCodesPerSecond() == float(rate)
            assert stage.GetFramesPerSecond() == float(rate)
            assert (stage.GetStartTimeCode(), stage.GetEndTimeCode()) == (0, 89)
            animation = UsdSkel.Animation.Get(stage, "/Face/Animation")
            names = list(animation.GetBlendShapesAttr().Get())
            weights = animation.GetBlendShapeWeightsAttr()
            assert weights.GetTimeSamples() == list(range(90))
            for index in (0, 17, 89):
                wanted = motion.curves[index, [CURVES.index(n) for n in names]]
                np.testing.assert_allclose(np.array(weights.Get(index)), wanted, atol=CLOSE)
            mesh = UsdGeom.Mesh.Get(stage, "/Face/Head")
            binding = UsdSkel.BindingAPI(mesh)
            assert list(binding.GetBlendShapesAttr().Get()) == names
            head = default_head()
            jaw = UsdSkel.BlendShape.Get(stage, "/Face/Head/jawOpen")
            dense = np.zeros_like(head.points)
            dense[np.array(jaw.GetPointIndicesAttr().Get())] = np.array(jaw.GetOffsetsAttr().Get())
            np.testing.assert_array_equal(dense, head.shapes["jawOpen"])


def test_a_head_that_turns_is_kept_where_there_is_a_place_for_it(tmp_path: Path) -> None:
    names = (*CURVES, *HEAD)
    motion = Motion(names, Fraction(60), np.arange(10), values_of(10, 55))
    assert convert(motion, tmp_path / "a.csv") == []
    back = recorded.read(tmp_path / "a.csv")
    assert motion.head is not None
    np.testing.assert_allclose(back.head, motion.head, atol=CLOSE)
    for name in ("a.glb", "a.vrma", "a.json"):
        assert any("rotation is left out" in n for n in convert(motion, tmp_path / name))


def test_refusals(tmp_path: Path) -> None:
    for name, options, said in (
        ("a.fbx", Options(), "no such form; there are .csv"),
        ("a", Options(), "no such form"),
        ("a.gbl", Options(), r"did you mean .glb"),
        ("a.csv", Options(head=Path("x.glb")), "a .csv has no head"),
        ("a.glb", Options(expressions="arkit"), "--expressions goes with .vrma"),
        ("a.vrma", Options(expressions="all"), "expected both, arkit, presets"),
    ):
        with pytest.raises(TakeError, match=said):
            check(tmp_path / name, options)
    motion = motion_of(frames=3)
    with pytest.raises(TakeError, match="there is no folder"):
        convert(motion, tmp_path / "none" / "a.csv")
    with pytest.raises(TakeError, match="there is no sound"):
        convert(motion, tmp_path / "a.wav")
    with pytest.raises(TakeError, match=r"--head .*nothing\.glb"):
        convert(motion, tmp_path / "a.glb", options=Options(head=tmp_path / "nothing.glb"))
    (tmp_path / "bad.glb").write_bytes(b"glTF\x02\0\0\0\xff\xff\0\0")
    with pytest.raises(TakeError, match=r"bad\.glb: a glTF binary cut off"):
        convert(motion, tmp_path / "a.glb", options=Options(head=tmp_path / "bad.glb"))
    (tmp_path / "bare.gltf").write_text('{"asset": {"version": "2.0"}}')
    for ending, said in (("glb", "no morph target is named"), ("vrma", "expected a VRM")):
        with pytest.raises(TakeError, match=said):
            convert(motion, tmp_path / f"a.{ending}", options=Options(head=tmp_path / "bare.gltf"))
    empty = Motion(CURVES, Fraction(60), np.zeros(0, np.int64), np.zeros((0, 52), np.float32))
    with pytest.raises(TakeError, match="there is no frame"):
        convert(empty, tmp_path / "a.csv")
    assert [p.name for p in tmp_path.iterdir() if p.stem == "a"] == []
    assert set(ENDINGS) == {".csv", ".json", ".npz", ".glb", ".usda", ".usdc", ".vrma", ".wav"}
