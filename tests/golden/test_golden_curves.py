"""The embedded model's curves of the demo clip are what they were: every bit of them where a
machine promises that, and within a tolerance elsewhere."""

from __future__ import annotations

import demo_curves
import numpy as np
import pytest

from diffusiontalker import _core, bundle

RENEW = "if that is meant: python tests/golden/renew.py curves"
GOLDEN = demo_curves.load()


def test_golden_curves_are_of_the_embedded_model() -> None:
    assert bundle.read().sha256 == GOLDEN["model"], f"the embedded model is another one; {RENEW}"


@pytest.mark.parametrize("play", sorted(demo_curves.PLAYS))
@pytest.mark.parametrize("kernel", sorted(GOLDEN["digests"]))
def test_every_bit(kernel: str, play: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if not demo_curves.exact_here():
        pytest.skip("digests are of Linux on x86-64 with glibc")
    if kernel not in _core.cpu_info()["available"]:
        pytest.skip(f"this processor cannot run {kernel}")
    monkeypatch.setenv("DT_KERNEL", kernel)
    assert _core.cpu_info()["kernel"] == kernel
    found = demo_curves.digest(demo_curves.play(play))
    assert found == GOLDEN["digests"][kernel][play], f"made with {GOLDEN['made_with']}; {RENEW}"


@pytest.mark.parametrize("play", sorted(demo_curves.PLAYS))
def test_close_with_every_kernel(play: str, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = np.array(GOLDEN["values"][play], dtype=np.float32)
    for kernel in _core.cpu_info()["available"]:
        monkeypatch.setenv("DT_KERNEL", kernel)
        found = demo_curves.kept(demo_curves.play(play))
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5, err_msg=f"{kernel}; {RENEW}")
