"""An agent's speech and the face that says it, in step. Knows no agent framework.

Sound goes in as a speech service makes it, faster than it is heard. Out come pieces: some frames,
and just the sound that is heard while they are shown. What carries a piece on sends the frames
first and the sound behind them; whatever paces the sound then paces the face.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from .. import clock
from ..barge_in import BargeIn
from ..bundle import Bundle
from ..chunks import FloatArray
from ..runtime import MAXIMUM_RATE_HZ, MINIMUM_RATE_HZ, Runtime
from ..steps import undivided

#: Frames of a piece: 50 ms at 60 frames a second.
FRAMES_PER_PIECE = 3
#: Sound that is late by so long is taken for a pause, seconds.
PAUSE_AFTER_S = 0.1
#: After the last word the face is shown for so long until it rests, seconds.
REST_S = 0.5
#: Sound that is stepped at a time, seconds: an interruption waits for so much and no more.
_SLICE_S = 0.2
# A face that nobody asked for longer than this (a program that was stopped) is not caught up with.
_MOST_BEHIND_S = 2.0


@dataclass(frozen=True)
class Piece:
    """Frames that follow one another, and the sound that is heard while they are shown."""

    index: int  #: number of the first frame, counted since the face began
    curves: FloatArray  #: (frames, values)
    sound: bytes  #: as it came in: int16, channels interleaved; empty in silence
    sample_rate_hz: int  #: of the sound
    channels: int  #: of the sound

    @property
    def sound_s(self) -> float:
        """How long the sound is, seconds."""
        return len(self.sound) / (2 * self.channels * self.sample_rate_hz)


class SpeakingFace:
    """One face: what it hears it says. Its coroutines belong to one event loop, and may overlap.

    Args:
        send: gets every piece, in order, one at a time.
        bundle, identity, seed, idle, head: as `Runtime` takes them.
        idle_between: the face lives on between utterances; otherwise it comes to rest and no more
            frames come until the next word.
        frames_per_piece: 1 to 60.
        sound_waits: whether there is sound that `hear` was not given yet, or that was not played:
            silence waits until there is none.
        now_s: the clock that sound is heard by, seconds.
        settings: for `Runtime.set`, from the first frame on.
    """

    def __init__(
        self,
        send: Callable[[Piece], Awaitable[None]],
        bundle: str | Path | Bundle | None = None,
        *,
        identity: str = "auto",
        seed: int = 0,
        idle: float = 1.0,
        head: bool = False,
        idle_between: bool = False,
        frames_per_piece: int = FRAMES_PER_PIECE,
        sound_waits: Callable[[], bool] = lambda: False,
        now_s: Callable[[], float] = time.monotonic,
        **settings: Any,
    ) -> None:
        if not 1 <= frames_per_piece <= 60:
            raise ValueError(f"frames_per_piece: expected 1 to 60, got {frames_per_piece!r}")
        self._send = send
        self._make = partial(Runtime, bundle, identity=identity, seed=seed, idle=idle, head=head)
        self._settings = settings
        self._idle_between, self._per_piece = idle_between, frames_per_piece
        self._sound_waits, self._now_s = sound_waits, now_s
        self._lock = asyncio.Lock()
        self._runtime: Runtime | None = None
        self._channels = 1
        self._odd = b""
        self._index = 0  # of the next frame that leaves
        self._interruptions = 0
        self._hearing = 0  # calls of `hear` under way
        self._saying = False  # sound has come and its end was not said
        self._rested = 0  # frames since the last sound
        # When what has left is over, by the clock; and what it was, for an interruption to look at.
        self._over_s = self._now_s()
        self._left: deque[tuple[float, Piece]] = deque()

    # ---- what it is ------------------------------------------------------------------------

    async def prepare(self, sample_rate_hz: int, channels: int = 1) -> None:
        """Loads the model for sound of this form, so that the first word need not wait.

        Sound of another form may come nevertheless; the face is then at its start again.

        Raises:
            BundleError, ValueError: as `Runtime`.
        """
        if channels < 1:
            raise ValueError(f"channels: expected 1 or more, got {channels!r}")
        async with self._lock:
            if self._runtime is None or self._runtime.sample_rate != sample_rate_hz:
                self._begin(await undivided(deque(), partial(self._loaded, sample_rate_hz)))
            if channels != self._channels:
                self._channels, self._odd = channels, b""

    def _loaded(self, sample_rate_hz: int) -> Runtime:
        runtime = self._make(sample_rate=sample_rate_hz)
        runtime.set(**self._settings)
        return runtime

    def _begin(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._barge_in = BargeIn(runtime.curve_names, runtime.frame_rate)
        self._rate = float(runtime.frame_rate)
        self._ahead = -int(-runtime.lookahead_ms * runtime.sample_rate // 1000)
        self._taken = 0  # samples that the runtime has got
        self._stepped = 0  # frames that it has given
        self._frame = 0  # of those, the next that leaves
        self._released = 0  # samples that have left
        self._track: deque[list[Any]] = deque()  # [sound or None, samples], from `_released` on
        self._waiting: list[FloatArray] = []  # frames from `_frame` on
        self._closing = 0  # samples of silence that an interruption still wants

    @property
    def runtime(self) -> Runtime:
        """What makes the frames; RuntimeError before `prepare` or the first sound."""
        if self._runtime is None:
            raise RuntimeError("runtime: the model is not loaded; await prepare() first")
        return self._runtime

    @property
    def frames(self) -> int:
        """That have left: the number of the next."""
        return self._index

    @property
    def piece_s(self) -> float:
        """How long a piece lasts; how often `silence` wants to be asked is half of it."""
        return self._per_piece / float(self.runtime.frame_rate)

    # ---- what comes in -----------------------------------------------------------------------

    async def hear(self, sound: bytes, sample_rate_hz: int, channels: int = 1) -> None:
        """Sound of any length, int16, channels interleaved. What an interruption meets is left out.

        Raises:
            ValueError: the rate is out of range (8000 to 192000 Hz).
            BundleError: as `Runtime`.
        """
        if not MINIMUM_RATE_HZ <= sample_rate_hz <= MAXIMUM_RATE_HZ:
            raise ValueError(
                f"sample_rate_hz: expected {MINIMUM_RATE_HZ} to {MAXIMUM_RATE_HZ}, "
                f"got {sample_rate_hz!r}"
            )
        interruptions = self._interruptions
        self._hearing += 1
        try:
            if self._form != (sample_rate_hz, channels):
                await self.pause()
                await self.prepare(sample_rate_hz, channels)
            await self._hear(sound, interruptions)
        finally:
            self._hearing -= 1

    async def _hear(self, sound: bytes, interruptions: int) -> None:
        sound = self._odd + sound
        width = 2 * self._channels
        whole = len(sound) - len(sound) % width
        self._odd = sound[whole:]
        a_slice = max(1, int(_SLICE_S * self.runtime.sample_rate)) * width
        for at in range(0, whole, a_slice):
            part = sound[at : min(at + a_slice, whole)]
            await self._sent(partial(self._speak, part, interruptions))

    @property
    def _form(self) -> tuple[int, int] | None:
        return None if self._runtime is None else (self._runtime.sample_rate, self._channels)

    async def pause(self) -> None:
        """An utterance is over: what the look-ahead held back comes at once."""
        if self._runtime is not None:
            await self._sent(self._finish_saying)

    async def interrupt(self, shown: FloatArray | None = None) -> None:
        """The speaker was cut short: the mouth closes within 100 ms, and the clock goes on.

        Sound that was not heard is forgotten, and so is what has left and was not shown. The first
        frames of the closing mouth come at once, the others from `silence`.

        Args:
            shown: the frame that is seen now; None: the one that should be, by the clock.
        """
        self._interruptions += 1
        if self._runtime is not None:
            await self._sent(partial(self._cut_short, shown))

    async def silence(self) -> None:
        """Sends the frames that are due where no sound is."""
        if self._runtime is not None and self._silent_frames_due():
            await self._sent(self._be_silent)

    async def live(self) -> None:
        """Asks for `silence` as often as need be; runs until it is cancelled."""
        while True:
            await self.silence()
            await asyncio.sleep(0.02 if self._runtime is None else self.piece_s / 2)

    async def _sent(self, call: Callable[[], list[Piece]]) -> None:
        async with self._lock:
            pieces = await undivided(deque(), call)
            for piece in pieces:
                self._leave(piece)
                await self._send(piece)

    def _leave(self, piece: Piece) -> None:
        now_s = self._now_s()
        while self._left and self._left[0][0] + self.piece_s < now_s - 1:
            self._left.popleft()
        starts_s = max(now_s, self._over_s)
        self._over_s = starts_s + len(piece.curves) / self._rate
        self._left.append((starts_s, piece))

    # ---- on a thread, one at a time ------------------------------------------------------------

    def _speak(self, sound: bytes, interruptions: int) -> list[Piece]:
        if interruptions != self._interruptions:
            return []
        self._saying, self._rested = True, 0
        pieces = []
        if self._closing:  # speech that comes before the mouth has closed
            self._step(None, self._closing)
            self._closing = 0
            pieces = self._pieces(whole=True)
        self._step(sound, len(sound) // (2 * self._channels))
        return pieces + self._pieces()

    def _finish_saying(self) -> list[Piece]:
        self._odd = b""
        if not self._saying and all(sound is None for sound, _ in self._track):
            return []
        self._saying = False
        self._step(None, self._ahead)
        return self._pieces(whole=True)

    def _cut_short(self, shown: FloatArray | None) -> list[Piece]:
        now_s = self._now_s()
        if shown is None:
            shown = self._shown(now_s)
        self._saying, self._rested, self._odd = False, 0, b""
        self._left.clear()
        self._over_s = now_s
        self._waiting.clear()
        self._frame = self._stepped
        self._track = deque([[None, self._taken - self._released]])
        if shown is not None:
            self._barge_in.sent(shown)
            self._barge_in.close()
            self._closing = self._ahead + int(self._barge_in.seconds * self.runtime.sample_rate)
            self._barge_in.open_at(
                clock.total_frames(
                    self._taken + self._closing, self.runtime.frame_rate, self.runtime.sample_rate
                )
            )
        return self._be_silent()

    def _shown(self, now_s: float) -> FloatArray | None:
        """The frame that is seen at an instant, if what has left is shown when it is due."""
        found: FloatArray | None = None
        for starts_s, piece in self._left:
            if starts_s > now_s:
                break
            number = min(int((now_s - starts_s) * self._rate), len(piece.curves) - 1)
            found = piece.curves[number]
        return found

    def _silent_frames_due(self) -> int:
        """A piece at least, once half a piece is left of what is shown."""
        now_s = self._now_s()
        if self._hearing or self._sound_waits():
            self._over_s = max(self._over_s, now_s)
            return 0
        if self._saying and now_s < self._over_s + PAUSE_AFTER_S:
            return 0
        rests = not self._index or self._rested >= REST_S * self._rate
        if rests and not self._idle_between and not self._saying:
            return 0
        if now_s > self._over_s + _MOST_BEHIND_S:
            self._over_s = now_s
        if self._over_s - now_s > self.piece_s / 2:
            return 0
        return max(self._per_piece, math.ceil((now_s - self._over_s) * self._rate))

    def _be_silent(self) -> list[Piece]:
        due = self._silent_frames_due()
        if not due:
            return []
        wanted = self._frame + len(self._waiting) + due
        rate = self.runtime.frame_rate
        until = clock.position_of(wanted - 1, rate, self.runtime.sample_rate) + self._ahead + 1
        samples = max(0, until - self._taken)
        self._step(None, samples)
        self._closing = max(0, self._closing - samples)
        self._saying = False
        self._rested += due
        return self._pieces(whole=True)

    def _step(self, sound: bytes | None, samples: int) -> None:
        """Gives the runtime sound, or silence, and keeps both sides until they leave together."""
        if not samples:
            return
        self._track.append([sound, samples])
        self._taken += samples
        if sound is None:
            chunk = np.zeros(samples, np.float32)
        else:
            values = np.frombuffer(sound, np.int16)
            chunk = values.reshape(-1, self._channels).mean(1, dtype=np.float32) / np.float32(32768)
        frames = self.runtime.step(chunk)
        if len(frames):
            self._waiting.extend(self._barge_in.apply(self._stepped, frames))
            self._stepped += len(frames)

    def _pieces(self, *, whole: bool = False) -> list[Piece]:
        """Frames that wait, with their sound; `whole`: a piece may have fewer than usual."""
        pieces = []
        while len(self._waiting) >= (1 if whole else self._per_piece):
            curves = np.stack(self._waiting[: self._per_piece])
            del self._waiting[: len(curves)]
            self._frame += len(curves)
            end = clock.position_of(self._frame, self.runtime.frame_rate, self.runtime.sample_rate)
            sound = self._released_until(end)
            pieces.append(
                Piece(self._index, curves, sound, self.runtime.sample_rate, self._channels)
            )
            self._index += len(curves)
        return pieces

    def _released_until(self, end: int) -> bytes:
        """The sound up to a sample, which leaves."""
        out = b""
        width = 2 * self._channels
        while self._track and self._released < end:
            sound, samples = self._track[0]
            count = min(samples, end - self._released)
            self._released += count
            if sound is not None:
                out += sound[: count * width]
                self._track[0][0] = sound[count * width :]
            self._track[0][1] -= count
            if count == samples:
                self._track.popleft()
        return out
