"""The C library gives the frames of `Runtime`, bit for bit, and refuses bundles in its words."""

from __future__ import annotations

import csv
import ctypes
import io
import json
import re
import subprocess
import tarfile
from pathlib import Path
from typing import Any

import c_library
import numpy as np
import pytest
import random_bundle
import soundfile
from c_library import BAD_BUNDLE, NEWER, Face, Refused, built
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_bundle import WRONG_CONTEXTS, WRONG_MANIFESTS, edit
from test_runtime import run, speech_like

from diffusiontalker import CURVES, BundleError, Runtime, bundle
from diffusiontalker.bundle import Bundle
from diffusiontalker.curves import HEAD
from diffusiontalker.stream.cli import main as dt_stream
from diffusiontalker.stream.sources.wav import demo_path

RATES = (16000, 8000, 44100, 48000)


@pytest.fixture(scope="module")
def library() -> ctypes.CDLL:
    return c_library.load()


@pytest.mark.parametrize("rate", RATES)
def test_the_frames_are_those_of_runtime(library: Any, any_bundle: Bundle, rate: int) -> None:
    sound = speech_like(1.5, rate)
    face = Face(library, any_bundle.path, sample_rate_hz=rate, seed=2**64 - 1, head=1, idle=0.5)
    runtime = Runtime(any_bundle, sample_rate=rate, seed=2**64 - 1, head=True, idle=0.5)
    assert face.names() == (*CURVES, *HEAD)
    assert face.info.lookahead_ms == runtime.lookahead_ms
    expected = run(runtime, sound)
    np.testing.assert_array_equal(face.run(sound, [1, 0, 777, rate // 3]), expected)
    face.reset()
    np.testing.assert_array_equal(face.run(sound), expected)
    face.close()


def test_the_shipped_model_gives_runtimes_frames(library: Any) -> None:
    sound, rate = soundfile.read(demo_path(), frames=48000, dtype="float32")
    for identity in ("auto", "am_adam"):
        face = Face(library, bundle.default_path(), identity=identity.encode())
        expected = run(Runtime(identity=identity, sample_rate=rate), sound)
        np.testing.assert_array_equal(face.run(sound, [4000, 12345]), expected)
        face.close()


@settings(
    max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)
@given(
    rate=st.sampled_from(RATES),
    sizes=st.lists(st.integers(0, 5000), max_size=6),
    seed=st.integers(0, 2**64 - 1),
    gain=st.dictionaries(st.sampled_from(["mouth", "jawOpen", "eye*", "all"]), st.floats(0, 10)),
    offset=st.dictionaries(st.sampled_from(["lower", "brow*Left"]), st.floats(-1, 1)),
    strength=st.floats(0, 10),
    smooth_ms=st.floats(0, 1000),
)
def test_knobs_and_chunks_are_runtimes(
    library: Any, bundle_at_60: Bundle, rate: int, sizes: list[int], seed: int,
    gain: dict[str, float], offset: dict[str, float], strength: float, smooth_ms: float,
) -> None:  # fmt: skip
    sound = speech_like(0.5, rate)
    face = Face(library, bundle_at_60.path, sample_rate_hz=rate, seed=seed)
    runtime = Runtime(bundle_at_60, sample_rate=rate, seed=seed)
    numbers = {"strength_lower": strength, "strength_upper": 1.0, "smooth_ms": smooth_ms}
    face.set(gain, offset, **numbers)
    runtime.set(gain=gain, offset=offset, **numbers)  # type: ignore[arg-type]
    np.testing.assert_array_equal(face.run(sound, sizes), run(runtime, sound))
    face.close()


def refusal(library: Any, path: Path) -> Refused:
    with pytest.raises(Refused) as refused:
        Face(library, path)
    return refused.value


@pytest.mark.parametrize("changes", [changes for changes, _ in WRONG_MANIFESTS], ids=str)
def test_manifests_are_refused_in_pythons_words(
    library: Any, tmp_path: Path, changes: dict[str, Any]
) -> None:
    same_refusal(library, random_bundle.write(tmp_path).path, changes)


@pytest.mark.parametrize("changes", [changes for changes, _ in WRONG_CONTEXTS], ids=str)
def test_contexts_are_refused_in_pythons_words(
    library: Any, tmp_path: Path, changes: dict[str, Any]
) -> None:
    written = random_bundle.write(tmp_path, context=random_bundle.CONTEXT)
    same_refusal(library, written.path, changes)


def same_refusal(library: Any, folder: Path, changes: dict[str, Any]) -> None:
    edit(folder, **changes)
    with pytest.raises(BundleError) as error:
        bundle.read(folder)
    refused = refusal(library, folder)
    # dt_error has room for so much; a list of names is longer.
    assert comparable(str(refused)) == comparable(
        str(error.value).encode()[:1023].decode(errors="ignore")
    )
    assert refused.code == (NEWER if changes == {"format_version": 4} else BAD_BUNDLE)


def comparable(text: str) -> str:
    """Which of a layer's missing tensors is named, is each reader's own affair."""
    return re.sub(
        r"(tensor \S+\.layers\.\d+)\.\S+: expected .*, got 'none'", r"\1 is not there", text
    )


@pytest.mark.parametrize("dtype", ["float32", "float16", "int8"])
def test_a_packed_file_is_its_folder(library: Any, tmp_path: Path, dtype: str) -> None:
    m = random_bundle.manifest(context=random_bundle.CONTEXT)
    folder = bundle.write(tmp_path / "b", m, random_bundle.tensors(m), dtype=dtype).path
    packed = tmp_path / "b.tar"
    with tarfile.open(packed, "w") as archive:
        archive.add(folder, "b")
    sound = speech_like(0.4, 16000)
    expected = run(Runtime(folder), sound)
    for path in (folder, packed):
        face = Face(library, path)
        np.testing.assert_array_equal(face.run(sound), expected)
        face.close()


def test_the_default_bundles_texts(library: Any) -> None:
    opened = ctypes.c_void_p()
    assert (
        library.dt_bundle_open(str(bundle.default_path()).encode(), ctypes.byref(opened), None) == 0
    )
    for name in ("dt_bundle_manifest", "dt_bundle_licences", "dt_bundle_sha256"):
        getattr(library, name).restype = ctypes.c_char_p
    manifest = json.loads(library.dt_bundle_manifest(opened))
    assert manifest["weights"]["sha256"] == library.dt_bundle_sha256(opened).decode()
    for source in manifest["training"]["sources"]:
        assert source["licence"] in library.dt_bundle_licences(opened).decode()
    library.dt_bundle_close(ctypes.byref(opened))


@pytest.mark.parametrize("form", ["PCM_16", "PCM_24", "FLOAT"])
def test_wav_to_csv_prints_the_curves_of_dt_stream(tmp_path: Path, form: str) -> None:
    sound, rate = soundfile.read(demo_path(), start=16000, frames=12000, dtype="float32")
    stereo = np.stack([sound, 0.5 * sound], axis=1)
    wav = tmp_path / "speech.wav"
    soundfile.write(wav, stereo if form == "PCM_16" else sound, rate, subtype=form)
    command = [built("wav_to_csv"), "--bundle", bundle.default_path(), wav]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    told = ["--wav", str(wav), "--out", str(tmp_path / "out.csv"), "--no-publish", "--fast"]
    assert dt_stream(told) == 0
    ours = list(csv.DictReader(io.StringIO(printed)))
    theirs = list(csv.DictReader(io.StringIO((tmp_path / "out.csv").read_text())))
    assert len(ours) == len(theirs) == 45
    for mine, other in zip(ours, theirs, strict=True):
        assert tuple(mine) == CURVES
        assert mine == {name: other[name[0].upper() + name[1:]] for name in CURVES}


def test_wav_to_csv_says_what_is_wrong(tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_text("no sound")
    for words, *arguments in (
        ("usage",),
        ("usage", "--seed"),
        ("whole number", "--seed", "7x", tmp_path / "a.wav"),
        ("nowhere.wav: No such file", "nowhere.wav"),
        ("expected a WAV file", tmp_path / "a.wav"),
    ):
        done = subprocess.run([built("wav_to_csv"), *arguments], capture_output=True, text=True)
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.startswith("wav_to_csv: ")
        assert words in done.stderr
        assert done.stderr.count("\n") == 1
