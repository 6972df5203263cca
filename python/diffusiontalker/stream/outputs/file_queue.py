"""Writes a file in the background: a disk or a pipe may stall, and frames do not wait for it."""

from __future__ import annotations

import contextlib
import queue
import threading
import time

import numpy as np
from numpy.typing import NDArray

from ...frames import Bye, Schema, StampedFrame
from .. import StreamError
from .output import Output

#: Frames that wait for a slow disk or pipe before further ones are dropped for it: 10 s at 60 Hz.
FILE_QUEUE = 600
#: How long a file that takes nothing is waited for at the end, seconds.
FILE_PATIENCE_S = 10.0
_LOOK_EVERY_S = 0.05

_Heard = tuple[int, NDArray[np.float32]]


class FileQueue(Output):
    """Gives a recorder a thread and a bounded queue; what the queue does not hold is dropped."""

    live = False

    def __init__(self, recorder: Output, depth: int = FILE_QUEUE, *, every_s: float = 0.0) -> None:
        """`depth`: frames, and pieces of sound where it hears them, that may wait.

        `every_s`: what came is written so often and together. A thread that wakes for every one of
        them costs those that make frames their turn of the interpreter.
        """
        self.name = recorder.name
        self.vital = recorder.vital
        self.hears = recorder.hears
        self.dropped = 0
        self._recorder = recorder
        self._queue: queue.Queue[Schema | StampedFrame | _Heard | None] = queue.Queue(depth)
        self._failure: BaseException | None = None
        self._abandoned = False
        self._every_s = every_s
        self._closing = threading.Event()
        self._hurry = threading.Event()
        self._thread = threading.Thread(
            target=self._work, name=f"dt-stream {self.name}", daemon=True
        )
        self._thread.start()

    def announce(self, schema: Schema) -> None:
        self._queue.put_nowait(schema)

    def send(self, frame: StampedFrame) -> None:
        """Queues a frame. Raises what the recorder raised in the meantime."""
        self.serve()
        try:
            self._queue.put_nowait(frame)
        except queue.Full:
            self.dropped += 1

    def hear(self, position: int, samples: NDArray[np.float32]) -> None:
        """Queues sound; what finds no room leaves a hole."""
        with contextlib.suppress(queue.Full):
            self._queue.put_nowait((position, samples))

    def serve(self) -> None:
        """Raises what the recorder raised in the meantime."""
        if self._failure is not None:
            raise self._failure

    def hurry(self) -> None:
        """Stops `close` from waiting."""
        self._hurry.set()

    def close(self, bye: Bye | None = None) -> None:
        """Waits until the queue is written, or drops it if there is no `bye`."""
        self._abandoned = bye is None
        self._closing.set()
        begun = time.monotonic()
        told = False
        while self._thread.is_alive():
            if not told:
                with contextlib.suppress(queue.Full):
                    self._queue.put_nowait(None)
                    told = True
            self._thread.join(_LOOK_EVERY_S)
            if self._hurry.is_set() or time.monotonic() - begun > FILE_PATIENCE_S:
                break
        if self._thread.is_alive():
            raise StreamError(
                f"{self.name} took nothing for {time.monotonic() - begun:.0f} s; "
                f"{self._queue.qsize()} frames were not written"
            )
        self._recorder.close(None if self._failure is not None else bye)
        self.serve()

    def _work(self) -> None:
        try:
            while True:
                if self._every_s and self._queue.empty():
                    self._closing.wait(self._every_s)
                try:
                    message = self._queue.get(timeout=1.0)
                except queue.Empty:
                    self._recorder.serve()
                    continue
                if message is None:
                    return
                if self._abandoned:
                    continue
                if isinstance(message, Schema):
                    self._recorder.announce(message)
                elif isinstance(message, tuple):
                    self._recorder.hear(*message)
                else:
                    self._recorder.send(message)
                    self._recorder.serve()
        except BaseException as error:
            self._failure = error
