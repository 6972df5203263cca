"""PyTorch's reference against the C++ runtime: encoder, sampler a step, identity library."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from test_runtime import speech_like

from diffusiontalker import CURVES, Runtime, _core
from diffusiontalker.bundle import Bundle

torch = pytest.importorskip("torch")


@pytest.fixture(scope="module")
def talker(bundle_at_60: Bundle) -> object:
    """The bundle's weights in the training code's own module."""
    from diffusiontalker.train.model import Talker

    m = bundle_at_60.manifest
    model = Talker(
        speakers=len(bundle_at_60.identities),
        channels=m["encoder"]["channels"],
        dilations=tuple(m["encoder"]["dilations"]),
        step_dim=m["decoder"]["step_dim"],
        identity_hidden=m["decoder"]["identity_hidden"],
    )
    rename = {"statistics.mean": "mean", "statistics.std": "std"}
    weights = {rename.get(k, k): torch.from_numpy(v) for k, v in bundle_at_60.tensors.items()}
    model.load_state_dict(weights, strict=True)
    return model.eval()


@pytest.fixture(scope="module")
def core(bundle_at_60: Bundle) -> _core.Model:
    b = bundle_at_60
    return _core.Model(b.core_config(), b.tensors, b.identity_features())


def test_encoder(talker, core) -> None:
    mel, _ = _core.log_mel(speech_like(2.5, 16000))
    with torch.no_grad():
        expected = talker.encoder(torch.from_numpy(mel)[None])[0].numpy()
    encoder = _core.Encoder(core)
    got = np.concatenate([encoder.push(mel[:7]), encoder.push(mel[7:])])
    np.testing.assert_allclose(got, expected, atol=1e-4)


def context_tokens(b: Bundle, mel: torch.Tensor) -> torch.Tensor:
    """The context's tokens (tokens, width) of mel (columns, 80), as docs/bundle.md has them."""
    t = {k: torch.from_numpy(v) for k, v in b.tensors.items()}
    size = b.manifest["encoder"]["context"]
    heads, window, prefix = size["heads"], size["window"], "encoder.context."
    functional = torch.nn.functional

    def linear(x: torch.Tensor, name: str) -> torch.Tensor:
        return x @ t[f"{name}.weight"].T + t[f"{name}.bias"]

    def norm(x: torch.Tensor, name: str) -> torch.Tensor:
        return functional.layer_norm(x, x.shape[-1:], t[f"{name}.weight"], t[f"{name}.bias"])

    def conv(x: torch.Tensor, name: str, stride: int) -> torch.Tensor:
        """Zeros before the first column, and no output that needs one after the last."""
        x = functional.pad(x.T[None], (1, 0))
        weight, bias = t[f"{prefix}{name}.weight"], t[f"{prefix}{name}.bias"]
        return functional.gelu(functional.conv1d(x, weight, bias, stride))[0].T

    h = conv(conv(mel, "conv1", 1), "conv2", 2) + t[f"{prefix}position"]
    back = torch.arange(len(h))[:, None] - torch.arange(len(h))
    seen = (back >= 0) & (back < window)
    for i in range(size["layers"]):
        layer = f"{prefix}layers.{i}"
        q, k, v = (
            part.reshape(len(h), heads, -1).transpose(0, 1)
            for part in linear(norm(h, f"{layer}.attention_norm"), f"{layer}.qkv").chunk(3, dim=1)
        )
        distance = t[f"{layer}.distance"][:, back.clamp(0, window - 1)]
        mask = torch.where(seen, distance, -torch.inf)
        heard = functional.scaled_dot_product_attention(q, k, v, attn_mask=mask)
        h = h + linear(heard.transpose(0, 1).flatten(1), f"{layer}.out")
        inner = functional.gelu(linear(norm(h, f"{layer}.mlp_norm"), f"{layer}.fc1"))
        h = h + linear(inner, f"{layer}.fc2")
    return norm(h, f"{prefix}norm")


def test_encoder_with_context(bundle_with_context: Bundle) -> None:
    from diffusiontalker.train.model import AudioEncoder

    b = bundle_with_context
    settings = b.manifest["encoder"]
    trunk = AudioEncoder(settings["channels"], tuple(settings["dilations"]))
    names = trunk.state_dict()
    trunk.load_state_dict({k: torch.from_numpy(b.tensors[f"encoder.{k}"]) for k in names})
    mel, _ = _core.log_mel(speech_like(2.5, 16000))
    with torch.no_grad():
        tokens = context_tokens(b, torch.from_numpy(mel))
        assert len(tokens) > 10 * settings["context"]["window"]
        mixed = tokens @ torch.from_numpy(b.tensors["encoder.mix.weight"]).T
        # Column c adds token (c - 2) // 2; a column before the first token, nothing.
        held = torch.cat([torch.zeros(2, mixed.shape[1]), mixed.repeat_interleave(2, dim=0)])
        trunk.norm.register_forward_pre_hook(lambda _, x: (x[0] + held[: len(mel)],))
        expected = trunk(torch.from_numpy(mel)[None])[0].numpy()
    encoder = _core.Encoder(_core.Model(b.core_config(), b.tensors, b.identity_features()))
    got = np.concatenate([encoder.push(mel[:7]), encoder.push(mel[7:])])
    np.testing.assert_allclose(got, expected, atol=1e-4)


def test_sampler_a_step(talker, core) -> None:
    """200 frames with recorded noise: every intermediate x within 1e-4 of PyTorch's."""
    from diffusiontalker.train.diffusion import alpha_bars, ddim_step, table_row

    frames, steps = 200, core.sample_steps
    noise = _core.noise(42, 0, frames)
    audio = _core.noise(1, 0, frames, talker.encoder.norm.weight.numel())
    row = talker.identity().detach()[1]
    identity = np.repeat(row.numpy()[None], frames, axis=0)
    got = _core.Sampler(core).trace(audio, identity, noise)
    assert got.shape == (steps + 1, frames, 52)
    np.testing.assert_array_equal(got[0], noise)

    abar = alpha_bars(32, steps).float()
    x = torch.from_numpy(noise)[None]
    with torch.no_grad():
        for n in range(steps, 0, -1):
            x0, _ = talker.decoder(
                torch.from_numpy(audio)[None],
                row[None],
                torch.tensor([table_row(n, steps, 32)]),
                x,
            )
            x = x0 if n == 1 else ddim_step(x, x0, abar[n], abar[n - 1])
            np.testing.assert_allclose(got[steps - n + 1], x[0].numpy(), atol=1e-4)


def test_sampler_frame_by_frame_is_one_call(core) -> None:
    channels = 32
    audio, noise = _core.noise(1, 0, 60, channels), _core.noise(2, 0, 60)
    identity = np.zeros((60, channels), np.float32)
    sampler = _core.Sampler(core)
    whole = sampler.sample(audio, identity, noise)
    sampler.reset()
    parts = [
        sampler.sample(audio[a:b], identity[a:b], noise[a:b])
        for a, b in [(0, 1), (1, 2), (2, 9), (9, 10), (10, 37), (37, 60)]
    ]
    np.testing.assert_array_equal(np.concatenate(parts), whole)


def test_the_whole_path(talker, bundle_at_60: Bundle) -> None:
    """Audio to curves: alignment, noise and statistics as training sees them."""
    from diffusiontalker.train.diffusion import alpha_bars, sample, table_row

    audio = speech_like(2, 16000)
    # A gate that is always open and no post-processing leave what the sampler gave.
    manifest = {
        **bundle_at_60.manifest,
        "gate": {"threshold_minimum_db": -150.0, "threshold_maximum_db": -140.0,
                 "attack_ms": 0.0},
        "postprocess": {
            name: {"minimum": -1000.0, "maximum": 1000.0} for name in CURVES
        },
    }  # fmt: skip
    manifest["diffusion"] = {
        **manifest["diffusion"],
        "noise_scale": {"jawOpen": 0.0, "eyeBlinkLeft": 0.5},
    }
    rt = Runtime(Bundle(bundle_at_60.path, manifest, bundle_at_60.tensors), seed=4, identity="cat")
    got = np.concatenate([rt.step(audio), rt.flush()])

    frames = len(got)
    padded = np.concatenate([audio, np.zeros(16000, np.float32)])
    mel, _ = _core.log_mel(padded)
    row = talker.identity().detach()[2]
    with torch.no_grad():
        features = talker.features(torch.from_numpy(mel)[None], frames)

        def network(x: torch.Tensor, n: int) -> torch.Tensor:
            return talker.decoder(features, row[None], torch.tensor([table_row(n, 8, 32)]), x)[0]

        scale = np.ones(52, np.float32)
        scale[[CURVES.index("jawOpen"), CURVES.index("eyeBlinkLeft")]] = 0.0, 0.5
        noise = torch.from_numpy(_core.noise(4, 0, frames) * scale)
        x0 = sample(network, noise[None], alpha_bars(32, 8))
        expected = (x0 * talker.std + talker.mean)[0].numpy()
    np.testing.assert_allclose(got, expected, atol=1e-4)
    assert talker.rate == Fraction(60)
