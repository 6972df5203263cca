"""A sound card in simulated time: its clock drifts, its blocks come late, it stops for a while."""

from __future__ import annotations

import random
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from virtual_time import VirtualTime

Samples = NDArray[np.float32]


def syllables(rate_hz: int, seconds: int, seed: int) -> Samples:
    """A buzz in syllables with pauses over faint noise (n,), of no meaning."""
    rng = np.random.default_rng(seed)
    t = np.arange(rate_hz * seconds) / rate_hz
    loud = np.maximum(0.0, np.sin(2 * np.pi * 1.7 * t)) * (np.sin(2 * np.pi * 0.11 * t) > -0.6)
    buzz = np.mod(t * 131.0 + np.sin(3.0 * t), 1.0) - 0.5
    noise = rng.uniform(-1.0, 1.0, len(t))
    return (0.4 * loud * buzz + 1e-4 * noise).astype(np.float32)


class SimulatedDevice:
    """Stands where `InputDevice` stands, and hands its blocks on when it is looked after.

    A block of `block_s` is captured at the device's own pace, `drift_ppm` off, and reaches the
    program late by a varying time. Now and then the device is away, with or without its sound
    coming after it in a burst.
    """

    def __init__(
        self,
        time: VirtualTime,
        sound: Samples,
        rate_hz: int,
        rng: random.Random,
        *,
        drift_ppm: float,
        block_s: float,
        end_s: float,
        away_every_s: float,
    ) -> None:
        self.name, self.sample_rate, self.channels = "simulated", rate_hz, 1
        self.lost_blocks = self.unplugged = 0
        self.notices: list[str] = []
        self.taps: list[Callable[[NDArray[np.float32], int], None]] = []
        self.away = 0
        self.at_end: Callable[[], object] = lambda: None
        self._time, self._random = time, rng
        self._begin_ns = time.now_ns
        self._end_ns = time.now_ns + round(end_s * 1e9)
        self._block = round(block_s * rate_hz)
        self._rate = rate_hz * (1 + drift_ppm * 1e-6)
        self._sound = np.concatenate([sound, sound[: self._block]])[:, None]
        self._length = len(sound)
        self._captured = 0  # samples
        self._arrival_ns = 0
        self._away_every_s = away_every_s
        self._next_away_ns = self._begin_ns + round(rng.expovariate(1 / away_every_s) * 1e9)
        self._plan()

    @property
    def next_ns(self) -> int:
        """When the next block reaches the program."""
        return self._arrival_ns

    def _plan(self) -> None:
        """The next block: when it comes."""
        draw = self._random
        whole_ns = self._begin_ns + round((self._captured + self._block) / self._rate * 1e9)
        if whole_ns > self._next_away_ns:
            self.away += 1
            away_ns = round(min(draw.expovariate(1 / 0.6), 4.0) * 1e9)
            self._next_away_ns = whole_ns + round(draw.expovariate(1 / self._away_every_s) * 1e9)
            if draw.random() < 0.5:  # its sound is gone
                self._captured += round(away_ns * self._rate / 1e9)
                whole_ns += away_ns
            else:  # and comes in a burst
                self._arrival_ns = whole_ns + away_ns
                return
        late_ns = round(min(draw.expovariate(1 / 0.5), 30.0) * 1e6)
        self._arrival_ns = max(self._arrival_ns, whole_ns + late_ns)

    def check(self) -> None:
        """Hands on what has come by now."""
        while self._arrival_ns <= self._time.now_ns:
            if self._arrival_ns >= self._end_ns:
                self._arrival_ns = 1 << 62
                self.at_end()
                return
            at = self._captured % self._length
            for tap in tuple(self.taps):
                tap(self._sound[at : at + self._block], self._time.now_ns)
            self._captured += self._block
            self._plan()

    def close(self) -> None:
        """Nothing is open."""
