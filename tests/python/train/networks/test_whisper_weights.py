"""Whisper's encoder from the files of three publishers: the same weights, the same hearing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from diffusiontalker.train.networks.whisper_weights import load_whisper  # noqa: E402

#: A layer's parts in OpenAI's and in transformers' names.
OPENAI = {
    "attn_ln": "self_attn_layer_norm",
    "attn.query": "self_attn.q_proj",
    "attn.key": "self_attn.k_proj",
    "attn.value": "self_attn.v_proj",
    "attn.out": "self_attn.out_proj",
    "mlp_ln": "final_layer_norm",
    "mlp.0": "fc1",
    "mlp.2": "fc2",
}


@pytest.fixture(scope="module")
def published() -> torch.nn.Module:
    """A whole Whisper of transformers, of tiny's size in the encoder, with random weights."""
    torch.manual_seed(1)
    tiny = transformers.WhisperConfig(
        d_model=384,
        encoder_layers=4,
        encoder_attention_heads=6,
        encoder_ffn_dim=1536,
        decoder_layers=1,
        decoder_attention_heads=6,
        decoder_ffn_dim=64,
        vocab_size=64,
        pad_token_id=0,
        bos_token_id=1,
        eos_token_id=2,
        decoder_start_token_id=1,
        begin_suppress_tokens=None,
        suppress_tokens=None,
    )
    model = transformers.WhisperForConditionalGeneration(tiny).eval()
    for name, parameter in model.model.encoder.named_parameters():
        if name.endswith("bias") or "layer_norm" in name:
            torch.nn.init.normal_(parameter, mean=0.1, std=0.2)
    return model


def openai_names(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The encoder's weights as OpenAI's file calls them."""
    named = {"encoder.positional_embedding": state["model.encoder.embed_positions.weight"]}
    for part in ("weight", "bias"):
        named[f"encoder.ln_post.{part}"] = state[f"model.encoder.layer_norm.{part}"]
        for conv in ("conv1", "conv2"):
            named[f"encoder.{conv}.{part}"] = state[f"model.encoder.{conv}.{part}"]
        for layer in range(4):
            for ours, theirs in OPENAI.items():
                name = f"model.encoder.layers.{layer}.{theirs}.{part}"
                if name in state:
                    named[f"encoder.blocks.{layer}.{ours}.{part}"] = state[name]
    return named


def save_folder(model: torch.nn.Module, folder: Path) -> Path:
    model.save_pretrained(folder)
    return folder


def save_openai(model: torch.nn.Module, folder: Path) -> Path:
    folder.mkdir(parents=True)
    named = {name: value.half() for name, value in openai_names(model.state_dict()).items()}
    torch.save({"dims": {"n_mels": 80}, "model_state_dict": named}, folder / "tiny.en.pt")
    return folder / "tiny.en.pt"


@pytest.mark.parametrize("save", [save_folder, save_openai])
def test_it_hears_what_the_published_encoder_hears(
    published: torch.nn.Module,
    save: Callable[[torch.nn.Module, Path], Path],
    tmp_path: Path,
) -> None:
    whisper = load_whisper(save(published, tmp_path / "published"))
    mel = torch.randn(1, 3000, 80, generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        theirs = published.model.encoder(mel.transpose(1, 2)).last_hidden_state
        ours = whisper(mel)
    assert theirs.std() > 0.1
    tolerance = 1e-4 if save is save_folder else 5e-3  # OpenAI's file is in half precision
    torch.testing.assert_close(ours, theirs, atol=tolerance, rtol=0)


def test_the_npz_at_hand_is_read(shared: Path) -> None:
    whisper = load_whisper(shared / "weights" / "whisper_tiny_en_encoder_fp16.npz")
    assert float(whisper.position[0].std()) > 0.1
    keys = whisper.trunk.layers[2].qkv.bias.chunk(3)[1]
    assert not keys.any()


def test_what_is_no_whisper_tiny_is_refused_in_one_line(
    published: torch.nn.Module, tmp_path: Path
) -> None:
    named = openai_names(published.state_dict())

    def refused(name: str, expected: str) -> None:
        with pytest.raises(ValueError, match=expected) as refusal:
            load_whisper(tmp_path / name)
        assert name in str(refusal.value)
        assert "\n" not in str(refusal.value)

    np.savez(tmp_path / "other.npz", weights=np.zeros(3))
    refused("other.npz", "expected the encoder of Whisper tiny, got other weights")
    lacking = {name: value for name, value in named.items() if "blocks.3.mlp.0.weight" not in name}
    torch.save(lacking, tmp_path / "lacking.pt")
    refused("lacking.pt", r"encoder\.blocks\.3\.mlp\.0\.weight is missing")
    wide = {**named, "encoder.positional_embedding": torch.zeros(1500, 512)}
    torch.save(wide, tmp_path / "base.pt")
    refused("base.pt", r"position: expected the shape \(1500, 384\) .* got \(1500, 512\)")
    for name in ("cut.pt", "cut.npz", "model.safetensors"):
        (tmp_path / name).write_bytes(b"PK\x03\x04 and no more")
        refused(name, "expected an npz, .* cannot read it")
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match=r"no Whisper weights .*model\.safetensors: give"):
        load_whisper(tmp_path / "empty")
