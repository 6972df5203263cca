"""The forms of a face on disk. A form more is a row in `FORMATS`."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from .. import clock
from ..curves import CURVES, HEAD, pascal_case, remap
from ..frames import FLAG_NEUTRAL
from ..live_link_csv import COLUMNS, CSV_CURVES, HEADER, ROTATIONS, timecode

_CSV_COLUMNS = [CURVES.index(name) for name in CSV_CURVES]
_CSV_VALUES = ",%.10f" * len(COLUMNS) + "\n"


@dataclass(frozen=True)
class Clip:
    """A line's face: frame i depicts i / rate seconds of its sound."""

    names: tuple[str, ...]  #: of a frame's values
    rate: Fraction  #: frames a second
    values: NDArray[np.float32]  #: (F, N)
    audio: str  #: where the sound is
    audio_rate: int  #: samples a second of it
    identity: str
    seed: int
    model: str
    model_version: str
    lookahead_ms: float

    def time_s(self, index: int) -> float:
        """The instant of a frame, rounded once."""
        return index * self.rate.denominator / self.rate.numerator


@dataclass(frozen=True)
class Format:
    """A form of result."""

    ending: str
    write: Callable[[Clip, Path], None]  #: to a path with that ending; raises OSError


def _write_csv(clip: Clip, path: Path) -> None:
    """Live Link Face CSV, byte for byte what `dt-stream --out FILE.csv` writes."""
    columns = np.zeros((len(clip.values), len(COLUMNS)))
    columns[:, : len(CSV_CURVES)] = remap(clip.values, clip.names)[:, _CSV_COLUMNS]
    for name in set(HEAD) & set(clip.names):
        at = len(CSV_CURVES) + ROTATIONS.index(pascal_case(name))
        columns[:, at] = clip.values[:, clip.names.index(name)]
    before = f",{len(COLUMNS)}"
    with path.open("w", encoding="utf-8", newline="\n") as file:
        file.write(HEADER + "\n")
        for index, row in enumerate(columns.tolist()):
            file.write(timecode(index, clip.rate) + before + _CSV_VALUES % tuple(row))


def _write_json(clip: Clip, path: Path) -> None:
    """JSON lines, byte for byte what `dt-stream --out FILE.jsonl` writes."""
    with path.open("w", encoding="utf-8", newline="\n") as file:
        file.writelines(_json_lines(clip))


def _json_lines(clip: Clip) -> Iterator[str]:
    head = {
        "kind": "schema",
        "subject": "face",
        "curves": clip.names,
        "rate_num": clip.rate.numerator,
        "rate_den": clip.rate.denominator,
        "audio_rate": clip.audio_rate,
        "model": clip.model,
        "model_version": clip.model_version,
        "lookahead_ms": clip.lookahead_ms,
    }
    yield json.dumps(head, ensure_ascii=False) + "\n"
    curves = ", ".join(f'"{name}": %r' for name in clip.names)
    row = '{"kind": "frame", "index": %d, "time_s": %r, "position": %d, "flags": %d, "curves": {'
    row += curves + "}}\n"
    for index, values in enumerate(clip.values.tolist()):
        # Nine digits bring every float32 back as it was.
        shown = [float("%.9g" % value) for value in values]  # noqa: UP031  # twice as fast
        position = clock.position_of(index, clip.rate, clip.audio_rate)
        flags = 0 if any(shown) else FLAG_NEUTRAL
        yield row % (index, clip.time_s(index), position, flags, *shown)


def _write_npz(clip: Clip, path: Path) -> None:
    """NumPy arrays: `curves` (F, N) float32 in the order of `names`, and what they mean."""
    np.savez(
        path,
        curves=clip.values,
        names=np.array(clip.names),
        rate=np.array([clip.rate.numerator, clip.rate.denominator]),
        times_s=np.array([clip.time_s(i) for i in range(len(clip.values))]),
        audio=np.array(clip.audio),
        audio_rate=np.array(clip.audio_rate),
        identity=np.array(clip.identity),
        seed=np.array(clip.seed, np.uint64),
        model=np.array(clip.model),
        model_version=np.array(clip.model_version),
    )


#: By the name that `--format` takes.
FORMATS = {
    "csv": Format(".csv", _write_csv),
    "json": Format(".jsonl", _write_json),
    "npz": Format(".npz", _write_npz),
}
