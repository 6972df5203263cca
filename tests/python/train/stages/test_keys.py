"""Keys: what voices are matched with, apart from the faces that they get."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from diffusiontalker.train.config import Config, Matching  # noqa: E402
from diffusiontalker.train.data import streams  # noqa: E402
from diffusiontalker.train.data.streams import Stream  # noqa: E402
from diffusiontalker.train.networks.identity import matched, pool  # noqa: E402
from diffusiontalker.train.networks.model import build  # noqa: E402
from diffusiontalker.train.stages import keys  # noqa: E402

RATE = 60.0
SPEAKERS = ["ann", "bob", "cat", "nobody"]


def voice(place: int, seconds: float, seed: int, config: Config) -> Stream:
    """Speech whose spectrum has a peak of its own: band `place` of eighty, and much that varies."""
    rng = np.random.default_rng(seed)
    frames = round(seconds * RATE)
    mel = rng.standard_normal((round(seconds * 100) + 40, 80)).astype(np.float16)
    mel[:, place : place + 8] += np.float16(1.5)
    voiced = np.ones(frames, np.bool_)
    voiced[: frames // 8] = False
    heard = streams.hear_nothing(np.zeros(0, np.float32), mel)
    return Stream(SPEAKERS[place // 20], mel, np.zeros((frames, 52), np.float16), voiced, heard)


@pytest.fixture(scope="module")
def asked(tiny: Config) -> Config:
    return replace(tiny, matching=Matching(steps=100, spans=200))


def test_a_span_is_a_mean_of_consecutive_voiced_frames() -> None:
    rng = np.random.default_rng(0)
    ramp = torch.arange(3000.0)[:, None]
    spans = keys.pooled_spans(ramp, 500, RATE, rng)[:, 0]
    assert spans.shape == (500,)
    assert float(spans.min()) >= 22.0  # the middle of the shortest at the very start
    assert float(spans.max()) <= 2999.0 - 22.0
    assert float(spans.std()) > 500.0
    assert len(keys.pooled_spans(ramp[:40], 5, RATE, rng)) == 0  # 0.67 s: too little of a voice
    assert len(keys.pooled_spans(ramp[:46], 5, RATE, rng)) == 5


def test_voices_find_their_keys_and_nobody_that_of_nobody(asked: Config, tmp_path: Path) -> None:
    paths = []
    for version in range(2):
        path = tmp_path / f"{version}.npz"
        made = [voice(20 * i + 5, 30.0, 10 * version + i, asked) for i in range(3)]
        streams.save_streams(path, made)
        paths.append(path)
    talker = build(asked, SPEAKERS)
    learnt = keys.learn_keys(talker, paths, SPEAKERS, asked)
    assert learnt is not None
    np.testing.assert_allclose(learnt.norm(dim=1), [1.0, 1.0, 1.0, 0.0], atol=1e-6)
    again = keys.learn_keys(talker, paths, SPEAKERS, asked)
    assert torch.equal(learnt, again)
    for i in range(3):
        other = voice(20 * i + 5, 5.0, 100 + i, asked)
        heard = talker.features(torch.from_numpy(other.mel.astype(np.float32))[None], 300)
        pooled = pool(heard, torch.from_numpy(other.voiced)[None]) - talker.identity.pooled_mean
        assert matched(pooled, learnt).tolist() == [i]
        # What the decoder is told stays what it was, and tells voices from one another no better.
    talker.identity.keys = learnt
    assert torch.equal(talker.identity.matching(), learnt)
    assert not torch.equal(talker.identity(), learnt)


def test_where_nobody_speaks_there_are_no_keys(asked: Config, tmp_path: Path) -> None:
    quiet = voice(5, 5.0, 0, asked)
    streams.save_streams(tmp_path / "0.npz", [replace(quiet, voiced=quiet.voiced & False)])
    talker = build(asked, SPEAKERS)
    assert keys.learn_keys(talker, [tmp_path / "0.npz"], SPEAKERS, asked) is None
