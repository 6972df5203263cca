"""What a source of live sound is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


class Source(Protocol):
    """Where live sound comes from: `Microphone` or `PacedSource`."""

    name: str
    sample_rate: int
    duration_s: float | None  #: None when it has no end
    finished: bool  #: everything was pushed
    lost_blocks: int  #: times that the system lost audio before it came here

    def start(self, push: Callable[[NDArray[np.float32]], int]) -> None:
        """Begins; `push` takes each block (n,) of samples, 1.0 being full scale, on any thread.

        Raises StreamError.
        """

    def pump(self, heard_s: float) -> None:
        """Called every few milliseconds with how far the runtime has come, seconds of audio.

        Raises StreamError when no more sound can come though it was not the end.
        """

    def capture_ns(self, position: int) -> int:
        """Monotonic time at which sample `position` was captured."""

    def stop(self) -> None:
        """Ends it: no block is pushed after it. May be called twice."""
