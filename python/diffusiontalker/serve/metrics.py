"""What the server counts, in Prometheus' text format."""

from __future__ import annotations

import time
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

CONTENT_TYPE = CONTENT_TYPE_LATEST
_SECONDS = (0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.128, 0.256, 0.512, 1.024, 4.096)
_VOICES = (1, 2, 4, 8, 16, 32, 64, 128, 256)


class Metrics:
    """A registry of its own, so that two servers in one process do not mix."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        made: dict[str, Any] = {"registry": self.registry}
        self.sessions = Gauge("dt_serve_sessions", "Sessions now", **made)
        self.ended = Counter(
            "dt_serve_sessions_ended", "Sessions that are over, by how", ["protocol", "how"], **made
        )
        self.frames = Counter("dt_serve_frames", "Frames computed", **made)
        self.sound = Counter("dt_serve_sound_seconds", "Seconds of sound computed", **made)
        self.compute = Counter(
            "dt_serve_compute_cpu_seconds", "Processor time of the thread that computes", **made
        )
        cpu = Gauge("dt_serve_cpu_seconds", "Processor time of the process", **made)
        cpu.set_function(time.process_time)
        self.late = Histogram(
            "dt_serve_late_seconds",
            "From a chunk's coming to its last frame's being ready",
            buckets=_SECONDS,
            **made,
        )
        self.turn = Histogram(
            "dt_serve_turn_seconds", "Computing, a turn", buckets=_SECONDS, **made
        )
        self.voices = Histogram(
            "dt_serve_turn_voices", "Sessions that shared a turn", buckets=_VOICES, **made
        )

    def text(self) -> bytes:
        """All of it, as a scraper reads it."""
        return generate_latest(self.registry)
