"""A network between the publisher and a receiver: late, in another order, twice, or not at all."""

from __future__ import annotations

import heapq
import random
import struct
from dataclasses import dataclass
from typing import BinaryIO

_HEAD = struct.Struct("<qII")


@dataclass(frozen=True)
class Weather:
    """What the link does to messages. Times in milliseconds."""

    base_ms: float = 4.0
    jitter_ms: float = 3.0  #: mean of an exponential, on top of the base
    most_jitter_ms: float = 60.0
    loss: float = 0.001  #: begins a burst of losses
    burst: float = 0.5  #: which goes on with so much
    twice: float = 0.0005
    stall_every_s: float = 120.0  #: on the average everything waits for a while
    stall_ms: float = 400.0  #: at the most
    cut_every_s: float = 1200.0  #: on the average the connection breaks


class Link:
    """Takes messages as they are sent and writes them to a receiver's pipe as they arrive."""

    def __init__(self, to: BinaryIO, weather: Weather, rng: random.Random) -> None:
        self.sent = self.lost = self.twice = self.overtaken = self.stalls = self.cuts = 0
        self._to, self._weather, self._random = to, weather, rng
        self._way: list[tuple[int, int, bytes, bytes]] = []
        self._number = 0
        self._losing = False
        self._stalled_until_ns = 0
        self._next_stall_ns = self._next_cut_ns = -1
        self._newest_ns = 0

    def send(self, now_ns: int, topic: bytes, payload: bytes) -> None:
        """A message leaves the sender."""
        weather, draw = self._weather, self._random.random
        self.sent += 1
        self._trouble(now_ns)
        self._losing = draw() < (weather.burst if self._losing else weather.loss)
        if self._losing:
            self.lost += 1
            return
        twice = draw() < weather.twice
        self.twice += twice
        for _ in range(1 + twice):
            late_ms = min(self._random.expovariate(1 / weather.jitter_ms), weather.most_jitter_ms)
            arrival_ns = now_ns + round((weather.base_ms + late_ms) * 1e6)
            arrival_ns = max(arrival_ns, self._stalled_until_ns)
            self.overtaken += arrival_ns < self._newest_ns
            self._newest_ns = max(self._newest_ns, arrival_ns)
            self._put(arrival_ns, topic, payload)

    def _trouble(self, now_ns: int) -> None:
        weather, draw = self._weather, self._random
        if self._next_stall_ns < 0:
            self._next_stall_ns = now_ns + round(draw.expovariate(1 / weather.stall_every_s) * 1e9)
            self._next_cut_ns = now_ns + round(draw.expovariate(1 / weather.cut_every_s) * 1e9)
        if now_ns >= self._next_stall_ns:
            self.stalls += 1
            self._stalled_until_ns = now_ns + round(draw.uniform(0.1, 1.0) * weather.stall_ms * 1e6)
            self._next_stall_ns = now_ns + round(draw.expovariate(1 / weather.stall_every_s) * 1e9)
        if now_ns >= self._next_cut_ns:
            self.cuts += 1
            self._put(now_ns + round(weather.base_ms * 1e6), b"", b"")
            self._next_cut_ns = now_ns + round(draw.expovariate(1 / weather.cut_every_s) * 1e9)

    def _put(self, arrival_ns: int, topic: bytes, payload: bytes) -> None:
        self._number += 1
        heapq.heappush(self._way, (arrival_ns, self._number, topic, payload))

    def deliver(self, now_ns: int) -> None:
        """Hands over what has arrived by now, in the order of arrival."""
        while self._way and self._way[0][0] <= now_ns:
            arrival_ns, _, topic, payload = heapq.heappop(self._way)
            self._to.write(_HEAD.pack(arrival_ns, len(topic), len(payload)) + topic + payload)
