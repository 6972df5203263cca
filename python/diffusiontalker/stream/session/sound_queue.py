"""The sound of a session on its way to the outputs."""

from __future__ import annotations

import math
from collections import deque

import numpy as np
from numpy.typing import NDArray

# Sound in a message; blocks of sound that may wait to be sent, before the oldest are lost.
_MESSAGE_S = 0.02
_MOST_BLOCKS = 1000


def as_s16le(samples: NDArray[np.float32]) -> bytes:
    """Samples (n,), 1.0 being full scale, as the wire has them; what is no number is silence."""
    finite = np.nan_to_num(samples, posinf=0.0, neginf=0.0)
    whole: NDArray[np.int16] = np.clip(np.rint(finite * 32767.0), -32768, 32767).astype("<i2")
    return whole.tobytes()


class SoundQueue:
    """Blocks of sound on their way from the source's thread to the loop, cut into messages.

    `note` never waits. Positions are those of the frames.
    """

    def __init__(self, sample_rate: int) -> None:
        self._size = math.ceil(_MESSAGE_S * sample_rate)
        self._blocks: deque[tuple[int, NDArray[np.float32]]] = deque(maxlen=_MOST_BLOCKS)
        self._position = 0
        self._pending = np.empty(0, np.float32)

    def note(self, position: int, block: NDArray[np.float32]) -> None:
        """Takes a block (n,) of samples, 1.0 being full scale, that begins at `position`.

        Called by the thread that feeds the runtime.
        """
        # A sound card reuses its buffer.
        self._blocks.append((position, block.copy()))

    def take(self, *, rest: bool = False) -> list[tuple[int, NDArray[np.float32]]]:
        """Position and samples of each piece that is complete; of everything with `rest`."""
        pieces: list[tuple[int, NDArray[np.float32]]] = []
        while self._blocks:
            position, block = self._blocks.popleft()
            if position != self._position + len(self._pending):
                # Blocks were lost in between; a piece has no hole.
                pieces += self._cut(1)
                self._position = position
            self._pending = np.concatenate([self._pending, block])
        return pieces + self._cut(1 if rest else self._size)

    def _cut(self, least: int) -> list[tuple[int, NDArray[np.float32]]]:
        pieces: list[tuple[int, NDArray[np.float32]]] = []
        while len(self._pending) >= least:
            piece = self._pending[: self._size]
            pieces.append((self._position, piece))
            self._position += len(piece)
            self._pending = self._pending[len(piece) :]
        return pieces
