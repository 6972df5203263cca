"""The live loop: source -> runtime -> outputs."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ... import Frame, Runtime, RuntimeStats
from ...frames import FLAG_CLOSING, FLAG_FEWER_STEPS, FLAG_GAP, Audio, Bye, Schema
from ...pace import FILL_AFTER_S
from .. import StreamError
from ..outputs.fan_out import FanOut
from ..sources.source import Source
from .closing import Ending, close_face
from .meter import Meter
from .sound_queue import SoundQueue, as_s16le
from .stamp import make_frame, make_schema

if TYPE_CHECKING:  # it loads what only the page needs
    from .remote import Remote

#: Reasons of an end that is not the source's.
LEFT, RESTARTED = "stopped by the user", "started again"
# Longest wait for frames; new subscribers and the clock are looked at this often.
_POLL_S = 0.004
# Time that the frames still owed may take when the user wants to leave.
_DRAIN_S = 1.0


class LiveSession:
    """Drives a face in real time, from the first sample to the neutral face at the end.

    `run` blocks; the other methods and attributes may be used from another thread meanwhile.
    """

    def __init__(
        self,
        runtime: Runtime,
        source: Source,
        meter: Meter,
        outputs: FanOut,
        *,
        subject: str,
        publish_audio: bool = False,
        play: bool = False,
        keep_after_failure: bool = False,
        overload: str = "keep",
        remote: Remote | None = None,
    ) -> None:
        """`publish_audio`: the sound goes to the outputs too, and the schema says so; with `play`
        it goes there unannounced. `keep_after_failure`: files keep the frames that came before an
        error. `overload`: as `Runtime.start` has it. `remote`: the page's controls.
        """
        self.stats: RuntimeStats = runtime.stats
        self.identity = runtime.identity
        self._runtime = runtime
        self._source = source
        self._meter = meter
        self._outputs = outputs
        self._subject = subject
        self._sends_audio = publish_audio or play
        heard = self._sends_audio or outputs.hears
        self._sound = SoundQueue(source.sample_rate) if heard else None
        self._remote = remote
        self._publish_audio = publish_audio
        self._keep_after_failure = keep_after_failure
        self._overload = overload
        self._told_overload = False
        self._schema: Schema | None = None
        self._sequence = 0
        self._audio_sequence = 0
        self._next_index = self._noted_index = 0
        self._capture_ns = 0
        self._lost_samples = 0
        self._last = np.zeros(len(runtime.curve_names), np.float32)
        self.reason = ""  #: why it ended, once it has
        self._ending = Ending(outputs)

    def stop(self) -> None:
        """Asks for the end: the face closes, subscribers are told. A second call skips the ramp."""
        self._ending.ask()

    def run(self) -> None:
        """Runs until the source ends or `stop` is called, and closes the outputs.

        Raises StreamError.
        """
        reason, failed = "failed", True
        try:
            try:
                self._runtime.start(
                    fill_after_s=FILL_AFTER_S if self._source.may_pause else None,
                    realtime=self._source.realtime,
                    heard=None if self._sound is None else self._sound.note,
                    overload=self._overload,
                )
            except ValueError as error:
                raise StreamError(f"--overload: {error}") from None
            self._source.start(self._hear)
            self._schema = make_schema(self._runtime, self._subject, audio=self._publish_audio)
            self._outputs.announce(self._schema)
            if self._remote is not None:
                self._remote.begin(self._schema)
            self.reason = reason = self._play()
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
        # The source's thread: a sound card's must not wait.
        if self._remote is not None:
            block = self._remote.hear(block)
        self._runtime.push(block, timeout_s=0.0)
        return self._runtime.position

    def _play(self) -> str:
        while not self._ending.asked.is_set():
            self._source.pump(self._heard_s())
            self._send_audio()
            self._take(self._runtime.poll(_POLL_S))
            self._outputs.serve()
            if self._remote is not None:
                self._remote.serve()
                if self._remote.restart is not None:
                    self._drain(0.0)
                    return RESTARTED
            if self._source.finished:
                self._drain(math.inf)
                return "end of the audio"
        self._drain(_DRAIN_S)
        return LEFT

    def _heard_s(self) -> float:
        """How far the runtime has come, in seconds of sound: skipped frames count."""
        return float(self._runtime.next_index / self._runtime.frame_rate)

    def _drain(self, limit_s: float) -> None:
        """No more audio: takes the frames that are still owed."""
        self._source.stop()
        self._send_audio(rest=True)
        self._runtime.finish()
        deadline = time.monotonic() + limit_s
        while not self._runtime.finished and time.monotonic() < deadline:
            self._take(self._runtime.poll(_POLL_S))
            if self._ending.asked.is_set():
                deadline = min(deadline, time.monotonic() + _DRAIN_S)

    def _take(self, frames: list[Frame]) -> None:
        for frame in frames:
            flags = FLAG_FEWER_STEPS if frame.fewer_steps else 0
            lost = self.stats.dropped_samples + self.stats.skipped_samples
            if frame.index != self._next_index or lost > self._lost_samples:
                flags |= FLAG_GAP
                self._lost_samples = lost
            # The clock's estimate may step back by a little; time on the wire never does.
            self._capture_ns = max(self._capture_ns + 1, self._source.capture_ns(frame.position))
            self._send(frame.index, frame.curves, flags)
            self._next_index = frame.index + 1
            self._last = frame.curves
            now_ns = time.monotonic_ns()
            self._meter.note(now_ns, frame.curves, (now_ns - self._capture_ns) / 1e6)
        if self._runtime.next_index != self._noted_index:
            self._noted_index = self._runtime.next_index
            self._note_state()

    def _note_state(self) -> None:
        self.stats = self._runtime.stats
        self.identity = self._runtime.identity
        if not self._told_overload and self.stats.skipped_frames + self.stats.frames_of_fewer_steps:
            self._told_overload = True
            what = "frames are skipped" if self.stats.skipped_frames else "frames get fewer steps"
            self._source.notices.append(
                f"sound comes faster than this machine computes: {what} until it is up with it "
                f"(--overload {self._overload}); they are counted at the end"
            )

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
            self._outputs.hear(position, samples)
            if not self._sends_audio:
                continue
            self._outputs.send_audio(
                Audio(
                    subject=self._subject,
                    session=self._schema.session,
                    sequence=self._audio_sequence,
                    position=position,
                    audio_rate=self._schema.audio_rate,
                    capture_ns=self._source.capture_ns(position),
                    samples=as_s16le(samples),
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
            bye = Bye(self._subject, self._schema.session, self._sequence, reason)
        self._outputs.close(bye, keep=keep)

    def _close_face(self) -> None:
        rate = self._runtime.frame_rate
        frame_ns = round(1e9 / rate)
        start_capture_ns = self._capture_ns or time.monotonic_ns()

        def send(i: int, curves: NDArray[np.float32]) -> None:
            self._capture_ns = start_capture_ns + i * frame_ns
            self._next_index += 1
            self._send(self._next_index - 1, curves, FLAG_CLOSING)

        close_face(self._last, rate, send, self._ending.hurry)
