"""PyTorch against the C++ runtime in float32: encoder, sampler a step, identity library."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from test_runtime import speech_like

from diffusiontalker import CURVES, Runtime, _core
from diffusiontalker.bundle import Bundle

torch = pytest.importorskip("torch")


@pytest.fixture(scope="module")
def talker(any_bundle: Bundle) -> object:
    """The bundle's weights in the training code's own module."""
    from diffusiontalker.train.networks.bundled import load_talker

    return load_talker(any_bundle)


@pytest.fixture(scope="module")
def core(any_bundle: Bundle) -> _core.Model:
    config = any_bundle.core_config()
    config.precision = "float32"
    return _core.Model(config, any_bundle.core_tensors(), any_bundle.identity_features())


def test_encoder(talker, core) -> None:
    mel, _ = _core.log_mel(speech_like(2.5, 16000))
    with torch.no_grad():
        expected = talker.encoder(torch.from_numpy(mel)[None])[0].numpy()
    encoder = _core.Encoder(core)
    got = np.concatenate([encoder.push(mel[:7]), encoder.push(mel[7:])])
    np.testing.assert_allclose(got, expected, atol=1e-4)


def test_sampler_a_step(talker, core) -> None:
    """200 frames with recorded noise: every intermediate x within 1e-4 of PyTorch's."""
    from diffusiontalker.train.networks.diffusion import alpha_bars, ddim_step, table_row

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


def test_the_whole_path(talker, any_bundle: Bundle) -> None:
    """Audio to curves: alignment, noise and statistics as training sees them."""
    from diffusiontalker.train.networks.diffusion import alpha_bars, sample, table_row

    audio = speech_like(2, 16000)
    # A gate that is always open and no post-processing leave what the sampler gave.
    manifest = {
        **any_bundle.manifest,
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
    b = Bundle(any_bundle.path, manifest, any_bundle.tensors)
    rt = Runtime(b, seed=4, identity="cat", idle=0, precision="float32")
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
