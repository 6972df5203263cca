"""The sound of a session on this machine's speaker, in step with the face."""

from __future__ import annotations

import contextlib
import time
from collections import deque
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...frames import Audio, Bye, Schema, StampedFrame
from .. import StreamError
from .output import Output

# What a piece of sound may need on its way here beyond the speaker's own delay, nanoseconds.
_ON_ITS_WAY_NS = 60_000_000
# Sound that is off by less goes on without a seam, nanoseconds.
_NOTICED_NS = 40_000_000
# The speaker's own buffer: what a busy machine needs without a gap, and what it asks for at a time,
# seconds.
_BUFFER_S = 0.03
_BLOCK_S = 0.01
# Pieces that may wait, 20 ms each.
_MOST_PIECES = 100


class Speaker(Output):
    """Plays each piece of sound when the frames that it moves are shown.

    A frame is shown a look-ahead after its instant, so the sound waits as long; a speaker whose own
    delay is longer plays it as soon as it can.
    """

    live = False

    def __init__(self, rate_hz: int, lookahead_ms: float) -> None:
        """Opens the default output. Raises StreamError where there is none."""
        self.name = "the speaker"
        self.dropped = 0
        try:
            import sounddevice
        except (ImportError, OSError):
            raise StreamError("sound is played through PortAudio, which is missing") from None
        self._pieces: deque[tuple[int, NDArray[np.float32]]] = deque(maxlen=_MOST_PIECES)
        self._rest: NDArray[np.float32] = np.empty(0, np.float32)
        self._due_ns = 0  # of the rest's first sample
        self._playing = False
        self._rate_hz = rate_hz
        try:
            self._stream = sounddevice.OutputStream(
                samplerate=rate_hz,
                channels=1,
                dtype="float32",
                latency=_BUFFER_S,
                blocksize=round(_BLOCK_S * rate_hz),
                callback=self._callback,
            )
            self._latency_ns = round(float(self._stream.latency) * 1e9)
            self.delay_ns = max(round(lookahead_ms * 1e6), self._latency_ns + _ON_ITS_WAY_NS)
            self._stream.start()
        except Exception as error:
            # Without any output device it is not always PortAudio's own error.
            raise StreamError(f"no sound can be played: {error}") from None

    def announce(self, schema: Schema) -> None:
        """Nothing is said before the sound."""

    def send(self, frame: StampedFrame) -> None:
        """Frames are not heard."""

    def send_audio(self, audio: Audio) -> None:
        samples = np.frombuffer(audio.samples, "<i2").astype(np.float32) / np.float32(32768)
        self._pieces.append((audio.capture_ns + self.delay_ns, samples))

    def close(self, bye: Bye | None = None) -> None:
        """Lets what waits be heard if there is a `bye`, then ends."""
        deadline = time.monotonic() + self.delay_ns / 1e9 + 0.2
        while bye is not None and self._pieces and time.monotonic() < deadline:
            time.sleep(0.01)
        with contextlib.suppress(Exception):
            self._stream.close()

    def _callback(self, out: NDArray[np.float32], frames: int, when: Any, _status: Any) -> None:
        # PortAudio's thread.
        buffered_ns = round((when.outputBufferDacTime - when.currentTime) * 1e9)
        if buffered_ns <= 0:
            buffered_ns = self._latency_ns  # some systems do not tell
        self.fill(out[:, 0], time.monotonic_ns() + buffered_ns)

    def fill(self, out: NDArray[np.float32], heard_ns: int) -> None:
        """Fills `out` (n,) with the sound that is due; its first sample is heard at `heard_ns`."""
        out[:] = 0.0
        at = 0
        while at < len(out):
            if not len(self._rest):
                if not self._pieces:
                    self._playing = False
                    return
                due_ns, self._rest = self._pieces.popleft()
                if abs(due_ns - self._due_ns) > _NOTICED_NS:
                    self._due_ns = due_ns
                    self._playing = False
            # Once it plays, a callback's jitter makes no seam.
            allowed_ns = _NOTICED_NS if self._playing else 0
            off_ns = self._due_ns - heard_ns - self._ns(at)
            off = off_ns * self._rate_hz // 1_000_000_000
            if off > 0 and off_ns > allowed_ns:
                self._playing = False
                at += off
                continue
            if off < -1 and off_ns < -allowed_ns:
                late = min(len(self._rest), -off)
                self._rest = self._rest[late:]
                self._due_ns += self._ns(late)
                continue
            count = min(len(self._rest), len(out) - at)
            out[at : at + count] = self._rest[:count]
            self._rest = self._rest[count:]
            self._due_ns += self._ns(count)
            self._playing = True
            at += count

    def _ns(self, samples: int) -> int:
        return samples * 1_000_000_000 // self._rate_hz
