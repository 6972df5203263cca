"""A stream's way into the core and out of it: its clock, its resampler, its knobs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import TypeVar

import numpy as np

from . import clock
from .chunks import FloatArray, about, as_float32
from .clock import CORE_RATE_HZ
from .knobs import Knobs
from .resample import Resampler, delay_samples
from .scale import is_audio

#: Most streams of one runtime, and most threads.
MOST_STREAMS = 65536
_T = TypeVar("_T")


def lookahead_at(rate: int, core_samples: int) -> int:
    """The core's look-ahead in samples at `rate`, with the resampler's delay."""
    if rate == CORE_RATE_HZ:
        return core_samples
    return -(-core_samples * rate // CORE_RATE_HZ) + delay_samples(rate)


class Stream:
    """One voice between the caller's clock and the core's.

    Args:
        rate: of the caller's samples, Hz.
        frame_rate: frames a second.
        lookahead: samples at `rate` that a frame waits for beyond its instant.
        names: of a frame's values.
    """

    def __init__(
        self, rate: int, frame_rate: Fraction, lookahead: int, names: tuple[str, ...]
    ) -> None:
        self._rate, self._frame_rate, self._lookahead = rate, frame_rate, lookahead
        self._width = len(names)
        self.resampler = None if rate == CORE_RATE_HZ else Resampler(rate)
        self.knobs = Knobs(names, frame_rate)
        self._clear()

    def _clear(self) -> None:
        self.samples = 0  #: taken, at `rate`
        self.delivered = 0  #: frames
        self.flushed = False
        # Frames that the core has computed, but whose instant plus look-ahead the input's own
        # clock has not reached: the resampler runs ahead of its worst case most of the time.
        self._early: FloatArray = np.empty((0, self._width), np.float32)
        self.knobs.reset()

    def reset(self) -> None:
        """Back to the start; the knobs keep their settings."""
        if self.resampler is not None:
            self.resampler.reset()
        self._clear()

    def take(self, samples: FloatArray) -> FloatArray:
        """Input-rate samples -> what the core gets for them."""
        self.samples += samples.size
        return samples if self.resampler is None else self.resampler.push(samples)

    def tail(self) -> FloatArray:
        """What silence brings out of the resampler, for the core."""
        if self.resampler is None:
            return np.zeros(0, np.float32)
        return self.resampler.push(np.zeros(delay_samples(self._rate), np.float32))

    def deliver(self, frames: FloatArray, due: int | None = None) -> FloatArray:
        """Joins `frames` to the early ones and gives out those up to frame number `due`.

        By default those whose instant plus the look-ahead the samples taken so far cover.
        """
        if self.resampler is None and due is None:  # the core's clock is the caller's
            self.delivered += len(frames)
            return self.knobs.push(frames)
        if due is None:
            due = clock.due_frames(self.samples, self._lookahead, self._frame_rate, self._rate)
        if len(self._early):
            frames = np.concatenate([self._early, frames])
        count = min(len(frames), max(due - self.delivered, 0))
        self._early = frames[count:]
        self.delivered += count
        return self.knobs.push(frames[:count])

    def total_frames(self) -> int:
        """ceil(duration x frame_rate) for the samples taken so far."""
        return clock.total_frames(self.samples, self._frame_rate, self._rate)


def whole(what: str, value: object, low: int, high: int) -> int:
    """`value` as a whole number from `low` to `high`, or ValueError."""
    if (
        isinstance(value, bool)
        or not isinstance(value, int | np.integer)
        or not low <= value <= high
    ):
        top = "2**64 - 1" if high == 2**64 - 1 else str(high)
        raise ValueError(f"{what}: expected a whole number from {low} to {top}, got {value!r}")
    return int(value)


def each(
    what: str, value: object, streams: int | None, convert: Callable[[object], _T]
) -> tuple[_T, ...]:
    """One a stream, of a value that is for all of them or of a sequence; ValueError."""
    if isinstance(value, str) or not isinstance(value, Sequence | np.ndarray):
        return (convert(value),) * (streams or 1)
    if streams is None:
        return (convert(value),)  # which says what it expects
    if len(value) != streams:
        raise ValueError(f"{what}: expected one value or {streams}, one a stream, got {len(value)}")
    return tuple(convert(one) for one in value)


def one_each(chunks: object, streams: int) -> list[FloatArray]:
    """A (streams, n) array, or a sequence of chunks of any lengths, as float32; ValueError."""
    if isinstance(chunks, np.ndarray) and chunks.ndim != 2:
        raise ValueError(
            f"chunks: expected shape ({streams}, n), or a list of {streams} chunks, got shape "
            f"{chunks.shape}"
        )
    if isinstance(chunks, str | bytes | bytearray | memoryview) or not isinstance(
        chunks, Sequence | np.ndarray
    ):
        raise ValueError(
            f"chunks: expected an array of shape ({streams}, n), or a list of {streams} chunks, "
            f"got {type(chunks).__name__}"
        )
    if len(chunks) != streams:
        raise ValueError(f"chunks: expected {streams}, one a stream, got {len(chunks)}")
    out = []
    for number, chunk in enumerate(chunks):
        try:
            out.append(as_float32(chunk))
        except ValueError as error:
            raise ValueError(f"stream {number}: {error}") from None
    return out


def refuse_what_is_no_audio(chunks: Sequence[FloatArray], *, alone: bool) -> None:
    """ValueError that names the stream, unless it is `alone`, the sample and what is wrong."""
    for number, samples in enumerate(chunks):
        good = is_audio(samples)
        if not good.all():
            where = int(np.argmin(good))
            which = "" if alone else f"stream {number}: "
            raise ValueError(f"{which}chunk: {about(where, float(samples[where]))}")
