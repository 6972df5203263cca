"""The road of `dt-batch`: what is named is found, done, and accounted for."""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from contextlib import ExitStack

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from ...stream import StreamError
from ...stream.cli.command import remark, say
from .. import places
from ..journal import Journal
from ..lines import Failure, Line, find
from ..run import REPORT, Plan, Tally, Workers, check, plan, report
from ..run import run as run_lines
from ..stores import Folder, Remote, open_store
from ..work import Done, Settings
from . import options

# How long it works before it shows its progress, seconds.
_PATIENCE_S = 2.0
# From then on it says so in lines this often, where it cannot draw a bar.
_LINE_EVERY_S = 10.0
# Failures that are said at once; the report has all.
_MOST_SAID = 10


def run(args: argparse.Namespace) -> int:
    """Does what checked options say; returns the exit code. Raises StreamError."""
    begun_s = time.monotonic()
    settings = options.settings(args)
    lines, failures = find(
        args.source, out=args.out, identity=args.identity, seed=args.seed,
        formats=options.formats(args),
    )  # fmt: skip
    model, notes = check(lines, settings, options.formats(args))
    if not args.quiet:
        for note in notes:
            remark("dt-batch", note)
    store = open_store(args.out)
    try:
        with ExitStack() as stack:
            stack.enter_context(store.alone())
            journal = Journal(store)
            todo = plan(lines, settings, model, store, journal, replace=args.replace)
            failures += todo.failures
            tally = _work(args, todo, settings, model, store, journal, failures)
            report(store, failures)
    except OSError as error:
        raise StreamError(f"--out {store.place}: {places.why(error)}") from None
    if not args.quiet:
        say(_summary(args, todo, tally, failures, time.monotonic() - begun_s))
    return 1 if failures else 0


def _work(
    args: argparse.Namespace,
    todo: Plan,
    settings: Settings,
    model: str,
    store: Folder | Remote,
    journal: Journal,
    failures: list[Failure],
) -> Tally:
    """Does what is to be done; what fails joins `failures`."""
    with _View(args) as view:
        for failure in failures:
            view.fail(failure)
        if not todo.todo:
            return Tally()
        workers = _workers(args, settings, store, len(todo.todo))
        try:
            view.begin(todo.todo)
            tally = run_lines(workers, todo.todo, settings, model, journal, view.tell)
        finally:
            workers.close()
    failures += tally.failures
    return tally


def _workers(
    args: argparse.Namespace, settings: Settings, store: Folder | Remote, lines: int
) -> Workers:
    if args.ray is not None:
        from ..cluster import Cluster

        return Cluster(args.ray, settings, store)
    from ..crew import Crew, processor_count

    return Crew(min(args.jobs or processor_count(), lines), settings, store)


def _summary(
    args: argparse.Namespace, todo: Plan, tally: Tally, failures: Sequence[Failure], took_s: float
) -> str:
    done = tally.lines - len(tally.failures)
    every = done + todo.finished + len(failures)
    text = f"{args.out}: {done + todo.finished} of {every} lines"
    if todo.finished:
        text += f" ({todo.finished} were finished before)"
    if done:
        text += (
            f", {tally.frames} frames from {_clock(tally.audio_s)} of audio in {_clock(took_s)}: "
            f"{tally.audio_s / took_s:.0f} x real time"
        )
    if failures:
        text += f"; {len(failures)} failed, see {places.joined(args.out, REPORT)}"
    return text


def _clock(seconds: float) -> str:
    """A time as people read it."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d} min"


class _View:
    """What is seen while it works: a bar on a terminal, else a line now and then; failures."""

    def __init__(self, args: argparse.Namespace) -> None:
        self._console = Console(stderr=True)
        self._quiet = args.quiet
        self._lines = args.plain or not self._console.is_terminal
        self._stack = ExitStack()
        self._bar: Progress | None = None
        self._said = 0

    def begin(self, todo: Sequence[Line]) -> None:
        """What is to be done; from now on the time counts."""
        self._count = len(todo)
        self._size = sum(line.size for line in todo)
        self._begun_s = time.monotonic()
        self._next_s = self._begun_s + _PATIENCE_S

    def tell(self, tally: Tally, ended: tuple[Line, Done | Failure] | None) -> None:
        """How far it has come; a line that is over with."""
        if ended is not None:
            line, result = ended
            if isinstance(result, Failure):
                self.fail(result)
            else:
                for note in result.notes:
                    self._remark(f"{line.audio}: {note}")
        if self._bar is not None:
            self._bar.update(self._bar.task_ids[0], completed=tally.size, lines=tally.lines)
        elif not self._quiet and tally.lines and time.monotonic() >= self._next_s:
            if self._lines:
                self._next_s = time.monotonic() + _LINE_EVERY_S
                remark("dt-batch", self._how_far(tally))
            else:
                self._bar = self._draw(tally)

    def fail(self, failure: Failure) -> None:
        """A line that gave nothing."""
        self._remark(f"{failure.audio}: {failure.reason}")

    def _remark(self, text: str) -> None:
        self._said += 1
        if self._said == _MOST_SAID + 1:
            text = f"there is more of that; what fails comes into {REPORT}"
        if self._said > _MOST_SAID + 1:
            return
        if self._bar is not None:
            self._bar.console.print(f"dt-batch: {text}", markup=False, highlight=False)
        else:
            remark("dt-batch", text)

    def _how_far(self, tally: Tally) -> str:
        took_s = time.monotonic() - self._begun_s
        share = tally.size / max(self._size, 1)
        text = f"{tally.lines} of {self._count} lines ({100 * share:.0f} %), "
        text += f"{tally.audio_s / took_s:.0f} x real time"
        if share > 0:
            text += f", {_clock(took_s * (1 - share) / share)} left"
        return text

    def _draw(self, tally: Tally) -> Progress:
        bar = Progress(
            TextColumn("{task.fields[lines]} of {task.fields[of]} lines"),
            BarColumn(),
            TextColumn("{task.percentage:3.0f} %"),
            TimeRemainingColumn(),
            console=self._console,
            transient=True,
            speed_estimate_period=120.0,
        )
        bar.add_task("", total=self._size, completed=tally.size, lines=tally.lines, of=self._count)
        return self._stack.enter_context(bar)

    def __enter__(self) -> _View:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()
