"""Running figures of a stream of frames: rate, latency, and which curves move."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

# Rate is counted over this time, latency over the last _LATENCIES frames (10 s at 60 Hz).
_RATE_WINDOW_NS = 2_000_000_000
_LATENCIES = 600
# Liveliness is a mean of |change| over about this many frames, and is ranked anew this often, so
# that the bars on a screen stay where they are long enough to be watched.
_LIVELY_FRAMES = 120
_RANK_EVERY_NS = 2_000_000_000


@dataclass(frozen=True)
class Figures:
    """What a meter says at one instant."""

    frames: int
    rate_hz: float
    latency_p50_ms: float
    latency_p99_ms: float
    curves: tuple[tuple[str, float], ...]  #: names and newest values, liveliest first


class Meter:
    """Fed by the thread that handles frames, read by the one that draws."""

    def __init__(self, curve_names: Sequence[str]) -> None:
        self._names = tuple(curve_names)
        self._lock = threading.Lock()
        self._frames = 0
        self._times_ns: deque[int] = deque()
        self._latencies_ms: deque[float] = deque(maxlen=_LATENCIES)
        self._values = np.zeros(len(self._names), np.float32)
        self._lively = np.zeros(len(self._names), np.float32)
        self._order = list(range(len(self._names)))
        self._ranked_ns = 0

    def note(self, now_ns: int, curves: NDArray[np.float32], latency_ms: float) -> None:
        """Counts a frame that came at `now_ns` (monotonic) with `latency_ms`."""
        with self._lock:
            self._frames += 1
            self._times_ns.append(now_ns)
            while now_ns - self._times_ns[0] > _RATE_WINDOW_NS:
                self._times_ns.popleft()
            self._latencies_ms.append(latency_ms)
            self._lively += (np.abs(curves - self._values) - self._lively) / _LIVELY_FRAMES
            self._values = curves

    def read(self, now_ns: int) -> Figures:
        """The figures at `now_ns` (monotonic)."""
        with self._lock:
            recent = [t for t in self._times_ns if now_ns - t <= _RATE_WINDOW_NS]
            latencies = list(self._latencies_ms)
            if now_ns - self._ranked_ns > _RANK_EVERY_NS and self._frames:
                # Stable, so that curves that do not move keep their places.
                self._order = [int(i) for i in np.argsort(-self._lively, kind="stable")]
                self._ranked_ns = now_ns
            values = self._values.tolist()
            frames = self._frames
        span_ns = recent[-1] - recent[0] if len(recent) > 1 else 0
        p50, p99 = np.percentile(latencies, [50, 99]) if latencies else (0.0, 0.0)
        return Figures(
            frames=frames,
            rate_hz=(len(recent) - 1) * 1e9 / span_ns if span_ns else 0.0,
            latency_p50_ms=float(p50),
            latency_p99_ms=float(p99),
            curves=tuple((self._names[i], values[i]) for i in self._order),
        )
