"""Turns: what sessions have brought since the last is computed together; none waits for another.

A turn takes what is there, whatever each session's phase: a voice's frames do not depend on how its
sound is cut nor on who shares its pass. Who brings nothing takes no part. The more sessions there
are, the longer a turn gathers, so that passes are shared; somebody with minutes of sound at once
gets what the others leave of each turn.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np

from ..bundle import Bundle
from ..chunks import FloatArray
from ..curves import CURVES
from ..streams import Stream, lookahead_at
from .asked import Asked
from .limits import Limits, Refusal
from .metrics import Metrics
from .pool import MOST_PLACES, Batch, Pool
from .session import Session

# A turn begins no sooner after the last than this a session, and no later than the most.
_GATHER_S, _MOST_GATHER_S = 0.00015, 0.008
# A session that brings more than this has a backlog.
_LIVE_S = 0.1
# Backlogged sound of a turn: what this machine computes in so long, and no more than the most.
# Where nobody is live it is the most.
_BACKLOG_TAKES_S, _MOST_BACKLOG_S = 0.005, 0.8
_LOOK_EVERY_S = 0.5
# A session that was ended and hangs in a write is let go so much later.
_LET_GO_AFTER_S = 2.0

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Request:
    """What a client asks for when it begins."""

    sample_rate: int
    sound_format: str = "s16le"
    asked: Asked = field(default_factory=Asked)
    keep_sound: bool = False
    finish: Callable[[FloatArray], FloatArray] | None = None


@dataclass
class _Job:
    session: Session
    sound: FloatArray
    ends: bool
    backlogged: bool = False
    frames: FloatArray | None = None


class Backlog:
    """How many seconds of backlogged sound fit a turn, by what the turns before have taken.

    A live session waits for the turn under way, and the same sound takes one processor several
    times as long as another.
    """

    def __init__(self) -> None:
        self._a_second_takes_s = _BACKLOG_TAKES_S / _LIVE_S  # careful at first

    def fits_s(self, live: bool) -> float:
        """Sound of a turn; `live`: somebody might wait for it."""
        if not live:
            return _MOST_BACKLOG_S
        return min(max(_BACKLOG_TAKES_S / self._a_second_takes_s, _LIVE_S), _MOST_BACKLOG_S)

    def took(self, turn_s: float, sound_s: float) -> None:
        """A turn with a backlog, live sessions' sound in it, took so long."""
        self._a_second_takes_s += 0.2 * (turn_s / sound_s - self._a_second_takes_s)


class Scheduler:
    """Owns the sessions, and the one thread that computes.

    `every`: which frames leave: each, every second, ...
    """

    def __init__(
        self, bundle: Bundle, limits: Limits, metrics: Metrics, *, threads: int = 1, every: int = 1
    ) -> None:
        self.limits, self.metrics, self.every = limits, metrics, every
        self.frame_rate: Fraction = bundle.frame_rate
        self.identities = bundle.identities
        self._computing = ThreadPoolExecutor(1, "dt-serve-compute")
        self._pool = Pool(bundle, places=min(max(limits.sessions, 1), MOST_PLACES), threads=threads)
        self._sessions: set[Session] = set()
        self._opening = 0
        self._work = asyncio.Event()
        self._first = 0  # whose backlog is served first
        self._backlog = Backlog()
        self.leaving = False

    @property
    def sessions(self) -> int:
        return len(self._sessions) + self._opening

    def lookahead_s(self, sample_rate: int) -> float:
        return lookahead_at(sample_rate, self._pool.lookahead_samples) / sample_rate

    def wake(self) -> None:
        self._work.set()

    # ---- sessions ------------------------------------------------------------------------------

    async def open(self, request: Request) -> Session:
        """A session at its start. Raises Refusal: too many are here, or the server leaves."""
        if self.leaving:
            raise Refusal("leaving", "this server is leaving; ask another")
        if self.sessions >= self.limits.sessions:
            raise Refusal(
                "exhausted",
                f"all {self.limits.sessions} sessions of this server are taken; come again, or ask "
                "another",
            )
        self._opening += 1
        try:
            stream = Stream(
                request.sample_rate,
                self.frame_rate,
                lookahead_at(request.sample_rate, self._pool.lookahead_samples),
                CURVES,
            )
            try:
                stream.knobs.set(**request.asked.knobs)  # type: ignore[arg-type]
            except (ValueError, TypeError) as error:
                raise Refusal("invalid", str(error)) from None
            loop = asyncio.get_running_loop()
            taking = loop.run_in_executor(self._computing, self._pool.take, request.asked.voice)
            try:
                place = await asyncio.shield(taking)
            except asyncio.CancelledError:  # the client has left before its place came
                taking.add_done_callback(
                    lambda done: self._computing.submit(self._pool.give_back, *done.result())
                )
                raise
        finally:
            self._opening -= 1
        session = Session(
            stream=stream,
            place=place,
            sample_rate=request.sample_rate,
            frame_rate=self.frame_rate,
            sound_format=request.sound_format,
            limits=self.limits,
            keep_sound=request.keep_sound,
            every=self.every,
            finish=request.finish,
            shapes=request.asked.shapes,
            wake=self.wake,
        )
        self._sessions.add(session)
        self.metrics.sessions.set(len(self._sessions))
        return session

    def close(self, session: Session) -> None:
        """Its place goes to the next session, after the turn that may be under way."""
        if not session.closed:
            session.closed = True
            self._sessions.discard(session)
            self.metrics.sessions.set(len(self._sessions))
            # The thread has one queue: the turn that knows this session comes first.
            with contextlib.suppress(RuntimeError):
                self._computing.submit(self._pool.give_back, session.batch, session.place)

    async def identity_of(self, session: Session) -> str:
        """The talking identity in use by a session now."""
        loop = asyncio.get_running_loop()
        row = await loop.run_in_executor(self._computing, session.batch.identity_of, session.place)
        return self.identities[row]

    def end_all(self, refusal: Refusal) -> None:
        for session in self._sessions:
            session.fail(refusal)

    # ---- turns -----------------------------------------------------------------------------------

    async def run(self) -> None:
        """Takes turns until it is cancelled."""
        loop = asyncio.get_running_loop()
        looking = loop.create_task(self._look_for_idle_ones())
        began_s = 0.0
        try:
            while True:
                await self._work.wait()
                gather_s = min(_GATHER_S * len(self._sessions), _MOST_GATHER_S)
                wait_s = began_s + gather_s - time.monotonic()
                if wait_s > 0.0005:
                    await asyncio.sleep(wait_s)
                self._work.clear()
                began_s = time.monotonic()
                jobs = self._jobs()
                if not jobs:
                    continue
                try:
                    spent_s = await loop.run_in_executor(self._computing, compute, jobs)
                except Exception:
                    _log.exception("a turn of %d sessions failed", len(jobs))
                    for job in jobs:
                        job.session.busy = False
                        job.session.fail(Refusal("internal", "the server made an error"))
                    continue
                self.metrics.compute.inc(spent_s)
                self._hand_out(jobs, began_s)
        finally:
            looking.cancel()
            self._computing.shutdown(wait=False)

    def _jobs(self) -> list[_Job]:
        """Live sessions bring all they have; those with a backlog share the rest of the turn."""
        jobs, behind = [], []
        for session in self._sessions:
            if not session.wants:
                continue
            if session.waiting > _LIVE_S * session.sample_rate:
                behind.append(session)
            else:
                jobs.append(_Job(session, *session.claim(session.waiting)))
        if behind:
            # At least a frame each, at most so many that the turn stays short.
            turn_s = self._backlog.fits_s(live=len(behind) < len(self._sessions))
            part_s = max(turn_s / len(behind), _LIVE_S)
            served = max(1, int(turn_s / part_s))
            start = self._first % len(behind)
            self._first += served
            for session in (behind[start:] + behind[:start])[:served]:
                claimed = session.claim(int(part_s * session.sample_rate))
                jobs.append(_Job(session, *claimed, backlogged=True))
        return jobs

    def _hand_out(self, jobs: list[_Job], began_s: float) -> None:
        now_s = time.monotonic()
        frames = 0
        for job in jobs:
            assert job.frames is not None
            heard_s = job.session.deliver(job.frames)
            frames += len(job.frames)
            if heard_s is not None:
                self.metrics.late.observe(now_s - heard_s)
            if job.session.wants:
                self._work.set()
        self.metrics.frames.inc(frames)
        sound_s = sum(len(job.sound) / job.session.sample_rate for job in jobs)
        if any(job.backlogged for job in jobs):
            self._backlog.took(now_s - began_s, sound_s)
        self.metrics.sound.inc(sound_s)
        self.metrics.turn.observe(now_s - began_s)
        self.metrics.voices.observe(len(jobs))
        # Whoever could not be served in this turn.
        if any(session.wants for session in self._sessions):
            self._work.set()

    async def _look_for_idle_ones(self) -> None:
        while True:
            await asyncio.sleep(_LOOK_EVERY_S)
            now_s = time.monotonic()
            for session in list(self._sessions):
                self._look_at(session, now_s)

    def _look_at(self, session: Session, now_s: float) -> None:
        """Ends it where nothing has happened for too long."""
        limits = self.limits
        if session.leaving_s is not None:  # a client may take long to play what it has
            if now_s - session.leaving_s > limits.unread_s:
                session.fail(Refusal("idle", f"no frame was read for {limits.unread_s:g} s"))
                session.abandon()
            return
        idle_s = now_s - session.progress_s
        if idle_s > limits.idle_s:
            session.fail(Refusal("idle", f"nothing came and nothing went for {limits.idle_s:g} s"))
        if idle_s > limits.idle_s + _LET_GO_AFTER_S:
            session.abandon()


def compute(jobs: list[_Job]) -> float:
    """A turn: the sound of each job -> its frames. Returns the processor time that it took."""
    began_s = time.thread_time()
    batches: dict[Batch, list[_Job]] = {}
    for job in jobs:
        batches.setdefault(job.session.batch, []).append(job)
    for batch, members in batches.items():
        _compute_batch(batch, members)
    return time.thread_time() - began_s


def _compute_batch(batch: Batch, jobs: list[_Job]) -> None:
    sounds = {}
    for job in jobs:
        sound = job.session.stream.take(job.sound)
        if job.ends:
            sound = np.concatenate([sound, job.session.stream.tail()])
        sounds[job.session.place] = sound
    frames = batch.step(sounds)
    ending = [job.session.place for job in jobs if job.ends]
    owed = batch.flush(ending) if ending else {}
    for job in jobs:
        session = job.session
        made = frames[session.place]
        if job.ends:
            made = np.concatenate([made, owed[session.place]])
            made = session.stream.deliver(made, session.stream.total_frames())
        else:
            made = session.stream.deliver(made)
        job.frames = session.finished(made) if len(made) else made
