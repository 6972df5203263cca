"""The report of an evaluation: report.json, report.md with every definition, plots."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from . import metrics, plots
from .evaluate import Measured

CLIPS_SHOWN = 3  # predicted against true, a source


def number(value: Any) -> str:
    """A figure of a table: four significant digits, a dash for what could not be measured."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "-"
    return f"{value:.4g}" if isinstance(value, int | float) else str(value)


def rows(report: Mapping[str, Any]) -> list[list[str]]:
    """Header and one row a metric, over all sources and parts of a report."""
    columns = [(source, part) for source, parts in report.items() for part in parts]
    keys = list(dict.fromkeys(key for source, part in columns for key in report[source][part]))
    table = [["metric"] + [f"{source} {part}" for source, part in columns]]
    for key in keys:
        cells = [report[source][part].get(key, "") for source, part in columns]
        table.append([key, *map(number, cells)])
    return table


def markdown_table(table: Sequence[Sequence[str]]) -> str:
    """Header and rows as a markdown table."""
    lines = [table[0], ["---"] * len(table[0]), *table[1:]]
    return "".join("| " + " | ".join(line) + " |\n" for line in lines)


def definitions() -> str:
    """Every metric's definition as a markdown list."""
    return "".join(
        f"- `{keys}`: {metrics.definition(function)}\n" for keys, function in metrics.DEFINITIONS
    )


def plain(value: Any) -> Any:
    """JSON values: NaN, which JSON lacks, becomes null."""
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def write(
    folder: Path, about: Mapping[str, Any], measured: Mapping[str, Measured], run: Path | None
) -> list[Path]:
    """Write the report of some sources; returns the plots' files, none without matplotlib.

    `about` (bundle, command, times) stands at the head; `run` is a run folder whose losses are
    drawn too.
    """
    folder.mkdir(parents=True, exist_ok=True)
    report = {name: one.report for name, one in measured.items()}
    pictures = _draw(folder, measured, run) if plots.available() else []
    content = {"about": about, "sources": report}
    (folder / "report.json").write_text(json.dumps(plain(content), indent=1) + "\n")
    text = "# Evaluation\n\n" + "".join(f"- {key}: {number(v)}\n" for key, v in about.items())
    text += "\n" + markdown_table(rows(report))
    text += "\nown: identity pinned to the speaker; auto: found from the voice.\n"
    text += "\n## Definitions\n\n" + definitions()
    if pictures:
        text += "\n## Plots\n\n" + "".join(f"![{p.stem}]({p.name})\n\n" for p in pictures)
    (folder / "report.md").write_text(text)
    return pictures


def _draw(folder: Path, measured: Mapping[str, Measured], run: Path | None) -> list[Path]:
    pictures: list[Path] = []
    if run is not None and plots.loss_curve(run, folder / "loss.png"):
        pictures.append(folder / "loss.png")
    for name, one in measured.items():
        target = folder / f"curves_{_file_name(name)}.png"
        plots.curve_errors(one.pairs, target, f"{name}: {len(one.takes)} clips")
        pictures.append(target)
        for take, predicted, true in list(
            zip(one.takes, one.pairs.predicted, one.pairs.true, strict=True)
        )[:CLIPS_SHOWN]:
            target = folder / f"clip_{_file_name(name)}_{_file_name(take.id)}.png"
            plots.clip(predicted, true, one.pairs.rate_hz, target, f"{name}: {take.id}")
            pictures.append(target)
    return pictures


def _file_name(name: str) -> str:
    return re.sub(r"[^\w.-]+", "_", name)
