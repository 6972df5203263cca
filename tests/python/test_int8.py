"""Bundles in int8: the runtime's own rounding, the same bits as in floats, wrong values refused."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import load_file, save
from test_runtime import run, speech_like

from diffusiontalker import BundleError, Runtime, _core, bundle
from diffusiontalker.bundle import Bundle, int8

#: A block of columns alone.
ONE = (4,)


@pytest.fixture(scope="module")
def floats(any_bundle: Bundle) -> Bundle:
    return any_bundle


@pytest.fixture(scope="module")
def whole(floats: Bundle, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """The same in whole numbers."""
    folder = tmp_path_factory.mktemp("int8")
    return bundle.write(folder, floats.manifest, floats.tensors, dtype="int8")


def only_floats(b: Bundle) -> Bundle:
    """The bundle as if it had never had but float32."""
    return Bundle(b.path, b.manifest, dict(b.tensors))


# ---- the arithmetic ------------------------------------------------------------------------------


def test_a_row_is_brought_to_127_and_halves_go_away_from_zero() -> None:
    rows = np.array(
        [
            [127, 0.5, -0.5, 1.49],
            [-254, 3, -5, 2.9],  # a scale of 2
            [0, 0, 0, 0],
            [1e-31, -1e-31, 0, 0],  # as good as nothing
            [1e-29, 0, 0, -1e-29],
        ],
        np.float32,
    )
    values, scales = int8.quantise(rows, ONE)
    expected = [[127, 1, -1, 1], [-127, 2, -3, 1], [0] * 4, [0] * 4, [127, 0, 0, -127]]
    np.testing.assert_array_equal(values, np.array(expected, np.int8))
    np.testing.assert_array_equal(
        scales, np.array([[1], [2], [0], [0], [np.float32(1e-29) / np.float32(127)]], np.float32)
    )
    assert (values.dtype, scales.dtype) == (np.int8, np.float32)


def test_a_convolutions_channel_is_a_row_and_blocks_have_scales_of_their_own() -> None:
    taps = np.arange(-6, 6, dtype=np.float32).reshape(2, 2, 3)
    values, scales = int8.quantise(taps, (6,))
    assert (values.shape, scales.shape) == ((2, 2, 3), (2, 1))
    np.testing.assert_array_equal(scales[:, 0], np.float32([6, 5]) / np.float32(127))

    row = np.array([[1, 2, 100, -300, 0]], np.float32)
    values, scales = int8.quantise(row, (2, 2, 1))
    np.testing.assert_array_equal(values, [[64, 127, 42, -127, 0]])
    back = int8.dequantise(values, scales, (2, 2, 1))
    assert back.dtype == np.float32
    np.testing.assert_allclose(back, row, atol=1.2)
    np.testing.assert_array_equal(back[0, :2], scales[0, 0] * np.float32([64, 127]))


@given(st.integers(0, 2**32 - 1), st.floats(-20, 20))
def test_what_was_rounded_is_rounded_to_the_same(seed: int, exponent: float) -> None:
    """So a bundle may go from int8 to float32 and back."""
    rng = np.random.default_rng(seed)
    rows = (rng.standard_normal((7, 12)) * 10.0**exponent).astype(np.float32)
    columns = (5, 4, 3)
    values, scales = int8.quantise(rows, columns)
    again, same = int8.quantise(int8.dequantise(values, scales, columns), columns)
    np.testing.assert_array_equal(again, values)
    np.testing.assert_array_equal(same, scales)
    error = np.abs(int8.dequantise(values, scales, columns) - rows)
    assert (error <= np.repeat(scales, columns, axis=1) * 0.50001).all()


# ---- the file ------------------------------------------------------------------------------------


def test_products_are_whole_numbers_and_the_rest_stays_exact(floats: Bundle, whole: Bundle) -> None:
    assert whole.manifest["format_version"] == 3
    assert whole.manifest["weights"]["dtype"] == "int8"
    stored = load_file(whole.path / bundle.WEIGHTS)
    rounded = {name for name, value in stored.items() if value.dtype == np.int8}
    expected = {
        "encoder.input.weight",
        *(f"encoder.blocks.{i}.{part}.weight" for i in range(3) for part in ("conv", "mix")),
        *(f"decoder.gru.weight_{of}_l{i}" for of in ("ih", "hh") for i in (0, 1)),
        "decoder.head.weight",
    }
    if "context" in whole.manifest["encoder"]:
        parts = ("qkv", "out", "fc1", "fc2")
        expected |= {
            *(f"encoder.context.conv{i}.weight" for i in (1, 2)),
            *(f"encoder.context.layers.{i}.{part}.weight" for i in (0, 1) for part in parts),
            "encoder.mix.weight",
        }
    assert rounded == expected
    assert set(stored) == set(floats.tensors) | {f"{name}.scale" for name in rounded}
    for name, value in stored.items():
        if name in rounded:
            blocks = 4 if name == "decoder.gru.weight_ih_l0" else 1
            assert stored[f"{name}.scale"].shape == (len(value), blocks)
            assert (np.abs(value.reshape(len(value), -1)).max(axis=1) == 127).all()
        elif not name.endswith(".scale"):
            np.testing.assert_array_equal(value, floats.tensors[name])


def test_the_runtime_is_given_the_file_and_everybody_else_floats(
    floats: Bundle, whole: Bundle
) -> None:
    stored = load_file(whole.path / bundle.WEIGHTS)
    given = whole.core_tensors()
    assert set(given) == set(stored)
    for name, value in stored.items():
        assert given[name].dtype == value.dtype
        np.testing.assert_array_equal(given[name], value)
    assert list(whole.tensors) == list(floats.tensors)
    for name, value in whole.tensors.items():
        assert (value.dtype, value.shape) == (np.float32, floats.tensors[name].shape)
        if value.ndim > 1 and f"{name}.scale" in stored:
            rows = floats.tensors[name].reshape(len(value), -1)
            error = np.abs(value.reshape(len(value), -1) - rows).max(axis=1)
            assert (error <= np.abs(rows).max(axis=1) / 127 * 0.501).all()
    np.testing.assert_array_equal(whole.identity_features(), floats.identity_features())


def test_a_copy_keeps_every_bit(whole: Bundle, tmp_path: Path) -> None:
    m = whole.manifest
    for tensors in (whole.tensors, whole.core_tensors()):
        copy = bundle.write(tmp_path / "int8", m, tensors, dtype="int8")
        assert copy.sha256 == whole.sha256
    back = bundle.write(tmp_path / "float32", m, whole.tensors)
    assert back.manifest["format_version"] == (2 if "context" in m["encoder"] else 1)
    assert back.manifest["weights"]["dtype"] == "float32"
    again = bundle.write(tmp_path / "again", m, back.tensors, dtype="int8")
    assert again.sha256 == whole.sha256


# ---- the face ------------------------------------------------------------------------------------


def test_floats_and_their_int8_play_alike(floats: Bundle, whole: Bundle) -> None:
    audio = speech_like(1.5, 16000)
    assert Runtime(whole).precision == Runtime(floats).precision == "int8"
    np.testing.assert_array_equal(run(Runtime(whole), audio), run(Runtime(floats), audio))


def test_the_embedded_models_floats_and_their_int8_play_alike(tmp_path: Path) -> None:
    # Its own int8 values have scales that are no rounding to nearest's: floats are made of them.
    embedded = bundle.read()
    floats, whole = (
        bundle.write(tmp_path / dtype, embedded.manifest, embedded.tensors, dtype=dtype)
        for dtype in ("float32", "int8")
    )
    audio = speech_like(2, 16000)
    for identity in ("auto", embedded.identities[-1]):
        faces = [run(Runtime(b, seed=5, identity=identity), audio) for b in (floats, whole)]
        np.testing.assert_array_equal(*faces)


def test_float32_is_computed_with_the_rounded_weights(whole: Bundle) -> None:
    audio = speech_like(1, 16000)
    plain = Runtime(whole, precision="float32")
    assert plain.precision == "float32"
    face = run(plain, audio)
    other = run(Runtime(only_floats(whole), precision="float32"), audio)
    np.testing.assert_array_equal(face, other)
    difference = np.abs(face - run(Runtime(whole), audio))
    assert 0 < difference.max() < 0.1


# ---- what is refused -----------------------------------------------------------------------------


def changed(b: Bundle, folder: Path, change: dict[str, Any]) -> Path:
    """The bundle with tensors replaced, or removed by None, as a careless tool would write it."""
    stored = {k: v for k, v in (b.core_tensors() | change).items() if v is not None}
    blob = save({k: np.ascontiguousarray(v) for k, v in stored.items()})
    (folder / bundle.WEIGHTS).write_bytes(blob)
    weights = {**b.manifest["weights"], "sha256": hashlib.sha256(blob).hexdigest()}
    (folder / bundle.MANIFEST).write_text(json.dumps({**b.manifest, "weights": weights}))
    return folder


HEAD = "decoder.head.weight"
SCALES = f"{HEAD}.scale"
INPUT_SCALES = "decoder.gru.weight_ih_l0.scale"


def with_value(array: np.ndarray, at: tuple[int, ...], value: float) -> np.ndarray:
    copy = array.copy()
    copy[at] = value
    return copy


@pytest.mark.parametrize(
    ("name", "damage", "words"),
    [
        (SCALES, lambda s: with_value(s, (7, 0), 0), f"tensor {SCALES}: .*above 0.*'0 in row 7'"),
        (SCALES, lambda s: -s, f"tensor {SCALES}: .*above 0.*'-.* in row 0'"),
        (SCALES, lambda s: with_value(s, (3, 0), np.nan), f"tensor {SCALES}: .*finite.*NaN"),
        (SCALES, lambda s: with_value(s, (3, 0), np.inf), f"tensor {SCALES}: .*finite.*infinity"),
        (SCALES, lambda s: with_value(s, (3, 0), 1e37), f"tensor {SCALES}: .*at most 2.68e.36.*1e"),
        (SCALES, lambda s: s[:, 0], rf"tensor {SCALES}: expected \(52, 1\), got \(52,\)"),
        (SCALES, lambda s: s[1:], rf"tensor {SCALES}: expected \(52, 1\), got \(51, 1\)"),
        (SCALES, lambda s: None, rf"tensor {SCALES}: expected \(52, 1\), got 'none'"),
        (SCALES, lambda s: s.astype(np.float16), f"tensor {SCALES}: expected float32.*'float16'"),
        (INPUT_SCALES, lambda s: s[:, :1], rf"tensor {INPUT_SCALES}: expected \(768, 4\), got"),
        (INPUT_SCALES, lambda s: with_value(s, (9, 2), 0), f"tensor {INPUT_SCALES}: .*in row 9"),
        (HEAD, lambda v: with_value(v, (5, 5), -128), f"tensor {HEAD}: .*-127 to 127, got -128"),
        (HEAD, lambda v: v.astype(np.float32), f"tensor {HEAD}: expected int8, got 'float32'"),
        (HEAD, lambda v: v[:, 1:], rf"tensor {HEAD}: expected \(52, 256\)"),
        (HEAD, lambda v: None, f"tensor {HEAD}: expected .*'none'"),
        ("decoder.head.bias", lambda v: v.astype(np.int8), "head.bias: expected float32 or float"),
        ("encoder.norm.weight.scale", lambda v: np.ones((32, 1), np.float32), "no tensor beyond"),
    ],
)
def test_wrong_values_are_refused(
    bundle_at_60: Bundle, tmp_path: Path, name: str, damage: Any, words: str
) -> None:
    b = bundle.write(tmp_path, bundle_at_60.manifest, bundle_at_60.tensors, dtype="int8")
    changed(b, tmp_path, {name: damage(b.core_tensors().get(name))})
    with pytest.raises(BundleError, match=words) as error:
        Runtime(tmp_path)
    assert "\n" not in str(error.value)
    assert str(tmp_path) in str(error.value)


def test_a_row_of_zeros_needs_no_scale(bundle_at_60: Bundle, tmp_path: Path) -> None:
    tensors = dict(bundle_at_60.tensors)
    tensors[HEAD] = with_value(tensors[HEAD], (3,), 0)
    b = bundle.write(tmp_path, bundle_at_60.manifest, tensors, dtype="int8")
    assert b.core_tensors()[SCALES][3] == 0
    assert not b.tensors[HEAD][3].any()


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_weights_that_are_no_numbers_are_not_rounded(
    bundle_at_60: Bundle, tmp_path: Path, value: float
) -> None:
    tensors = {**bundle_at_60.tensors, HEAD: with_value(bundle_at_60.tensors[HEAD], (0, 0), value)}
    with pytest.raises(BundleError, match=f"tensor {HEAD}: expected finite values"):
        bundle.write(tmp_path, bundle_at_60.manifest, tensors, dtype="int8")


def test_the_manifest_and_the_file_agree(bundle_at_60: Bundle, tmp_path: Path) -> None:
    b = bundle.write(tmp_path, bundle_at_60.manifest, bundle_at_60.tensors, dtype="int8")

    def refused(words: str, **entries: Any) -> None:
        (tmp_path / bundle.MANIFEST).write_text(json.dumps({**b.manifest, **entries}))
        with pytest.raises(BundleError, match=words):
            bundle.read(tmp_path)

    weights = b.manifest["weights"]
    refused("format_version: expected 3 for weights in int8, got 2", format_version=2)
    refused(
        "encoder.input.weight: expected float32 or float16, got 'int8'",
        weights={**weights, "dtype": "float32"},
    )
    refused(
        "weights.dtype: expected float32 or float16 or int8, got 'int4'",
        weights={**weights, "dtype": "int4"},
    )
    # Version 3 is no promise of whole numbers.
    bundle.write(tmp_path, bundle_at_60.manifest, bundle_at_60.tensors)
    manifest = json.loads((tmp_path / bundle.MANIFEST).read_text())
    (tmp_path / bundle.MANIFEST).write_text(json.dumps({**manifest, "format_version": 3}))
    assert bundle.read(tmp_path).core_tensors()[HEAD].dtype == np.float32


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({HEAD: np.zeros((52, 256))}, TypeError, f"{HEAD}: .*float32 or int8 array, got float64"),
        ({HEAD: [1.0]}, TypeError, f"tensor {HEAD}: expected a float32 or int8 array, got list"),
        ({SCALES: None}, ValueError, rf"tensor {SCALES}: expected shape \(52, 1\), got no such"),
        ({SCALES: np.ones((52, 2), np.float32)}, ValueError, rf"{SCALES}: .*\(52, 1\), .*\(52, 2"),
        ({"decoder.head.bias": np.zeros(52, np.int8)}, ValueError, "head.bias: expected floats"),
    ],
)
def test_the_core_refuses_by_name(
    bundle_at_60: Bundle, tmp_path: Path, change: dict[str, Any], error: type, words: str
) -> None:
    b = bundle.write(tmp_path, bundle_at_60.manifest, bundle_at_60.tensors, dtype="int8")
    tensors = {k: v for k, v in (b.core_tensors() | change).items() if v is not None}
    with pytest.raises(error, match=words):
        _core.Model(b.core_config(), tensors, b.identity_features())


def test_the_core_takes_any_layout(bundle_at_60: Bundle, tmp_path: Path) -> None:
    b = bundle.write(tmp_path, bundle_at_60.manifest, bundle_at_60.tensors, dtype="int8")
    turned = {k: np.asfortranarray(v) for k, v in b.core_tensors().items()}
    assert not turned[HEAD].flags.c_contiguous
    mel, _ = _core.log_mel(speech_like(0.5, 16000))
    heard = [
        _core.Encoder(_core.Model(b.core_config(), t, b.identity_features())).push(mel)
        for t in (b.core_tensors(), turned)
    ]
    np.testing.assert_array_equal(*heard)
