"""Messages through the pipes between a stream and the server's process."""

from __future__ import annotations

import struct
from typing import IO

#: What a message is: JSON, or bytes for the pages.
JSON, PACKED = b"J", b"P"
_HEAD = struct.Struct("<cI")
#: Longest message, bytes.
MOST_BYTES = 1 << 24


def send(pipe: IO[bytes], kind: bytes, body: bytes) -> None:
    """Writes a message, waiting for room. Raises OSError once nobody reads any more."""
    rest = memoryview(_HEAD.pack(kind, len(body)) + body)
    while rest:
        written = pipe.write(rest)
        rest = rest[written or 0 :]


def receive(pipe: IO[bytes]) -> tuple[bytes, bytes] | None:
    """The next message; None at the end, which may come in the middle of one."""
    head = _exactly(pipe, _HEAD.size)
    if head is None:
        return None
    kind, size = _HEAD.unpack(head)
    if size > MOST_BYTES:
        return None
    body = _exactly(pipe, size)
    return None if body is None else (kind, body)


def _exactly(pipe: IO[bytes], size: int) -> bytes | None:
    parts = bytearray()
    while len(parts) < size:
        part = pipe.read(size - len(parts))
        if not part:
            return None
        parts += part
    return bytes(parts)
