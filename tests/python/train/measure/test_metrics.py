"""Every metric against a case whose result can be worked out by hand."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")

from diffusiontalker.curves import CURVES
from diffusiontalker.train.corpora import Phone
from diffusiontalker.train.measure import metrics
from diffusiontalker.train.mesh import Head, HeadError, read_head

JAW = CURVES.index("jawOpen")


def still(frames: int = 100) -> np.ndarray:
    return np.zeros((frames, 52), np.float32)


@pytest.fixture
def jaw_moves() -> np.ndarray:
    curves = still()
    curves[:, JAW] = 0.2 * np.random.default_rng(0).random(100)
    return curves


def test_errors_lag_jerk_and_correlation(jaw_moves: np.ndarray) -> None:
    late = np.roll(jaw_moves, 3, axis=0)
    assert metrics.lag_frames([late], [jaw_moves]) == 3
    assert metrics.lag_frames([jaw_moves], [late]) == -3
    assert np.isnan(metrics.lag_frames([jaw_moves[:20]], [jaw_moves[:20]]))
    moved = jaw_moves.copy()
    moved[:, 0] += 0.3
    moved[:, JAW] += 0.4
    assert metrics.blendshape_error([moved], [jaw_moves], range(52)) == pytest.approx(0.5, rel=1e-5)
    lips = metrics.blendshape_error([moved], [jaw_moves], metrics.LIP_INDEX)
    assert lips == pytest.approx(0.4)
    assert metrics.blendshape_error([moved], [jaw_moves], metrics.LIP_REFERENCE_INDEX) == 0
    assert metrics.jerk_ratio([jaw_moves], [jaw_moves], range(52)) == pytest.approx(1.0)
    assert metrics.jerk_ratio([2 * jaw_moves], [jaw_moves], [JAW]) == pytest.approx(2.0)
    assert metrics.curve_correlation([moved], [jaw_moves], "jawOpen")[0] == pytest.approx(1.0)
    assert metrics.curve_errors([moved], [jaw_moves])[JAW] == pytest.approx(0.4, rel=1e-5)


def test_velocity_error_is_a_second() -> None:
    rising = still(61)
    rising[:, JAW] = np.linspace(0, 1, 61)  # 1 a second at 60 Hz
    assert metrics.velocity_error([rising], [still(61)], 60.0, [JAW]) == pytest.approx(1.0)
    assert metrics.velocity_error([rising], [still(61)], 30.0, [JAW]) == pytest.approx(0.5)


def test_fdd_counts_too_little_motion_as_positive() -> None:
    true = still(4)
    true[:, CURVES.index("eyeBlinkLeft")] = [0, 1, 0, 1]  # u = 0 1 0 1, deviation 0.5
    more = still(4)
    more[:, CURVES.index("eyeBlinkLeft")] = [0, 2, 0, 2]  # u = 0 4 0 4, deviation 2
    index = metrics.UPPER_REFERENCE_INDEX
    assert metrics.upper_face_deviation([still(4)], [true], index) == pytest.approx((0.5, 0.5))
    signed, absolute = metrics.upper_face_deviation([still(4), more], [true, true], index)
    assert (signed, absolute) == pytest.approx((-0.5, 1.0))
    brow = still(4)
    brow[:, CURVES.index("browInnerUp")] = [0, 1, 0, 1]
    assert metrics.upper_face_deviation([still(4)], [brow], index) == (0.0, 0.0)
    with_brows = metrics.upper_face_deviation([still(4)], [brow], metrics.UPPER_INDEX)
    assert with_brows == pytest.approx((0.5, 0.5))


def test_closures_are_asked_and_found() -> None:
    curves = still(120)
    curves[:, JAW] = 0.5
    curves[60:66, CURVES.index("mouthClose")] = 0.5
    phones = [Phone("ɑ", 0.0, 1.0), Phone("m", 1.0, 1.1), Phone("b", 1.5, 1.6)]
    assert metrics.closures(curves, phones, 60.0) == (1, 2)


def test_flapping_and_closing() -> None:
    curves = still(630)
    curves[:30, JAW] = 1.0  # the first half second does not count
    curves[100:110, JAW] = 0.3
    curves[105, JAW] = 0.08  # falls under the threshold, but not shut: the same opening
    curves[300:340, JAW] = 0.3
    share, a_minute = metrics.flapping(curves, 60.0)
    assert share == pytest.approx(49 / 600)
    assert a_minute == pytest.approx(12.0)
    assert metrics.closing_ms(curves, 60.0, 5.0) == pytest.approx(1000 * (339 / 60 - 5))
    assert metrics.closing_ms(curves, 60.0, 9.0) == 0.0


def test_spread_over_seeds() -> None:
    first, second = still(200), still(200)
    first[:, JAW] = np.linspace(0, 1, 200)
    second[:, JAW] = first[:, JAW] + 0.1
    moving = first.std(axis=0) > 0.005
    index = metrics.LIP_INDEX
    assert metrics.seed_spread([first, second], index, moving) == pytest.approx(0.1, rel=1e-4)
    share = metrics.seed_spread_of_range([first, second], index, moving)
    assert share == pytest.approx(0.1 / 1.02, rel=0.02)
    assert np.isnan(metrics.seed_spread([first, second], metrics.UPPER_INDEX, moving))


def test_matching_and_decisions() -> None:
    result = metrics.matching([0, 0, 1, 1, 2], [0, 0, 1, 0, 0])
    assert result["identity_accuracy"] == pytest.approx(3 / 5)
    assert result["identity_precision"] == pytest.approx((2 / 4 + 1 + 0) / 3)
    assert result["identity_recall"] == pytest.approx((1 + 1 / 2 + 0) / 3)
    assert result["identity_f1"] == pytest.approx((2 / 3 + 2 / 3 + 0) / 3)
    assert metrics.decided_after_s([False, True, False, True], [0.1, 0.2, 0.3, 0.4]) == 0.4
    assert metrics.decided_after_s([True, True], [0.1, 0.2]) == 0.1
    assert np.isnan(metrics.decided_after_s([True, False], [0.1, 0.2]))


def test_every_definition_reads_on_its_own() -> None:
    for keys, function in metrics.DEFINITIONS:
        text = metrics.definition(function)
        assert len(text) > 40, keys
        assert "\n" not in text


# ------------------------------------------------------------------------------------ vertices


def small_head() -> Head:
    """Four vertices: two lips that mouth curves move, a chin that the jaw moves, one at rest."""
    deltas = np.zeros((52, 4, 3), np.float32)
    deltas[CURVES.index("mouthSmileLeft"), 0, 0] = 1.0
    deltas[CURVES.index("mouthSmileRight"), 1, 0] = 0.9
    deltas[CURVES.index("mouthSmileRight"), 2, 0] = 0.1
    deltas[JAW, 2, 1] = -5.0
    return Head(deltas)


def test_lve_is_the_worst_lip_vertex_of_each_frame() -> None:
    head = small_head()
    assert head.lip_vertices().tolist() == [0, 1]
    wrong = still(2)
    wrong[:, CURVES.index("mouthSmileLeft")] = [0.5, 0.1]
    wrong[:, CURVES.index("mouthSmileRight")] = [0.1, 0.2]
    wrong[:, JAW] = 1.0  # moves the chin alone
    expected = (0.5**2 + (0.9 * 0.2) ** 2) / 2
    assert metrics.lip_vertex_error([wrong], [still(2)], head) == pytest.approx(expected, rel=1e-5)


def write_glb(path: Path, names: list[str], dense: np.ndarray, sparse_row: int) -> None:
    """One mesh: target 0 dense, target 1 sparse with a single moved vertex."""
    vertices = dense.shape[0]
    blocks = [
        np.zeros((vertices, 3), "<f4").tobytes(),
        dense.astype("<f4").tobytes(),
        struct.pack("<HH", sparse_row, 0),
        struct.pack("<3f", 0.0, 2.0, 0.0),
    ]
    starts = np.cumsum([0, *map(len, blocks)]).tolist()
    views = [
        {"buffer": 0, "byteOffset": start, "byteLength": len(block)}
        for start, block in zip(starts, blocks, strict=False)
    ]
    kind = {"componentType": 5126, "count": vertices, "type": "VEC3"}
    document = {
        "asset": {"version": "2.0"},
        "buffers": [{"byteLength": starts[-1]}],
        "bufferViews": views,
        "accessors": [
            {**kind, "bufferView": 0},
            {**kind, "bufferView": 1},
            {
                **kind,
                "sparse": {
                    "count": 1,
                    "indices": {"bufferView": 2, "componentType": 5123},
                    "values": {"bufferView": 3},
                },
            },
        ],
        "meshes": [
            {
                "extras": {"targetNames": names},
                "primitives": [
                    {"attributes": {"POSITION": 0}, "targets": [{"POSITION": 1}, {"POSITION": 2}]}
                ],
            }
        ],
    }
    text = json.dumps(document).encode()
    text += b" " * (-len(text) % 4)
    binary = b"".join(blocks)
    head = struct.pack("<4sII", b"glTF", 2, 12 + 8 + len(text) + 8 + len(binary))
    chunks = struct.pack("<I4s", len(text), b"JSON") + text
    path.write_bytes(head + chunks + struct.pack("<I4s", len(binary), b"BIN\0") + binary)


def test_heads_are_read_from_glb_and_npz(tmp_path: Path) -> None:
    dense = np.arange(15, dtype=np.float32).reshape(5, 3)
    write_glb(tmp_path / "h.glb", ["MouthSmileLeft", "jawOpen"], dense, sparse_row=3)
    head = read_head(tmp_path / "h.glb")
    assert np.array_equal(head.deltas[CURVES.index("mouthSmileLeft")], dense)
    moved = head.deltas[JAW]
    assert moved[3].tolist() == [0.0, 2.0, 0.0]
    assert not np.delete(moved, 3, axis=0).any()
    np.savez(tmp_path / "h.npz", names=["mouthSmileLeft"], deltas=dense[None])
    assert np.array_equal(
        read_head(tmp_path / "h.npz").deltas[CURVES.index("mouthSmileLeft")], dense
    )


def test_a_head_without_a_mouth_is_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "h.npz", names=["smile"], deltas=np.ones((1, 5, 3)))
    with pytest.raises(HeadError, match="ARKit mouth curves"):
        read_head(tmp_path / "h.npz")
    np.savez(tmp_path / "bad.npz", names=["smile"], deltas=np.ones((2, 5)))
    with pytest.raises(HeadError, match="expected \\(1, vertices, 3\\)"):
        read_head(tmp_path / "bad.npz")
    (tmp_path / "h.glb").write_bytes(b"glTF")
    with pytest.raises(HeadError, match="glTF"):
        read_head(tmp_path / "h.glb")
    with pytest.raises(FileNotFoundError):
        read_head(tmp_path / "none.glb")


def test_lips_of_a_real_head(shared: Path) -> None:
    head = read_head(shared / "heads" / "ict_head_arkit52.glb")
    lips = head.lip_vertices()
    assert 100 < len(lips) < head.deltas.shape[1] // 10
    brow = np.linalg.norm(head.deltas[CURVES.index("browInnerUp")], axis=1)
    assert brow[lips].max() < 0.01 * brow.max()
