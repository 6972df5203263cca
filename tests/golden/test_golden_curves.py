"""The embedded model's curves of the demo clip are what they were, every bit of them, with every
kernel of this machine: one digest for all kernels, compilers and machines."""

from __future__ import annotations

import json

import demo_curves
import numpy as np
import pytest

from diffusiontalker import _core, bundle

RENEW = "if that is meant: python tests/golden/renew.py curves digests"
GOLDEN = demo_curves.load()


def test_golden_curves_are_of_the_embedded_model() -> None:
    assert bundle.read().sha256 == GOLDEN["model"], f"the embedded model is another one; {RENEW}"


@pytest.mark.parametrize("play", sorted(demo_curves.PLAYS))
@pytest.mark.parametrize("kernel", _core.cpu_info()["available"])
def test_every_bit(kernel: str, play: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DT_KERNEL", kernel)
    assert _core.cpu_info()["kernel"] == kernel
    found = demo_curves.play(play)
    # First, since it says how far away they are.
    expected = np.array(GOLDEN["values"][play], dtype=np.float32)
    np.testing.assert_allclose(demo_curves.kept(found), expected, rtol=0, atol=1e-6, err_msg=RENEW)
    assert demo_curves.digest(found) == GOLDEN["digests"][play], RENEW


def test_a_program_in_c_plus_plus_plays_the_same_bits() -> None:
    """dt_digest, built by another compiler or for another machine, plays "alive" as Python does."""
    digests = json.loads(demo_curves.GOLDEN.with_name("digests.json").read_text("utf-8"))
    assert demo_curves.fnv(demo_curves.play("alive")) == digests["curves"], RENEW
