"""Frozen encoders in sliding windows: what a token hears, and a talker trained behind one."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")

import torch
import train_corpus
from paths import CONFIGS

from diffusiontalker import _core
from diffusiontalker.train import config
from diffusiontalker.train.cli.commands import main
from diffusiontalker.train.clock import token_count
from diffusiontalker.train.config import ConfigError, FrozenConfig
from diffusiontalker.train.measure import sounds
from diffusiontalker.train.networks import frozen
from diffusiontalker.train.networks.frozen import FrozenEncoder
from diffusiontalker.train.networks.model import AudioEncoder
from diffusiontalker.train.networks.whisper_weights import load_whisper

TINY = CONFIGS / "tiny.toml"
WEIGHTS = "weights/whisper_tiny_en_encoder_fp16.npz"


def some_sound(seconds: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """Noise, and its mel columns as the streams keep them."""
    rng = np.random.default_rng(0)
    audio = (0.1 * rng.standard_normal(round(16000 * seconds))).astype(np.float32)
    return audio, _core.log_mel(audio, True)[0].astype(np.float16)


def test_a_token_is_the_state_that_its_windows_say() -> None:
    """An encoder whose states are its own input shows which instant a token depicts."""
    audio, mel = some_sound()
    count = token_count(len(mel))
    for left, ahead in ((36, 4), (3, 2), (1, 0)):
        columns = FrozenEncoder(80, left, ahead, frozen._mel_windows, lambda w: w[:, ::2], "")
        tokens = columns.tokens(audio, mel)
        assert tokens.shape == (count, 80)
        first = max(0, ahead - 1)  # the state of instant 0; before it there is silence
        shown = mel[2 * (np.arange(first, count) + 1 - ahead)]
        np.testing.assert_array_equal(tokens[first:], shown)
        samples = FrozenEncoder(
            1,
            left,
            ahead,
            frozen._sound_windows,
            lambda w: w[:, 200::320, None],
            "",
        )
        tokens = samples.tokens(audio, mel)
        assert tokens.shape == (count, 1)
        shown = np.pad(audio, (0, 320))[320 * (np.arange(first, count) + 1 - ahead)]
        np.testing.assert_array_equal(tokens[first:, 0], shown.astype(np.float16))
        assert (tokens[:first] == 0).all()
    assert columns.left_context_s == 0.02
    assert columns.lookahead_s == 0.0


def hears(encoder: FrozenEncoder, token: int, start: int, stop: int) -> bool:
    """Whether those samples change a token."""
    tokens = []
    for level in (None, 0.5):
        audio, _ = some_sound(0.6)
        if level is not None:
            audio[start:stop] = level
        mel = _core.log_mel(audio, True)[0].astype(np.float16)
        tokens.append(encoder.tokens(audio, mel)[token])
    return not np.array_equal(*tokens)


@pytest.fixture(scope="module")
def hubert_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """HuBERT base's convolutions in time, everything else tiny and random."""
    transformers = pytest.importorskip("transformers", reason="HuBERT needs transformers")
    torch.manual_seed(0)
    shape = transformers.HubertConfig(
        hidden_size=24,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=48,
        conv_dim=(8,) * 7,
        num_conv_pos_embeddings=8,
        num_conv_pos_embedding_groups=2,
    )
    folder = tmp_path_factory.mktemp("hubert")
    transformers.HubertModel(shape).save_pretrained(folder)
    return folder


def test_hubert_hears_its_window_and_nothing_else(hubert_folder: Path) -> None:
    options = FrozenConfig("hubert", hubert_folder.name, 24, left_context_s=0.2, lookahead_s=0.04)
    encoder = frozen.load(options, hubert_folder.parent)
    audio, mel = some_sound()
    tokens = encoder.tokens(audio, mel)
    assert tokens.shape == (token_count(len(mel)), 24)
    assert np.isfinite(tokens).all()
    token = 20
    end = 320 * (token + 1) + 200  # where mel column 2 i + 2 ends
    start = end - (320 * 12 + 400)
    assert hears(encoder, token, start, start + 320)
    assert hears(encoder, token, end - 320, end)
    assert not hears(encoder, token, 0, start)
    assert not hears(encoder, token, end, 9600)
    # The model itself on that window, by hand.
    transformers = pytest.importorskip("transformers")
    model = transformers.HubertModel.from_pretrained(hubert_folder).eval()
    with torch.no_grad():
        states = model(torch.from_numpy(audio[start:end])[None]).last_hidden_state
    assert states.shape == (1, 13, 24)
    np.testing.assert_allclose(tokens[token], states[0, 10].numpy(), atol=5e-3)


def test_what_is_wrong_with_a_hubert_is_said(
    hubert_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, name = hubert_folder.parent, hubert_folder.name
    with pytest.raises(ConfigError, match=r"frozen\.width.* 24 wide, got 768"):
        frozen.load(FrozenConfig("hubert", name, 768), here)
    with pytest.raises(FileNotFoundError, match="no HuBERT folder"):
        frozen.load(FrozenConfig("hubert", "no/such/model/here", 24), here)
    shape = json.loads((hubert_folder / "config.json").read_text())
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(ConfigError, match=r"pip install 'diffusiontalker\[hubert\]'"):
        frozen.load(FrozenConfig("hubert", name, shape["hidden_size"]), here)


def test_whisper_hears_its_window_and_nothing_else(shared: Path) -> None:
    options = FrozenConfig("whisper", WEIGHTS, left_context_s=0.2, lookahead_s=0.04)
    encoder = frozen.load(options, shared)
    audio, mel = some_sound()
    tokens = encoder.tokens(audio, mel)
    assert tokens.shape == (token_count(len(mel)), 384)
    token = 20
    whisper = load_whisper(shared / WEIGHTS)
    window = mel[2 * (token + 1 - 12) : 2 * token + 3].astype(np.float32)
    with torch.no_grad():
        states = whisper(torch.from_numpy(window)[None])
    assert states.shape == (1, 13, 384)
    np.testing.assert_allclose(tokens[token], states[0, 10].numpy(), atol=2e-2)
    # A mel column hears 200 samples to either side of its centre.
    start, end = 320 * (token + 1 - 12) - 200, 320 * (token + 1) + 200
    assert hears(encoder, token, start, start + 520)
    assert hears(encoder, token, end - 520, end)
    assert not hears(encoder, token, 0, start)
    assert not hears(encoder, token, end, 9600)
    other = replace(options, left_context_s=0.3)
    assert frozen.load(other, shared).digest != encoder.digest
    with pytest.raises(FileNotFoundError, match="no Whisper weights"):
        frozen.load(replace(options, weights="none.npz"), shared)


def test_a_talker_behind_a_frozen_encoder_asks_for_its_tokens() -> None:
    torch.manual_seed(0)
    encoder = AudioEncoder(16, (1,), frozen_width=8).eval()
    mel = torch.randn(1, 21, 80)
    with pytest.raises(ValueError, match="needs its tokens"):
        encoder(mel)
    tokens = torch.randn(1, 10, 8)
    other = tokens.clone()
    other[0, 5] += 1.0
    changed = (encoder(mel, tokens) != encoder(mel, other)).any(dim=-1)[0]
    assert changed.nonzero().flatten().tolist() == [12, 13]


def frozen_toml(folder: Path, weights: Path) -> Path:
    """The tiny configuration behind Whisper in short windows, its teacher alone."""
    text = TINY.read_text()
    text = text[: text.index("[[stages]]\nsteps = 16")].replace("epochs = 3", "epochs = 1")
    text = text.replace("versions = 2", "versions = 1")
    text += f'[encoder.frozen]\nkind = "whisper"\nweights = "{weights}"\n'
    text += "left_context_s = 0.06\nlookahead_s = 0.02\n"
    file = folder / "frozen.toml"
    file.write_text(text)
    return file


@pytest.mark.slow
def test_a_talker_learns_behind_frozen_whisper_and_has_no_bundle(
    shared: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    quiet = sounds.not_speech()[:1]
    monkeypatch.setattr(sounds, "not_speech", lambda: quiet)  # the others take long here
    folders = train_corpus.write_corpus(tmp_path)
    file = frozen_toml(tmp_path, shared / WEIGHTS)
    out = tmp_path / "run"
    sources = [f"--data={name}={folder}" for name, folder in folders.items()]
    command = [str(file), *sources, "--out", str(out)]
    assert main(["run", *command]) == 0
    assert "no bundle" in capsys.readouterr().out
    assert not (out / "bundle").exists()
    report = json.loads((out / "report.json").read_text())
    own = report["spoken"]["own"]
    assert own["clips"] == 2
    assert 0 < own["lbe"] < 10 * own["lbe_mean_face"]
    assert report["spoken"]["library"]["identity_speakers"] == 2
    # A finished run is measured again, not trained again, and to the same numbers.
    trained = (out / "0-teacher" / "log.jsonl").read_text()
    assert main(["run", *command]) == 0
    assert json.loads((out / "report.json").read_text()) == report
    assert (out / "0-teacher" / "log.jsonl").read_text() == trained
    capsys.readouterr()
    for words in (["export", *command], ["table2", *command]):
        assert main(words) == 2
        assert "has no bundle" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("tables", "message"),
    [
        ('[encoder.frozen]\nkind = "wav2vec"', "expected whisper or hubert"),
        ('[encoder.frozen]\nkind = "whisper"\n[encoder.context]\nlayers = 1', "got both"),
        ('[encoder.frozen]\nkind = "whisper"\nlookahead_s = -0.1', "lookahead_s of at least 0"),
    ],
)
def test_a_wrong_frozen_encoder_is_refused(tmp_path: Path, tables: str, message: str) -> None:
    file = tmp_path / "wrong.toml"
    file.write_text(TINY.read_text() + tables + "\n")
    with pytest.raises(ConfigError, match=message):
        config.load(file)


def test_runs_begun_before_there_were_frozen_encoders_go_on() -> None:
    assert "frozen" not in config.load(TINY).describe()["encoder"]
