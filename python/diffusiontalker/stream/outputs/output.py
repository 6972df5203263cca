"""What an output is: takes frames, and never waits for whoever is at its end."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ...frames import Audio, Bye, Schema, StampedFrame


class Output(Protocol):
    """One way out. All calls come from one thread, and none of them waits for a receiver.

    Outputs derive from it: one without sound, subscribers or chores of its own need not say so.
    """

    name: str  #: where the frames go, as a user writes or reads it
    dropped: int  #: frames that this output, or whoever is at its end, would not take
    #: Whether somebody watches while it happens: then the face is closed at the end. A file keeps
    #: the model's frames only.
    live: bool
    #: Connected right now; None where nobody connects.
    subscribers: int | None = None
    #: Whether its failure ends the session; where not, it is left out and the others go on.
    vital: bool = True
    #: Whether it is to be told of the sound by `hear`.
    hears: bool = False

    def announce(self, schema: Schema) -> None:
        """The frames to come. Called once, before the first of them."""

    def send(self, frame: StampedFrame) -> None:
        """The next frame."""

    def send_audio(self, audio: Audio) -> None:
        """A piece of the sound. Where there is no place for sound it is passed over."""
        return

    def hear(self, position: int, samples: NDArray[np.float32]) -> None:
        """The next sound (n,) as the runtime got it, at `position` of the frames' clock."""
        return

    def serve(self) -> None:
        """Does what is due besides frames; called every few milliseconds."""
        return

    def hurry(self) -> None:
        """`close` shall wait for nobody; called from another thread, also while it waits."""
        return

    def close(self, bye: Bye | None = None) -> None:
        """Ends it; None withdraws what was not yet final. Raises StreamError."""
