"""The bundle: what is written reads back, and what is wrong is refused in one sentence."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import random_bundle

from diffusiontalker import CURVES, BundleError, Runtime, _core, bundle


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return random_bundle.write(tmp_path / "b").path


def edit(folder: Path, **changes: Any) -> None:
    """Changes entries of a manifest; "a__b" reaches into an object, and None removes."""
    path = folder / "manifest.json"
    manifest = json.loads(path.read_text())
    for key, value in changes.items():
        *parents, last = key.split("__")
        where = manifest
        for parent in parents:
            where = where[parent]
        if value is None:
            del where[last]
        else:
            where[last] = value
    path.write_text(json.dumps(manifest))


def refused(folder: Path, changes: dict[str, Any], words: list[str]) -> None:
    """The bundle with those changes is refused in one line that has its folder and the words."""
    edit(folder, **changes)
    with pytest.raises(BundleError) as error:
        Runtime(folder)
    message = str(error.value)
    assert "\n" not in message
    for word in [str(folder), *words]:
        assert word in message


def test_round_trip(tmp_path: Path) -> None:
    m = random_bundle.manifest()
    t = random_bundle.tensors(m)
    written = bundle.write(tmp_path / "b", m, t)
    read = bundle.read(tmp_path / "b")
    assert read.manifest == written.manifest
    assert {k: v for k, v in read.manifest.items() if k in m} == m
    assert set(read.tensors) == set(t)
    for name, value in t.items():
        np.testing.assert_array_equal(read.tensors[name], value)
    assert read.identities == ("ann", "bob", "cat")
    assert read.frame_rate == 60
    assert not list((tmp_path / "b").glob("*.part"))


def test_float16_weights_are_read_as_float32(tmp_path: Path) -> None:
    m = random_bundle.manifest()
    t = random_bundle.tensors(m)
    read = bundle.write(tmp_path / "b", m, t, dtype="float16")
    for name, value in t.items():
        assert read.tensors[name].dtype == np.float32
        np.testing.assert_array_equal(read.tensors[name], value.astype(np.float16))


def test_identity_features_are_the_mlp(tmp_path: Path) -> None:
    b = random_bundle.write(tmp_path / "b")
    t = b.tensors
    for s in range(3):
        hidden = t["identity.mlp.0.weight"] @ t["identity.embeddings"][s]
        hidden = np.maximum(hidden + t["identity.mlp.0.bias"], 0)
        expected = t["identity.mlp.2.weight"] @ hidden + t["identity.mlp.2.bias"]
        np.testing.assert_allclose(b.identity_features()[s], expected, atol=1e-6)


def test_keys_are_the_identity_features_unless_the_bundle_has_its_own(tmp_path: Path) -> None:
    plain = random_bundle.write(tmp_path / "plain")
    np.testing.assert_array_equal(plain.identity_keys(), plain.identity_features())
    keys = np.random.default_rng(0).standard_normal((3, 32)).astype(np.float32)
    own = bundle.write(
        tmp_path / "own", random_bundle.manifest(), {**plain.tensors, "identity.keys": keys}
    )
    assert own.manifest["format_version"] == 3
    assert own.manifest["identities"]["keys"] is True
    np.testing.assert_array_equal(own.identity_keys(), keys)
    np.testing.assert_array_equal(own.identity_features(), plain.identity_features())
    # Without them the same manifest is again one that older readers take.
    back = bundle.write(tmp_path / "back", own.manifest, plain.tensors)
    assert back.manifest["format_version"] == 1
    assert "keys" not in back.manifest["identities"]


def test_identity_features_are_the_same_bits_on_every_machine(tmp_path: Path) -> None:
    """Term by term, in float32: no order that a library of linear algebra might choose."""
    b = random_bundle.write(tmp_path / "b")

    def linear(x: np.ndarray, name: str) -> np.ndarray:
        sums = []
        for row, bias in zip(b.tensors[f"{name}.weight"], b.tensors[f"{name}.bias"], strict=True):
            total = np.float32(0)
            for weight, value in zip(row, x, strict=True):
                total = total + value * weight
            sums.append(total + bias)
        return np.array(sums, np.float32)

    for embedding, feature in zip(
        b.tensors["identity.embeddings"], b.identity_features(), strict=True
    ):
        hidden = np.maximum(linear(embedding, "identity.mlp.0"), 0)
        np.testing.assert_array_equal(feature, linear(hidden, "identity.mlp.2"))


@pytest.mark.parametrize(
    ("rate", "columns", "samples"),
    [
        (Fraction(60), 4, 947),  # 160 * 4 + 200 + ceil(160 * 2/3)
        (Fraction(25), 4, 840),  # frames fall on whole columns
        (Fraction(50), 0, 200),
        (Fraction(30), 2, 627),
        (Fraction(30000, 1001), 0, 360),
    ],
)
def test_lookahead(rate: Fraction, columns: int, samples: int) -> None:
    assert bundle.lookahead_samples(rate, columns) == samples


#: Changes to a manifest, and words of the refusal; the C library is held to them too.
WRONG_MANIFESTS: list[tuple[dict[str, Any], list[str]]] = [
    ({"format": "gguf"}, ["format:", "diffusiontalker-bundle", "gguf"]),
    ({"format_version": 4}, ["format_version", "1 or 2 or 3", "got 4"]),
    ({"identities__keys": True}, ["format_version", "3 for a library with keys", "got 1"]),
    ({"identities__keys": 1}, ["identities.keys", "true or false", "got 1"]),
    (
        {"identities__keys": True, "format_version": 3},
        ["tensor identity.keys", "(3, 32)", "none"],
    ),
    ({"curves": list(CURVES[:51])}, ["curves", "52", "51"]),
    ({"curves": [*CURVES[1::-1], *CURVES[2:]]}, ["curves[0]", "eyeBlinkLeft"]),
    ({"frame_rate": [60, 0]}, ["frame_rate"]),
    ({"frame_rate": 60.0}, ["frame_rate", "60.0"]),
    ({"frame_rate": [25, 1]}, ["lookahead_samples", "840", "947"]),
    ({"audio__sample_rate": 22050}, ["audio.sample_rate", "16000", "22050"]),
    ({"audio": None}, ["audio.sample_rate", "None"]),
    ({"encoder__type": "hubert"}, ["encoder.type", "causal_conv", "hubert"]),
    ({"encoder__channels": "many"}, ["encoder.channels", "whole number", "many"]),
    ({"encoder__channels": 48}, ["tensor encoder.input.weight", "(48, 80, 3)", "(32, 80, 3)"]),
    ({"encoder__dilations": [1, 0]}, ["encoder.dilations"]),
    ({"encoder__lookahead_columns": 3}, ["lookahead_samples", "787", "947"]),
    ({"decoder__layers": 3}, ["decoder.layers", "2", "3"]),
    ({"decoder": None}, ["decoder.hidden"]),
    ({"diffusion__sample_steps": 5}, ["diffusion.sample_steps", "divisor of 32", "5"]),
    ({"diffusion__alpha_bar": [0.9] * 8}, ["diffusion.alpha_bar"]),
    ({"diffusion__noise_scale": {"jaw": 0.5}}, ["diffusion.noise_scale", "jaw"]),
    ({"diffusion__noise_scale": {"jawOpen": 1.5}}, ["diffusion.noise_scale.jawOpen", "1.5"]),
    ({"identities__names": ["ann", "ann", "cat"]}, ["identities.names", "distinct"]),
    ({"identities__names": ["ann", "bob"]}, ["tensor identity.embeddings", "(2, 32)"]),
    ({"identities__default": "dora"}, ["identities.default", "dora"]),
    ({"identities__unknown_cosine": 1.5}, ["identities.unknown_cosine", "1.5"]),
    ({"identities__unknown_cosine": "0.4"}, ["identities.unknown_cosine", "'0.4'"]),
    ({"gate": {"treshold": 1}}, ["gate", "treshold"]),
    ({"gate": {"hold_ms": -1}}, ["gate.hold_ms", "a number from 0 to 10000", "-1"]),
    ({"gate": {"margin_db": True}}, ["gate.margin_db", "a number from 0 to 200", "True"]),
    ({"frame_rate": [101, 1]}, ["frame_rate", "1 to 100 Hz", "[101, 1]"]),
    ({"postprocess": {"jawopen": {}}}, ["postprocess", "jawopen"]),
    ({"postprocess": {"jawOpen": {"gian": 2}}}, ["postprocess.jawOpen", "gian"]),
    ({"postprocess": {"jawOpen": {"gain": "2"}}}, ["postprocess.jawOpen.gain", "'2'"]),
    ({"postprocess": {"jawOpen": {"gated": 1}}}, ["postprocess.jawOpen", "gated"]),
    (
        {"postprocess": {"jawOpen": {"smoothing_ms": -1}}},
        ["postprocess.jawOpen.smoothing_ms", "0 to 10000", "-1"],
    ),
    ({"weights__sha256": "0"}, ["weights.sha256"]),
    ({"training": None}, ["training"]),
]


@pytest.mark.parametrize(("changes", "words"), WRONG_MANIFESTS)
def test_a_wrong_manifest_is_refused(
    folder: Path, changes: dict[str, Any], words: list[str]
) -> None:
    refused(folder, changes, words)


#: The same of a bundle with a context.
WRONG_CONTEXTS: list[tuple[dict[str, Any], list[str]]] = [
    ({"format_version": 1}, ["format_version", "2 for an encoder with a context", "got 1"]),
    ({"encoder__context": None}, ["no tensor beyond", "encoder.context."]),
    ({"encoder__context": [32]}, ["encoder.context", "an object", "[32]"]),
    ({"encoder__context__width": None}, ["encoder.context.width", "whole number", "None"]),
    ({"encoder__context__heads": 3}, ["encoder.context.heads", "divisor of 32", "3"]),
    ({"encoder__context__layers": 0}, ["encoder.context.layers", "1 to 64", "0"]),
    ({"encoder__context__layers": 3}, ["tensor encoder.context.layers.2.", "none"]),
    ({"encoder__context__hidden": 64.0}, ["encoder.context.hidden", "64.0"]),
    ({"encoder__context__window": 6}, ["layers.0.distance", "(2, 6)", "(2, 5)"]),
    ({"encoder__context__windows": 5}, ["encoder.context", "only width", "windows"]),
]


@pytest.mark.parametrize(("changes", "words"), WRONG_CONTEXTS)
def test_a_wrong_context_is_refused(
    tmp_path: Path, changes: dict[str, Any], words: list[str]
) -> None:
    folder = random_bundle.write(tmp_path, context=random_bundle.CONTEXT).path
    assert bundle.read(folder).manifest["encoder"]["context"] == random_bundle.CONTEXT
    refused(folder, changes, words)


def test_every_setting_of_the_runtime_can_be_given_and_arrives(folder: Path) -> None:
    """The manifest's ranges are the runtime's own: what is let through here, it takes."""
    gate = {name: high for name, (_, _, high) in _core.GateOptions.RANGES.items()}
    curve = {name: high for name, (_, _, high) in _core.CurveOptions.RANGES.items()}
    edit(folder, gate=gate, postprocess={"jawOpen": curve}, identities__unknown_cosine=0.5)
    read = bundle.read(folder)
    config = read.core_config()
    assert {name: getattr(config.gate, name) for name in gate} == gate
    jaw, other = config.curve_options[CURVES.index("jawOpen")], config.curve_options[0]
    assert {name: getattr(jaw, name) for name in curve} == curve
    assert (jaw.gated, other.gated, other.gain) == (True, False, 1.0)
    assert config.unknown_cosine == 0.5
    _core.Model(config, read.tensors, read.identity_features())


def test_the_version_says_whether_there_is_a_context(tmp_path: Path) -> None:
    assert random_bundle.write(tmp_path / "a").manifest["format_version"] == 1
    with_context = random_bundle.write(tmp_path / "b", context=random_bundle.CONTEXT)
    assert with_context.manifest["format_version"] == 2
    # A copy without it is of version 1 again, and version 2 without it is read too.
    without = {**with_context.manifest, "encoder": random_bundle.manifest()["encoder"]}
    kept = bundle.expected_shapes(without)
    again = bundle.write(tmp_path / "c", without, {k: with_context.tensors[k] for k in kept})
    assert again.manifest["format_version"] == 1
    edit(tmp_path / "c", format_version=2)
    assert bundle.read(tmp_path / "c").manifest["format_version"] == 2


def test_damaged_files_are_refused(folder: Path) -> None:
    weights = folder / "weights.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(whole[:-1])
    with pytest.raises(BundleError, match=r"sha256.*damaged"):
        bundle.read(folder)
    weights.unlink()
    with pytest.raises(BundleError, match=r"weights\.safetensors is missing"):
        bundle.read(folder)
    (folder / "manifest.json").write_bytes(b"\xff{")
    with pytest.raises(BundleError, match="not JSON"):
        bundle.read(folder)
    (folder / "manifest.json").write_text("[]")
    with pytest.raises(BundleError, match="expected an object"):
        bundle.read(folder)
    (folder / "manifest.json").unlink()
    with pytest.raises(BundleError, match=r"manifest\.json is missing"):
        bundle.read(folder)
    with pytest.raises(BundleError, match="expected a folder"):
        bundle.read(folder / "nowhere")


@pytest.mark.parametrize("damage", ["missing", "extra", "nan", "integers", "std"])
def test_wrong_tensors_are_refused(tmp_path: Path, damage: str) -> None:
    m = random_bundle.manifest()
    t = random_bundle.tensors(m)
    if damage == "missing":
        del t["decoder.head.bias"]
    elif damage == "extra":
        t["decoder.extra"] = np.zeros(1, np.float32)
    elif damage == "nan":
        t["decoder.head.bias"][3] = np.nan
    elif damage == "std":
        t["statistics.std"][0] = 0
    if damage == "integers":
        with pytest.raises(BundleError, match="dtype"):
            bundle.write(tmp_path / "b", m, t, dtype="int16")
        return
    with pytest.raises(BundleError, match=r"decoder\.(head\.bias|extra)|statistics\.std"):
        bundle.write(tmp_path / "b", m, t)


def _header_changed(blob: bytes, change: Callable[[dict[str, Any]], object]) -> bytes:
    size = int.from_bytes(blob[:8], "little")
    header = json.loads(blob[8 : 8 + size])
    change(header)
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + blob[8 + size :]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda h: h["decoder.head.bias"].update(dtype="BF16"), "decoder.head.bias.*BF16"),
        (lambda h: h["decoder.head.bias"].update(dtype="F64"), "decoder.head.bias.*lies at"),
        (lambda h: h["decoder.head.bias"].update(shape=[53]), "decoder.head.bias.*lies at"),
        (lambda h: h["decoder.head.bias"].update(shape=[-52]), "decoder.head.bias.*lies at"),
        (lambda h: h["decoder.head.bias"].pop("data_offsets"), "data_offsets"),
        (lambda h: h.update({"x": 3}), "not safetensors"),
        (
            lambda h: h["decoder.head.bias"].update(data_offsets=[10**9, 10**9 + 208]),
            "not safetensors",
        ),
        (
            lambda h: h["decoder.head.bias"].update(data_offsets=[10**99, 10**99 + 208]),
            "not safetensors",
        ),
    ],
)
def test_a_weights_file_of_nonsense_is_refused(
    folder: Path, change: Callable[[dict[str, Any]], object], words: str
) -> None:
    weights = folder / "weights.safetensors"
    blob = _header_changed(weights.read_bytes(), change)
    weights.write_bytes(blob)
    edit(folder, weights__sha256=hashlib.sha256(blob).hexdigest())
    with pytest.raises(BundleError, match=words):
        bundle.read(folder)


@pytest.mark.parametrize("blob", [b"", b"\xff" * 7, b"\xff" * 40, b"\x02" + bytes(7) + b"[]"])
def test_a_weights_file_without_a_header_is_refused(folder: Path, blob: bytes) -> None:
    (folder / "weights.safetensors").write_bytes(blob)
    edit(folder, weights__sha256=hashlib.sha256(blob).hexdigest())
    with pytest.raises(BundleError, match="not safetensors"):
        bundle.read(folder)


@pytest.mark.parametrize("dtype", ["float32", "float16"])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_weights_that_are_no_numbers_are_refused(tmp_path: Path, dtype: str, value: float) -> None:
    m = random_bundle.manifest()
    t = random_bundle.tensors(m)
    t["decoder.gru.weight_hh_l1"][-1, -1] = value
    with pytest.raises(BundleError, match=r"weight_hh_l1.*finite.*NaN or infinity"):
        bundle.write(tmp_path / "b", m, t, dtype=dtype)


def test_any_safetensors_reader_reads_the_weights_alike(tmp_path: Path) -> None:
    from safetensors.numpy import load_file

    m = random_bundle.manifest()
    b = bundle.write(tmp_path / "b", m, random_bundle.tensors(m), dtype="float16")
    theirs = load_file(tmp_path / "b" / "weights.safetensors")
    assert set(theirs) == set(b.tensors)
    for name, value in theirs.items():
        np.testing.assert_array_equal(b.tensors.stored[name], value)  # type: ignore[attr-defined]


def test_a_runtime_keeps_no_tensors_and_its_bundle_reads_them_again(folder: Path) -> None:
    looked, other = Runtime(folder), Runtime(folder)
    whole = bundle.read(folder)
    for name, value in whole.tensors.items():
        np.testing.assert_array_equal(looked.bundle.tensors[name], value)
    random_bundle.write(folder, seed=2)
    # Who looks only after the file has become another is told.
    with pytest.raises(BundleError, match=r"sha256.*foreign"):
        _ = other.bundle.tensors["decoder.head.bias"]
    # What was read before stays what it was.
    for read in (whole, looked.bundle):
        np.testing.assert_array_equal(
            read.tensors["decoder.head.bias"],
            random_bundle.tensors(whole.manifest)["decoder.head.bias"],
        )
