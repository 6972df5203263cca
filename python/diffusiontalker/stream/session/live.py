"""The live loop: source -> runtime -> outputs; and its unpaced counterpart."""

from __future__ import annotations

import contextlib
import math
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ... import Frame, Runtime, RuntimeStats, wire
from .. import StreamError
from ..outputs.ways_out import Outputs
from ..sources.wav import WavSource
from .meter import Meter

#: How long the face takes to close when the stream ends, seconds.
CLOSING_S = 0.2
# Longest wait for frames; new subscribers and the clock are looked at this often.
_POLL_S = 0.004
# Time that the frames still owed may take when the user wants to leave.
_DRAIN_S = 1.0
# Audio a call when nothing is paced.
_FAST_BLOCK_S = 0.5
# Sound in an audio message; blocks of sound that may wait to be sent, before the oldest are lost.
_AUDIO_MESSAGE_S = 0.02
_AUDIO_BLOCKS = 1000


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


def make_schema(runtime: Runtime, subject: str, *, audio: bool = False) -> wire.Schema:
    """The schema of a new session of frames that `runtime` will give, starting now."""
    return wire.Schema(
        subject=subject,
        session=wire.new_session(),
        curves=runtime.curve_names,
        rate_num=runtime.frame_rate.numerator,
        rate_den=runtime.frame_rate.denominator,
        model=runtime.bundle.name,
        model_version=runtime.bundle.sha256[:12],
        lookahead_ms=runtime.lookahead_ms,
        audio_rate=runtime.sample_rate,
        start_ns=time.monotonic_ns(),
        start_unix_ns=time.time_ns(),
        audio_format=wire.AUDIO_FORMAT if audio else "",
    )


def make_frame(
    schema: wire.Schema,
    sequence: int,
    index: int,
    capture_ns: int,
    flags: int,
    curves: NDArray[np.float32],
) -> wire.Frame:
    """The message of one frame, `curves` (52,) in the schema's order."""
    if not curves.any():
        flags |= wire.FLAG_NEUTRAL
    return wire.Frame(
        subject=schema.subject,
        session=schema.session,
        sequence=sequence,
        index=index,
        rate_num=schema.rate_num,
        rate_den=schema.rate_den,
        position=index * schema.rate_den * schema.audio_rate // schema.rate_num,
        audio_rate=schema.audio_rate,
        capture_ns=capture_ns,
        flags=flags,
        curves=tuple(curves.tolist()),
    )


class SoundQueue:
    """Blocks of sound on their way from the source's thread to the loop, cut into messages.

    `note` never waits. Positions count every sample that the source gave, so they are those of the
    frames.
    """

    def __init__(self, sample_rate: int) -> None:
        self._size = math.ceil(_AUDIO_MESSAGE_S * sample_rate)
        self._blocks: deque[tuple[int, NDArray[np.float32]]] = deque(maxlen=_AUDIO_BLOCKS)
        self._heard = 0
        self._position = 0
        self._pending = np.empty(0, np.int16)

    def note(self, block: NDArray[np.float32]) -> None:
        """Takes a block (n,) of samples, 1.0 being full scale; called by the source's thread."""
        # A sound card reuses its buffer.
        self._blocks.append((self._heard, block.copy()))
        self._heard += len(block)

    def take(self, *, rest: bool = False) -> list[tuple[int, bytes]]:
        """Position and samples of each piece that is complete; of everything with `rest`."""
        pieces: list[tuple[int, bytes]] = []
        while self._blocks:
            position, block = self._blocks.popleft()
            if position != self._position + len(self._pending):
                # Blocks were lost in between; a piece has no hole.
                pieces += self._cut(1)
                self._position = position
            samples = np.nan_to_num(block, posinf=0.0, neginf=0.0)
            samples = np.clip(np.rint(samples * 32767.0), -32768, 32767).astype("<i2")
            self._pending = np.concatenate([self._pending, samples])
        return pieces + self._cut(1 if rest else self._size)

    def _cut(self, least: int) -> list[tuple[int, bytes]]:
        pieces: list[tuple[int, bytes]] = []
        while len(self._pending) >= least:
            piece = self._pending[: self._size]
            pieces.append((self._position, piece.tobytes()))
            self._position += len(piece)
            self._pending = self._pending[len(piece) :]
        return pieces


class LiveSession:
    """Drives a face in real time, from the first sample to the neutral face at the end.

    `run` blocks; the other methods and attributes may be used from another thread meanwhile.
    """

    def __init__(
        self,
        runtime: Runtime,
        source: Source,
        meter: Meter,
        outputs: Outputs,
        *,
        subject: str,
        publish_audio: bool = False,
        keep_after_failure: bool = False,
    ) -> None:
        """`keep_after_failure`: files keep the frames that came before an error."""
        self.stats: RuntimeStats = runtime.stats
        self.identity = runtime.identity
        self._runtime = runtime
        self._source = source
        self._meter = meter
        self._outputs = outputs
        self._subject = subject
        self._sound = SoundQueue(source.sample_rate) if publish_audio else None
        self._keep_after_failure = keep_after_failure
        self._schema: wire.Schema | None = None
        self._sequence = 0
        self._audio_sequence = 0
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
        """Runs until the source ends or `stop` is called, and closes the outputs.

        Raises StreamError.
        """
        reason, failed = "failed", True
        try:
            self._runtime.start()
            self._source.start(self._runtime.push if self._sound is None else self._hear)
            self._schema = make_schema(self._runtime, self._subject, audio=self._sound is not None)
            self._outputs.announce(self._schema)
            reason = self._play()
            failed = False
        except StreamError as error:
            reason = str(error)
            raise
        finally:
            self._source.stop()
            self._note_state()
            self._runtime.stop()
            self._leave(reason, failed)

    def _hear(self, block: NDArray[np.float32]) -> int:
        assert self._sound is not None
        self._sound.note(block)
        return self._runtime.push(block)

    def _play(self) -> str:
        while not self._stop.is_set():
            self._source.pump(float(self._next_index / self._runtime.frame_rate))
            self._send_audio()
            self._take(self._runtime.poll(_POLL_S))
            self._outputs.serve()
            if self._source.finished:
                self._drain(math.inf)
                return "end of the audio"
        self._drain(_DRAIN_S)
        return "stopped by the user"

    def _drain(self, limit_s: float) -> None:
        """No more audio: takes the frames that are still owed."""
        self._source.stop()
        self._send_audio(rest=True)
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
            self._send(frame.index, frame.curves, flags)
            self._next_index = frame.index + 1
            self._last = frame.curves
            now_ns = time.monotonic_ns()
            self._meter.note(now_ns, frame.curves, (now_ns - self._capture_ns) / 1e6)
        if frames:
            self._note_state()

    def _note_state(self) -> None:
        self.stats = self._runtime.stats
        self.identity = self._runtime.identity

    def _send(self, index: int, curves: NDArray[np.float32], flags: int) -> None:
        assert self._schema is not None
        self._outputs.send(
            make_frame(self._schema, self._sequence, index, self._capture_ns, flags, curves)
        )
        self._sequence += 1

    def _send_audio(self, *, rest: bool = False) -> None:
        if self._sound is None:
            return
        assert self._schema is not None
        for position, samples in self._sound.take(rest=rest):
            self._outputs.send_audio(
                wire.Audio(
                    subject=self._subject,
                    session=self._schema.session,
                    sequence=self._audio_sequence,
                    position=position,
                    audio_rate=self._schema.audio_rate,
                    capture_ns=self._source.capture_ns(position),
                    samples=samples,
                )
            )
            self._audio_sequence += 1

    def _leave(self, reason: str, failed: bool) -> None:
        """Closes the face over a few frames, the last one neutral, and says goodbye."""
        keep = not failed or (self._keep_after_failure and self._next_index > 0)
        bye = None
        if self._schema is not None:
            if self._outputs.live:
                self._close_face()
            bye = wire.Bye(self._subject, self._schema.session, self._sequence, _shortened(reason))
        self._outputs.close(bye, keep=keep)

    def _close_face(self) -> None:
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
            self._capture_ns = start_capture_ns + i * frame_ns
            # A file that fails now must not leave the others with an open mouth.
            with contextlib.suppress(StreamError):
                self._send(self._next_index, curves, wire.FLAG_CLOSING)
            self._next_index += 1
            self._hurry.wait(max(0.0, (first_ns + i * frame_ns - time.monotonic_ns()) / 1e9))


def _shortened(text: str) -> str:
    return text.encode()[: wire.MAX_TEXT_BYTES].decode(errors="ignore")


def render(
    runtime: Runtime,
    source: WavSource,
    outputs: Outputs,
    subject: str,
    progress: Callable[[float], None],
) -> int:
    """Runs a whole file as fast as the machine can; returns the number of frames.

    Nothing is captured while it runs, so a frame's capture time counts from the file's beginning.
    `progress` is told the seconds of audio done. Raises StreamError.
    """
    schema = make_schema(runtime, subject)
    outputs.announce(schema)
    frames = 0
    samples = 0

    def take(block: NDArray[np.float32]) -> None:
        nonlocal frames
        for curves in block:
            at_ns = frames * 1_000_000_000 * schema.rate_den // schema.rate_num
            outputs.send(make_frame(schema, frames, frames, at_ns, 0, curves))
            frames += 1

    for block in source.blocks(_FAST_BLOCK_S):
        take(runtime.step(block))
        samples += len(block)
        progress(samples / source.sample_rate)
    take(runtime.flush())
    outputs.close(wire.Bye(subject, schema.session, frames, "end of the audio"), keep=True)
    return frames
