"""A tiny training run ends on the weights that it has always ended on."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("torch")

import tiny_training

from diffusiontalker.train import checkpoint

RENEW = "if that is meant: python tests/golden/tiny_training.py"


def test_weights_are_what_they_were(tmp_path: Path) -> None:
    """Every bit on a machine whose digests are known, the tensors' sizes within 1e-4 elsewhere."""
    golden = tiny_training.golden()
    ended = tiny_training.train(tmp_path)
    known = golden["digests"].get(tiny_training.machine())
    if known is not None:
        found = {name: checkpoint.weights_digest(weights) for name, weights in ended.items()}
        assert found == known, RENEW
    last = tiny_training.statistics([*ended.values()][-1])
    assert last.keys() == golden["statistics"].keys(), RENEW
    for name, value in last.items():
        assert value == pytest.approx(golden["statistics"][name], abs=1e-4), (name, RENEW)
