"""A voice added to a bundle: found, and nobody else's match touched by a bit."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

pytest.importorskip("torch")

import train_corpus
from train_corpus import BeatTake

import diffusiontalker
from diffusiontalker import Runtime
from diffusiontalker import bundle as bundles
from diffusiontalker.bundle import Bundle
from diffusiontalker.train.cli.commands import main

DEMO = Path(diffusiontalker.__file__).parent / "data" / "demo.flac"


def heard(bundle: Bundle, audio: np.ndarray, rate_hz: int = 16000) -> tuple[str, np.ndarray]:
    """The identity that the runtime ends on, and its match scores at each 0.5 s."""
    runtime = Runtime(bundle, sample_rate=rate_hz, identity="auto")
    scores = []
    for start in range(0, len(audio), rate_hz // 2):
        runtime.step(audio[start : start + rate_hz // 2].astype(np.float32))
        scores.append(runtime._core.identity_scores())
    return runtime.identity, np.array(scores)


@pytest.fixture(scope="module")
def takes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A voice unlike any in the library: a buzz in syllables, with its face."""
    folder = tmp_path_factory.mktemp("takes")
    for i in (1, 2):
        train_corpus.write_beat(folder, BeatTake(f"9_buzz_0_{i}_{i}"), seed=10 * i + 3)
    return folder


@pytest.fixture(scope="module")
def welcoming(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """The embedded bundle, but for its rule that a voice like nobody's keeps the default face.

    A buzz is no voice: from window to window it is hardly like itself.
    """
    default = bundles.read()
    manifest = {
        **default.manifest,
        "identities": {**default.manifest["identities"], "unknown_cosine": -1.0},
    }
    folder = tmp_path_factory.mktemp("welcoming")
    return bundles.write(folder, manifest, default.tensors, dtype="int8")


@pytest.mark.slow
def test_the_new_voice_is_found_and_old_scores_keep_every_bit(
    takes: Path, tmp_path: Path, welcoming: Bundle, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "more"
    words = ["add-speaker", str(welcoming.path), str(takes), "--name", "buzz", "-o", str(out)]
    assert main([*words, "--steps", "120", "--licence", "made by the test"]) == 0
    said = capsys.readouterr().out
    old, new = welcoming, bundles.read(out)
    assert new.identities == (*old.identities, "buzz")
    assert new.manifest["identities"]["default"] == old.manifest["identities"]["default"]
    assert "the voice finds buzz in 4 of 4 windows" in said
    assert "automatic identity settles on buzz after" in said
    assert "expression loss" in said
    # Every tensor but the library is the same, and of the library every old row.
    before, after = old.core_tensors(), new.core_tensors()
    assert before.keys() == after.keys()
    for name, value in before.items():
        np.testing.assert_array_equal(after[name][: len(value)], value, err_msg=name)
        grows = name in ("identity.embeddings", "identity.keys")
        assert len(after[name]) - len(value) == grows
    added = new.manifest["training"]["added_speakers"]
    assert [entry["name"] for entry in added] == ["buzz"]
    assert added[0]["licence"] == "made by the test"
    assert added[0]["curves"] == "measured"
    assert added[0]["to"] == old.sha256

    rows = len(old.identities)
    buzz, _ = soundfile.read(takes / "9_buzz_0_1_1.wav", dtype="float32")
    demo, demo_rate_hz = soundfile.read(DEMO, dtype="float32")
    for audio, rate_hz in ((buzz, 16000), (demo[: 4 * demo_rate_hz], demo_rate_hz)):
        before, scores_before = heard(old, audio, rate_hz)
        after, scores_after = heard(new, audio, rate_hz)
        assert np.abs(scores_before).max() > 0.1
        assert scores_after.shape == (len(scores_before), rows + 1)
        assert scores_after[:, :rows].tobytes() == np.ascontiguousarray(scores_before).tobytes()
        if audio is buzz:
            assert before != "buzz"
            assert after == "buzz"
        else:
            assert after == before


def test_a_voice_without_a_face_takes_the_nearest_rows(
    takes: Path, tmp_path: Path, bundle_at_60: Bundle, capsys: pytest.CaptureFixture[str]
) -> None:
    sound = tmp_path / "sounds"  # a folder of nothing but sound
    sound.mkdir()
    (sound / "buzz.wav").write_bytes((takes / "9_buzz_0_1_1.wav").read_bytes())
    out = tmp_path / "more"
    words = ["add-speaker", str(bundle_at_60.path), str(sound), "--name", "buzz", "-o", str(out)]
    assert main([*words, "--steps", "20"]) == 0
    said = capsys.readouterr().out
    assert "no curves among the takes" in said
    assert "automatic identity settles on buzz after" in said
    new = bundles.read(out)
    added = new.manifest["training"]["added_speakers"][0]
    assert added["curves"] == "none: matched by voice alone"
    assert added["seconds"] == pytest.approx(6.5, abs=0.1)
    # A library of another size is lifted to the same bits, row by row.
    before, after = bundle_at_60.identity_features(), new.identity_features()
    assert after[: len(before)].tobytes() == before.tobytes()
    # The same command gives the same row; half precision is kept where the bundle has it.
    again = tmp_path / "again"
    assert main([*words[:-1], str(again), "--steps", "20"]) == 0
    assert bundles.read(again).sha256 == new.sha256
    assert new.manifest["weights"]["dtype"] == bundle_at_60.manifest["weights"]["dtype"]

    # A library that takes nobody for an acquaintance keeps its default: the command says so.
    strict = {**bundle_at_60.manifest["identities"], "unknown_cosine": 0.999}
    manifest = {**bundle_at_60.manifest, "identities": strict}
    bundles.write(tmp_path / "strict", manifest, bundle_at_60.tensors)
    capsys.readouterr()
    words = [words[0], str(tmp_path / "strict"), *words[2:-1], str(tmp_path / "third")]
    assert main([*words, "--steps", "20"]) == 0
    said = capsys.readouterr().out
    assert "does not settle on buzz: ask for it by --identity buzz" in said


def test_a_library_with_keys_gets_one_more(
    takes: Path, tmp_path: Path, bundle_at_60: Bundle, capsys: pytest.CaptureFixture[str]
) -> None:
    keys = np.random.default_rng(0).standard_normal((3, 32)).astype(np.float32)
    old = bundles.write(
        tmp_path / "keyed", bundle_at_60.manifest, {**bundle_at_60.tensors, "identity.keys": keys}
    )
    out = tmp_path / "more"
    words = ["add-speaker", str(old.path), str(takes), "--name", "buzz", "-o", str(out)]
    assert main([*words, "--steps", "60"]) == 0
    assert "the voice finds buzz in 4 of 4 windows" in capsys.readouterr().out
    new = bundles.read(out)
    np.testing.assert_array_equal(new.tensors["identity.keys"][:3], keys)
    assert np.linalg.norm(new.tensors["identity.keys"][3]) == pytest.approx(1.0, abs=1e-5)
    assert len(new.tensors["identity.embeddings"]) == 4
    buzz, _ = soundfile.read(takes / "9_buzz_0_1_1.wav", dtype="float32")
    assert heard(new, buzz)[0] == "buzz"


def test_what_cannot_be_added_is_refused_in_a_line(
    takes: Path, tmp_path: Path, bundle_at_60: Bundle, capsys: pytest.CaptureFixture[str]
) -> None:
    def refused(*words: str, bundle: str = str(bundle_at_60.path)) -> str:
        assert main(["add-speaker", bundle, *words]) == 2
        error = capsys.readouterr().err
        assert error.count("\n") == 1
        return error

    wav = str(takes / "9_buzz_0_1_1.wav")
    out = str(tmp_path / "out")
    assert "has that name already" in refused(wav, "--name", "bob", "-o", out)
    assert "expected a name of its own" in refused(wav, "--name", "auto", "-o", out)
    assert "does not exist" in refused(str(tmp_path / "no.wav"), "--name", "x", "-o", out)
    own = str(bundle_at_60.path)
    assert "a bundle is there already" in refused(wav, "--name", "x", "-o", own)
    assert "--steps" in refused(wav, "--name", "x", "-o", out, "--steps", "0")
    assert "found none" in refused(wav, "--name", "x", "-o", out, bundle=str(tmp_path / "none"))
    soundfile.write(tmp_path / "quiet.wav", np.zeros(80000, np.float32), 16000)
    quiet = str(tmp_path / "quiet.wav")
    assert "no window with 0.5 s of speech" in refused(quiet, "--name", "x", "-o", out)
    (tmp_path / "bad.wav").write_bytes(b"RIFF")
    assert "no usable take" in refused(str(tmp_path / "bad.wav"), "--name", "x", "-o", out)
    assert not Path(out).exists()
    manifest = json.loads((bundle_at_60.path / "manifest.json").read_text())
    assert manifest["identities"]["names"] == ["ann", "bob", "cat"]
