"""The shipped runtime as what plays takes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")

import random_bundle

from diffusiontalker.train import corpora
from diffusiontalker.train.measure.players import runtime_player


def test_the_runtime_shares_out_clips_without_a_difference(
    tmp_path: Path, folders: dict[str, Path]
) -> None:
    identities = {"names": ["bert", "anna"], "default": "bert"}
    bundle = random_bundle.write(tmp_path, identities=identities)
    takes = corpora.load(folders["spoken"]).train
    one = runtime_player(bundle, threads=1)(takes, 3, "own")
    three = runtime_player(bundle, threads=4)(takes, 3, "own")
    for a, b in zip(one, three, strict=True):
        assert np.array_equal(a, b)
    other = runtime_player(bundle, threads=1)(takes, 4, "own")
    assert not np.array_equal(one[0], other[0])
