"""The talker's parts: what they hear, and what they carry on."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from diffusiontalker.train.clock import columns_for  # noqa: E402
from diffusiontalker.train.networks.model import AudioEncoder, Talker, at_frames  # noqa: E402


def test_encoder_is_causal_and_frames_read_their_columns() -> None:
    torch.manual_seed(0)
    encoder = AudioEncoder(16, (1, 2, 4)).eval()
    mel = torch.randn(1, 60, 80)
    changed = mel.clone()
    changed[:, 40:] += 1
    before, after = encoder(mel), encoder(changed)
    assert torch.equal(before[:, :40], after[:, :40])
    assert not torch.allclose(before[:, 40:], after[:, 40:])
    ramp = torch.arange(50.0)[None, :, None]
    at = at_frames(ramp, 12, Fraction(60), 4)[0, :, 0]
    np.testing.assert_allclose(at.numpy(), 4 + np.arange(12) * 100 / 60, rtol=1e-6)
    assert columns_for(12, Fraction(60), 4) == 24


def test_decoder_state_carries_over_chunks() -> None:
    torch.manual_seed(0)
    talker = Talker(speakers=2, channels=16, dilations=(1, 2), hidden=32).double().eval()
    audio, x = torch.randn(1, 20, 16).double(), torch.randn(1, 20, 52).double()
    identity, row = talker.identity()[:1], torch.tensor([3])
    whole, _ = talker.decoder(audio, identity, row, x)
    state = None
    parts = []
    for start in (0, 1, 8):
        end = {0: 1, 1: 8, 8: 20}[start]
        part, state = talker.decoder(audio[:, start:end], identity, row, x[:, start:end], state)
        parts.append(part)
    torch.testing.assert_close(torch.cat(parts, dim=1), whole)
