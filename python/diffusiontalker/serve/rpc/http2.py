"""Services carried by a gRPC server of our own: nghttp2 keeps HTTP/2, asyncio the sockets.

A message costs a fraction of what it does in grpcio's asyncio server: all that a socket brings is
taken apart in one call, messages go to their session without a task, and what a connection's calls
have to say leaves in one piece.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import ssl
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import NoReturn, cast
from urllib.parse import quote

from ... import _http2
from .. import ServeError
from . import calls
from .calls import Ended, Method, Service, nothing

#: Calls of one connection.
_MOST_CALLS = 2000
#: Sound that is on its way to us, a call.
_WINDOW_BYTES = 1 << 20
#: Messages that wait for a client to read, beyond which whoever writes waits.
_MOST_QUEUED_BYTES = 1 << 16
# A client that is gone without a word is noticed by its not answering.
_PING_AFTER_S, _GONE_AFTER_S, _LOOK_EVERY_S = 20.0, 35.0, 5.0
#: HTTP/2's reason for a call that was cut short.
_CANCEL = 8
_UNITS_S = {"H": 3600.0, "M": 60.0, "S": 1.0, "m": 1e-3, "u": 1e-6, "n": 1e-9}
_PLAIN = " !\"#$&'()*+,-./:;<=>?@[\\]^_`{|}~"
_HEADERS = [(":status", "200"), ("content-type", "application/grpc")]

_log = logging.getLogger(__name__)


class _Call:
    """See `calls.Call`."""

    def __init__(self, connection: _Connection, number: int, metadata: Mapping[str, str]) -> None:
        self._connection, self.number, self._metadata = connection, number, metadata
        self._came: deque[bytes | None] = deque()
        self._take: Callable[[bytes | None], bool] | None = None
        self._changed: asyncio.Future[None] | None = None  # what `read` or `write` waits for
        self._answered = self._closed = False
        self.gone = False  #: the client is, or its time is up
        self.task: asyncio.Task[None] | None = None
        self.deadline: asyncio.TimerHandle | None = None

    @property
    def metadata(self) -> Mapping[str, str]:
        return self._metadata

    def came(self, message: bytes | None) -> None:
        """A message; None: the client's half is closed."""
        self._closed = self._closed or message is None
        if self._take is None:
            self._came.append(message)
            self.wake()
        elif not self._take(message):
            self._take = _deaf

    def wake(self) -> None:
        if self._changed is not None and not self._changed.done():
            self._changed.set_result(None)

    async def _change(self) -> None:
        self._changed = asyncio.get_running_loop().create_future()
        await self._changed

    async def read(self) -> bytes | None:
        while not self._came:
            await self._change()
        self._raise_if_gone()
        message = self._came.popleft()
        if message is None:
            self._came.append(None)
        return message

    def listen(self, take: Callable[[bytes | None], bool]) -> Callable[[], object]:
        self._take = take
        while self._came and self._take is take:
            self.came(self._came.popleft())
        self._came.clear()

        def stop() -> None:
            self._take = _deaf

        return stop

    async def write(self, messages: Sequence[bytes], gone: Callable[[], None] = nothing) -> None:
        self._raise_if_gone()
        self._answer()
        connection = self._connection
        connection.http2.send(self.number, messages)
        connection.flush_soon()
        while (queued := connection.http2.queued(self.number)) > _MOST_QUEUED_BYTES:
            connection.waiting[self] = queued
            await self._change()
            gone()  # some
        gone()

    async def linger(self, seconds: float, is_last: Callable[[bytes], bool]) -> None:
        until_s = time.monotonic() + seconds
        self._take = None
        while not self._closed and not self.gone and (left_s := until_s - time.monotonic()) > 0:
            if any(message is not None and is_last(message) for message in self._came):
                return
            self._came.clear()
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._change(), left_s)

    def _raise_if_gone(self) -> None:
        # asyncio.wait_for swallows a cancellation that comes with its result (before Python 3.12).
        if self.gone:
            raise asyncio.CancelledError

    def _answer(self) -> None:
        if not self._answered:
            self._answered = True
            self._connection.http2.answer(self.number, _HEADERS)

    def end(self, code: int, sentence: str) -> NoReturn:
        raise Ended(code, sentence)

    def finish(self, code: int, sentence: str) -> None:
        """Trailers, once all messages have gone."""
        self._answer()
        trailers = [("grpc-status", str(code))]
        if sentence:
            trailers.append(("grpc-message", quote(sentence, safe=_PLAIN)))
        self._connection.http2.end(self.number, trailers)
        self._connection.flush_soon()


def _deaf(_: bytes | None) -> bool:
    return True


class _Connection(asyncio.Protocol):
    """A socket, and the calls on it."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self.http2 = _http2.Connection(
            most_calls=_MOST_CALLS,
            window_bytes=_WINDOW_BYTES,
            most_message_bytes=server.chunk_bytes,
        )
        self._calls: dict[int, _Call] = {}
        #: Bytes of the calls that may write on once the client has read.
        self.waiting: dict[_Call, int] = {}
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._paused = self._flushing = False
        self.heard_s = time.monotonic()

    # ---- the socket ----------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is one by its shape alone
        self._server.connections.add(self)
        self._flush()

    def connection_lost(self, error: Exception | None) -> None:
        self._transport = None
        self._server.connections.discard(self)
        for call in list(self._calls.values()):
            self._cancel(call)
        self._calls.clear()

    def pause_writing(self) -> None:
        self._paused = True

    def resume_writing(self) -> None:
        self._paused = False
        self._flush()

    def data_received(self, data: bytes) -> None:
        self.heard_s = time.monotonic()
        try:
            events = self.http2.receive(data)
        except RuntimeError as error:  # what came is not HTTP/2
            _log.info("a connection was refused", extra={"why": str(error)})
            self.abort()
            return
        known = self._calls
        for kind, number, what in events:
            if kind == "message":
                call = known.get(number)
                if call is not None:
                    call.came(what)  # type: ignore[arg-type]  # bytes
            else:
                self._happened(kind, number, what)
        self._flush()

    def flush_soon(self) -> None:
        """What has been said leaves, with what others say in the same turn of the loop."""
        if not self._flushing:
            self._flushing = True
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        self._flushing = False
        transport = self._transport
        while transport is not None and not self._paused:
            data = self.http2.outgoing()
            if not data:
                break
            transport.write(data)
        if self.waiting:
            for call, before in list(self.waiting.items()):
                if self.http2.queued(call.number) < before:
                    del self.waiting[call]
                    call.wake()
        if transport is not None and not self._paused and not self.http2.alive:
            transport.close()

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def close(self) -> None:
        self._flush()
        if self._transport is not None:
            self._transport.close()

    def leave(self) -> None:
        self.http2.leave()
        self._flush()

    def look(self, now_s: float) -> None:
        """Whether the client is still there."""
        if now_s - self.heard_s > _GONE_AFTER_S:
            self.abort()
        elif now_s - self.heard_s > _PING_AFTER_S:
            self.http2.ping()
            self._flush()

    # ---- calls -----------------------------------------------------------------------------------

    def _happened(self, kind: str, number: int, what: object) -> None:
        if kind == "call":
            assert isinstance(what, list)
            self._begin(number, {n.decode("latin-1"): v.decode("latin-1") for n, v in what})
            return
        call = self._calls.get(number)
        if call is None:
            return
        if kind == "end":
            call.came(None)
        elif kind == "closed":  # by the client, or as both halves are over
            self._cancel(call)
        elif kind == "too_long":
            most = self._server.chunk_bytes
            call.finish(calls.RESOURCE_EXHAUSTED, f"a message of {what} bytes; at most {most}")
            self._cancel(call)
        elif kind == "compressed":
            call.finish(calls.UNIMPLEMENTED, "compressed messages are not taken")
            self._cancel(call)

    def _begin(self, number: int, headers: dict[str, str]) -> None:
        if not headers.get("content-type", "").startswith("application/grpc"):
            self.http2.answer(number, [(":status", "415")])
            self.http2.end(number, [])
            return
        call = _Call(self, number, headers)
        method = self._server.methods.get(headers.get(":path", ""))
        if method is None:
            call.finish(calls.UNIMPLEMENTED, f"no method {headers.get(':path', '')} is here")
            return
        self._calls[number] = call
        timeout = headers.get("grpc-timeout", "")
        if timeout[:-1].isdigit() and timeout[-1] in _UNITS_S:
            seconds = int(timeout[:-1]) * _UNITS_S[timeout[-1]]
            call.deadline = self._loop.call_later(seconds, self._expire, call)
        call.task = self._loop.create_task(self._serve(call, method))
        self._server.tasks.add(call.task)
        call.task.add_done_callback(self._server.tasks.discard)

    async def _serve(self, call: _Call, method: Method) -> None:
        try:
            await method(call)
            call.finish(calls.OK, "")
        except Ended as ended:
            call.finish(ended.code, ended.sentence)
        except asyncio.CancelledError:
            # Whoever cancelled may have told the client why; else it learns it like this.
            if call.number in self._calls:
                self.http2.reset(call.number, _CANCEL)
                self.flush_soon()
        except Exception:
            _log.exception("a call failed")
            call.finish(calls.INTERNAL, "the server made an error")
        finally:
            self._calls.pop(call.number, None)
            self.waiting.pop(call, None)
            if call.deadline is not None:
                call.deadline.cancel()

    def _expire(self, call: _Call) -> None:
        call.finish(calls.DEADLINE_EXCEEDED, "Deadline Exceeded")
        self._cancel(call)

    def _cancel(self, call: _Call) -> None:
        call.gone = True
        self._calls.pop(call.number, None)
        if call.task is not None:
            call.task.cancel()


class Server:
    """A gRPC server of these services."""

    def __init__(self, services: Sequence[Service], *, chunk_bytes: int) -> None:
        self.chunk_bytes = chunk_bytes
        self.methods: dict[str, Method] = {
            f"/{service.name}/{name}": method
            for service in services
            for name, method in service.methods.items()
        }
        self.connections: set[_Connection] = set()
        self.tasks: set[asyncio.Task[None]] = set()

    async def listen(self, host: str, port: int, certificate: str | None, key: str | None) -> int:
        """At an address, over TLS with two PEM files; returns its port. Raises ServeError."""
        loop = asyncio.get_running_loop()
        tls = None
        try:
            if certificate is not None:
                tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
                tls.load_cert_chain(certificate, key)
                tls.set_alpn_protocols(["h2"])
            self._server = await loop.create_server(lambda: _Connection(self), host, port, ssl=tls)
        except OSError as error:
            raise ServeError(f"cannot listen at {host}:{port}: {error.strerror or error}") from None
        self._looking = loop.create_task(self._look())
        return int(next(iter(self._server.sockets)).getsockname()[1])

    async def _look(self) -> None:
        while True:
            await asyncio.sleep(_LOOK_EVERY_S)
            for connection in list(self.connections):
                connection.look(time.monotonic())

    async def stop(self, grace_s: float) -> None:
        """Takes no more calls; those that are here have so long."""
        self._looking.cancel()
        self._server.close()
        for connection in list(self.connections):
            connection.leave()
        if self.tasks:
            _, late = await asyncio.wait(self.tasks, timeout=grace_s)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        for connection in list(self.connections):
            connection.close()
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._server.wait_closed(), grace_s)
