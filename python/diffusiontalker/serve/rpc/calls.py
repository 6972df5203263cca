"""What a service sees of a call, whoever carries it: grpcio's server, or ours on nghttp2."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import NoReturn, Protocol

#: gRPC's numbers of how a call ended.
OK, CANCELLED, UNKNOWN, INVALID_ARGUMENT, DEADLINE_EXCEEDED, NOT_FOUND = 0, 1, 2, 3, 4, 5
RESOURCE_EXHAUSTED, UNIMPLEMENTED, INTERNAL, UNAVAILABLE, UNAUTHENTICATED = 8, 12, 13, 14, 16


def nothing() -> None:
    """For whoever need not be told."""


class Ended(Exception):
    """Raised by `Call.end`: the method that raised it is over."""

    def __init__(self, code: int, sentence: str) -> None:
        super().__init__(sentence)
        self.code, self.sentence = code, sentence


class Call(Protocol):
    """Messages in and out, as bytes. A call of one message is a stream of one."""

    @property
    def metadata(self) -> Mapping[str, str]:
        """What the client said beside its messages; names in small letters, "-bin" in base64."""

    async def read(self) -> bytes | None:
        """The next message; None once the client's half is closed."""

    def listen(self, take: Callable[[bytes | None], bool]) -> Callable[[], object]:
        """In place of reading: `take` gets each message, and None at last, until it says False.

        Returns what stops it sooner.
        """

    async def write(self, messages: Sequence[bytes], gone: Callable[[], None] = nothing) -> None:
        """Sends; waits where the client does not read. `gone`: some are on their way."""

    async def linger(self, seconds: float, is_last: Callable[[bytes], bool]) -> None:
        """Takes no notice of what still comes, until it is the last message, the client's half is
        closed, or time is up."""

    def end(self, code: int, sentence: str) -> NoReturn:
        """Ends the call by raising `Ended`."""


#: A method's code returns when the call is over, with OK.
Method = Callable[[Call], Awaitable[None]]


class Service(Protocol):
    """Methods by name."""

    @property
    def name(self) -> str:
        """As clients say it."""

    @property
    def methods(self) -> Mapping[str, Method]:
        """By the last part of their path."""
