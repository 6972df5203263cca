"""`Runtime`: audio in, curves out, by synchronous steps or through a worker thread."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from . import _core, clock
from . import bundle as _bundle
from .bundle import Bundle
from .clock import CORE_RATE_HZ
from .curves import CURVES, HEAD
from .knobs import Knobs, Settings
from .pace import FILL_AFTER_S, Pace
from .resample import Resampler, delay_samples
from .scale import is_audio, what_is_wrong
from .spelling import meant
from .tensorrt import engines
from .tensorrt.engines import BackendError

FloatArray = NDArray[np.float32]
#: What `step` and `push` take: mono float32 with full scale 1.0, int16, or int16 as bytes (this
#: machine's byte order).
Chunk = NDArray[np.float32] | NDArray[np.int16] | bytes | bytearray | memoryview
_Core = TypeVar("_Core", _core.Runtime, _core.LiveRuntime)

#: Input rates that are accepted, in Hz.
MINIMUM_RATE_HZ, MAXIMUM_RATE_HZ = 8000, 192000

#: What the products can be computed in.
PRECISIONS = ("int8", "float32")

#: How long `push` waits for room by default, seconds.
PUSH_PATIENCE_S = 2.0
# How often it looks; the worker reads at least as often.
_LOOK_S = 0.002
# `poll` looks this often whether silence is due.
_FILL_EVERY_S = 0.01
# Silence put in at a time, samples: poll comes back for the rest.
_MOST_SILENCE = 16000


@dataclass(frozen=True)
class Frame:
    """One frame of the face, as `Runtime.poll` delivers it."""

    index: int  #: frame number since the start; frame i depicts the instant i / frame_rate
    time_s: float  #: index / frame_rate, in seconds on the input's own clock
    position: int  #: floor(time x sample rate): the input sample that sounds at that instant
    curves: FloatArray  #: (52,), or (55,) with the head: values in `curve_names` order


@dataclass(frozen=True)
class RuntimeStats:
    """Counters since the start or the last reset."""

    samples: int  #: input samples taken, at the input rate; the silence put in counts too
    frames: int  #: frames delivered
    dropped_samples: int  #: 16 kHz samples refused by a full ring buffer (live only)
    dropped_frames: int  #: frames that nobody polled in time (live only)
    invalid_samples: int  #: NaN, infinite or beyond full scale: taken as silence (live only)
    compute_seconds: float  #: time spent computing, one core
    level_db: float  #: level of the newest analysis window, dBFS
    filled_samples: int = 0  #: silence put in where no sound came, at the input rate (live only)
    skipped_samples: int = 0  #: sound that came too late to be heard, left out (live only)


class Runtime:
    """Turns speech into 52 ARKit curves a frame, while the speech is going on.

    Frame i depicts the instant i / frame_rate on the input's clock. It comes out of the first
    `step` that has brought the audio through i / frame_rate + lookahead_ms, and it does not depend
    on how the audio was cut into chunks: not by one bit.

    Args:
        bundle: folder of a bundle, a `Bundle`, or None for the embedded model.
        sample_rate: rate of the audio to come, in Hz, 8000 to 192000. Anything but 16000 is
            resampled; the delay of that is part of `lookahead_ms`.
        seed: 0 to 2**64 - 1; the same seed and audio give the same frames.
        identity: a name from `identities`, or "auto" to follow the voice.
        backend: "cpu", "tensorrt" (an NVIDIA GPU, docs/tensorrt.md), or "auto": TensorRT where it
            can be used, the CPU elsewhere, saying so once through the logger "diffusiontalker".
        idle: 0 to 1, how much of what a face does beside speaking is added: blinks, glances, a
            slow drift of brows and lids. 0 gives the model's own curves, bit for bit.
        head: three values after the 52 curves: headYaw, headPitch, headRoll, in radians
            (docs/unreal.md has their signs). They sway as far as `idle` says.
        precision: of the products on the CPU. "int8": 8-bit weights and 7-bit activations, the
            same bits on every machine, whether the bundle is in int8 or in floats (docs/bundle.md).
            "float32": for comparison, slower; its last bits depend on the instruction set.

    Raises:
        BundleError: the bundle cannot be used.
        BackendError: TensorRT was asked for and cannot be used; says what is missing.
        ValueError: an argument is out of range; the message names it and what would do.
    """

    def __init__(
        self,
        bundle: str | Path | Bundle | None = None,
        *,
        sample_rate: int = CORE_RATE_HZ,
        seed: int = 0,
        identity: str = "auto",
        backend: str = "cpu",
        idle: float = 1.0,
        head: bool = False,
        precision: str = "int8",
    ) -> None:
        self._bundle = bundle if isinstance(bundle, Bundle) else _bundle.read(bundle)
        if (
            isinstance(sample_rate, bool)
            or not isinstance(sample_rate, int | np.integer)
            or not MINIMUM_RATE_HZ <= sample_rate <= MAXIMUM_RATE_HZ
        ):
            raise ValueError(
                f"sample_rate: expected a whole number from {MINIMUM_RATE_HZ} to "
                f"{MAXIMUM_RATE_HZ} Hz, got {sample_rate!r}"
            )
        if (
            isinstance(seed, bool)
            or not isinstance(seed, int | np.integer)
            or not 0 <= seed < 2**64
        ):
            raise ValueError(f"seed: expected a whole number from 0 to 2**64 - 1, got {seed!r}")
        if isinstance(idle, bool) or not (
            isinstance(idle, int | float | np.integer | np.floating) and 0 <= idle <= 1
        ):
            raise ValueError(f"idle: expected a number from 0 to 1, got {idle!r}")
        if not isinstance(head, bool):
            raise ValueError(f"head: expected True or False, got {head!r}")
        if precision not in PRECISIONS:
            raise ValueError(
                f"precision: expected {' or '.join(map(repr, PRECISIONS))}, got {precision!r}"
            )
        self._rate = int(sample_rate)
        self._seed = int(seed)
        self._pinned = self._identity_index(identity)
        self._idle, self._head = float(idle), head
        self._knobs = Knobs(self.curve_names, self.frame_rate)
        config = self._bundle.core_config()
        config.precision = precision
        self._model = _core.Model(
            config, self._bundle.core_tensors(), self._bundle.identity_features()
        )
        self._backend, self._backend_options, reason = engines.choose(backend, self._bundle)
        try:
            self._core = self._new(_core.Runtime)
        except RuntimeError as error:
            if backend != "auto":
                raise BackendError(str(error)) from None
            self._backend, self._backend_options, reason = "cpu", {}, str(error)
            self._core = self._new(_core.Runtime)
        if reason:
            engines.tell_once(reason)
        self._live: _core.LiveRuntime | None = None
        # Whoever holds it feeds the worker; what comes meanwhile waits in `_waiting`, so that the
        # thread that pushes never does.
        self._feeding = threading.Lock()
        self._resampler = None if self._rate == CORE_RATE_HZ else Resampler(self._rate)
        self._lookahead = self._model.lookahead_samples
        if self._resampler is not None:
            self._lookahead = math.ceil(
                Fraction(self._lookahead * self._rate, CORE_RATE_HZ)
            ) + delay_samples(self._rate)
        self._clear()

    def _new(self, kind: Callable[..., _Core]) -> _Core:
        """A runtime of the core, or a live one, with this object's settings."""
        return kind(
            self._model,
            self._seed,
            self._pinned,
            self._backend,
            tensorrt=self._backend_options,
            idle=self._idle,
            head=self._head,
        )

    def _clear(self) -> None:
        self._samples = 0
        self._delivered = 0
        self._invalid = 0
        self._first_invalid: str | None = None
        self._told_invalid = False
        self._flushed = False
        self._total: int | None = None
        self._waiting: deque[FloatArray] = deque()
        self._pace = Pace(self._rate, None)
        self._heard: Callable[[int, FloatArray], None] | None = None
        # Frames that the core has computed, but whose instant plus look-ahead the input's own
        # clock has not reached: the resampler runs ahead of its worst case most of the time.
        self._early: FloatArray = np.empty((0, len(self.curve_names)), np.float32)
        self._knobs.reset()

    # ---- what this runtime is -------------------------------------------------------------

    @property
    def bundle(self) -> Bundle:
        return self._bundle

    @property
    def curve_names(self) -> tuple[str, ...]:
        """The 52 curves, and with `head` its three rotations: the names of a frame's values."""
        return (*CURVES, *HEAD) if self._head else CURVES

    @property
    def frame_rate(self) -> Fraction:
        return self._bundle.frame_rate

    @property
    def sample_rate(self) -> int:
        return self._rate

    @property
    def seed(self) -> int:
        return self._seed

    @property
    def backend(self) -> str:
        """What runs the sampler: "cpu" or "tensorrt"."""
        return self._backend

    @property
    def idle(self) -> float:
        return self._idle

    @property
    def head(self) -> bool:
        return self._head

    @property
    def precision(self) -> str:
        """Of the products on the CPU: "int8" or "float32"."""
        return self._model.precision

    @property
    def lookahead_ms(self) -> float:
        """Audio needed past a frame's instant: encoder, analysis window and resampler together."""
        return 1000.0 * self._lookahead / self._rate

    @property
    def identities(self) -> tuple[str, ...]:
        return self._bundle.identities

    @property
    def identity(self) -> str:
        """The talking identity in use now: the pinned one, or the one that the voice matches."""
        core = self._core if self._live is None else self._live
        return self.identities[core.identity]

    @property
    def stats(self) -> RuntimeStats:
        core = self._core if self._live is None else self._live
        live = self._live
        return RuntimeStats(
            samples=self._samples,
            frames=self._delivered,
            dropped_samples=0 if live is None else live.dropped_samples,
            dropped_frames=0 if live is None else live.dropped_frames,
            invalid_samples=self._invalid + (0 if live is None else live.invalid_samples),
            compute_seconds=core.compute_seconds,
            level_db=core.level_db,
            filled_samples=self._pace.filled,
            skipped_samples=self._pace.skipped,
        )

    @property
    def silences(self) -> list[tuple[int, int]]:
        """(position, samples) of each silence that was put in, in input samples; the newest 10000.

        `step` on the sound with these silences in it gives the same frames, bit for bit.
        """
        return list(self._pace.silences)

    @property
    def skips(self) -> list[tuple[int, int]]:
        """(position, samples) of sound that came too late to be heard and was left out there."""
        return list(self._pace.skips)

    def _identity_index(self, identity: str) -> int:
        if identity == "auto":
            return -1
        try:
            return self._bundle.identities.index(identity)
        except ValueError:
            raise ValueError(
                f"identity: expected 'auto' or one of {', '.join(self._bundle.identities)}, "
                f"got {identity!r}{meant(identity, (*self._bundle.identities, 'auto'))}"
            ) from None

    # ---- knobs ----------------------------------------------------------------------------

    def set(
        self,
        *,
        gain: Mapping[str, float] | None = None,
        offset: Mapping[str, float] | None = None,
        strength_lower: float | None = None,
        strength_upper: float | None = None,
        smooth_ms: float | None = None,
    ) -> None:
        """Turns the knobs, at any time: before the first step, between steps, while live.

        It shows from the next frame on that `step`, `flush` or `poll` delivers, and the frames
        are the same however the audio before and after was cut. Each argument takes the place of
        what was last given for it; None leaves that as it is. `reset` keeps the settings.

        Args:
            gain: by group ("mouth", docs/live.md has them all), curve ("jawOpen") or pattern
                ("eyeBlink*"), 0 to 10. Of entries that name the same curve, the one that names the
                fewest counts; of equals the last. {} takes all gains back.
            offset: the same, -1 to 1 (radians for the head), added after the gain.
            strength_lower, strength_upper: gain of the lower and the upper face on top, 0 to 10.
            smooth_ms: time constant of a low-pass over every value, 0 to 1000; 0 is off.

        Curves that gain or offset move stay within 0 and 1; rotations have no limit.

        Raises:
            ValueError: a name or a number that cannot be; nothing has changed then.
        """
        self._knobs.set(gain, offset, strength_lower, strength_upper, smooth_ms)

    @property
    def settings(self) -> Settings:
        """What `set` has put in force."""
        return self._knobs.settings

    # ---- synchronous use ------------------------------------------------------------------

    def step(self, chunk: Chunk) -> FloatArray:
        """Takes the next samples and returns the frames they complete.

        Args:
            chunk: (n,) float32 in [-1, 1] or int16, mono, n >= 0, at `sample_rate`; or the bytes
                of int16 samples, as sockets and speech services give them.

        Returns:
            (frames, 52) float32 in `curve_names` order, frames >= 0; (frames, 55) with the head.

        Raises:
            ValueError: wrong dtype or rank, an odd number of bytes, NaN, infinity, or a sample far
                beyond full scale (int16 values kept as floats); the state is left as it was.
            RuntimeError: after `flush` (call `reset`), or while live.
        """
        self._refuse_live("step")
        if self._flushed:
            raise RuntimeError("step: the stream was flushed; call reset() to begin another")
        samples = _checked(chunk)
        frames = self._compute(samples)
        self._samples += samples.size
        return self._deliver(frames, self._due_frames())

    def flush(self) -> FloatArray:
        """Ends the stream as if silence followed, and returns the frames still owed.

        Afterwards ceil(duration x frame_rate) frames have come out in all. Raises RuntimeError
        when called twice without `reset`.
        """
        self._refuse_live("flush")
        if self._flushed:
            raise RuntimeError("flush: the stream was flushed; call reset() to begin another")
        total = self._total_frames()
        held_back = self._compute(self._resampler_tail())
        tail = np.concatenate([held_back, self._core.flush()])
        self._flushed = True
        return self._deliver(tail, total)

    def reset(self) -> None:
        """Back to the start: the next frames are those of a new runtime with the same settings."""
        self.stop()
        self._core.reset()
        if self._resampler is not None:
            self._resampler.reset()
        self._clear()

    def _compute(self, samples: FloatArray) -> FloatArray:
        """Input-rate samples -> the frames that the core gives for them, early ones included."""
        if self._resampler is not None:
            samples = self._resampler.push(samples)
        return self._core.step(samples)

    def _resampler_tail(self) -> FloatArray:
        """Silence that brings out what the resampler holds back."""
        held_back = 0 if self._resampler is None else delay_samples(self._rate)
        return np.zeros(held_back, np.float32)

    def _deliver(self, frames: FloatArray, due: int) -> FloatArray:
        """Joins `frames` to the early ones and gives out those up to frame number `due`."""
        if len(self._early):
            frames = np.concatenate([self._early, frames])
        count = min(len(frames), max(due - self._delivered, 0))
        self._early = frames[count:]
        self._delivered += count
        return self._knobs.push(frames[:count])

    def _due_frames(self) -> int:
        """Frames whose instant plus the look-ahead the samples taken so far cover."""
        return clock.due_frames(self._samples, self._lookahead, self.frame_rate, self._rate)

    def _total_frames(self) -> int:
        """ceil(duration x frame_rate) for the samples taken so far."""
        return clock.total_frames(self._samples, self.frame_rate, self._rate)

    # ---- live use -------------------------------------------------------------------------

    def start(
        self,
        *,
        fill_after_s: float | None = FILL_AFTER_S,
        realtime: bool = False,
        heard: Callable[[int, FloatArray], None] | None = None,
    ) -> None:
        """Begins a live stream from its start: a worker thread computes what `push` brings in.

        Sound may pause: when what was pushed has run out for `fill_after_s` (a second of sound
        lasts for a second from when it came), `poll` puts silence in its place, so that the mouth
        shuts and frames go on. `silences` and `stats.filled_samples` tell where and how much.

        Args:
            fill_after_s: seconds, 0.02 to 10; None puts nothing in.
            realtime: the sound is pushed as it is captured, so that what comes in a burst after a
                pause is old. More than half a second of that is left out (`skips`,
                `stats.skipped_samples`). Leave it off where sound may come faster than it lasts,
                as from a speech service.
            heard: called with the position and the samples of all sound that joins the stream, by
                the thread that pushes or the one that polls; it must not wait.

        Raises:
            ValueError: `fill_after_s` is out of range.
            RuntimeError: a live stream runs already.
        """
        self._refuse_live("start")
        if fill_after_s is not None and not 0.02 <= fill_after_s <= 10:
            raise ValueError(f"fill_after_s: expected 0.02 to 10 or None, got {fill_after_s!r}")
        self.reset()
        self._pace = Pace(self._rate, fill_after_s, realtime=realtime)
        self._heard = heard
        self._live = self._new(_core.LiveRuntime)

    def push(
        self,
        chunk: Chunk,
        *,
        timeout_s: float = PUSH_PATIENCE_S,
    ) -> int:
        """Hands samples to the worker; see `step` for the chunk.

        As a rule it returns at once. When the ring buffer (4 s) is full it waits up to `timeout_s`
        for room. From an audio callback, which must not wait, push with `timeout_s=0`: what does
        not fit is then dropped and counted (`stats.dropped_samples`), and silence takes its place,
        so that the clock stays true.

        Samples that are no number, or far beyond full scale, count as silence
        (`stats.invalid_samples`): a sound card's thread has nobody to tell; `poll` tells the logger
        "diffusiontalker" of the first. Returns the number of samples taken, at 16 kHz. Call it from
        one thread only.

        Raises:
            ValueError: wrong dtype or rank; more sound at once than the ring holds.
            TimeoutError: no room came in `timeout_s`; nothing of the chunk was taken.
        """
        live = self._running("push")
        samples = _as_float32(chunk)
        if timeout_s > 0:
            self._await_room(live, samples.size, timeout_s)
        good = is_audio(samples)
        if not good.all():
            if self._first_invalid is None:
                where = int(np.argmin(good))
                self._first_invalid = _about(self._samples + where, float(samples[where]))
            self._invalid += int(samples.size - np.count_nonzero(good))
            samples = np.where(good, samples, np.float32(0))
        self._waiting.append(samples)
        return self._feed(live)

    def _await_room(self, live: _core.LiveRuntime, samples: int, timeout_s: float) -> None:
        needed = samples
        if self._resampler is not None:
            needed = -(-samples * CORE_RATE_HZ // self._rate) + delay_samples(self._rate)
        if needed > live.ring_capacity_samples:
            raise ValueError(
                f"chunk: {samples / self._rate:.1f} s of sound at once; the ring holds "
                f"{live.ring_capacity_samples / CORE_RATE_HZ:g} s. Push it in parts and poll in "
                "between, or use step(), which takes any length"
            )
        deadline = time.monotonic() + timeout_s
        while live.room < needed:
            if time.monotonic() >= deadline:
                raise TimeoutError(
                    f"push: no room for {samples / self._rate:.2f} s of sound in {timeout_s:g} s; "
                    "nothing of it was taken"
                )
            time.sleep(_LOOK_S)

    def _feed(self, live: _core.LiveRuntime) -> int:
        """Hands on what waits, unless another thread does so now: it then goes on with this too."""
        taken = 0
        while self._waiting and self._feeding.acquire(blocking=False):
            try:
                while self._waiting:
                    samples = self._waiting.popleft()
                    if self._pace.take(time.monotonic_ns(), samples.size):
                        if self._heard is not None:
                            self._heard(self._samples, samples)
                        taken += self._hand_on(live, samples)
            finally:
                self._feeding.release()
        return taken

    def _fill(self, live: _core.LiveRuntime) -> None:
        """Puts silence in where sound is due and none came."""
        if self._total is not None or not self._feeding.acquire(blocking=False):
            return
        try:
            if not self._waiting:
                room = max(0, live.room - CORE_RATE_HZ // 10) * self._rate // CORE_RATE_HZ
                count = min(self._pace.due(time.monotonic_ns()), room, _MOST_SILENCE)
                self._pace.fill(count)
                self._hand_on(live, np.zeros(count, np.float32))
        finally:
            self._feeding.release()
        self._feed(live)

    def _hand_on(self, live: _core.LiveRuntime, samples: FloatArray) -> int:
        self._samples += samples.size
        return live.push(samples if self._resampler is None else self._resampler.push(samples))

    @property
    def position(self) -> int:
        """Input samples of the stream so far, with the silence that was put in."""
        return self._samples

    def poll(self, timeout_s: float = 0.0) -> list[Frame]:
        """Takes the frames that are ready, waiting up to `timeout_s` for the first of them."""
        live = self._running("poll")
        if self._first_invalid is not None and not self._told_invalid:
            self._told_invalid = True
            logging.getLogger("diffusiontalker").warning(
                "push: taken as silence, and counted in stats.invalid_samples: %s",
                self._first_invalid,
            )
        deadline = time.monotonic() + timeout_s
        while True:
            self._fill(live)
            left_s = deadline - time.monotonic()
            first, curves = live.poll(timeout_s=min(max(left_s, 0.0), _FILL_EVERY_S))
            if len(curves) or left_s <= _FILL_EVERY_S or live.finished:
                break
        if self._total is not None:
            curves = curves[: max(self._total - first, 0)]
        self._delivered += len(curves)
        self._knobs.push(curves)
        return [self._frame(first + i, frame) for i, frame in enumerate(curves)]

    def finish(self) -> None:
        """Says that no more audio comes: the worker flushes, as `flush` does. Go on polling."""
        live = self._running("finish")
        if self._total is not None:
            return
        with self._feeding:
            self._total = self._total_frames()
            if self._resampler is not None:
                live.push(self._resampler.push(self._resampler_tail()))
        live.finish()

    @property
    def finished(self) -> bool:
        """True once every frame after `finish` has been polled."""
        return self._live is not None and self._live.finished

    def stop(self) -> None:
        """Ends the live stream at once and joins the worker. Nothing happens when none runs."""
        if self._live is not None:
            self._live.stop()
            self._live = None

    def __enter__(self) -> Runtime:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def _frame(self, index: int, curves: FloatArray) -> Frame:
        rate = self.frame_rate
        return Frame(
            index,
            index * rate.denominator / rate.numerator,
            clock.position_of(index, rate, self._rate),
            curves,
        )

    def _running(self, call: str) -> _core.LiveRuntime:
        if self._live is None:
            raise RuntimeError(f"{call}: no live stream runs; call start() first")
        return self._live

    def _refuse_live(self, call: str) -> None:
        if self._live is not None:
            raise RuntimeError(f"{call}: a live stream runs; call stop() first")


def _as_float32(chunk: object) -> FloatArray:
    """A chunk as float32; ValueError for a wrong dtype or rank."""
    if isinstance(chunk, bytes | bytearray | memoryview):
        chunk = _from_bytes(chunk)
    if not isinstance(chunk, np.ndarray):
        raise ValueError(f"chunk: expected a NumPy array, got {type(chunk).__name__}")
    if chunk.ndim != 1:
        raise ValueError(
            f"chunk: expected mono samples of shape (n,), got shape {chunk.shape}; "
            "mix or pick a channel first"
        )
    if chunk.dtype == np.int16:
        samples: FloatArray = chunk.astype(np.float32) / np.float32(32768)
        return samples
    if chunk.dtype != np.float32:
        raise ValueError(f"chunk: expected float32 or int16, got {chunk.dtype}")
    return np.ascontiguousarray(chunk, dtype=np.float32)


def _from_bytes(chunk: bytes | bytearray | memoryview) -> NDArray[np.int16] | FloatArray:
    """Bytes of int16; a memoryview that knows what it holds is taken at its word."""
    if isinstance(chunk, memoryview) and chunk.format.lstrip("@=<") not in ("B", "b", "c"):
        return np.asarray(chunk)
    size = chunk.nbytes if isinstance(chunk, memoryview) else len(chunk)
    if size % 2:
        raise ValueError(
            f"chunk: {size} bytes are no whole number of int16 samples; keep the odd byte for the "
            "next chunk"
        )
    # A bytearray may grow again, and a view may have holes: tobytes copies what need be.
    data = chunk.tobytes() if isinstance(chunk, memoryview) else bytes(chunk)
    return np.frombuffer(data, np.int16)


def _checked(chunk: object) -> FloatArray:
    """A chunk as finite float32, or ValueError. Comes before anything that has a state."""
    samples = _as_float32(chunk)
    good = is_audio(samples)
    if not good.all():
        where = int(np.argmin(good))
        raise ValueError(f"chunk: {_about(where, float(samples[where]))}")
    return samples


def _about(index: int, value: float) -> str:
    return f"sample {index} is {what_is_wrong(value)}"
