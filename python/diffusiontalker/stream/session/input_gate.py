"""What is left of a voice that is muted, or too quiet to be one."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.float32]

# The level is taken over windows of this length; what follows a loud one is let through for a
# while, so that words keep their ends.
_WINDOW_S = 0.01
_HOLD_S = 0.25


class InputGate:
    """Puts silence in place of sound below a level, or of all sound.

    It knows the past only and adds no delay: a word that opens it loses up to 10 ms. `threshold_db`
    and `muted` may be set from another thread at any time.
    """

    def __init__(self, rate_hz: int) -> None:
        self.threshold_db: float | None = None  #: dBFS; None lets everything through
        self.muted = False
        self._window = max(1, round(_WINDOW_S * rate_hz))
        self._hold = round(_HOLD_S / _WINDOW_S)
        self._open = 0  # windows that it stays open
        # Of the window that is not yet full; a whole number, so that no cut changes the sum.
        self._power, self._count = 0, 0

    def push(self, block: Samples) -> Samples:
        """The block (n,), or what takes its place. However the sound is cut, it is the same."""
        threshold_db = self.threshold_db
        if self.muted:
            return np.zeros_like(block)
        if threshold_db is None:
            return block
        least = 10.0 ** (threshold_db / 10.0) * self._window * 32768.0**2
        out = np.zeros_like(block)
        at = 0
        while at < len(block):
            piece = block[at : at + self._window - self._count]
            if self._open:
                out[at : at + len(piece)] = piece
            whole = np.rint(np.nan_to_num(piece) * 32768.0).astype(np.int64)
            self._power += int(whole @ whole)
            self._count += len(piece)
            at += len(piece)
            if self._count == self._window:
                self._open = self._hold if self._power >= least else max(0, self._open - 1)
                self._power, self._count = 0, 0
        return out
