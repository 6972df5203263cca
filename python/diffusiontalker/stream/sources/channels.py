"""What the channels of an input carry: which of them is the voice, and whether it is loud enough.

Runs in the sound card's thread: it adds up and compares, and nothing else.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

# Loudness of a channel is a mean over about this time, seconds.
_POWER_S = 0.05
# Another channel takes over when it is louder by this factor of power (12 dB) and is no mere noise
# of a converter (-80 dBFS).
_LOUDER = 16.0
_LEAST_POWER = 1e-8

#: What is judged at a time, seconds.
JUDGED_S = 3.0
_WINDOW_S = 0.1
# Nothing but a converter's noise, dBFS.
_SILENT_DB = -80.0
# Loudest window of a voice that is too quiet for the model, and how far it then stands out of what
# is there all the time: a room where nobody speaks does not.
_QUIET_DB = -48.0
_STANDS_OUT_DB = 12.0


class LoudestChannel:
    """Picks the channel that somebody speaks into, from block to block."""

    def __init__(self, channels: int, rate_hz: int) -> None:
        self.channel = 0  #: the one that was picked last, from 0 on
        self._rate_hz = rate_hz
        self._power = np.zeros(channels)

    def pick(self, block: NDArray[np.float32]) -> NDArray[np.float32]:
        """(n, channels) samples -> (n,) of the channel that is heard."""
        if len(block) and block.shape[1] > 1:
            share = 1.0 - math.exp(-len(block) / (_POWER_S * self._rate_hz))
            power = np.square(block, dtype=np.float64).mean(axis=0)
            self._power += (np.nan_to_num(power, posinf=0.0) - self._power) * share
            loudest = int(np.argmax(self._power))
            if self._power[loudest] > max(_LEAST_POWER, _LOUDER * self._power[self.channel]):
                self.channel = loudest
        return np.ascontiguousarray(block[:, self.channel])


class LevelCheck:
    """Judges the first seconds of an input until it has been heard well or is found wanting."""

    def __init__(self, rate_hz: int) -> None:
        self.silent = False  #: nothing came but silence
        self.quiet = False  #: somebody speaks, far too quietly
        self.loudest_db = -math.inf  #: of the windows that were judged, dBFS
        self._size = round(_WINDOW_S * rate_hz)
        self._sum = 0.0
        self._count = 0
        self._levels_db: list[float] = []
        self._done = False

    def note(self, block: NDArray[np.float32]) -> None:
        """Takes a block (n,) of samples."""
        if self._done:
            return
        self._sum += float(np.nan_to_num(np.square(block, dtype=np.float64)).sum())
        self._count += len(block)
        if self._count >= self._size:
            self._levels_db.append(10.0 * math.log10(max(self._sum / self._count, 1e-12)))
            self._sum, self._count = 0.0, 0
        if len(self._levels_db) >= JUDGED_S / _WINDOW_S:
            self._judge(sorted(self._levels_db))
            self._levels_db.clear()

    def _judge(self, levels_db: list[float]) -> None:
        self.loudest_db = levels_db[-1]
        self.silent = self.loudest_db < _SILENT_DB
        usual_db = levels_db[len(levels_db) // 4]
        self.quiet = not self.silent and (
            self.loudest_db < _QUIET_DB and self.loudest_db - usual_db > _STANDS_OUT_DB
        )
        self._done = self.silent or self.quiet or self.loudest_db >= _QUIET_DB
