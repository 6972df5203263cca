"""Frames and sound for the page with the face (`--preview`)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from ...frames import Audio, Bye, Schema, StampedFrame
from ...preview.link import Link
from .output import Output

# Full scale of the sound's whole numbers.
_FULL = 32767.0


class PageOutput(Output):
    """Hands everything to the page's link, which outlives the session: the page stays open."""

    live = True
    hears = True

    def __init__(self, link: Link) -> None:
        self.name = f"http://127.0.0.1:{link.port}"
        self._link = link
        #: Told the schema of a session; `Remote`, where there is one, tells the page itself.
        self.on_schema: Callable[[Schema], None] = lambda _: None
        self._schema: Schema | None = None
        self._pieces = 0

    @property
    def dropped(self) -> int:  # type: ignore[override]
        return self._link.dropped

    def announce(self, schema: Schema) -> None:
        self._schema = schema
        self.on_schema(schema)

    def send(self, frame: StampedFrame) -> None:
        self._link.frame(frame)

    def hear(self, position: int, samples: NDArray[np.float32]) -> None:
        assert self._schema is not None
        if not self._link.pages:
            return
        whole = np.clip(np.rint(samples * _FULL), -_FULL - 1, _FULL).astype("<i2")
        self._link.sound(
            Audio(
                subject=self._schema.subject,
                session=self._schema.session,
                sequence=self._pieces,
                position=position,
                audio_rate=self._schema.audio_rate,
                capture_ns=0,
                samples=whole.tobytes(),
            )
        )
        self._pieces += 1

    def close(self, bye: Bye | None = None) -> None:
        self._link.tell("bye", reason="stopped" if bye is None else bye.reason)
