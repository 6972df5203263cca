"""Takes that a stage makes once and keeps in a file: what a teacher would have a face do."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...files import is_whole
from ..corpora import Recording
from ..files import save_arrays


def kept_takes(
    path: Path,
    name: str,
    make: Callable[[], Iterable[Recording]],
    times_s: Callable[[int], NDArray[np.float64]],
) -> list[Recording]:
    """`make()`, once: then what lies in `path`, as `name`-0 and so on.

    Sound is kept in 16 bits, curves in float16; `times_s` are those of so many pictures.
    """
    if not is_whole(path):
        arrays: dict[str, NDArray[np.generic]] = {}
        for i, take in enumerate(make()):
            assert take.curves is not None
            arrays[f"audio{i}"] = np.round(np.clip(take.audio, -1, 1) * 32767).astype(np.int16)
            arrays[f"curves{i}"] = take.curves.astype(np.float16)
            arrays[f"face{i}"] = np.array(take.speaker)
        save_arrays(path, arrays)
    with np.load(path) as kept:
        return [
            Recording(
                id=f"{name}-{i}",
                speaker=str(kept[f"face{i}"]),
                licence="",
                audio=kept[f"audio{i}"].astype(np.float32) / 32767,
                curves=kept[f"curves{i}"].astype(np.float32),
                times_s=times_s(len(kept[f"curves{i}"])),
            )
            for i in range(len(kept.files) // 3)
        ]


def digest_of(settings: Mapping[str, object], train: Iterable[Iterable[Recording]]) -> str:
    """Of what kept takes are made of."""
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode())
    for takes in train:
        for take in takes:
            digest.update(f"{take.id} {len(take.audio)}".encode())
    return digest.hexdigest()[:16]
