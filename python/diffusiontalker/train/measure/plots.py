"""Plots as PNG files. Needs matplotlib: pip install 'diffusiontalker[plots]'."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ...curves import CURVES
from . import metrics

if TYPE_CHECKING:
    from .scores import Pairs

FOLLOWED = ("jawOpen", "mouthClose", "mouthPucker", "eyeBlinkLeft", "browInnerUp")


def available() -> bool:
    """Whether matplotlib can be imported."""
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        return False
    return True


def _figure(rows: int, columns: int, size: tuple[float, float], **options: Any) -> tuple[Any, Any]:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    # Without pyplot: no display is asked for and no global state is left.
    figure = Figure(figsize=size, layout="constrained")
    FigureCanvasAgg(figure)
    return figure, figure.subplots(rows, columns, squeeze=False, **options)


def read_log(log: Path) -> list[dict[str, float]]:
    """The epochs of a stage's log.jsonl; an epoch that a cut run repeated counts once.

    A line that a cut has left half written is no epoch.
    """
    text = log.read_text(encoding="utf-8", errors="replace") if log.exists() else ""
    epochs = {}
    for written in text.splitlines():
        try:
            line = json.loads(written)
            epochs[line["epoch"]] = line
        except (ValueError, TypeError, KeyError):
            continue
    return [epochs[epoch] for epoch in sorted(epochs)]


def loss_curve(run: Path, target: Path) -> bool:
    """Losses over the epochs of every stage of a run folder; False if there is no log yet."""
    stages = [(log.parent.name, read_log(log)) for log in sorted(run.glob("*/log.jsonl"))]
    stages = [(name, lines) for name, lines in stages if lines]
    if not stages:
        return False
    figure, axes = _figure(1, len(stages), (5.0 * len(stages), 3.6))
    for axis, (name, lines) in zip(axes[0], stages, strict=True):
        epochs = [line["epoch"] + 1 for line in lines]
        for key in lines[0]:
            values = [line.get(key, np.nan) for line in lines]
            if key not in ("epoch", "seconds", "step", "identity_hits") and np.nanmax(values) > 0:
                axis.plot(epochs, values, marker="." if len(epochs) < 20 else None, label=key)
        axis.set(title=name, xlabel="epoch", ylabel="weighted loss", yscale="log")
        axis.legend(fontsize="small")
    figure.savefig(target, dpi=110)
    return True


def curve_errors(pairs: Pairs, target: Path, title: str) -> None:
    """A bar a curve: its mean absolute error, beside that of the best constant face."""
    own = metrics.curve_errors(pairs.predicted, pairs.true)
    constant = np.concatenate(pairs.true).mean(axis=0)
    flat = metrics.curve_errors(
        [np.broadcast_to(constant, t.shape) for t in pairs.true], pairs.true
    )
    figure, axes = _figure(1, 1, (13.0, 4.4))
    place = np.arange(len(CURVES))
    axes[0, 0].bar(place - 0.2, own, 0.4, label="predicted")
    axes[0, 0].bar(place + 0.2, flat, 0.4, label="mean face", color="lightgrey")
    axes[0, 0].set_xticks(place, CURVES, rotation=90, fontsize=7)
    axes[0, 0].set(title=title, ylabel="mean absolute error")
    axes[0, 0].legend()
    figure.savefig(target, dpi=110)


def clip(
    predicted: NDArray[np.float32],
    true: NDArray[np.float32],
    rate_hz: float,
    target: Path,
    title: str,
) -> None:
    """Predicted against true over time, a panel for each of the followed curves."""
    figure, axes = _figure(len(FOLLOWED), 1, (9.0, 1.7 * len(FOLLOWED)), sharex=True)
    time_s = np.arange(len(true)) / rate_hz
    for axis, name in zip(axes[:, 0], FOLLOWED, strict=True):
        i = CURVES.index(name)
        axis.plot(time_s, true[:, i], color="black", linewidth=1, label="true")
        axis.plot(time_s, predicted[:, i], color="tab:red", linewidth=1, label="predicted")
        axis.set_ylabel(name, fontsize="small")
        axis.set_ylim(0, max(0.2, 1.1 * float(max(true[:, i].max(), predicted[:, i].max()))))
    axes[0, 0].set_title(title)
    axes[0, 0].legend(loc="upper right", fontsize="small")
    axes[-1, 0].set_xlabel("s")
    figure.savefig(target, dpi=110)
