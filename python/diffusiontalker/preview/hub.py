"""What goes out to the open pages: each has a queue that ends, and delays nobody else."""

from __future__ import annotations

import asyncio
import struct
from collections import deque
from collections.abc import Awaitable, Callable, Iterable

_LENGTH = struct.Struct("<I")
#: Bytes that wait for a page before the oldest frames and sounds are dropped for it: about 4 s.
QUEUE_BYTES = 512 * 1024
#: Facts that wait for it; the newest of each kind count.
_MOST_FACTS = 200


# One page is sent what is there so often, seconds; several at most so many times less often.
_EVERY_S = 0.012
_MOST_TIMES = 4


def join(packets: Iterable[bytes]) -> bytes:
    """Packets as one message: each after its length (u32)."""
    return b"".join(part for packed in packets for part in (_LENGTH.pack(len(packed)), packed))


def split(message: bytes) -> list[bytes]:
    """What `join` joined."""
    found = []
    at = 0
    while at < len(message):
        (length,) = _LENGTH.unpack_from(message, at)
        found.append(message[at + 4 : at + 4 + length])
        at += 4 + length
    return found


class Page:
    """A tab, or whoever else has the websocket open."""

    def __init__(self, send_text: Callable[[str], Awaitable[None]],
                 send_bytes: Callable[[bytes], Awaitable[None]]) -> None:  # fmt: skip
        self.dropped = 0  #: packets that it was too slow for
        self._send_text, self._send_bytes = send_text, send_bytes
        self._facts: deque[str] = deque(maxlen=_MOST_FACTS)
        self._packets: deque[bytes] = deque()
        self._bytes = 0
        self._due = asyncio.Event()

    def tell(self, text: str) -> None:
        """Queues a fact."""
        self._facts.append(text)
        self._due.set()

    def offer(self, packed: bytes) -> None:
        """Queues frames or sound; the oldest go where there is no room."""
        self._packets.append(packed)
        self._bytes += len(packed)
        while self._bytes > QUEUE_BYTES:
            self._bytes -= len(self._packets.popleft())
            self.dropped += 1
        self._due.set()

    async def send(self, every_s: Callable[[], float]) -> None:
        """Sends what is queued, at most every `every_s()`, for ever; ends with what the connection
        raises.
        """
        while True:
            await self._due.wait()
            self._due.clear()
            while self._facts:
                await self._send_text(self._facts.popleft())
            if self._packets:
                joined = join(self._packets)
                self._packets.clear()
                self._bytes = 0
                await self._send_bytes(joined)
            await asyncio.sleep(every_s())


class Hub:
    """The open pages, and what a new one must know first."""

    def __init__(self, on_pages: Callable[[int], None]) -> None:
        """`on_pages` is told how many are open, whenever that changes."""
        self._pages: set[Page] = set()
        self._known: dict[str, str] = {}
        self._on_pages = on_pages

    @property
    def pages(self) -> int:
        return len(self._pages)

    def every_s(self) -> float:
        """How often a page is sent to: less often where there are many, which all cost a little."""
        return _EVERY_S * min(_MOST_TIMES, 1 + len(self._pages) // 3)

    @property
    def dropped(self) -> int:
        """Packets that the open pages were too slow for."""
        return sum(page.dropped for page in self._pages)

    def join(self, page: Page) -> None:
        """Tells a new page what is known; from here on it gets everything."""
        for text in self._known.values():
            page.tell(text)
        self._pages.add(page)
        self._on_pages(len(self._pages))

    def leave(self, page: Page) -> None:
        self._pages.discard(page)
        self._on_pages(len(self._pages))

    def tell(self, kind: str, text: str, *, keep: bool = True) -> None:
        """Tells all of them; the newest of a kind is kept for those that come later."""
        if keep:
            self._known.pop(kind, None)  # who comes later hears it in the order it was said in
            self._known[kind] = text
        for page in self._pages:
            page.tell(text)

    def forget(self, kind: str) -> None:
        """What is no longer so is not told to those that come later."""
        self._known.pop(kind, None)

    def offer(self, packed: bytes) -> None:
        """Sends frames or sound to all of them."""
        for page in self._pages:
            page.offer(packed)
