"""What commands that train or measure show: takes as they are read, bars, tables of numbers."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import Progress, TaskID
from rich.table import Table

from ...bundle import Bundle
from .. import corpora
from ..config import Config
from ..measure import evaluate, report
from ..measure.players import Player, Reference
from ..recipes import amount, run
from ..stages.trainer import OnStep

#: Files and takes that are named one by one; the rest is counted.
MOST_NAMED = 40


def say(console: Console, line: str) -> None:
    """A line as it is: no name is taken for markup, none is broken at the terminal's width."""
    console.print(line, markup=False, highlight=False, soft_wrap=True)


def read_takes(config: Config, progress: Progress, cache: Path | None = None) -> run.Data:
    """The takes of a configuration's sources, and a line for each that was skipped or changed."""
    task = progress.add_task("reading takes", total=None, note="")
    data = run.read_data(config, lambda: progress.advance(task), cache)
    progress.update(task, total=progress.tasks[task].completed)
    console = progress.console
    tell_left_out(console, data.skipped, data.passed_over)
    tell_changes(console, [take for takes in (*data.train, *data.held_out) for take in takes])
    kept = sum(len(takes) for takes in data.train)
    aside = sum(len(takes) for takes in data.held_out)
    say(console, f"{kept} takes to train on, {aside} held out, {len(data.skipped)} skipped")
    return data


def tell_left_out(
    console: Console, skipped: Sequence[corpora.Skipped], passed_over: Sequence[corpora.Skipped]
) -> None:
    """A line a take that was skipped; files that are no takes by reason, a line each."""
    for skip in skipped[:MOST_NAMED]:
        name = corpora.printable(skip.path.name)
        said = skip.reason.removeprefix(f"{name}: ")
        say(console, f"skipped {name}: {said}")
    if len(skipped) > MOST_NAMED:
        say(console, f"skipped {len(skipped) - MOST_NAMED} more")
    by_reason: dict[str, list[str]] = {}
    for passed in passed_over:
        by_reason.setdefault(passed.reason, []).append(corpora.printable(passed.path.name))
    for count, (reason, names) in enumerate(by_reason.items()):
        if count == MOST_NAMED:
            left = sum(len(names) for names in list(by_reason.values())[count:])
            say(console, f"passed over {left} more files for other reasons")
            break
        more = f" and {len(names) - 3} more" if len(names) > 3 else ""
        files = f"{len(names)} files" if len(names) > 1 else "1 file"
        say(console, f"passed over {files} ({', '.join(names[:3])}{more}): {reason}")


def tell_changes(console: Console, takes: Sequence[corpora.Recording]) -> None:
    """What reading did to takes; a note that many share is told once."""
    by_note: dict[str, list[str]] = {}
    for take in takes:
        for note in corpora.changes(take):
            by_note.setdefault(note, []).append(take.id)
    for note, ids in by_note.items():
        more = f" and {len(ids) - 1} more" if len(ids) > 1 else ""
        say(console, f"{ids[0]}{more}: {note}")


def tell_in_the_end(
    console: Console, skipped: Sequence[corpora.Skipped], passed_over: Sequence[corpora.Skipped]
) -> None:
    """The same at a command's end, where it is read: how much was left out, then what."""
    if skipped or passed_over:
        say(
            console,
            f"left out: {len(skipped)} takes skipped, {len(passed_over)} files passed over",
        )
        tell_left_out(console, skipped, passed_over)


def tell_amount(console: Console, config: Config, data: run.Data, folder: Path) -> None:
    """How much there is to learn from, and what is too little. Raises ConfigError for nothing."""
    for source, train, aside in zip(config.sources, data.train, data.held_out, strict=True):
        measured = {take.speaker for take in aside}
        wanted = source.hold_out_per_speaker or (source.hold_out and not aside)
        for name in sorted({take.speaker for take in train} - measured) if wanted else ():
            say(
                console,
                f"{source.name}: the only take of {name} is learnt from; to measure, too, record "
                "two or more",
            )
    stages = amount.amounts(config, data, folder)
    if not stages or not data.speakers:
        return
    minutes = amount.minutes_of(data)
    steps = ", ".join(f"{stage.name} {stage.steps}" for stage in stages)
    say(console, f"{minutes:.1f} minutes to train on; steps, about: {steps}")
    for stage in stages:
        if not stage.enough:
            say(
                console,
                f"too little data for {stage.name}: {stage.steps} steps, and its learning rate "
                f"rises over the first {stage.warmup_steps}; {stage.wanted_minutes:.0f} minutes or "
                "more are wanted (or more epochs). It is trained all the same",
            )


def stage_bars(progress: Progress) -> OnStep:
    """A progress bar a stage, with the epoch's loss; where none can be drawn, a line an epoch.

    The line has the time that the stage still takes, by the epochs made so far (of which one has
    more steps than another). Stages that go on from one another have one name: where the epochs
    begin anew, so does the bar.
    """
    bars: dict[str, TaskID] = {}
    started: dict[str, tuple[float, float]] = {}
    newest: dict[str, tuple[int, int]] = {}

    def on_step(
        name: str, epoch: int, epochs: int, step: int, steps: int, means: dict[str, float]
    ) -> None:
        now, done = time.monotonic(), epoch + step / steps
        if name not in bars or (epoch, step) < newest[name]:
            bars[name] = progress.add_task(name, total=epochs * steps, note="")
            started[name] = now, done
        newest[name] = epoch, step
        note = f"epoch {epoch + 1}/{epochs} loss {means['loss']:.4f}"
        completed = epoch * steps + step
        progress.update(bars[name], total=epochs * steps, completed=completed, note=note)
        if step == steps and not progress.console.is_terminal:
            since, first = started[name]
            if first < done < epochs:
                left_s = (now - since) / (done - first) * (epochs - done)
                note += f", {duration(left_s)} left"
            progress.console.print(f"{name} {note}", highlight=False)

    return on_step


def duration(seconds: float) -> str:
    """In words, for what is an estimate: 40 s, 12 min, 3 h 20 min."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"


def held_out(config: Config, data: run.Data) -> dict[str, list[corpora.Recording]]:
    """Source -> the takes that are kept aside of it."""
    pairs = zip(config.sources, data.held_out, strict=True)
    return {source.name: takes for source, takes in pairs if takes}


def measured(
    judged: Bundle | Reference,
    sources: dict[str, list[corpora.Recording]],
    player: Player,
    progress: Progress,
    **options: Any,
) -> dict[str, evaluate.Measured]:
    """Every source measured, a progress bar each; `options` are those of evaluate.measure."""
    results = {}
    for name, takes in sources.items():
        total = evaluate.clips_to_play(judged, takes)
        task = progress.add_task(f"measuring {name}", total=total, note="")
        results[name] = evaluate.measure(
            judged,
            takes,
            player,
            on_clips=lambda count, task=task: progress.advance(task, count),  # type: ignore[misc]
            **options,
        )
    return results


def show(numbers: dict[str, Any], console: Console) -> None:
    """The table of a report's numbers."""
    header, *rows = report.rows(numbers)
    if not console.is_terminal:  # into a file or a pipe: nothing may be cut to a width
        text = report.markdown_table([header, *rows])
        console.print(text, soft_wrap=True, highlight=False, markup=False, end="")
        return
    table = Table()
    for column in header:
        table.add_column(column, no_wrap=True)
    for row in rows:
        table.add_row(*row)
    console.print(table)
