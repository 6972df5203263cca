"""As much of a WebSocket client as a load run needs: see `http2` for why."""

from __future__ import annotations

import asyncio
import base64
import os
import struct
from collections.abc import Callable

_TEXT, _BINARY, _CLOSE, _PING, _PONG = 1, 2, 8, 9, 10
#: A mask of zeros changes nothing: a message is sent as it is.
_MASK = bytes(4)


def _frame(kind: int, payload: bytes) -> bytes:
    if len(payload) < 126:
        return bytes([0x80 | kind, 0x80 | len(payload)]) + _MASK + payload
    return bytes([0x80 | kind, 0x80 | 126]) + struct.pack(">H", len(payload)) + _MASK + payload


class Connection(asyncio.Protocol):
    """One connection.

    Args:
        heard: gets each message that comes, and whether it is text.
        over: called at its end, with what was wrong, or nothing.
    """

    def __init__(
        self, heard: Callable[[memoryview, bool], None], over: Callable[[str], None]
    ) -> None:
        self._heard, self._over = heard, over
        self._came = bytearray()
        self._transport: asyncio.Transport | None = None
        self._open = False
        self.opened = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def ask(self, host: str, path: str) -> None:
        """For the connection to become a WebSocket."""
        assert self._transport is not None
        key = base64.b64encode(os.urandom(16)).decode()
        self._transport.write(
            f"GET {path} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\n"
            f"Connection: Upgrade\r\nSec-WebSocket-Key: {key}\r\n"
            "Sec-WebSocket-Version: 13\r\n\r\n".encode()
        )

    def send_text(self, text: str) -> None:
        if self._transport is not None:
            self._transport.write(_frame(_TEXT, text.encode()))

    def send(self, data: bytes) -> None:
        if self._transport is not None:
            self._transport.write(_frame(_BINARY, data))

    def close(self) -> None:
        if self._transport is not None:
            self._transport.write(_frame(_CLOSE, struct.pack(">H", 1000)))
            self._transport.close()

    def connection_lost(self, error: Exception | None) -> None:
        self._transport = None
        self.opened.set()
        self._over(str(error or "the connection ended"))

    def data_received(self, data: bytes) -> None:
        if self._came:
            self._came += data
            data = bytes(self._came)
            self._came.clear()
        at = 0
        if not self._open:
            end = data.find(b"\r\n\r\n")
            if end < 0:
                self._came += data
                return
            if b" 101 " not in data[: data.find(b"\r\n")]:
                self.connection_lost(OSError(data[:40].decode("latin-1")))
                return
            self._open, at = True, end + 4
            self.opened.set()
        view, size = memoryview(data), len(data)
        while size - at >= 2:
            head = 2
            length = view[at + 1] & 0x7F
            if length >= 126:
                head = 4 if length == 126 else 10
                if size - at < head:
                    break
                length = int.from_bytes(view[at + 2 : at + head], "big")
            if size - at < head + length:
                break
            self._message(view[at] & 0x0F, view[at + head : at + head + length])
            at += head + length
        if at < size:
            self._came += view[at:]

    def _message(self, kind: int, payload: memoryview) -> None:
        if kind in (_TEXT, _BINARY):
            self._heard(payload, kind == _TEXT)
        elif kind == _PING and self._transport is not None:
            self._transport.write(_frame(_PONG, bytes(payload)))


async def connect(
    address: str,
    path: str,
    heard: Callable[[memoryview, bool], None],
    over: Callable[[str], None],
) -> Connection:
    """To HOST:PORT. Raises OSError."""
    host, _, port = address.rpartition(":")
    loop = asyncio.get_running_loop()
    _, made = await loop.create_connection(lambda: Connection(heard, over), host, int(port))
    made.ask(address, path)
    await made.opened.wait()
    return made
