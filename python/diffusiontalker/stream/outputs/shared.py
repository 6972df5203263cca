"""One publisher for several faces, each driven by a session and a thread of its own."""

from __future__ import annotations

import threading

from ...frames import Audio, Bye, Schema, StampedFrame
from .output import Output
from .publisher import Publisher


class SharedPublisher:
    """Gives each face an output of its own; a lock lets one thread at a time at the socket."""

    def __init__(self, publisher: Publisher) -> None:
        self.publisher = publisher
        self.lock = threading.Lock()
        self.open = 0

    def face(self) -> Output:
        """Another face on it. It is closed with the last of them."""
        self.open += 1
        return _Face(self, first=self.open == 1)


class _Face(Output):
    live = True

    def __init__(self, shared: SharedPublisher, *, first: bool) -> None:
        self.name = shared.publisher.name
        self._shared = shared
        # What concerns the socket as a whole is told once.
        self._first = first

    @property
    def dropped(self) -> int:  # type: ignore[override]
        return self._shared.publisher.dropped if self._first else 0

    @property
    def subscribers(self) -> int | None:  # type: ignore[override]
        return self._shared.publisher.subscribers if self._first else None

    def announce(self, schema: Schema) -> None:
        with self._shared.lock:
            self._shared.publisher.announce(schema)

    def send(self, frame: StampedFrame) -> None:
        with self._shared.lock:
            self._shared.publisher.send(frame)

    def send_audio(self, audio: Audio) -> None:
        with self._shared.lock:
            self._shared.publisher.send_audio(audio)

    def serve(self) -> None:
        with self._shared.lock:
            self._shared.publisher.serve()

    def close(self, bye: Bye | None = None) -> None:
        with self._shared.lock:
            self._shared.open -= 1
            if bye is not None:
                self._shared.publisher.leave(bye)
            if self._shared.open == 0:
                self._shared.publisher.close()
