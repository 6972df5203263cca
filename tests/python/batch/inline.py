"""Lines done by this process: what a crew does, without processes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import soundfile

from diffusiontalker.batch.lines import Failure, Line
from diffusiontalker.batch.stores import Store
from diffusiontalker.batch.work import Done, Settings, convert


class Inline:
    """Converts in order; after `limit` lines it is cut, as by a kill."""

    def __init__(self, settings: Settings, store: Store, limit: int | None = None) -> None:
        self._settings, self._store, self._limit = settings, store, limit
        self.done: list[str] = []

    def work(self, lines: Sequence[Line]) -> Iterator[tuple[Line, Done | Failure] | None]:
        for line in lines:
            if self._limit is not None and len(self.done) >= self._limit:
                raise KeyboardInterrupt
            self.done.append(line.out)
            yield line, convert(line, self._settings, self._store)

    def close(self) -> None:
        pass


def sounds(folder: Path, names: Sequence[str], seconds: float = 0.25, rate: int = 16000) -> None:
    """Noise that swells, another for each name."""
    for number, name in enumerate(names):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        noise = np.random.default_rng(number).normal(size=round(seconds * rate))
        soundfile.write(path, 0.1 * noise * np.hanning(len(noise)), rate)
