"""The context's training: what it may hear, whom it learns from, and that it survives a cut."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import soundfile  # noqa: E402

from diffusiontalker.train import clock, config  # noqa: E402
from diffusiontalker.train.config import Config, ContextConfig, Listening, Speech, Stage  # noqa: E402
from diffusiontalker.train.networks import context  # noqa: E402
from diffusiontalker.train.networks.context import Context  # noqa: E402
from diffusiontalker.train.networks.whisper_weights import load_whisper  # noqa: E402
from diffusiontalker.train.stages import listen  # noqa: E402

SMALL = ContextConfig(layers=2, width=24, heads=3, hidden=48, window=5)


def made(shape: ContextConfig = SMALL) -> Context:
    torch.manual_seed(0)
    small = Context(shape)
    for parameter in small.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return small.eval().requires_grad_(False)


def test_a_token_hears_the_columns_up_to_its_second_next_and_no_later() -> None:
    small, mel = made(), torch.randn(1, 61, 80)
    whole = small(mel)
    assert whole.shape == (1, clock.token_count(61), 24)
    for columns in (3, 4, 30, 31):
        part = small(mel[:, :columns])
        assert part.shape[1] == clock.token_count(columns) == (columns - 1) // 2
        torch.testing.assert_close(part, whole[:, : part.shape[1]])
    # ... and it does hear the last of them.
    other = mel.clone()
    other[0, 20] += 1.0
    differs = (small(other) != whole).any(dim=-1)[0]
    assert not differs[:9].any()
    assert differs[9]


def test_a_token_forgets_what_lies_beyond_its_windows() -> None:
    small, mel = made(), torch.randn(1, 81, 80)
    other = mel.clone()
    other[0, 0] += 1.0
    differs = (small(other) != small(mel)).any(dim=-1)[0]
    reach = SMALL.layers * (SMALL.window - 1)
    assert differs[reach - 1]
    assert not differs[reach + 2 :].any()


def test_columns_hold_the_newest_token_that_they_allow() -> None:
    tokens = torch.arange(1.0, 5.0)[None, :, None]
    held = context.hold(tokens, 9)[0, :, 0].tolist()
    assert held == [0, 0, 1, 1, 2, 2, 3, 3, 4]


def test_long_streams_give_the_same_tokens_in_blocks() -> None:
    small = made()
    mel = np.random.default_rng(0).standard_normal((301, 80)).astype(np.float16)
    at_once = listen.tokens_of(small, SMALL, mel, block_tokens=1000)
    in_blocks = listen.tokens_of(small, SMALL, mel, block_tokens=32)
    assert at_once.shape == (150, 24)
    np.testing.assert_allclose(at_once, in_blocks, atol=5e-3)
    assert listen.tokens_of(small, SMALL, mel[:2]).shape == (0, 24)


def test_spoilt_sound_keeps_its_length_and_its_limits() -> None:
    rng = np.random.default_rng(0)
    clean = (0.3 * rng.standard_normal(16000)).astype(np.float32)
    options = Listening(babble_chance=1.0, reverb_chance=1.0, noise_chance=1.0, band_chance=1.0)
    spoilt = listen.spoil(clean, clean[::-1].copy(), options, rng)
    assert spoilt.shape == clean.shape
    assert spoilt.dtype == np.float32
    assert np.isfinite(spoilt).all()
    assert np.abs(spoilt).max() <= 1.0
    silence = np.zeros(16000, np.float32)
    assert np.isfinite(listen.spoil(silence, silence, options, rng)).all()


def test_a_telephone_keeps_the_voice_and_loses_the_hiss() -> None:
    time_s = np.arange(16000) / 16000
    tones = [np.sin(2 * np.pi * hz * time_s).astype(np.float32) for hz in (1000, 7800)]
    rng = np.random.default_rng(1)
    voice, hiss = (float(np.std(listen.narrow(tone, rng))) for tone in tones)
    assert voice > 0.5
    assert hiss < 0.3 * voice


def test_missing_speech_and_weights_are_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no Whisper weights"):
        load_whisper(tmp_path / "none.npz")
    with pytest.raises(FileNotFoundError, match="no sound file"):
        listen.speech_files(tmp_path)


def test_broken_recordings_are_skipped_and_named(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "good.flac", np.zeros(1600), 16000)
    (tmp_path / "bad.wav").write_text("no sound")
    settings = _settings(tmp_path, tmp_path / "none.npz")
    clips, skipped = listen.read_speech(settings)
    assert [len(clip) for clip in clips] == [1600]
    assert [skip.path.name for skip in skipped] == ["bad.wav"]


def _settings(folder: Path, weights: Path) -> Config:
    return Config(
        name="listening",
        sources=(),
        stages=(Stage(steps=32, epochs=1),),
        encoder=config.EncoderConfig(context=replace(ContextConfig(), layers=1, window=8)),
        listening=Listening(
            weights=str(weights),
            epochs=2,
            batch=2,
            segment_s=1.0,
            warmup_steps=1,
            speech=(Speech("speech", str(folder)),),
        ),
        save_every_s=0.0,
    )


def test_whisper_is_heard_and_a_cut_run_ends_on_the_same_weights(
    shared: Path, tmp_path: Path
) -> None:
    speech = tmp_path / "speech"
    speech.mkdir()
    clips = sorted((shared / "data" / "kokoro_harvard").glob("*.flac"))[:3]
    for clip in clips:
        (speech / clip.name).symlink_to(clip)
    settings = _settings(speech, shared / "weights" / "whisper_tiny_en_encoder_fp16.npz")

    losses: list[float] = []

    def note(name: str, epoch: int, epochs: int, step: int, steps: int, means: dict) -> None:  # type: ignore[type-arg]
        losses.append(means["loss"])

    whole = listen.train_context(settings, [], tmp_path / "whole", on_step=note)
    assert losses[0] < 1.0  # what knowing nothing costs; the reader starts below
    assert np.isfinite(losses).all()

    class Cut(Exception):
        pass

    def cut(name: str, epoch: int, epochs: int, step: int, steps: int, means: dict) -> None:  # type: ignore[type-arg]
        if epoch == 1:
            raise Cut

    with pytest.raises(Cut):
        listen.train_context(settings, [], tmp_path / "cut", on_step=cut)
    again = listen.train_context(settings, [], tmp_path / "cut")
    for name, value in whole.state_dict().items():
        assert torch.equal(value, again.state_dict()[name]), name

    other = replace(settings, listening=replace(settings.listening, epochs=3))
    with pytest.raises(ValueError, match="another configuration"):
        listen.train_context(other, [], tmp_path / "cut")


def test_the_copy_is_whisper_but_for_what_it_may_not_hear(shared: Path) -> None:
    whisper = load_whisper(shared / "weights" / "whisper_tiny_en_encoder_fp16.npz")
    copy = context.causal_copy(whisper, ContextConfig(layers=2))
    torch.testing.assert_close(copy.layers[1].fc1.weight, whisper.trunk.layers[1].fc1.weight)
    with pytest.raises(ValueError, match="at most 4, got 5"):
        context.causal_copy(whisper, ContextConfig(layers=5))
    # A clip of one token has neither past nor future: given its position, both hear the same.
    whisper.position[0] = copy.position
    mel = torch.randn(1, 2, 80)
    with torch.no_grad():
        whole = whisper(mel, layers=2)[0, 0]
        alone = copy(torch.nn.functional.pad(mel, (0, 0, 0, 1)))
    assert alone.shape == (1, 1, 384)
    torch.testing.assert_close(alone[0, 0], copy.norm(whole))
