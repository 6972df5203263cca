"""The face beside the stream's: another setting, or a take, on the same voice."""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from .. import Runtime, presets
from ..chunks import FloatArray
from ..curves import CURVES
from ..past import WARM_S
from ..presets import Preset, PresetError
from ..takes import Take, TakeError
from ..takes import read as read_take
from . import PreviewError
from .messages import Second, Sound, pack_curves, unpack_sound

#: Packets of sound that wait before the oldest are dropped: 4 s at 16 ms each.
QUEUE = 250
# How often the voice's scores are told, seconds.
_SCORES_EVERY_S = 0.3


class SecondFace:
    """Hears the stream's sound on a thread of its own; tells how the voice matches each identity.

    `emit` takes packed frames, `tell` facts; both are called on that thread.
    """

    def __init__(self, emit: Callable[[bytes], None], tell: Callable[..., None]) -> None:
        self.on = False
        self.preset = Preset(identity="auto", seed=1, idle=1.0)
        self._emit, self._tell = emit, tell
        self._queue: queue.Queue[bytes | None] = queue.Queue(QUEUE)
        self._lock = threading.Lock()
        self._bundle: str | None = None
        self._stale = True
        self._runtime: Runtime | None = None
        self._past: FloatArray = np.zeros(0, np.float32)
        self._next: tuple[int, int] = (0, 0)  # session, position
        self._begun = 0  # position of the runtime's first sample
        self._count = 0
        self._scores_due = 0.0
        self._listener: Runtime | None = None
        self._beside: Take | None = None
        threading.Thread(target=self._work, name="preview second face", daemon=True).start()

    def load(self, bundle: str | None) -> None:
        """The stream has a bundle (None is the embedded one)."""
        with self._lock:
            if bundle != self._bundle or self._runtime is None:
                self._bundle, self._stale = bundle, True

    def hear(self, packed: bytes) -> None:
        """Takes packed sound; never waits."""
        while True:
            try:
                self._queue.put_nowait(packed)
                return
            except queue.Full:
                with contextlib.suppress(queue.Empty):
                    self._queue.get_nowait()

    def set(self, wish: Second) -> None:
        """Does what a page's user wants. Raises PreviewError, and then nothing has changed."""
        try:
            preset = self.preset
            if wish.preset is not None:
                loaded = presets.load(wish.preset)
                preset = replace(preset, **{k: v for k, v in vars(loaded).items() if v is not None})
            named = {k: getattr(wish, k) for k in vars(Preset()) if getattr(wish, k) is not None}
            preset = presets.from_mapping(
                {k: v for k, v in {**vars(preset), **named}.items() if v is not None}, "second face"
            )
            take = self._beside
            if wish.take is not None:
                take = read_take(wish.take) if wish.take else None
        except (PresetError, TakeError) as error:
            raise PreviewError(str(error)) from None
        with self._lock:
            self._beside = take
            known = self._runtime.identities if self._runtime is not None else None
            if known is not None and preset.identity not in (None, "auto", *known):
                raise PreviewError(f"second face: {preset.identity!r} is no identity of this model")
            before, self.preset = self.preset, preset
            self.on = self.on if wish.on is None else wish.on
            if preset.arguments() != before.arguments():
                self._stale = True
            elif self._runtime is not None:
                self._turn(self._runtime)
        self.say()

    def say(self) -> None:
        """Tells how it is set."""
        take = self._beside.path.name if self._beside is not None else ""
        self._tell("second", on=self.on, take=take, **vars(self.preset))

    def close(self) -> None:
        self._queue.put(None)

    def _turn(self, runtime: Runtime) -> None:
        given = self.preset
        runtime.set(
            gain=given.gain,
            offset=given.offset,
            strength_lower=1.0 if given.strength_lower is None else given.strength_lower,
            strength_upper=1.0 if given.strength_upper is None else given.strength_upper,
            smooth_ms=given.smooth_ms or 0.0,
        )

    def _work(self) -> None:
        while (packed := self._queue.get()) is not None:
            try:
                self._take(unpack_sound(packed))
            except Exception as error:  # told on the page; the stream's own face goes on
                self._tell("refused", text=f"second face: {' '.join(str(error).split())}")
                with self._lock:
                    self.on = False

    def _take(self, sound: Sound) -> None:
        samples = sound.samples.astype(np.float32) / np.float32(32768)
        with self._lock:
            if self._next != (sound.session, sound.position):
                # Another stream, or a hole: what came before does not lead here.
                self._past, self._stale = samples[:0], True
            self._next = (sound.session, sound.position + len(samples))
            room = WARM_S * sound.rate_hz
            self._past = np.concatenate([self._past, samples])[-room:]
            runtime = self._runtime
            if self._stale or runtime is None or runtime.sample_rate != sound.rate_hz:
                runtime = self._begin(sound.rate_hz)
                samples = self._past
                self._begun = self._next[1] - len(samples)
            curves = np.asarray(runtime.step(samples))
            listener = self._listener or runtime
            if listener is not runtime:
                listener.step(samples)
            first, self._count = self._count, self._count + len(curves)
            shown, take = self.on, self._beside
        if take is not None:
            if shown:
                self._show_take(take, sound)
            self._tell_scores(listener)
            return
        if shown and len(curves):
            rate = runtime.frame_rate
            times = [
                self._begun / sound.rate_hz + (first + i) * rate.denominator / rate.numerator
                for i in range(len(curves))
            ]
            self._emit(pack_curves(curves, times, sound.session, first))
        self._tell_scores(listener)

    def _show_take(self, take: Take, sound: Sound) -> None:
        """The take's frames whose instants are those of `sound`."""
        times = take.index * take.rate.denominator / take.rate.numerator
        start = sound.position / sound.rate_hz
        first, last = np.searchsorted(times, [start, start + len(sound.samples) / sound.rate_hz])
        if last > first:
            curves = np.zeros((last - first, len(CURVES)), np.float32)
            for place, name in enumerate(CURVES):
                if name in take.names:
                    curves[:, place] = take.values[first:last, take.names.index(name)]
            times_s = times[first:last].tolist()
            self._emit(pack_curves(curves, times_s, sound.session, int(first)))

    def _begin(self, rate_hz: int) -> Runtime:
        arguments: dict[str, Any] = {"seed": 1, "identity": "auto", **self.preset.arguments()}
        try:
            runtime = Runtime(self._bundle, sample_rate=rate_hz, **arguments)
        except ValueError:  # an identity of the bundle before
            self.preset = replace(self.preset, identity="auto")
            runtime = Runtime(self._bundle, sample_rate=rate_hz, seed=arguments["seed"])
        self._turn(runtime)
        # A runtime whose identity is given does not listen to whose voice it is.
        auto = self.preset.identity in (None, "auto")
        self._listener = None if auto else Runtime(self._bundle, sample_rate=rate_hz, seed=1)
        self._runtime, self._stale, self._count = runtime, False, 0
        return runtime

    def _tell_scores(self, runtime: Runtime) -> None:
        now = time.monotonic()
        if now >= self._scores_due:
            self._scores_due = now + _SCORES_EVERY_S
            scores = {name: round(score, 3) for name, score in runtime.identity_scores().items()}
            self._tell("scores", scores=scores)
