"""What a server lets one session, and all of them, take."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """Beyond any of these a session is refused or ended, with a sentence that names it."""

    sessions: int = 100  #: at once
    session_s: float = 0.0  #: of sound in one session; 0 = as long as it likes
    chunk_bytes: int = 64 * 1024 * 1024  #: largest message
    idle_s: float = 60.0  #: without sound coming or frames going
    unread_s: float = 300.0  #: with frames that the client does not read
    backlog_s: float = 3600.0  #: of sound that has come and is not computed yet
    #: Frames that wait for a slow reader: then its sound waits, and nobody else does.
    unsent_frames: int = 120


class Refusal(Exception):
    """Ends a session. `kind` is one of the words below; the message is a sentence."""

    #: The client's own error; more than its limits; out of time; the server leaves; ours.
    KINDS = ("invalid", "exhausted", "idle", "leaving", "unauthenticated", "internal")

    def __init__(self, kind: str, sentence: str) -> None:
        super().__init__(sentence)
        assert kind in self.KINDS
        self.kind = kind
