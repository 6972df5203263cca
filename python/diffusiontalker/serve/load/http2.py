"""As much of a gRPC client as a load run needs, on sockets: lighter than the server it loads.

A client library takes about as long for a message as the server does; a hundred of them on one core
would measure themselves. This one speaks plain HTTP/2 to a server that it trusts: requests without
compression, windows as wide as they go, and of what comes only messages and ends are looked at.
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Callable

#: What opens a connection: HTTP/2's preface, then no push and the widest window for each call ...
_MOST = 2**31 - 1
_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_DATA, _HEADERS, _RESET, _SETTINGS, _PING, _GOAWAY, _WINDOW = 0, 1, 3, 4, 6, 7, 8
_ACK, _END_STREAM, _END_HEADERS = 1, 1, 4
_INITIAL_WINDOW = 65535


def _frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return struct.pack(">I", len(payload) << 8 | kind) + struct.pack(">BI", flags, stream) + payload


def _literal(text: str) -> bytes:
    data = text.encode()
    assert len(data) < 127
    return bytes([len(data)]) + data


def _headers(path: str, authority: str) -> bytes:
    """A gRPC request's, each as a literal that nobody need remember."""
    fields = {
        ":method": "POST",
        ":scheme": "http",
        ":path": path,
        ":authority": authority,
        "te": "trailers",
        "content-type": "application/grpc",
    }
    return b"".join(b"\0" + _literal(name) + _literal(value) for name, value in fields.items())


class Call:
    """One streaming call.

    Args:
        connection: whose it is.
        stream: its number.
        heard: gets each message that comes.
        over: called at its end, with what was wrong, or nothing.
    """

    def __init__(
        self,
        connection: Connection,
        stream: int,
        heard: Callable[[memoryview], None],
        over: Callable[[str], None],
    ) -> None:
        self._connection, self._stream = connection, stream
        self._heard, self._over = heard, over
        self._partial = bytearray()
        self.window = connection.initial_window

    def send(self, message: bytes) -> None:
        """A message, as bytes."""
        data = b"\0" + struct.pack(">I", len(message)) + message
        self.window -= len(data)
        self._connection.write_data(self._stream, data)
        if self.window < 0:
            self.end("the server took no more sound")

    def take(self, data: memoryview) -> None:
        """Bytes that came; whole messages in them go on."""
        if self._partial:
            self._partial += data
            data = memoryview(bytes(self._partial))
            self._partial.clear()
        at, size = 0, len(data)
        while size - at >= 5:
            length = int.from_bytes(data[at + 1 : at + 5], "big")
            if size - at < 5 + length:
                break
            self._heard(data[at + 5 : at + 5 + length])
            at += 5 + length
        if at < size:
            self._partial += data[at:]

    def end(self, error: str) -> None:
        self._connection.forget(self._stream)
        self._over(error)


class Connection(asyncio.Protocol):
    """One connection of HTTP/2, and the calls on it."""

    def __init__(self, authority: str) -> None:
        self._authority = authority
        self._calls: dict[int, Call] = {}
        self._next = 1
        self._came = bytearray()
        self._window = _INITIAL_WINDOW
        self.initial_window = _INITIAL_WINDOW  #: of a call, as the server says
        self.settled = asyncio.Event()  #: the server's settings are here
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        settings = struct.pack(">HIHI", 2, 0, 4, _MOST)
        transport.write(
            _PREFACE
            + _frame(_SETTINGS, 0, 0, settings)
            + _frame(_WINDOW, 0, 0, struct.pack(">I", _MOST - _INITIAL_WINDOW))
        )

    def call(
        self, path: str, heard: Callable[[memoryview], None], over: Callable[[str], None]
    ) -> Call:
        """Begins one; `path`: /SERVICE/METHOD."""
        made = Call(self, self._next, heard, over)
        self._calls[self._next] = made
        head = _headers(path, self._authority)
        self._write(_frame(_HEADERS, _END_HEADERS, self._next, head))
        self._next += 2
        return made

    def write_data(self, stream: int, data: bytes) -> None:
        self._window -= len(data)
        self._write(_frame(_DATA, 0, stream, data))
        if self._window < 0:
            self.connection_lost(None)

    def _write(self, data: bytes) -> None:
        if self._transport is not None:
            self._transport.write(data)

    def forget(self, stream: int) -> None:
        self._calls.pop(stream, None)

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def connection_lost(self, error: Exception | None) -> None:
        self.settled.set()
        for call in list(self._calls.values()):
            call.end(f"the connection ended: {error or 'by the server'}")
        self._transport = None

    # ---- what comes ----------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        if self._came:
            self._came += data
            data = bytes(self._came)
            self._came.clear()
        view, at, size = memoryview(data), 0, len(data)
        while size - at >= 9:
            length = int.from_bytes(view[at : at + 3], "big")
            end = at + 9 + length
            if end > size:
                break
            stream = int.from_bytes(view[at + 5 : at + 9], "big")
            self._frame_came(view[at + 3], view[at + 4], stream, view[at + 9 : end])
            at = end
        if at < size:
            self._came += view[at:]

    def _frame_came(self, kind: int, flags: int, stream: int, payload: memoryview) -> None:
        call = self._calls.get(stream)
        if kind == _DATA and call is not None:
            call.take(payload)
            if flags & _END_STREAM:
                call.end("it ended without trailers")
        elif kind == _HEADERS and call is not None and flags & _END_STREAM:
            call.end("")
        elif kind == _RESET and call is not None:
            call.end("the server reset the call")
        elif kind == _SETTINGS and not flags & _ACK:
            self._take_settings(payload)
        elif kind == _PING and not flags & _ACK:
            self._write(_frame(_PING, _ACK, 0, bytes(payload)))
        elif kind == _WINDOW:
            more = int.from_bytes(payload, "big")
            if call is not None:
                call.window += more
            elif stream == 0:
                self._window += more
        elif kind == _GOAWAY:
            self.connection_lost(None)

    def _take_settings(self, payload: memoryview) -> None:
        for at in range(0, len(payload), 6):
            name, value = struct.unpack(">HI", payload[at : at + 6])
            if name == 4:
                for call in self._calls.values():
                    call.window += value - self.initial_window
                self.initial_window = value
        self._write(_frame(_SETTINGS, _ACK, 0, b""))
        self.settled.set()


async def connect(address: str) -> Connection:
    """To HOST:PORT, once the server has said its settings. Raises OSError."""
    host, _, port = address.rpartition(":")
    loop = asyncio.get_running_loop()
    _, made = await loop.create_connection(lambda: Connection(address), host, int(port))
    await made.settled.wait()
    return made
