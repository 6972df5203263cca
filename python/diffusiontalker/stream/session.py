"""The live loop: source -> runtime -> publisher and recorder; and its unpaced counterpart."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from fractions import Fraction
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from .. import Frame, Runtime, RuntimeStats
from . import StreamError, wire
from .meter import Meter
from .publisher import Publisher
from .recorder import Recorder
from .wav_source import WavSource

#: How long the face takes to close when the stream ends, seconds.
CLOSING_S = 0.2
# Longest wait for frames; new subscribers and the clock are looked at this often.
_POLL_S = 0.004
# Time that the frames still owed may take when the user wants to leave.
_DRAIN_S = 1.0
# Audio a call when nothing is paced.
_FAST_BLOCK_S = 0.5


class Source(Protocol):
    """Where live sound comes from: `Microphone` or `PacedSource`."""

    name: str
    sample_rate: int
    duration_s: float | None  #: None when it has no end
    finished: bool  #: everything was pushed
    lost_blocks: int  #: times that the system lost audio before it came here

    def start(self, push: Callable[[NDArray[np.float32]], int]) -> None: ...
    def pump(self, heard_s: float) -> None: ...
    def capture_ns(self, position: int) -> int: ...
    def stop(self) -> None: ...


def make_schema(runtime: Runtime, subject: str, session: int) -> wire.Schema:
    """The schema of the frames that `runtime` will give, starting now."""
    return wire.Schema(
        subject=subject,
        session=session,
        curves=runtime.curve_names,
        rate_num=runtime.frame_rate.numerator,
        rate_den=runtime.frame_rate.denominator,
        model=runtime.bundle.name,
        model_version=runtime.bundle.sha256[:12],
        lookahead_ms=runtime.lookahead_ms,
        audio_rate=runtime.sample_rate,
        start_ns=time.monotonic_ns(),
        start_unix_ns=time.time_ns(),
    )


class LiveSession:
    """Drives a face in real time, from the first sample to the neutral face at the end.

    `run` blocks; the other methods and attributes may be used from another thread meanwhile.
    """

    def __init__(
        self,
        runtime: Runtime,
        source: Source,
        meter: Meter,
        *,
        subject: str,
        publisher: Publisher | None = None,
        recorder: Recorder | None = None,
    ) -> None:
        self.stats: RuntimeStats = runtime.stats
        self.identity = runtime.identity
        self._runtime = runtime
        self._source = source
        self._meter = meter
        self._publisher = publisher
        self._recorder = recorder
        self._subject = subject
        self._session = wire.new_session()
        self._announced = False
        self._sequence = 0
        self._next_index = 0
        self._capture_ns = 0
        self._lost_samples = 0
        self._last = np.zeros(len(runtime.curve_names), np.float32)
        self._stop = threading.Event()
        self._hurry = threading.Event()

    def stop(self) -> None:
        """Asks for the end: the face closes, subscribers are told. A second call skips the ramp."""
        if self._stop.is_set():
            self._hurry.set()
        self._stop.set()

    def run(self) -> None:
        """Runs until the source ends or `stop` is called. Raises StreamError."""
        reason = "failed"
        try:
            self._runtime.start()
            self._source.start(self._runtime.push)
            if self._publisher is not None:
                self._publisher.announce(make_schema(self._runtime, self._subject, self._session))
                self._announced = True
            reason = self._play()
        except StreamError as error:
            reason = str(error)
            raise
        finally:
            self._source.stop()
            self._note_state()
            self._runtime.stop()
            self._leave(reason)

    def _play(self) -> str:
        flushed_s = time.monotonic()
        while not self._stop.is_set():
            self._source.pump(float(self._next_index / self._runtime.frame_rate))
            self._take(self._runtime.poll(_POLL_S))
            if self._publisher is not None:
                self._publisher.serve()
            if self._recorder is not None and time.monotonic() - flushed_s > 1.0:
                self._recorder.flush()
                flushed_s = time.monotonic()
            if self._source.finished:
                self._drain(math.inf)
                return "end of the audio"
        self._drain(_DRAIN_S)
        return "stopped by the user"

    def _drain(self, limit_s: float) -> None:
        """No more audio: takes the frames that are still owed."""
        self._source.stop()
        self._runtime.finish()
        deadline = time.monotonic() + limit_s
        while not self._runtime.finished and time.monotonic() < deadline:
            self._take(self._runtime.poll(_POLL_S))
            if self._stop.is_set():
                deadline = min(deadline, time.monotonic() + _DRAIN_S)

    def _take(self, frames: list[Frame]) -> None:
        for frame in frames:
            flags = 0
            if frame.index != self._next_index or self.stats.dropped_samples > self._lost_samples:
                flags |= wire.FLAG_GAP
                self._lost_samples = self.stats.dropped_samples
            # The clock's estimate may step back by a little; time on the wire never does.
            self._capture_ns = max(self._capture_ns + 1, self._source.capture_ns(frame.position))
            self._publish(frame.index, frame.position, frame.curves, flags)
            self._next_index = frame.index + 1
            self._last = frame.curves
            if self._recorder is not None:
                self._recorder.write(frame.index, frame.curves[None, :])
            now_ns = time.monotonic_ns()
            self._meter.note(now_ns, frame.curves, (now_ns - self._capture_ns) / 1e6)
        if frames:
            self._note_state()

    def _note_state(self) -> None:
        self.stats = self._runtime.stats
        self.identity = self._runtime.identity

    def _publish(self, index: int, position: int, curves: NDArray[np.float32], flags: int) -> None:
        if self._publisher is None:
            return
        if not curves.any():
            flags |= wire.FLAG_NEUTRAL
        rate = self._runtime.frame_rate
        self._publisher.send(
            wire.Frame(
                subject=self._subject,
                session=self._session,
                sequence=self._sequence,
                index=index,
                rate_num=rate.numerator,
                rate_den=rate.denominator,
                position=position,
                audio_rate=self._runtime.sample_rate,
                capture_ns=self._capture_ns,
                flags=flags,
                curves=tuple(curves.tolist()),
            )
        )
        self._sequence += 1

    def _leave(self, reason: str) -> None:
        """Closes the face over a few frames, the last one neutral, and says goodbye."""
        if self._publisher is None:
            return
        if not self._announced:
            self._publisher.close()
            return
        rate = self._runtime.frame_rate
        frame_ns = round(1e9 / rate)
        ramp = math.ceil(CLOSING_S * rate)
        first_ns = time.monotonic_ns()
        start_capture_ns = self._capture_ns or first_ns
        for i in range(1, ramp + 1):
            if i < ramp and self._hurry.is_set():
                continue
            left = 1.0 - i / ramp
            curves = self._last * np.float32(left * left * (3.0 - 2.0 * left))
            position = int(Fraction(self._next_index * self._runtime.sample_rate) / rate)
            self._capture_ns = start_capture_ns + i * frame_ns
            self._publish(self._next_index, position, curves, wire.FLAG_CLOSING)
            self._next_index += 1
            self._hurry.wait(max(0.0, (first_ns + i * frame_ns - time.monotonic_ns()) / 1e9))
        self._publisher.close(
            wire.Bye(self._subject, self._session, self._sequence, _shortened(reason))
        )


def _shortened(text: str) -> str:
    return text.encode()[: wire.MAX_TEXT_BYTES].decode(errors="ignore")


def render(
    runtime: Runtime,
    source: WavSource,
    recorder: Recorder | None,
    progress: Callable[[float], None],
) -> int:
    """Runs a whole file as fast as the machine can; returns the number of frames.

    `progress` is told the seconds of audio done. Raises StreamError.
    """
    frames = 0
    samples = 0

    def take(curves: NDArray[np.float32]) -> None:
        nonlocal frames
        if recorder is not None:
            recorder.write(frames, curves)
        frames += len(curves)

    for block in source.blocks(_FAST_BLOCK_S):
        take(runtime.step(block))
        samples += len(block)
        progress(samples / source.sample_rate)
    take(runtime.flush())
    return frames
