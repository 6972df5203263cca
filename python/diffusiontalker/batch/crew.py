"""Workers on this machine: a process each, so that one that dies takes no other's line along."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from multiprocessing import connection

from .lines import Failure, Line
from .stores import Store
from .work import Done, Settings, convert

# Lines that a worker has before it: it need not wait for the next one.
_AHEAD = 2
# How often whoever asks for results hears that there are none yet, seconds.
_TICK_S = 0.5
# A line that a worker died over is tried again: it may have been the machine's fault.
_TRIES = 2


def processor_count() -> int:
    """Cores that this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on macOS and Windows
        return os.cpu_count() or 1


def _begin() -> None:
    """In a worker, first of all."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all; the parent ends us
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_follow, args=(parent.sentinel,), daemon=True).start()


def _follow(sentinel: int) -> None:
    """Leaves with the parent, however it went."""
    connection.wait([sentinel])
    os._exit(1)


@dataclass
class _Worker:
    """A pool of one process: when it breaks, its first line is the one that broke it."""

    pool: ProcessPoolExecutor
    lines: deque[tuple[Line, Future[Done | Failure]]] = field(default_factory=deque)


class Crew:
    """So many processes that convert lines."""

    def __init__(self, jobs: int, settings: Settings, store: Store) -> None:
        self._settings, self._store = settings, store
        self._workers = [_Worker(self._pool()) for _ in range(jobs)]
        self._tries: dict[str, int] = {}

    def _pool(self) -> ProcessPoolExecutor:
        # Not forked: threads and open files of this process are none of a worker's business.
        context = multiprocessing.get_context("spawn")
        return ProcessPoolExecutor(1, mp_context=context, initializer=_begin)

    def work(self, lines: Sequence[Line]) -> Iterator[tuple[Line, Done | Failure] | None]:
        """What became of each line, in the order in which they end; None now and then meanwhile.

        Raises StreamError where nothing can be written.
        """
        waiting = deque(lines)
        while True:
            for worker in self._workers:
                while waiting and len(worker.lines) < _AHEAD:
                    self._hand(worker, waiting.popleft())
            first = [worker.lines[0][1] for worker in self._workers if worker.lines]
            if not first:
                return
            done, _ = wait(first, timeout=_TICK_S, return_when=FIRST_COMPLETED)
            if not done:
                yield None
            for worker in self._workers:
                while worker.lines and worker.lines[0][1].done():
                    line, future = worker.lines.popleft()
                    try:
                        yield line, future.result()
                    except BrokenProcessPool:
                        again = self._broken(worker, line)
                        yield from again
                        if not again:
                            waiting.appendleft(line)
                        # The others of this worker had not begun.
                        waiting.extendleft(reversed([rest for rest, _ in worker.lines]))
                        worker.lines.clear()

    def _hand(self, worker: _Worker, line: Line) -> None:
        try:
            future = worker.pool.submit(convert, line, self._settings, self._store)
        except BrokenProcessPool:  # it died with nothing to do
            worker.pool = self._pool()
            future = worker.pool.submit(convert, line, self._settings, self._store)
        worker.lines.append((line, future))

    def _broken(self, worker: _Worker, line: Line) -> list[tuple[Line, Failure]]:
        """A worker in the dead one's place; the line's failure, if it has had its tries."""
        worker.pool.shutdown(wait=False)
        worker.pool = self._pool()
        tries = self._tries[line.out] = self._tries.get(line.out, 0) + 1
        if tries < _TRIES:
            return []
        reason = f"the process that read it died, {tries} times"
        return [(line, Failure(line.audio, line.out, reason))]

    def close(self) -> None:
        """Ends the workers at once; what they have not finished is not done."""
        for worker in self._workers:
            busy = any(not future.done() for _, future in worker.lines)
            for process in list((worker.pool._processes or {}).values()) if busy else ():
                with contextlib.suppress(OSError):
                    process.kill()
            worker.pool.shutdown(wait=not busy, cancel_futures=True)
