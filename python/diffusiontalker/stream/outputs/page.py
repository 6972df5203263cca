"""Frames and sound for the page with the face (`--preview`)."""

from __future__ import annotations

from ...frames import Audio, Bye, Schema, StampedFrame
from ...preview.link import Link
from .output import Output


class PageOutput(Output):
    """Hands everything to the page's link, which outlives the session: the page stays open."""

    live = True

    def __init__(self, link: Link) -> None:
        self.name = f"http://127.0.0.1:{link.port}"
        self._link = link

    @property
    def dropped(self) -> int:  # type: ignore[override]
        return self._link.dropped

    def announce(self, schema: Schema) -> None:
        """The page hears of a session from `Remote`, which knows more of it."""

    def send(self, frame: StampedFrame) -> None:
        self._link.frame(frame)

    def send_audio(self, audio: Audio) -> None:
        self._link.sound(audio)

    def close(self, bye: Bye | None = None) -> None:
        self._link.tell("bye", reason="stopped" if bye is None else bye.reason)
