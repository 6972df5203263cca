"""`Runtime`: audio in, curves out, by synchronous steps or through a worker thread."""

from __future__ import annotations

import copy
import threading
import time
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any, overload

import numpy as np

from . import _core, clock
from . import bundle as _bundle
from .bundle import Bundle
from .chunks import Chunk, FloatArray, about, as_float32
from .clock import CORE_RATE_HZ
from .curves import CURVES, HEAD
from .knobs import Settings
from .pace import FILL_AFTER_S, OVERLOADS, Pace
from .past import Past
from .resample import delay_samples
from .scale import is_audio
from .spelling import meant
from .streams import (
    MOST_STREAMS,
    Stream,
    each,
    lookahead_at,
    one_each,
    refuse_what_is_no_audio,
    whole,
)

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
    #: Made with fewer sampling steps than the model has, by `start(overload="steps")`.
    fewer_steps: bool = False


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
    skipped_frames: int = 0  #: frames that `start(overload=...)` left out (live only)
    frames_of_fewer_steps: int = 0  #: frames delivered that it made with fewer steps (live only)


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
        streams: None for one voice. A number >= 1: so many voices that share each pass over the
            weights (docs/performance.md). `step` then takes a chunk for each and returns a list of
            arrays, each bit for bit that of a runtime of its own; `seed` and `identity` may be
            sequences, one a stream; there is no live use.
        threads: with `streams`: threads that compute at once. The frames do not depend on it;
            on TensorRT each has a launch of its own, and with another number of voices a launch
            they may differ by rounding.
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
        seed: int | Sequence[int] = 0,
        identity: str | Sequence[str] = "auto",
        backend: str = "cpu",
        idle: float = 1.0,
        head: bool = False,
        streams: int | None = None,
        threads: int = 1,
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
        if streams is not None:
            whole("streams", streams, 1, MOST_STREAMS)
        self._alone = streams is None
        self._threads = whole("threads", threads, 1, MOST_STREAMS)
        self._seeds = each("seed", seed, streams, lambda value: whole("seed", value, 0, 2**64 - 1))
        if not isinstance(head, bool):
            raise ValueError(f"head: expected True or False, got {head!r}")
        if precision not in PRECISIONS:
            raise ValueError(
                f"precision: expected {' or '.join(map(repr, PRECISIONS))}, got {precision!r}"
            )
        self._rate = int(sample_rate)
        self._pinned = each("identity", identity, streams, self._identity_index)
        self._idle, self._head = _idle(idle), head
        config = self._bundle.core_config()
        config.precision = precision
        self._model = _core.Model(
            config, self._bundle.core_tensors(), self._bundle.identity_features()
        )
        self._bundle = self._bundle.put_away()  # the model has packed its own
        launch = -(-len(self._seeds) // min(self._threads, len(self._seeds)))
        self._backend, self._backend_options, reason = _chosen(backend, self._bundle, launch)
        try:
            self._core = self._new_core()
            self._core_is_old = False  # recast since it was made
        except RuntimeError as error:
            if backend != "auto":
                from .tensorrt.engines import BackendError

                raise BackendError(str(error)) from None
            self._backend, self._backend_options, reason = "cpu", {}, str(error)
            self._core = self._new_core()
        if reason:
            from .tensorrt import engines

            engines.tell_once(reason)
        self._begin()

    def _begin(self) -> None:
        """What a runtime has for itself, beside the model: its streams, at their start."""
        self._live: _core.LiveRuntime | None = None
        # Whoever holds it feeds the worker; what comes meanwhile waits in `_waiting`, so that the
        # thread that pushes never does.
        self._feeding = threading.Lock()
        self._lookahead = lookahead_at(self._rate, self._model.lookahead_samples)
        self._streams = [
            Stream(self._rate, self.frame_rate, self._lookahead, self.curve_names)
            for _ in self._seeds
        ]
        self._stream = self._streams[0]
        self._owed: deque[Any] = deque()  # frames of steps whose `stream` was cancelled
        self._clear_live()

    def _new_core(self) -> _core.Voices:
        return _core.Voices(
            self._model,
            self._seeds,
            self._pinned,
            self._backend,
            tensorrt=self._backend_options,
            idle=self._idle,
            head=self._head,
            threads=self._threads,
        )

    def another(
        self, *, seed: int | Sequence[int] = 0, identity: str | Sequence[str] = "auto"
    ) -> Runtime:
        """A runtime with the same weights and settings, its streams at their start.

        It is ready in half a millisecond, as the weights are shared and not read again. The two
        know nothing of each other, and each may be used by a thread of its own. Raises ValueError
        as the constructor does.
        """
        streams = None if self._alone else self.streams
        made = copy.copy(self)
        made._seeds = each("seed", seed, streams, lambda value: whole("seed", value, 0, 2**64 - 1))
        made._pinned = each("identity", identity, streams, self._identity_index)
        made._core = made._new_core()
        made._begin()
        for mine, theirs in zip(self._streams, made._streams, strict=True):
            knobs = mine.knobs.settings
            theirs.knobs.set(
                knobs.gain,
                knobs.offset,
                knobs.strength_lower,
                knobs.strength_upper,
                knobs.smooth_ms,
            )
        return made

    def _clear_live(self) -> None:
        self._invalid = 0
        self._first_invalid: str | None = None
        self._told_invalid = False
        self._total: int | None = None
        self._waiting: deque[FloatArray] = deque()
        self._pace = Pace(self._rate, None)
        self._heard: Callable[[int, FloatArray], None] | None = None
        self._past = Past()
        self._coming: _Cast | None = None
        self._overload = OVERLOADS[0]
        self._skipped_frames = self._frames_of_fewer_steps = 0
        self._first_frame = self._next_frame = 0
        self._before = (0, 0, 0, 0.0)

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
        """Of the first stream."""
        return self._seeds[0]

    @property
    def seeds(self) -> tuple[int, ...]:
        """One a stream."""
        return self._seeds

    @property
    def streams(self) -> int:
        """Voices that `step` takes a chunk each of; 1 for a runtime of one voice."""
        return len(self._streams)

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
        """The talking identity in use now: the pinned one, or the one that the voice matches.

        With `streams`: that of the first; see `identity_of`.
        """
        return self.identity_of(0)

    def identity_of(self, stream: int) -> str:
        """The talking identity in use now by a stream, 0 to `streams` - 1; ValueError."""
        row = self._core.identity(stream) if self._live is None else self._live.identity
        return self.identities[row]

    def identity_scores(self, stream: int = 0) -> dict[str, float]:
        """How well the voice so far matches each identity, by name: -1 to 1, higher is nearer.

        "auto" follows the highest. Of `step` and `flush`; while live they stand still.
        """
        whole("stream", stream, 0, self.streams - 1)
        scores = self._core.identity_scores(stream)
        return dict(zip(self.identities, scores.tolist(), strict=True))

    @property
    def stats(self) -> RuntimeStats:
        """Counters; of all streams together, and the level of the loudest."""
        live = self._live
        level_db = max(self._core.level_db(i) for i in range(self.streams))
        samples, frames, invalid, seconds = self._before if live is None else self._counted(live)
        return RuntimeStats(
            samples=sum(stream.samples for stream in self._streams),
            frames=sum(stream.delivered for stream in self._streams),
            dropped_samples=samples,
            dropped_frames=frames,
            invalid_samples=self._invalid + invalid,
            compute_seconds=self._core.compute_seconds if live is None else seconds,
            level_db=level_db if live is None else live.level_db,
            filled_samples=self._pace.filled,
            skipped_samples=self._pace.skipped,
            skipped_frames=self._skipped_frames,
            frames_of_fewer_steps=self._frames_of_fewer_steps,
        )

    def _counted(self, live: _core.LiveRuntime) -> tuple[int, int, int, float]:
        """Counters of the live stream, with those of the casts before."""
        samples, frames, invalid, seconds = self._before
        return (
            samples + live.dropped_samples,
            frames + live.dropped_frames,
            invalid + live.invalid_samples,
            seconds + live.compute_seconds,
        )

    @property
    def stage_seconds(self) -> dict[str, float]:
        """Where `stats.compute_seconds` went, by stage, since the start or the last reset.

        Of `step` and `flush`; while live they stand still.
        """
        return self._core.stage_seconds

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

    def _identity_index(self, identity: object) -> int:
        if identity == "auto":
            return -1
        try:
            return self._bundle.identities.index(str(identity))
        except ValueError:
            raise ValueError(
                f"identity: expected 'auto' or one of {', '.join(self._bundle.identities)}, "
                f"got {identity!r}{meant(str(identity), (*self._bundle.identities, 'auto'))}"
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
            strength_lower: gain of the lower face on top, 0 to 10.
            strength_upper: of the upper face.
            smooth_ms: time constant of a low-pass over every value, 0 to 1000; 0 is off.

        Curves that gain or offset move stay within 0 and 1; rotations have no limit.

        Raises:
            ValueError: a name or a number that cannot be; nothing has changed then.
        """
        for stream in self._streams:
            stream.knobs.set(gain, offset, strength_lower, strength_upper, smooth_ms)

    @property
    def settings(self) -> Settings:
        """What `set` has put in force."""
        return self._stream.knobs.settings

    # ---- synchronous use ------------------------------------------------------------------

    @overload
    def step(self, chunk: Chunk) -> FloatArray: ...
    @overload
    def step(self, chunk: Sequence[Chunk]) -> list[FloatArray]: ...
    def step(self, chunk: Chunk | Sequence[Chunk]) -> FloatArray | list[FloatArray]:
        """Takes the next samples and returns the frames they complete.

        Args:
            chunk: (n,) float32 in [-1, 1] or int16, mono, n >= 0, at `sample_rate`; or the bytes
                of int16 samples, as sockets and speech services give them. With `streams`: a list
                of such chunks, one a stream, of any lengths, or an array (streams, n).

        Returns:
            (frames, 52) float32 in `curve_names` order, frames >= 0; (frames, 55) with the head.
            With `streams`: a list of them.

        Raises:
            ValueError: wrong dtype or rank, an odd number of bytes, NaN, infinity, or a sample far
                beyond full scale (int16 values kept as floats); another number of chunks than
                streams. The state, of every stream, is left as it was.
            RuntimeError: after `flush` (call `reset`), or while live.
        """
        self._refuse_live("step")
        chunks = [as_float32(chunk)] if self._alone else one_each(chunk, self.streams)
        for number, (stream, samples) in enumerate(zip(self._streams, chunks, strict=True)):
            if stream.flushed and (self._alone or samples.size):
                raise RuntimeError(self._was_flushed("step", number))
        frames = self._push(chunks)
        out = [stream.deliver(f) for stream, f in zip(self._streams, frames, strict=True)]
        return out[0] if self._alone else out

    def _push(self, chunks: Sequence[FloatArray]) -> list[FloatArray]:
        """The core's frames for a chunk of each stream. ValueError: a sample is no audio."""
        if self._rate != CORE_RATE_HZ:
            refuse_what_is_no_audio(chunks, alone=self._alone)
            return self._core.step(
                [stream.take(c) for stream, c in zip(self._streams, chunks, strict=True)]
            )
        try:
            frames = self._core.step(chunks)  # which checks them before anything has a state
        except ValueError:
            refuse_what_is_no_audio(chunks, alone=self._alone)  # in words that say more
            raise
        for stream, samples in zip(self._streams, chunks, strict=True):
            stream.take(samples)
        return frames

    def _was_flushed(self, call: str, number: int) -> str:
        which = "the stream" if self._alone else f"stream {number}"
        return f"{call}: {which} was flushed; call reset() to begin another"

    @overload
    def flush(self) -> FloatArray: ...
    @overload
    def flush(self, stream: int) -> FloatArray: ...
    def flush(self, stream: int | None = None) -> FloatArray | list[FloatArray]:
        """Ends the stream as if silence followed, and returns the frames still owed.

        Afterwards ceil(duration x frame_rate) frames have come out in all. With `streams`: ends
        all that were not ended before, and returns a list; or the one of a number, and returns its
        frames. Raises RuntimeError when called twice without `reset`.
        """
        self._refuse_live("flush")
        if stream is not None:
            whole("stream", stream, 0, self.streams - 1)
        ending = [
            stream in (None, i) and not (s.flushed and stream is None and not self._alone)
            for i, s in enumerate(self._streams)
        ]
        for number, (s, ends) in enumerate(zip(self._streams, ending, strict=True)):
            if ends and s.flushed:
                raise RuntimeError(self._was_flushed("flush", number))
        totals = [s.total_frames() for s in self._streams]
        nothing = np.zeros(0, np.float32)
        held_back = self._core.step(
            [s.tail() if ends else nothing for s, ends in zip(self._streams, ending, strict=True)]
        )
        out = []
        for i, tail in enumerate(self._core.flush(ending)):
            s, frames = self._streams[i], held_back[i]
            if tail is not None:
                frames = s.deliver(np.concatenate([frames, tail]), totals[i])
                s.flushed = True
            out.append(frames)
        return out[stream or 0] if self._alone or stream is not None else out

    @overload
    def stream(
        self, source: AsyncIterable[Chunk] | Iterable[Chunk]
    ) -> AsyncGenerator[FloatArray, None]: ...
    @overload
    def stream(
        self, source: AsyncIterable[Sequence[Chunk]] | Iterable[Sequence[Chunk]]
    ) -> AsyncGenerator[list[FloatArray], None]: ...
    def stream(self, source: object) -> AsyncGenerator[Any, None]:
        """`step` for each chunk of `source` and `flush` at its end, for programs with asyncio:
        `async for frames in rt.stream(source)`.

        It computes on a thread, one chunk at a time in order, so that the event loop goes on and
        the frames are those of `step`, bit for bit. The next chunk is asked for when the caller
        comes back for more: a slow caller slows the source, and nothing piles up.

        A cancel waits for the step under way, as long as its chunk takes to compute. The frames of
        that step are kept and come first from the next `stream`, over the rest of the sound;
        `reset` drops them. A chunk that the source was about to give is the source's affair.

        Args:
            source: an async iterable of chunks as `step` takes them (with `streams`: of lists of
                them), or an ordinary one, whose `next` is called on a thread and may wait.

        Yields:
            What `step` returned, where it completed a frame; at the end what `flush` returned.

        Raises:
            ValueError, RuntimeError: as `step`; and whatever `source` raises. The stream is not
                flushed then: go on with another `stream`, or `reset`.
            ValueError, TypeError: at the call: `source` is one chunk, or not iterable.
        """
        from .steps import items_of, steps  # asyncio takes milliseconds to load

        step: Callable[[Any], Any] = self.step
        flush: Callable[[], Any] = self.flush

        def has_frames(frames: Any) -> bool:
            return len(frames) > 0 if self._alone else any(map(len, frames))

        return steps(step, flush, items_of(source), self._owed, is_worth=has_frames)

    def reset(self, stream: int | None = None) -> None:
        """Back to the start: the next frames are those of a new runtime with the same settings.

        With `streams`: of all of them, or of the one of a number alone.
        """
        self.stop()
        if stream is not None:
            self._core.reset(whole("stream", stream, 0, self.streams - 1))
            self._streams[stream].reset()
            return
        self._core.reset()
        self._owed.clear()
        for each_stream in self._streams:
            each_stream.reset()
        self._clear_live()

    # ---- live use -------------------------------------------------------------------------

    def start(
        self,
        *,
        fill_after_s: float | None = FILL_AFTER_S,
        realtime: bool = False,
        heard: Callable[[int, FloatArray], None] | None = None,
        overload: str = "keep",
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
            overload: where sound comes faster than it can be computed. "keep": every frame is
                computed, as late as it gets (when 4 s of sound wait, what comes is dropped), and no
                bit depends on the load. "skip": with over 0.4 s waiting, frames are left out until
                50 ms wait; the sound is heard all the same and every frame keeps its time. "steps":
                before that, half of the sampling steps and then a quarter are taken (from 0.1 and
                0.2 s on), and all of them again a second or two after the load is gone
                (`Frame.fewer_steps`, docs/reliability.md). Both for sound that is pushed as it is
                captured: what is pushed ahead of its time waits too.

        Raises:
            ValueError: `fill_after_s` is out of range; `overload` is none, or "steps" on TensorRT,
                whose engines hold all steps.
            RuntimeError: a live stream runs already.
        """
        self._refuse_live("start")
        if not self._alone:
            raise RuntimeError("start: live use is for one voice; leave `streams` out")
        if fill_after_s is not None and not 0.02 <= fill_after_s <= 10:
            raise ValueError(f"fill_after_s: expected 0.02 to 10 or None, got {fill_after_s!r}")
        if overload not in OVERLOADS:
            raise ValueError(f"overload: expected {', '.join(OVERLOADS)}, got {overload!r}")
        live = self._new_live()
        live.set_overload(overload)
        self.reset()
        self._pace = Pace(self._rate, fill_after_s, realtime=realtime)
        self._heard, self._overload = heard, overload
        self._live = live

    def _new_live(self) -> _core.LiveRuntime:
        return _core.LiveRuntime(
            self._model,
            self._seeds[0],
            self._pinned[0],
            self._backend,
            tensorrt=self._backend_options,
            idle=self._idle,
            head=self._head,
        )

    def recast(
        self, *, identity: str | None = None, seed: int | None = None, idle: float | None = None
    ) -> None:
        """Gives the live stream another identity, seed or idle motion; None leaves one as it is.

        No frame is lost or late: the model goes on as it was until another, which hears the last
        3 s of sound first, has come as far. From then on the frames are those of a stream with the
        new settings that began that much earlier (docs/live.md). Call it from the thread that
        polls. `reset` and `start` keep the settings.

        Raises:
            ValueError: an argument is out of range; nothing has changed then.
            RuntimeError: no live stream runs.
        """
        self._running("recast")
        pinned = self._pinned[0] if identity is None else self._identity_index(identity)
        new_seed = self._seeds[0] if seed is None else whole("seed", seed, 0, 2**64 - 1)
        new_idle = self._idle if idle is None else _idle(idle)
        if (pinned, new_seed, new_idle) == (self._pinned[0], self._seeds[0], self._idle):
            return
        self._pinned, self._seeds, self._idle = (pinned,), (new_seed,), new_idle
        self._core_is_old = True
        # Who pushes never waits for this: what comes meanwhile waits in `_waiting`.
        with self._feeding:
            if self._coming is not None:
                self._coming.live.stop()
            first_frame, position = self._past.warm_start(self.frame_rate)
            self._coming = _Cast(self._new_live(), first_frame)
            self._coming.live.push(self._past.since(position))
            if self._total is not None:
                self._coming.live.finish()

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
        samples = as_float32(chunk)
        if timeout_s > 0:
            self._await_room(live, samples.size, timeout_s)
        good = is_audio(samples)
        if not good.all():
            if self._first_invalid is None:
                where = int(np.argmin(good))
                self._first_invalid = about(self._stream.samples + where, float(samples[where]))
            self._invalid += int(samples.size - np.count_nonzero(good))
            samples = np.where(good, samples, np.float32(0))
        self._waiting.append(samples)
        return self._feed(live)

    def _await_room(self, live: _core.LiveRuntime, samples: int, timeout_s: float) -> None:
        needed = samples
        if self._rate != CORE_RATE_HZ:
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
                            self._heard(self._stream.samples, samples)
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
        ready = self._stream.take(samples)
        self._past.push(ready)
        if self._coming is not None:
            self._coming.live.push(ready)
        return live.push(ready)

    @property
    def position(self) -> int:
        """Input samples of the stream so far, with the silence that was put in."""
        return self._stream.samples

    @property
    def next_index(self) -> int:
        """Index of the frame that `poll` gives next; what was skipped or dropped counts."""
        return self._next_frame

    def poll(self, timeout_s: float = 0.0) -> list[Frame]:
        """Takes the frames that are ready, waiting up to `timeout_s` for the first of them."""
        live = self._running("poll")
        if self._first_invalid is not None and not self._told_invalid:
            self._told_invalid = True
            import logging

            logging.getLogger("diffusiontalker").warning(
                "push: taken as silence, and counted in stats.invalid_samples: %s",
                self._first_invalid,
            )
        deadline = time.monotonic() + timeout_s
        while True:
            self._fill(live)
            left_s = deadline - time.monotonic()
            if self._coming is not None and self._take_over(live, self._coming):
                live = self._running("poll")
            first, curves, steps = live.poll(timeout_s=min(max(left_s, 0.0), _FILL_EVERY_S))
            first += self._first_frame
            if first < self._next_frame:  # of a cast that has come further than the one before
                behind = self._next_frame - first
                curves, steps = curves[behind:], steps[behind:]
                first = self._next_frame
            if len(curves) or left_s <= _FILL_EVERY_S or live.finished:
                break
        if len(curves):
            self._next_frame = first + len(curves)
        if self._total is not None:
            curves = curves[: max(self._total - first, 0)]
        self._stream.knobs.push(curves)
        frames = [
            self._frame(first + i, frame, taken < self._model.sample_steps)
            for i, (frame, taken) in enumerate(zip(curves, steps.tolist(), strict=False))
            if taken
        ]
        self._skipped_frames += len(curves) - len(frames)
        self._frames_of_fewer_steps += sum(frame.fewer_steps for frame in frames)
        self._stream.delivered += len(frames)
        return frames

    def _take_over(self, live: _core.LiveRuntime, coming: _Cast) -> bool:
        """Lets a cast that has come as far as the stream take its place; True when it did."""
        # Its frames before the stream's next one are thrown away, but for the last few.
        behind = self._next_frame - coming.first_frame - coming.polled
        while behind > 0:
            first, curves, _ = coming.live.poll(min(behind, 64))
            if not len(curves):
                return False
            behind -= first + len(curves) - coming.polled
            coming.polled = first + len(curves)
        # The cast before it may have computed frames that it owes still. Where neither has any
        # ready they stand alike, and it is not asked to win a race for the next one.
        reached = coming.first_frame + coming.live.frames
        if reached <= self._next_frame and reached < self._first_frame + live.frames:
            return False
        with self._feeding:
            self._before = self._counted(live)
            self._live, self._first_frame, self._coming = coming.live, coming.first_frame, None
            # Not before: it had 3 s to catch up with.
            self._live.set_overload(self._overload)
        live.stop()
        return True

    def finish(self) -> None:
        """Says that no more audio comes: the worker flushes, as `flush` does. Go on polling."""
        live = self._running("finish")
        if self._total is not None:
            return
        with self._feeding:
            self._total = self._stream.total_frames()
            tail = self._stream.tail()
            for each_live in [live, *([self._coming.live] if self._coming is not None else [])]:
                each_live.push(tail)
                each_live.finish()

    @property
    def finished(self) -> bool:
        """True once every frame after `finish` has been polled."""
        return self._live is not None and self._live.finished

    def stop(self) -> None:
        """Ends the live stream at once and joins the worker. Nothing happens when none runs."""
        if self._coming is not None:
            self._coming.live.stop()
            self._coming = None
        if self._live is not None:
            self._live.stop()
            self._live = None
        if self._core_is_old:
            self._core, self._core_is_old = self._new_core(), False

    def __enter__(self) -> Runtime:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def _frame(self, index: int, curves: FloatArray, fewer_steps: bool) -> Frame:
        rate = self.frame_rate
        return Frame(
            index,
            index * rate.denominator / rate.numerator,
            clock.position_of(index, rate, self._rate),
            curves,
            fewer_steps,
        )

    def _running(self, call: str) -> _core.LiveRuntime:
        if self._live is None:
            raise RuntimeError(f"{call}: no live stream runs; call start() first")
        return self._live

    def _refuse_live(self, call: str) -> None:
        if self._live is not None:
            raise RuntimeError(f"{call}: a live stream runs; call stop() first")


@dataclass
class _Cast:
    """A live model that will take a stream over."""

    live: _core.LiveRuntime
    first_frame: int  #: the stream's frame that is its frame 0
    polled: int = 0  #: frames taken out of it and thrown away


def _idle(value: object) -> float:
    if isinstance(value, bool) or not (
        isinstance(value, int | float | np.integer | np.floating) and 0 <= value <= 1
    ):
        raise ValueError(f"idle: expected a number from 0 to 1, got {value!r}")
    return float(value)


def _chosen(backend: str, bundle: Bundle, streams: int) -> tuple[str, dict[str, Any], str]:
    """As `engines.choose`, which is loaded for a GPU alone."""
    if backend == "cpu":
        return "cpu", {}, ""
    from .tensorrt import engines

    return engines.choose(backend, bundle, streams)
