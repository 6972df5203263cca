"""One client's voice: sound in at its own rate, frames out, a clock of its own."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import pairwise
from typing import Any

import numpy as np

from .. import clock
from ..barge_in import BargeIn
from ..chunks import FloatArray
from ..curves import CURVES
from ..scale import is_audio, what_is_wrong
from ..streams import Stream
from .limits import Limits, Refusal
from .pool import Batch
from .shapes import Shapes

#: Bytes of a sample, and how NumPy reads them.
_FORMATS: dict[str, np.dtype[Any]] = {"s16le": np.dtype("<i2"), "f32le": np.dtype("<f4")}
FORMATS = tuple(_FORMATS)
_FULL_SCALE = np.float32(32768)


@dataclass
class Frames:
    """Frames that follow one another, as they leave."""

    numbers: range  #: of these frames
    curves: FloatArray  #: (frames, 52); as they leave: what the session's shapes make of them
    heard_s: float  #: when the sound that the last one needed had come, monotonic seconds


class Session:
    """What one client sends and gets. Its calls belong to the event loop; `run` and `stream` to the
    thread that computes.

    Args:
        stream: between the client's clock and the core's.
        place: batch and number.
        sample_rate, sound_format: of the sound to come.
        keep_sound: whether `echo` will be asked for what frames sounded like.
        every: which frames leave: each, every second, ...
        finish: the last thing done to the curves, None for nothing.
        shapes: what leaves in the curves' place.
        wake: tells the scheduler that there is something to do.
    """

    def __init__(
        self,
        *,
        stream: Stream,
        place: tuple[Batch, int],
        sample_rate: int,
        frame_rate: Fraction,
        sound_format: str,
        limits: Limits,
        keep_sound: bool,
        every: int,
        finish: Callable[[FloatArray], FloatArray] | None,
        shapes: Shapes,
        wake: Callable[[], None],
    ) -> None:
        self.stream = stream
        self.batch, self.place = place
        self.sample_rate, self.frame_rate = sample_rate, frame_rate
        self._dtype = _FORMATS[sound_format]
        self._limits, self._keep_sound = limits, keep_sound
        self._finish, self._wake, self._every = finish, wake, every
        self.shapes = shapes
        self._sound = bytearray()  # from sample `_base` on
        self._odd = b""
        self._base = self._taken = self.pushed = 0  # samples
        self._arrivals: deque[tuple[int, float]] = deque()  # (samples by then, monotonic seconds)
        self._ended = self._flushed = False
        self._failure: Refusal | None = None
        self._out: deque[Frames] = deque()
        self._unsent = 0
        self._ready = asyncio.Event()
        self.delivered = 0  #: frames, those of the outbox included
        self.closed = self.busy = False
        self.progress_s = time.monotonic()  #: when sound last came or frames last went
        self.leaving_s: float | None = None  #: since when frames are about to go to the client
        #: Ends what serves this session where it hangs in a write.
        self.abandon: Callable[[], object] = lambda: None
        self.barge_in = BargeIn(CURVES, frame_rate)

    # ---- sound in ---------------------------------------------------------------------------

    def push(self, data: bytes) -> int:
        """Takes sound of any length; returns the samples it made. Raises Refusal."""
        self.progress_s = time.monotonic()
        if self._ended:
            raise Refusal("invalid", "sound came after its end was said; begin another session")
        if self._odd:
            data = self._odd + data
        size = self._dtype.itemsize
        whole = len(data) - len(data) % size
        self._odd = bytes(data[whole:])
        if whole != len(data):
            data = data[:whole]
        if self._dtype.kind == "f":
            self._refuse_what_is_no_audio(data)
        samples = whole // size
        self._refuse_too_much(samples)
        self._sound += data
        self.pushed += samples
        self._arrivals.append((self.pushed, self.progress_s))
        self._wake()
        return samples

    def _refuse_what_is_no_audio(self, data: bytes) -> None:
        values = np.frombuffer(data, self._dtype)
        good = is_audio(values)
        if not good.all():
            where = int(np.argmin(good))
            raise Refusal(
                "invalid", f"sample {self.pushed + where} is {what_is_wrong(float(values[where]))}"
            )

    def _refuse_too_much(self, samples: int) -> None:
        longest_s, backlog_s = self._limits.session_s, self._limits.backlog_s
        if longest_s and self.pushed + samples > longest_s * self.sample_rate:
            raise Refusal(
                "exhausted", f"this server takes {longest_s:g} s of sound a session; begin another"
            )
        if self.waiting + samples > backlog_s * self.sample_rate:
            raise Refusal(
                "exhausted",
                f"more than {backlog_s:g} s of sound wait to be computed; read the frames, or send "
                "slower",
            )

    def silence(self, samples: int) -> None:
        """Puts silence in, as if it had come."""
        if not self._ended:
            self._sound += bytes(samples * self._dtype.itemsize)
            self.pushed += samples
            self._arrivals.append((self.pushed, time.monotonic()))
            self._wake()

    def end(self) -> None:
        """No more sound comes: the frames still owed are computed. A half sample is dropped."""
        if not self._ended:
            self._ended = True
            self.progress_s = time.monotonic()
            self._wake()

    def interrupt(self, lookahead_s: float) -> int:
        """The speaker was cut short: forgets what nobody has got, and closes the mouth.

        Returns the number of the next frame that leaves. Sound that comes from now on is spoken
        after the mouth has closed.
        """
        at = self._taken - self._base
        del self._sound[at * self._dtype.itemsize :]
        self._odd = b""
        self.pushed = self._taken
        self._arrivals.clear()
        self._out.clear()
        self._unsent = 0
        self.barge_in.close()
        self.silence(round((self.barge_in.seconds + lookahead_s) * self.sample_rate) + 1)
        # The first frame that depicts sound of what comes now.
        self.barge_in.open_at(clock.total_frames(self.pushed, self.frame_rate, self.sample_rate))
        return self.delivered

    @property
    def over(self) -> bool:
        """Whether it has failed or is closed: nothing is taken any more."""
        return self.closed or self._failure is not None

    @property
    def waiting(self) -> int:
        """Samples that have come and are not computed."""
        return self.pushed - self._taken

    # ---- what the scheduler does ---------------------------------------------------------------

    @property
    def wants(self) -> bool:
        """Whether there is something to compute and somebody who may still take it."""
        if self.busy or self.closed or self._failure or self._flushed:
            return False
        if self._unsent >= self._limits.unsent_frames:
            return False
        return self.waiting > 0 or self._ended

    def claim(self, most: int) -> tuple[FloatArray, bool]:
        """The next samples, at most so many, and whether the end follows them."""
        size = self._dtype.itemsize
        count = min(self.waiting, most)
        start = (self._taken - self._base) * size
        values = np.frombuffer(bytes(self._sound[start : start + count * size]), self._dtype)
        self._taken += count
        if not self._keep_sound:
            del self._sound[: start + count * size]
            self._base = self._taken
        ends = self._ended and self.waiting == 0
        self._flushed, self.busy = ends, True
        if self._dtype.kind == "f":
            return values.astype(np.float32), ends
        return values.astype(np.float32) / _FULL_SCALE, ends

    def finished(self, frames: FloatArray) -> FloatArray:
        """The last stage, for frames in order; in the thread that computes."""
        return frames if self._finish is None else self._finish(frames)

    def deliver(self, frames: FloatArray) -> float | None:
        """Frames that were computed for what was claimed.

        Returns when their sound had come, monotonic seconds; None where no frame came of it.
        """
        self.busy = False
        heard_s = None
        while self._arrivals and self._arrivals[0][0] <= self._taken:
            heard_s = self._arrivals.popleft()[1]
        if heard_s is None:
            heard_s = self._arrivals[0][1] if self._arrivals else time.monotonic()
        if len(frames):
            frames = self.barge_in.apply(self.delivered, frames)
            first, every = self.delivered, self._every
            self.delivered += len(frames)
            frames = frames[-first % every :: every]
            if len(frames):
                numbers = range(first + -first % every, self.delivered, every)
                self._out.append(Frames(numbers, frames, heard_s))
                self._unsent += len(frames)
        if len(frames) or self._flushed:
            self._ready.set()
        return heard_s if len(frames) else None

    def fail(self, refusal: Refusal) -> None:
        """Ends the session: whoever reads its frames gets the refusal."""
        if self._failure is None:
            self._failure = refusal
            self._ready.set()

    # ---- frames out ------------------------------------------------------------------------------

    async def frames(self) -> Frames | None:
        """The next frames, as many as are there; None after the last. Raises Refusal."""
        self.leaving_s = None
        while True:
            if self._failure is not None:
                raise self._failure
            if self._out:
                frames = self._out.popleft()
                full = self._unsent >= self._limits.unsent_frames
                self._unsent -= len(frames.curves)
                if full:
                    self._wake()
                self.barge_in.sent(frames.curves[-1])
                self.leaving_s = time.monotonic()
                if not self.shapes.are_curves:
                    frames = replace(frames, curves=self.shapes(frames.curves))
                return frames
            if self._flushed and not self.busy:
                return None
            self._ready.clear()
            await self._ready.wait()

    def sent(self) -> None:
        """Some of the frames that were handed out have gone to the client."""
        self.progress_s = time.monotonic()
        if self.leaving_s is not None:
            self.leaving_s = self.progress_s

    def echo(self, frames: range) -> list[bytes]:
        """By frame the sound from its instant to that of the next that leaves; then silence.

        Frames are asked for in order, each once; the session was made with `keep_sound`.
        """
        size, base = self._dtype.itemsize, self._base
        # `clock.position_of` for many: sample = frame x this over that.
        times, over = self.sample_rate * self.frame_rate.denominator, self.frame_rate.numerator
        cuts = [frame * times // over for frame in (*frames, frames[-1] + self._every)]
        sound = self._sound
        pieces = [bytes(sound[(a - base) * size : (b - base) * size]) for a, b in pairwise(cuts)]
        if len(pieces[-1]) < (cuts[-1] - cuts[-2]) * size:  # the end was said within these
            pieces = [
                piece.ljust((b - a) * size, b"\0")
                for piece, a, b in zip(pieces, cuts, cuts[1:], strict=False)
            ]
        del sound[: (cuts[-1] - base) * size]
        self._base = min(cuts[-1], self.pushed)
        return pieces
