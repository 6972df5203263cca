"""What commands that train or measure show: takes as they are read, bars, tables of numbers."""

from __future__ import annotations

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
from ..recipes import run
from ..stages.trainer import OnStep


def read_takes(config: Config, progress: Progress, cache: Path | None = None) -> run.Data:
    """The takes of a configuration's sources, and a line for each that was skipped or changed."""
    task = progress.add_task("reading takes", total=None, note="")
    data = run.read_data(config, lambda: progress.advance(task), cache)
    progress.update(task, total=progress.tasks[task].completed)
    for skip in data.skipped:
        progress.console.print(f"skipped {skip.path.name}: {skip.reason}")
    for take in (take for takes in (*data.train, *data.held_out) for take in takes):
        for note in corpora.changes(take):
            progress.console.print(f"{take.id}: {note}", highlight=False)
    kept = sum(len(takes) for takes in data.train)
    aside = sum(len(takes) for takes in data.held_out)
    progress.console.print(
        f"{kept} takes to train on, {aside} held out, {len(data.skipped)} skipped"
    )
    return data


def stage_bars(progress: Progress) -> OnStep:
    """A progress bar a stage, with the epoch's loss."""
    bars: dict[str, TaskID] = {}

    def on_step(
        name: str, epoch: int, epochs: int, step: int, steps: int, means: dict[str, float]
    ) -> None:
        total, completed = epochs * steps, epoch * steps + step
        if name not in bars:
            bars[name] = progress.add_task(name, total=total, note="")
        note = f"epoch {epoch + 1}/{epochs} loss {means['loss']:.4f}"
        progress.update(bars[name], total=total, completed=completed, note=note)
        if step == steps and not progress.console.is_terminal:
            progress.console.print(f"{name} {note}")

    return on_step


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
