"""`dt-take list` and `show`: takes as tables."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from rich import box
from rich.console import Console
from rich.table import Table

from ...curves import CURVES
from ..errors import TakeError
from ..reader import Take, find, read
from .command import remark

# Curves that say most of a talking face come first.
_MAIN = (
    "jawOpen", "mouthClose", "mouthFunnel", "mouthPucker", "mouthSmileLeft", "mouthSmileRight",
    "mouthRollLower", "mouthLowerDownLeft", "mouthUpperUpLeft", "browInnerUp", "eyeBlinkLeft",
    "eyeBlinkRight",
)  # fmt: skip
# Gaps that are listed one by one.
_MOST_GAPS = 12
# Wide enough for every row where no terminal says how wide it is.
_WIDE = 200


def listed(folder: Path) -> int:
    """A row a take, in the order of their names. Raises TakeError where there is none."""
    if not folder.is_dir():
        raise TakeError(f"{folder}: there is no such folder")
    found = find(folder)
    if not found:
        raise TakeError(f"{folder} holds no take; dt-stream --record {folder} makes one")
    table = _table("take", "seconds", "frames", "rate", "sound", "state")
    for column in (1, 2, 3, 4):
        table.columns[column].justify = "right"
    for path in found:
        try:
            take = read(path)
        except TakeError as error:
            remark(str(error))
            continue
        state = "whole" if not take.cut else "cut" if take.complete else "broken off"
        sound = f"{take.rate_hz / 1000:g} kHz" if take.samples else "none"
        table.add_row(
            path.name, f"{take.duration_s:.2f}", str(len(take.index)), f"{float(take.rate):g} Hz",
            sound, state,
        )  # fmt: skip
    _print(table)
    return 0


def shown(path: str) -> int:
    """All that a take says of itself."""
    take = read(path)
    remark(take.cut)
    facts = Table.grid(padding=(0, 2))
    for label, fact in _facts(take):
        facts.add_row(label, fact)
    _print(facts)
    if len(take.index):
        _print("")
        _print(_ranges(take))
    return 0


def _facts(take: Take) -> list[tuple[str, str]]:
    settings = take.settings
    frames = f"{len(take.index)} at {float(take.rate):g} Hz, {len(take.names)} values each"
    facts = [
        ("take", str(take.path)),
        ("source", _named(take.source, str(settings.get("source", "")))),
        ("recorded", take.recorded),
        ("length", f"{take.duration_s:.3f} s"),
        ("frames", frames + (f", {take.lost_frames} lost" if take.lost_frames else "")),
        ("sound", _sound(take)),
        ("subject", take.schema.subject),
        (
            "identity",
            _named(str(take.found.get("identity", "")), str(settings.get("identity", ""))),
        ),
        ("bundle", f"{take.schema.model} {take.schema.model_version}"),
        ("look-ahead", f"{take.schema.lookahead_ms:.1f} ms"),
        ("settings", _settings(take)),
        ("gaps", _gaps(take)),
        ("ended", take.reason if take.complete else take.reason or "no: its recorder was killed"),
    ]
    return [(label, fact) for label, fact in facts if fact]


def _named(first: str, second: str) -> str:
    return first if second in ("", first) else f"{first} ({second})"


def _sound(take: Take) -> str:
    if not take.samples:
        return "none"
    peak = max(
        (
            float(np.abs(take.sound(at, at + take.rate_hz)).max(initial=0.0))
            for at in range(take.first_sample, take.first_sample + take.samples, take.rate_hz)
        ),
        default=0.0,
    )
    level = f"{20 * np.log10(peak):.1f} dBFS" if peak > 0 else "silence"
    return f"{take.samples / take.rate_hz:.3f} s at {take.rate_hz} Hz, float32, mono, peak {level}"


def _settings(take: Take) -> str:
    """Those that the face was made with, without what other lines say."""
    said = {"source", "bundle", "bundle_sha256", "identity", "made_by"}
    plain = {"strength_lower": 1.0, "strength_upper": 1.0, "smooth_ms": 0.0, "head": False}
    return ", ".join(
        f"{name} {value}"
        for name, value in take.settings.items()
        if name not in said and value not in ({}, None) and plain.get(name) != value
    )


def _gaps(take: Take) -> str:
    lines = []
    for place in take.gaps.tolist()[:_MOST_GAPS]:
        lines.append(f"{take.motion.times_s[place]:.2f} s: sound or frames were lost before")
    first = int(take.position[0]) if len(take.position) else take.first_sample
    for event in take.events[:_MOST_GAPS]:
        position, samples = event.get("position"), event.get("samples")
        if event.get("kind") == "no sound" and isinstance(position, int):
            at_s = (position - first) / take.rate_hz
            lines.append(
                f"{at_s:.2f} s: no sound came for {int(samples or 0) / take.rate_hz:.2f} s"
            )
    more = len(take.gaps) + len(take.events) - len(lines)
    if more > 0 and lines:
        lines.append(f"and {more} more")
    return "\n".join(lines) or "none"


def _ranges(take: Take) -> Table:
    table = _table("curve", "least", "mean", "greatest")
    for column in (1, 2, 3):
        table.columns[column].justify = "right"
    curves = take.motion.curves
    for name in _MAIN:
        values = curves[:, CURVES.index(name)]
        table.add_row(name, *(f"{x:.3f}" for x in (values.min(), values.mean(), values.max())))
    still = [name for place, name in enumerate(CURVES) if not curves[:, place].any()]
    if still:
        table.caption = f"at rest throughout: {', '.join(still)}"
        table.caption_justify = "left"
    return table


def _table(*columns: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for column in columns:
        table.add_column(column, no_wrap=True)
    return table


def _print(what: Table | str) -> None:
    """On a terminal as wide as it is; elsewhere no row is broken."""
    console = Console(markup=False, highlight=False)
    if not console.is_terminal:
        console = Console(markup=False, highlight=False, width=_WIDE, file=sys.stdout)
    console.print(what)
