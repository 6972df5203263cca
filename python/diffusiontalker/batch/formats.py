"""The forms of a face on disk. A form more is a row in `FORMATS`."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .. import clock
from ..curves import CURVES, HEAD, pascal_case
from ..frames import FLAG_NEUTRAL
from ..live_link_csv import COLUMNS, CSV_CURVES, HEADER, ROTATIONS, timecode
from ..takes.motion import Motion
from ..visemes import VISEMES, viseme_weights

_CSV_COLUMNS = [CURVES.index(name) for name in CSV_CURVES]
_CSV_VALUES = ",%.10f" * len(COLUMNS) + "\n"


@dataclass(frozen=True)
class Clip:
    """A line's face: frame i of its motion depicts i / rate seconds of its sound."""

    motion: Motion
    audio: str  #: where the sound is
    audio_rate: int  #: samples a second of it
    identity: str
    seed: int
    model: str
    model_version: str
    lookahead_ms: float
    head_file: str | None = None  #: a glTF or VRM in place of the head that ships


@dataclass(frozen=True)
class Format:
    """A form of result."""

    ending: str
    #: To a path with that ending; returns notes on what could not be said in this form. Raises
    #: OSError, TakeError.
    write: Callable[[Clip, Path], list[str]]


def _write_csv(clip: Clip, path: Path) -> list[str]:
    """Live Link Face CSV, byte for byte what `dt-stream --out FILE.csv` writes."""
    motion = clip.motion
    columns = np.zeros((len(motion.values), len(COLUMNS)))
    columns[:, : len(CSV_CURVES)] = motion.curves[:, _CSV_COLUMNS]
    for name in set(HEAD) & set(motion.names):
        at = len(CSV_CURVES) + ROTATIONS.index(pascal_case(name))
        columns[:, at] = motion.values[:, motion.names.index(name)]
    before = f",{len(COLUMNS)}"
    with path.open("w", encoding="utf-8", newline="\n") as file:
        file.write(HEADER + "\n")
        for index, row in enumerate(columns.tolist()):
            file.write(timecode(index, motion.rate) + before + _CSV_VALUES % tuple(row))
    return []


def _write_json(clip: Clip, path: Path) -> list[str]:
    """JSON lines, byte for byte what `dt-stream --out FILE.jsonl` writes."""
    with path.open("w", encoding="utf-8", newline="\n") as file:
        file.writelines(_json_lines(clip))
    return []


def _json_lines(clip: Clip) -> Iterator[str]:
    head = {
        "kind": "schema",
        "subject": "face",
        "curves": clip.motion.names,
        "rate_num": clip.motion.rate.numerator,
        "rate_den": clip.motion.rate.denominator,
        "audio_rate": clip.audio_rate,
        "model": clip.model,
        "model_version": clip.model_version,
        "lookahead_ms": clip.lookahead_ms,
    }
    yield json.dumps(head, ensure_ascii=False) + "\n"
    curves = ", ".join(f'"{name}": %r' for name in clip.motion.names)
    row = '{"kind": "frame", "index": %d, "time_s": %r, "position": %d, "flags": %d, "curves": {'
    row += curves + "}}\n"
    frames = zip(clip.motion.times_s.tolist(), clip.motion.values.tolist(), strict=True)
    for index, (time_s, values) in enumerate(frames):
        # Nine digits bring every float32 back as it was.
        shown = [float("%.9g" % value) for value in values]  # noqa: UP031  # twice as fast
        position = clock.position_of(index, clip.motion.rate, clip.audio_rate)
        flags = 0 if any(shown) else FLAG_NEUTRAL
        yield row % (index, time_s, position, flags, *shown)


def _write_npz(clip: Clip, path: Path) -> list[str]:
    """NumPy arrays under the names that `dt-take convert` gives them, and what they came of."""
    np.savez(
        path,
        **clip.motion.arrays(),
        audio=np.array(clip.audio),
        sound_rate_hz=np.array(clip.audio_rate),
        identity=np.array(clip.identity),
        seed=np.array(clip.seed, np.uint64),
        model=np.array(clip.model),
        model_version=np.array(clip.model_version),
    )
    return []


def _write_visemes(clip: Clip, path: Path) -> list[str]:
    """CSV: a frame's time in seconds, and its weights of the 15 visemes."""
    values = viseme_weights(clip.motion.curves).tolist()
    row = "%.6f" + ",%.6f" * len(VISEMES) + "\n"
    with path.open("w", encoding="utf-8", newline="\n") as file:
        file.write(",".join(("time_s", *VISEMES)) + "\n")
        for time_s, weights in zip(clip.motion.times_s.tolist(), values, strict=True):
            file.write(row % (time_s, *weights))
    return []


def _convert(clip: Clip, path: Path) -> list[str]:
    """As `dt-take convert` does it; the ending says the form."""
    from ..takes.convert import Options, convert  # glTF and USD are for who asks for them

    head = None if clip.head_file is None else Path(clip.head_file)
    return convert(clip.motion, path, options=Options(head=head), name=Path(clip.audio).stem)


#: By the name that `--format` takes.
FORMATS = {
    "csv": Format(".csv", _write_csv),
    "json": Format(".jsonl", _write_json),
    "npz": Format(".npz", _write_npz),
    "visemes": Format(".visemes.csv", _write_visemes),
    "beat": Format(".json", _convert),
    "glb": Format(".glb", _convert),
    "usda": Format(".usda", _convert),
    "usdc": Format(".usdc", _convert),
    "vrma": Format(".vrma", _convert),
}
#: Those that are made on a head.
ON_A_HEAD = ("glb", "usda", "usdc", "vrma")
