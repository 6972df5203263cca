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
    notices: list[str]  #: what a user should know, a line each; grows while it runs
    #: Whether sound may stop coming for a while, so that silence takes its place.
    may_pause: bool
    #: Whether sound comes as it is captured, so that what comes in a burst was late.
    realtime: bool

    @property
    def lost_blocks(self) -> int:
        """Times that the system lost audio before it came here."""

    @property
    def unplugged(self) -> int:
        """Times that the device went away."""

    def start(self, push: Callable[[NDArray[np.float32]], int]) -> None:
        """Begins; `push` takes each block (n,) of samples, 1.0 being full scale, on any thread.

        It returns how many samples the stream has then, with the silence that was put into pauses:
        positions count those. Raises StreamError.
        """

    def pump(self, heard_s: float) -> None:
        """Called every few milliseconds with how far the runtime has come, seconds of audio.

        Raises StreamError when no more sound can come though it was not the end.
        """

    def capture_ns(self, position: int) -> int:
        """Monotonic time at which sample `position` was captured."""

    def stop(self) -> None:
        """Ends it: no block is pushed after it. May be called twice."""
