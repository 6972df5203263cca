"""What a turn takes of minutes of sound at once, on machines fast and slow."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest
import random_bundle

from diffusiontalker import bundle as bundles
from diffusiontalker.serve import scheduler
from diffusiontalker.serve.limits import Limits
from diffusiontalker.serve.metrics import Metrics
from diffusiontalker.serve.scheduler import Backlog, Request, Scheduler


@pytest.mark.parametrize(("a_second_takes_s", "expected_s"), [(0.004, 0.8), (0.02, 0.25), (1, 0.1)])
def test_what_fits_is_what_the_machine_computes_in_5_ms(
    a_second_takes_s: float, expected_s: float
) -> None:
    backlog = Backlog()
    for _ in range(40):
        backlog.took(0.5 * a_second_takes_s, 0.5)
    assert backlog.fits_s(live=True) == pytest.approx(expected_s, rel=0.01)
    assert backlog.fits_s(live=False) == 0.8


def test_a_slow_machines_turns_stay_short_beside_somebody_live(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each second of sound takes 100 ms here; a turn took 0.8 s of it, whoever waited."""
    bundle = bundles.read(random_bundle.write(tmp_path / "bundle").path)
    turns: list[float] = []
    really = scheduler.compute

    def slow(jobs: list[scheduler._Job]) -> float:
        sound_s = sum(len(job.sound) for job in jobs) / 16000
        turns.append(sound_s)
        time.sleep(0.1 * sound_s)
        return really(jobs)

    monkeypatch.setattr(scheduler, "compute", slow)

    async def serve() -> None:
        many = Scheduler(bundle, Limits(unsent_frames=10_000), Metrics())
        running = asyncio.create_task(many.run())
        live = await many.open(Request(16000))
        bulk = await many.open(Request(16000))
        bulk.push(bytes(2 * 16000 * 6))
        while bulk.waiting > 16000:
            await asyncio.sleep(0.01)
        many.close(live)
        bulk.push(bytes(2 * 16000 * 6))
        while bulk.waiting:
            await asyncio.sleep(0.01)
        running.cancel()

    asyncio.run(asyncio.wait_for(serve(), 60))
    assert max(turns[:30]) <= 0.11  # 100 ms, the least that a backlog gets
    assert max(turns) == pytest.approx(0.8)  # nobody waits any more
