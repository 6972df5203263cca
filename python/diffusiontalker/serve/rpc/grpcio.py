"""Services carried by grpcio's asyncio server."""

from __future__ import annotations

import asyncio
import base64
import contextlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

import grpc
import grpc.aio

from .. import ServeError
from .calls import Ended, Method, Service, nothing

_CODES = {code.value[0]: code for code in grpc.StatusCode}


class _Call:
    """See `calls.Call`."""

    def __init__(self, context: Any) -> None:
        self._context = context
        self._reading: asyncio.Task[None] | None = None

    @property
    def metadata(self) -> Mapping[str, str]:
        return {
            key: base64.b64encode(value).decode() if isinstance(value, bytes) else value
            for key, value in self._context.invocation_metadata() or ()
        }

    async def read(self) -> bytes | None:
        message = await self._context.read()
        return None if message is grpc.aio.EOF else bytes(message)

    def listen(self, take: Callable[[bytes | None], bool]) -> Callable[[], object]:
        self._reading = asyncio.create_task(self._read_all(take))
        return self._reading.cancel

    async def _read_all(self, take: Callable[[bytes | None], bool]) -> None:
        read = self._context.read
        while (message := await read()) is not grpc.aio.EOF:
            if not take(message):
                return
        take(None)

    async def write(self, messages: Sequence[bytes], gone: Callable[[], None] = nothing) -> None:
        write = self._context.write
        try:
            for message in messages:
                await write(message)
                gone()
        except asyncio.InvalidStateError:  # the call is over
            raise asyncio.CancelledError from None

    async def linger(self, seconds: float, is_last: Callable[[bytes], bool]) -> None:
        with contextlib.suppress(Exception):
            await asyncio.wait_for(self._rest(is_last), seconds)

    async def _rest(self, is_last: Callable[[bytes], bool]) -> None:
        if self._reading is not None:
            await asyncio.wait({self._reading})
        while (message := await self._context.read()) is not grpc.aio.EOF:
            if is_last(message):
                return

    def end(self, code: int, sentence: str) -> NoReturn:
        raise Ended(code, sentence)


def _handler(method: Method) -> Callable[[Any, Any], Awaitable[None]]:
    async def handle(_: Any, context: Any) -> None:
        try:
            await method(_Call(context))
        except Ended as ended:
            await context.abort(_CODES[ended.code], ended.sentence)

    return handle


class Server:
    """A gRPC server of these services."""

    def __init__(self, services: Sequence[Service], *, chunk_bytes: int) -> None:
        self._server = grpc.aio.server(
            options=[
                ("grpc.max_receive_message_length", chunk_bytes),
                ("grpc.so_reuseport", 0),
                # A client that is gone without a word is noticed by its not answering.
                ("grpc.keepalive_time_ms", 20_000),
                ("grpc.keepalive_timeout_ms", 10_000),
                ("grpc.http2.min_ping_interval_without_data_ms", 5_000),
            ]
        )
        self._server.add_generic_rpc_handlers(
            [
                grpc.method_handlers_generic_handler(
                    service.name,
                    {
                        # On the wire a call of one message is a stream of one.
                        name: grpc.stream_stream_rpc_method_handler(_handler(method), None, None)
                        for name, method in service.methods.items()
                    },
                )
                for service in services
            ]
        )

    async def listen(self, host: str, port: int, certificate: str | None, key: str | None) -> int:
        """At an address, over TLS with two PEM files; returns its port. Raises ServeError."""
        address = f"{host}:{port}"
        try:
            if certificate is None or key is None:
                bound = self._server.add_insecure_port(address)
            else:
                pair = (Path(key).read_bytes(), Path(certificate).read_bytes())
                bound = self._server.add_secure_port(address, grpc.ssl_server_credentials([pair]))
        except RuntimeError:
            bound = 0
        if not bound:
            raise ServeError(f"cannot listen at {address}: is another program there?")
        await self._server.start()
        return int(bound)

    async def stop(self, grace_s: float) -> None:
        """Takes no more calls; those that are here have so long."""
        await self._server.stop(grace_s)
