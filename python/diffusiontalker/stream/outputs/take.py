"""Keeps a take of a session: its frames, and its sound as the runtime heard it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...frames import Bye, Schema, StampedFrame
from ...takes.errors import TakeError
from ...takes.writer import TakeWriter
from .. import StreamError
from .output import Output

#: Frames and pieces of sound that wait for a slow disk: about 10 s at 60 Hz.
TAKE_QUEUE = 1200
#: What came is written so often, seconds: so much a killed process may lose.
TAKE_EVERY_S = 0.05


class TakeOutput(Output):
    """One take inside a folder."""

    live = False
    hears = True
    dropped = 0  # a take keeps everything, or fails

    def __init__(
        self,
        folder: Path,
        *,
        source: str,
        settings: Mapping[str, Any],
        paced: bool,
    ) -> None:
        """`source` and `settings` as `TakeWriter` has them. `paced`: somebody watches meanwhile,
        so that the session goes on where the disk refuses, and what came before stays. Raises
        StreamError.
        """
        try:
            self._writer = TakeWriter(folder, source=source, settings=settings)
        except TakeError as error:
            raise StreamError(f"--record {error}") from None
        self.name = str(self._writer.path)
        #: Asked at the end what is known then.
        self.found: Callable[[], Mapping[str, Any]] = dict
        self._keep_broken = paced
        self.vital = not paced

    def announce(self, schema: Schema) -> None:
        self._try(lambda: self._writer.begin(schema))

    def send(self, frame: StampedFrame) -> None:
        self._try(lambda: self._writer.frame(frame))

    def hear(self, position: int, samples: NDArray[np.float32]) -> None:
        self._try(lambda: self._writer.sound(position, samples))

    def close(self, bye: Bye | None = None) -> None:
        if bye is not None and self._writer.begun:
            self._try(lambda: self._writer.complete(bye.reason, **self.found()))
        elif self._keep_broken:
            self._writer.leave("broken off")
        else:
            self._writer.discard()

    def _try(self, call: Callable[[], None]) -> None:
        try:
            call()
        except TakeError as error:
            kept = "; what came before is kept" if self._keep_broken else ""
            raise StreamError(f"--record {error}{kept}") from None
