"""Time that goes on when somebody waits, in place of the system's."""

from __future__ import annotations

import time

#: The system's own, for what measures the simulation itself.
real_monotonic = time.monotonic

# A day after the machine started: nothing may depend on small numbers.
_BEGIN_NS = 86_400_000_000_000
# When the simulated day is, on the wall: 2026-11-29.
_WALL_NS = 1_795_910_400_000_000_000


class VirtualTime:
    """The clocks of module `time`, for everything in this process that asks it."""

    def __init__(self) -> None:
        self.now_ns = _BEGIN_NS

    @property
    def since_start_s(self) -> float:
        return (self.now_ns - _BEGIN_NS) / 1e9

    def advance_to(self, instant_ns: int) -> None:
        self.now_ns = max(self.now_ns, instant_ns)

    def install(self) -> None:
        """Takes the place of the system's clocks, until the process ends."""
        time.monotonic_ns = lambda: self.now_ns  # type: ignore[assignment]
        time.monotonic = lambda: self.now_ns / 1e9  # type: ignore[assignment]
        time.time_ns = lambda: _WALL_NS + self.now_ns  # type: ignore[assignment]
        time.time = lambda: (_WALL_NS + self.now_ns) / 1e9  # type: ignore[assignment]
        time.sleep = lambda s: self.advance_to(self.now_ns + round(s * 1e9))  # type: ignore[assignment]
