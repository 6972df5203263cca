"""A take once more: its frames and its sound to the outputs, when they came at first."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ... import RuntimeStats
from ...frames import AUDIO_FORMAT, FLAG_CLOSING, FLAG_NEUTRAL, Audio, Bye, new_session
from ...takes import Take, TakeError
from .. import StreamError
from ..outputs.fan_out import FanOut
from .closing import Ending, close_face
from .meter import Meter
from .sound_queue import SoundQueue, as_s16le
from .stamp import make_frame

# Longest wait; new subscribers are looked at this often.
_LOOK_S = 0.004
# Sound that is read from the disk at a time, seconds.
_READ_S = 0.5
_QUIET_DB = -120.0


class ReplaySession:
    """Plays a take to outputs, as `LiveSession` does with a voice.

    A frame goes out a look-ahead after its instant, as it did at first, and a piece of sound when
    its last sample is over, so that receivers need not know that it is a replay. Curves and sound
    have the bits that they had. The clock starts at the first frame.
    """

    def __init__(
        self,
        take: Take,
        meter: Meter,
        outputs: FanOut,
        *,
        subject: str,
        publish_audio: bool = False,
        play: bool = False,
        realtime: bool = True,
        limit_s: float | None = None,
    ) -> None:
        """`realtime` False: as fast as the outputs take it, for files, without sound.

        `limit_s` ends it so many seconds after its first frame.
        """
        self.identity = str(take.found.get("identity", take.settings.get("identity", "")))
        self.stats = _stats(0, 0, _QUIET_DB)
        self._take = take
        self._meter = meter
        self._outputs = outputs
        self._sends_audio = publish_audio or play
        self._realtime = realtime
        self._frames = len(take.index)
        if limit_s is not None:
            self._frames = math.ceil(min(limit_s * take.rate, take.motion.index[-1] + 1))
            self._frames = int(np.searchsorted(take.motion.index, self._frames))
        self._ending = Ending(outputs)
        self._left = False
        self._last = np.zeros(len(take.names), np.float32)
        self._sequence = 0
        self._audio_sequence = 0
        self._heard = 0
        self._level_db = _QUIET_DB
        # Within what the wire can say, whatever the machine's clock shows.
        self._origin_ns = time.monotonic_ns()
        self._schema = replace(
            take.schema,
            subject=subject,
            session=new_session(),
            start_ns=self._origin_ns,
            start_unix_ns=time.time_ns(),
            audio_format=AUDIO_FORMAT if publish_audio and take.samples else "",
        )

    @property
    def left(self) -> bool:
        """Whether it was asked to stop before its end."""
        return self._left

    def stop(self) -> None:
        """Asks for the end; a second call does not wait for the face to close."""
        self._ending.ask()

    def run(self) -> None:
        """Blocks until the take has ended or `stop` is called, and closes the outputs.

        Raises StreamError.
        """
        reason, failed = "failed", True
        try:
            self._outputs.announce(self._schema)
            self._play()
            self._left = self._ending.asked.is_set()
            reason = "stopped by the user" if self._left else "end of the take"
            failed = False
        except TakeError as error:
            raise StreamError(str(error)) from None
        finally:
            if self._outputs.live:
                self._close_face()
            bye = Bye(self._schema.subject, self._schema.session, self._sequence, reason)
            self._outputs.close(bye, keep=not failed)

    def _play(self) -> None:
        sound = self._pieces() if self._realtime else iter(())
        piece = next(sound, None)
        lookahead_ns = round(self._schema.lookahead_ms * 1e6)
        for place in range(self._frames):
            index = int(self._take.motion.index[place])
            instant_ns = index * 1_000_000_000 * self._schema.rate_den // self._schema.rate_num
            due_ns = self._origin_ns + instant_ns + lookahead_ns
            while piece is not None and self._end_ns(piece) <= due_ns:
                if not self._wait_until(self._end_ns(piece)):
                    return
                self._send_sound(*piece)
                piece = next(sound, None)
            if self._realtime and not self._wait_until(due_ns):
                return
            if self._ending.asked.is_set():
                return
            self._send_frame(place, index, self._origin_ns + instant_ns)

    def _wait_until(self, due_ns: int) -> bool:
        """False where it was stopped meanwhile."""
        while not self._ending.asked.is_set():
            left_s = (due_ns - time.monotonic_ns()) / 1e9
            if left_s <= 0:
                return True
            self._outputs.serve()
            self._ending.asked.wait(min(left_s, _LOOK_S))
        return False

    def _send_frame(self, place: int, index: int, capture_ns: int) -> None:
        curves = self._take.values[place]
        flags = int(self._take.flags[place]) & ~FLAG_NEUTRAL
        self._last = curves
        self._send(index, capture_ns, flags, curves)
        now_ns = time.monotonic_ns()
        self._meter.note(now_ns, curves, (now_ns - capture_ns) / 1e6)
        self.stats = _stats(self._heard, place + 1, self._level_db)

    def _send(self, index: int, capture_ns: int, flags: int, curves: NDArray[np.float32]) -> None:
        self._capture_ns, self._index = capture_ns, index
        self._outputs.send(
            make_frame(self._schema, self._sequence, index, capture_ns, flags, curves)
        )
        self._sequence += 1

    def _pieces(self) -> Iterator[tuple[int, NDArray[np.float32]]]:
        """(position on the replay's clock, samples) as a session would have sent them."""
        take = self._take
        if not self._frames or not take.samples:
            return
        first = int(take.position[0])
        start = max(first, take.first_sample)
        end = take.first_sample + take.samples
        queue = SoundQueue(take.rate_hz)
        step = max(1, round(_READ_S * take.rate_hz))
        for begun, ended in _spans(start, end, take.events):
            for at in range(begun, ended, step):
                queue.note(at - first, take.sound(at, min(at + step, ended)))
                yield from queue.take()
        yield from queue.take(rest=True)

    def _end_ns(self, piece: tuple[int, NDArray[np.float32]]) -> int:
        samples = piece[0] + len(piece[1])
        return self._origin_ns + samples * 1_000_000_000 // self._take.rate_hz

    def _send_sound(self, position: int, samples: NDArray[np.float32]) -> None:
        self._heard = position + len(samples)
        power = float(np.mean(np.square(samples))) if len(samples) else 0.0
        self._level_db = max(_QUIET_DB, 10 * math.log10(power)) if power > 0 else _QUIET_DB
        self._outputs.hear(position, samples)
        if not self._sends_audio:
            return
        self._outputs.send_audio(
            Audio(
                subject=self._schema.subject,
                session=self._schema.session,
                sequence=self._audio_sequence,
                position=position,
                audio_rate=self._take.rate_hz,
                capture_ns=self._origin_ns + position * 1_000_000_000 // self._take.rate_hz,
                samples=as_s16le(samples),
            )
        )
        self._audio_sequence += 1

    def _close_face(self) -> None:
        if not self._sequence:
            return
        frame_ns = round(1e9 / self._take.rate)
        index, capture_ns = self._index, self._capture_ns

        def send(i: int, curves: NDArray[np.float32]) -> None:
            self._send(index + i, capture_ns + i * frame_ns, FLAG_CLOSING, curves)

        close_face(self._last, self._take.rate, send, self._ending.hurry)


def _spans(
    start: int, end: int, events: tuple[dict[str, object], ...]
) -> Iterator[tuple[int, int]]:
    """Where sound came between two positions: the silence that stands for none is not sent."""
    for event in events:
        at, samples = event.get("position"), event.get("samples")
        if (
            event.get("kind") != "no sound"
            or not isinstance(at, int)
            or not isinstance(samples, int)
        ):
            continue
        if start < min(at, end):
            yield start, min(at, end)
        start = max(start, at + samples)
    if start < end:
        yield start, end


def _stats(samples: int, frames: int, level_db: float) -> RuntimeStats:
    return RuntimeStats(
        samples=samples,
        frames=frames,
        dropped_samples=0,
        dropped_frames=0,
        invalid_samples=0,
        compute_seconds=0.0,
        level_db=level_db,
    )
