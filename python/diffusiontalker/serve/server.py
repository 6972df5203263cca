"""A server from start to drain: what listens, what computes, and how it leaves."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import ssl
from dataclasses import dataclass, field

from .. import bundle as _bundle
from . import ServeError
from .limits import Limits, Refusal
from .metrics import Metrics
from .rpc import make_server
from .rpc.service import FaceService, HealthService
from .scheduler import Scheduler
from .websocket import WebSocketService

_log = logging.getLogger(__name__)
_LAST_WORDS_S = 1.0


@dataclass(frozen=True)
class Options:
    """What a server is made of."""

    bundle: str | None = None  #: folder; None: the embedded model
    host: str = "127.0.0.1"
    grpc_port: int | None = 52000  #: 0: any free one; None: no gRPC
    carrier: str = "auto"  #: of gRPC's calls: auto, nghttp2, grpcio
    http_port: int | None = 8000  #: WebSocket, ready, metrics
    certificate: str | None = None  #: PEM files
    key: str | None = None
    token: str | None = None
    every: int = 1  #: which frames leave: each, every second, ...
    threads: int = 1
    drain_s: float = 30.0  #: for sessions to end once the server leaves
    limits: Limits = field(default_factory=Limits)


class Server:
    """`async with Server(options)`: serves; `leave` drains."""

    def __init__(self, options: Options) -> None:
        self._options = options
        bundle = _bundle.read(options.bundle)
        self.metrics = Metrics()
        self.scheduler = Scheduler(
            bundle, options.limits, self.metrics, threads=options.threads, every=options.every
        )
        self._health = HealthService()
        self._faces = FaceService(self.scheduler, token=options.token)
        self._web = WebSocketService(
            self.scheduler,
            bundle,
            token=options.token,
            ready=lambda: not self.scheduler.leaving,
        )
        self.grpc_port: int | None = None
        self.http_port: int | None = None

    async def __aenter__(self) -> Server:
        options = self._options
        running = asyncio.create_task(self.scheduler.run())
        self._running = running
        try:
            if options.grpc_port is not None:
                self._rpc = make_server(
                    (self._faces, self._health),
                    chunk_bytes=options.limits.chunk_bytes,
                    carrier=options.carrier,
                )
                self.grpc_port = await self._rpc.listen(
                    options.host, options.grpc_port, options.certificate, options.key
                )
            if options.http_port is not None:
                tls = None
                if options.certificate is not None:
                    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
                    tls.load_cert_chain(options.certificate, options.key)
                self._http = await self._web.listen(options.host, options.http_port, tls)
                self.http_port = next(iter(self._http.sockets)).getsockname()[1]
        except BaseException as error:
            running.cancel()
            if isinstance(error, OSError):
                raise ServeError(
                    f"cannot listen at {options.host}:{options.http_port}: "
                    f"{error.strerror or error}"
                ) from None
            raise
        return self

    async def leave(self) -> None:
        """Takes no more sessions, lets those that are here end for `drain_s`, then ends them."""
        if self.scheduler.leaving:
            return
        self.scheduler.leaving = True
        self._health.leave()
        deadline = asyncio.get_running_loop().time() + self._options.drain_s
        while self.scheduler.sessions and asyncio.get_running_loop().time() < deadline:
            await asyncio.sleep(0.05)
        left = self.scheduler.sessions
        if left:
            _log.warning("sessions were cut short", extra={"sessions": left})
            self.scheduler.end_all(Refusal("leaving", "this server leaves now"))
            await asyncio.sleep(0.2)

    async def __aexit__(self, *_: object) -> None:
        self.scheduler.leaving = True
        self._health.leave()
        if self.grpc_port is not None:
            await self._rpc.stop(_LAST_WORDS_S)
        if self.http_port is not None:
            self._http.close()
            await self._http.wait_closed()
        self._running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._running
