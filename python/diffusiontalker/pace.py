"""The clock of a live stream: when its sound runs out, and how much silence takes its place.

Pure arithmetic on sample counts and the system's monotonic clock; nobody waits here.
"""

from __future__ import annotations

from collections import deque

#: Silence takes the place of sound that is late by so long, seconds.
FILL_AFTER_S = 0.1
#: What may be done where sound comes faster than it can be computed (`Runtime.start`).
OVERLOADS = ("keep", "skip", "steps")
# A stream that nobody polled for longer (a program that was stopped, a machine that slept) is not
# caught up with: its clock goes on from where it is.
_MOST_FILLED_S = 2.0
# What a real-time source may be ahead of the clock, and what may come late in a burst after a
# pause before the rest of the burst is left out.
_MOST_AHEAD_S = 0.05
_MOST_LATE_S = 0.5
# A sound card's clock runs at most so much faster or slower than the system's.
_MOST_DRIFT = 1e-3
# Silences and skips whose positions are kept; the counts go on.
_MOST_KEPT = 10_000


class Pace:
    """Follows one live stream at `rate_hz`. Its calls must not overlap.

    Sound counts as heard from the moment it comes: a second of sound that comes at once lasts for a
    second. It runs out `FILL_AFTER_S` (by default) before silence takes its place.

    Positions are samples of the stream: what came, with the silence that was put in and without
    what was left out.
    """

    def __init__(self, rate_hz: int, fill_after_s: float | None, *, realtime: bool = False) -> None:
        """`fill_after_s` None: nothing is ever put in or left out.

        `realtime`: the sound comes as it is captured. What comes faster was late, so it does not
        let the next pause begin later, and after a pause at most half a second of it is heard.
        """
        self.position = 0
        self.filled = 0
        self.skipped = 0
        self.silences: deque[tuple[int, int]] = deque(maxlen=_MOST_KEPT)
        self.skips: deque[tuple[int, int]] = deque(maxlen=_MOST_KEPT)
        self._rate_hz = rate_hz
        self._fill_after_ns = None if fill_after_s is None else round(fill_after_s * 1e9)
        self._realtime = realtime
        self._start_ns: int | None = None
        self._arrival_ns = 0
        self._late = 0  # samples of the newest silence whose sound may still come

    def take(self, now_ns: int, samples: int) -> bool:
        """A chunk of sound came. False: it is too old to be heard, and is left out."""
        if self._fill_after_ns is None:
            self.position += samples
            return True
        if self._start_ns is None:
            self._start_ns = self._arrival_ns = now_ns
        lasts_ns = self._ns(samples)
        burst = (now_ns - self._arrival_ns) * 2 < lasts_ns
        self._arrival_ns = now_ns
        if self._realtime and not self._keep_up(now_ns, samples, burst):
            return False
        ahead_ns = self._ahead_ns(now_ns)
        drift_ns = round(lasts_ns * _MOST_DRIFT)
        self._start_ns -= max(-drift_ns, min(drift_ns, ahead_ns))
        self.position += samples
        return True

    def _keep_up(self, now_ns: int, samples: int, burst: bool) -> bool:
        assert self._start_ns is not None
        ahead_ns = self._ahead_ns(now_ns)
        if burst:
            if ahead_ns > _MOST_LATE_S * 1e9 and self._late >= samples:
                self._late -= samples
                self.skipped += samples
                before = 0
                if self.skips and self.skips[-1][0] == self.position:
                    before = self.skips.pop()[1]
                self.skips.append((self.position, before + samples))
                return False
        elif not self._in_silence():
            self._late = 0
            self._start_ns -= max(0, ahead_ns - round(_MOST_AHEAD_S * 1e9))
        return True

    def due(self, now_ns: int) -> int:
        """Samples of silence that should be put in now, usually 0."""
        if self._start_ns is None or self._fill_after_ns is None:
            return 0
        behind_ns = -self._ahead_ns(now_ns)
        if behind_ns > self._fill_after_ns + _MOST_FILLED_S * 1e9:
            behind_ns = round(_MOST_FILLED_S * 1e9)
            self._start_ns = now_ns - self._ns(self.position) - behind_ns
        if behind_ns <= (0 if self._in_silence() else self._fill_after_ns):
            return 0
        return behind_ns * self._rate_hz // 1_000_000_000

    def fill(self, samples: int) -> None:
        """So many samples of silence were put in."""
        if samples == 0:
            return
        if self._in_silence():
            self.silences[-1] = (self.silences[-1][0], self.silences[-1][1] + samples)
        else:
            self._late = 0
            self.silences.append((self.position, samples))
        self._late += samples
        self.filled += samples
        self.position += samples

    def _in_silence(self) -> bool:
        """Whether the newest that was handed on is silence that was put in."""
        return bool(self.silences) and sum(self.silences[-1]) == self.position

    def _ahead_ns(self, now_ns: int) -> int:
        assert self._start_ns is not None
        return self._ns(self.position) - (now_ns - self._start_ns)

    def _ns(self, samples: int) -> int:
        return samples * 1_000_000_000 // self._rate_hz
