"""The meter: rate, latency, and which curves move."""

from __future__ import annotations

import numpy as np
import pytest

from diffusiontalker.stream.session.meter import Meter


def test_meter_rates_latency_and_ranks() -> None:
    meter = Meter(("still", "lively", "slow"))
    assert meter.read(0).rate_hz == 0
    for i in range(300):
        values = np.array([0.5, i % 2, i / 300], np.float32)
        meter.note(10**9 + i * 1_000_000_000 // 60, values, 60.0 + (i % 100 == 0) * 40)
    figures = meter.read(10**9 + 5_000_000_000)
    assert figures.frames == 300
    assert figures.rate_hz == pytest.approx(60, abs=0.01)
    assert figures.latency_p50_ms == 60
    assert 60 < figures.latency_p99_ms <= 100
    assert [name for name, _ in figures.curves] == ["lively", "slow", "still"]
    assert meter.read(10**9 + 60 * 10**9).rate_hz == 0, "a stream that stopped has no rate"
