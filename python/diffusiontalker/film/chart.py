"""A take on one sheet: its sound, its words, the ten main curves, and where the lips close.

Needs matplotlib, the extra [plots].
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..curves import CURVES, remap
from ..files import replaced
from .errors import FilmError
from .tracks import Track, outline

FloatArray = npt.NDArray[np.float32]

#: A word or a phone and its time: text, begin and end in seconds.
Word = tuple[str, float, float]

# Lips count as closed under so much of the way from the 2nd to the 98th percentile of their
# opening (as training's closure_recall has it), for no longer than this, with open lips within so
# many seconds before and after: silence is no closure.
_CLOSED, _LONGEST_S, _AROUND_S = 0.3, 0.35, 0.25
_INCHES_A_SECOND, _WIDTHS = 0.9, (7.0, 40.0)
_INK, _RULE, _SOUND = "#333a45", "#d9dde3", "#7f93b2"
_HUES = {"jaw": "#e07a2f", "mouth": "#1d9a94", "brow": "#7d63d1", "eye": "#7d63d1"}
_MARK = "#c8323c"

_OPENING = {
    "jawOpen": 1.0,
    "mouthClose": -1.0,
    "mouthUpperUpLeft": 0.25,
    "mouthUpperUpRight": 0.25,
    "mouthLowerDownLeft": 0.25,
    "mouthLowerDownRight": 0.25,
}


def load() -> Any:
    """matplotlib's Figure, on a canvas of its own. Raises FilmError where it is not installed."""
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError:
        raise FilmError(
            "plots need matplotlib, which is not installed: pip install 'diffusiontalker[plots]'"
        ) from None

    def made(**options: Any) -> Any:
        # Without pyplot: no display is asked for and no global state is left.
        figure = Figure(**options)
        FigureCanvasAgg(figure)
        return figure

    return made


def write(
    path: str | Path,
    curves: npt.ArrayLike,
    names: Sequence[str],
    times: npt.ArrayLike,
    sound: npt.ArrayLike,
    rate_hz: int,
    *,
    words: Sequence[Word] = (),
    title: str = "",
) -> None:
    """Writes a picture (the ending says which kind: .png, .svg, .pdf); arrays as for `film.write`.

    Raises FilmError.
    """
    path = Path(path)
    figure_of = load()
    track = Track(curves, names, times)
    heard = np.asarray(sound, np.float32)
    if heard.ndim != 1 or rate_hz <= 0:
        raise FilmError("sound: expected (n,) mono and a rate in Hz above 0")
    end_s = max(len(heard) / rate_hz, float(track.times[-1]))
    lanes = track.main()
    wide = float(np.clip(2.2 + _INCHES_A_SECOND * end_s, *_WIDTHS))
    figure = figure_of(figsize=(wide, 1.1 + 0.62 * (len(lanes) + 1)), layout="constrained")
    axes = figure.subplots(
        len(lanes) + 1, 1, sharex=True, squeeze=False,
        gridspec_kw={"height_ratios": [1.5] + [1.0] * len(lanes)},
    )[:, 0]  # fmt: skip
    _draw_sound(axes[0], heard, rate_hz, words)
    for axis, (label, values) in zip(axes[1:], lanes, strict=True):
        _draw_curve(axis, track.times, values, label)
    closed = closures(track)
    for axis in axes:
        _dress(axis)
        axis.yaxis.set_label_coords(-0.35 / wide, 0.5)
        for begin, end in closed:
            axis.axvspan(begin, end, color=_MARK, alpha=0.16, linewidth=0)
    axes[0].set_xlim(0, end_s)
    axes[-1].set_xlabel(f"seconds    (red: lips closed between sounds, {len(closed)} times)")
    axes[-1].tick_params(axis="x", length=3)
    if title:
        axes[0].set_title(title, loc="left", fontsize=10, color=_INK)
    try:
        with replaced(path) as part:
            figure.savefig(part, dpi=100)
    except OSError as error:
        raise FilmError(f"cannot write {path}: {error.strerror or error}") from None
    except ValueError as error:  # an ending that matplotlib does not know
        raise FilmError(f"cannot write {path}: {str(error).splitlines()[0]}") from None


def closures(track: Track) -> list[tuple[float, float]]:
    """Begin and end, seconds, of each time that open lips close and open again, as for p, b, m."""
    opening = lip_opening(track)
    low, high = np.percentile(opening, [2, 98])
    limit = low + _CLOSED * (high - low)
    step_s = float(np.median(np.diff(track.times))) if len(track.times) > 1 else 1.0
    reach = max(1, round(_AROUND_S / step_s))
    shut = np.flatnonzero(opening <= limit)
    found = []
    for run in np.split(shut, np.flatnonzero(np.diff(shut) > 1) + 1):
        if not len(run) or len(run) * step_s > _LONGEST_S:
            continue
        first, last = int(run[0]), int(run[-1])
        around = opening[max(0, first - reach) : first], opening[last + 1 : last + 1 + reach]
        if all(len(side) and side.max() > limit for side in around):
            found.append((float(track.times[first]), float(track.times[last]) + step_s))
    return found


def lip_opening(track: Track) -> FloatArray:
    """(F,) how far the lips stand apart: jaw less closure, plus a quarter of each curve that raises
    or lowers a lip. Units of jawOpen.
    """
    weights = np.zeros(len(CURVES), np.float32)
    for name, weight in _OPENING.items():
        weights[CURVES.index(name)] = weight
    opening: FloatArray = remap(track.curves, track.names) @ weights
    return opening


def _draw_sound(axis: Any, sound: FloatArray, rate_hz: int, words: Sequence[Word]) -> None:
    per_second = Fraction(200)
    count = max(1, int(len(sound) * per_second / rate_hz))
    loud = outline(sound, rate_hz, per_second, count)
    at = (np.arange(count) + 0.5) / float(per_second)
    axis.fill_between(at, -loud, loud, color=_SOUND, linewidth=0)
    axis.set_ylim(-1.05, 1.05 if not words else 1.7)
    axis.set_ylabel("sound", rotation=0, ha="right", va="center", fontsize=8, color=_INK)
    axis.set_yticks([])
    for text, begin, end in words:
        axis.annotate(
            text, ((begin + end) / 2, 1.35), ha="center", va="center", fontsize=8, color=_INK,
            annotation_clip=True,
        )  # fmt: skip
        axis.axvline(begin, color=_RULE, linewidth=0.7, zorder=0)


def _draw_curve(axis: Any, times: npt.NDArray[np.float64], values: FloatArray, label: str) -> None:
    hue = next(h for word, h in _HUES.items() if label.startswith(word))
    axis.fill_between(times, values, color=hue, alpha=0.22, linewidth=0)
    axis.plot(times, values, color=hue, linewidth=1.1)
    top = max(0.2, float(values.max()) * 1.08)
    axis.set_ylim(min(0.0, float(values.min())), top)
    axis.set_yticks([0, round(top / 1.08, 1) or 0.2])
    axis.tick_params(axis="y", labelsize=7, length=2, colors=_INK)
    axis.set_ylabel(label, rotation=0, ha="right", va="center", fontsize=8, color=_INK)


def _dress(axis: Any) -> None:
    for side in ("top", "right", "left"):
        axis.spines[side].set_visible(False)
    axis.spines["bottom"].set_color(_RULE)
    axis.tick_params(axis="x", labelsize=8, length=0, colors=_INK)
    axis.grid(axis="x", color=_RULE, linewidth=0.5)
    axis.set_axisbelow(True)
