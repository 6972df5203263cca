"""Lines to workers, their parts into place: the road of `dt-batch`."""

from __future__ import annotations

import csv
import dataclasses
import hashlib
import io
import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import Protocol

from ..clock import CORE_RATE_HZ
from ..stream import StreamError
from .formats import FORMATS
from .journal import Entry, Journal
from .lines import Failure, Line
from .stores import Store
from .work import Done, Settings, load, try_formats

#: Where the failures of the last run are written, below OUT.
REPORT = "dt-batch-failures.csv"
# Finished lines are written down together this often, seconds.
_COMMIT_EVERY_S = 0.5
# Part of each digest: raised when the same settings come to mean other files.
_FORM = 1


class Workers(Protocol):
    """Who converts: this machine's processes, or a cluster's."""

    def work(self, lines: Sequence[Line]) -> Iterator[tuple[Line, Done | Failure] | None]:
        """What became of each line, as they end; None now and then while nothing does."""

    def close(self) -> None:
        """Nobody waits for them any more."""


@dataclass
class Plan:
    """What a run has to do, and what was done before."""

    todo: list[Line] = field(default_factory=list)
    finished: int = 0
    changed: int = 0  #: of `todo`: sounds that are others than they were
    failures: list[Failure] = field(default_factory=list)


@dataclass
class Tally:
    """How far a run has come."""

    lines: int = 0
    frames: int = 0
    audio_s: float = 0.0
    size: int = 0  #: bytes of sound of all lines that are over with
    failures: list[Failure] = field(default_factory=list)


def digest(line: Line, settings: Settings, model: str) -> str:
    """Of all that a line's files depend on, but for its sound."""
    said = {**asdict(settings), "bundle": model, "identity": line.identity, "seed": line.seed}
    text = json.dumps([_FORM, said], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def check(
    lines: Sequence[Line], settings: Settings, formats: Sequence[str]
) -> tuple[str, list[str]]:
    """The digest of the model, and what the formats cannot say.

    StreamError where the model, a knob, an identity or a format cannot be.
    """
    try:
        runtime = load(settings, CORE_RATE_HZ)
        for identity in sorted({line.identity for line in lines}):
            runtime.another(identity=identity)
        notes = try_formats(formats, settings)
    except (ValueError, OSError) as error:
        raise StreamError(str(error)) from None
    return runtime.bundle.sha256, notes


def plan(
    lines: Sequence[Line],
    settings: Settings,
    model: str,
    store: Store,
    journal: Journal,
    *,
    replace: bool,
) -> Plan:
    """Which lines are to be done. Parts of a run that was cut are placed or swept away.

    StreamError where files were made with other settings and may not be replaced. Raises OSError.
    """
    sizes = store.sizes()
    journal.settle(sizes)
    store.sweep()
    made = Plan()
    others: list[str] = []
    for line in lines:
        wanted = digest(line, settings, model)
        todo: list[str] = []
        changed = False
        strange = ""
        for form in line.formats:
            name = line.out + FORMATS[form].ending
            entry = journal.entries.get(name)
            if entry is not None and sizes.get(name) == entry.file(name)[1]:
                if (entry.settings, entry.audio, entry.sound) == (wanted, line.audio, line.stamp):
                    continue
                changed = entry.settings == wanted
                others += [] if changed else [name]
            elif name in sizes:
                strange = name
            todo.append(form)
        if strange and not replace:
            reason = f"{strange} is there, and not as dt-batch wrote it; --replace overwrites it"
            made.failures.append(Failure(line.audio, line.out, reason))
            continue
        made.finished += not todo
        made.changed += changed
        if todo:
            made.todo.append(dataclasses.replace(line, formats=tuple(todo)))
    if others and not replace:
        count = "1 file" if len(others) == 1 else f"{len(others)} files"
        raise StreamError(
            f"--out {store.place}: {count} there ({others[0]}) came of another model or other "
            "options; give another --out, or --replace to make them anew"
        )
    return made


def run(
    workers: Workers,
    todo: Sequence[Line],
    settings: Settings,
    model: str,
    journal: Journal,
    tell: Callable[[Tally, tuple[Line, Done | Failure] | None], None],
) -> Tally:
    """Does the lines; `tell` hears how far it has come, and of each line that is over with.

    Raises StreamError, OSError.
    """
    tally = Tally()
    waiting: list[Entry] = []
    due_s = 0.0

    def commit() -> None:
        nonlocal due_s
        if waiting:
            journal.add(waiting)
            for entry in waiting:
                journal.place(entry)
            waiting.clear()
        due_s = time.monotonic() + _COMMIT_EVERY_S

    try:
        for ended in workers.work(todo):
            if ended is not None:
                line, result = ended
                tally.lines += 1
                tally.size += line.size
                if isinstance(result, Failure):
                    tally.failures.append(result)
                else:
                    tally.frames += result.frames
                    tally.audio_s += result.audio_s
                    waiting.append(
                        Entry(
                            line.out, line.audio, line.stamp, digest(line, settings, model),
                            result.files, result.frames, result.audio_s,
                        )
                    )  # fmt: skip
            if time.monotonic() >= due_s:
                commit()
            tell(tally, ended)
    finally:
        commit()  # after Ctrl-C too: what is done stays done
    return tally


def report(store: Store, failures: Sequence[Failure]) -> None:
    """Writes what failed and why, or takes an older report away. Raises OSError."""
    if not failures:
        store.remove(REPORT)
        return
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(("audio", "out", "reason"))
    rows.writerows((f.audio, f.out, f.reason) for f in failures)
    store.write(REPORT, text.getvalue().encode())
