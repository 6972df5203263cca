"""WebSocket for pages and agents, and the plain HTTP beside it: ready, metrics.

A client says `begin`, sends sound as binary messages, and gets a schema once and then frames: as
docs/wire.md's payloads (msgpack) or as JSON. docs/serving.md has every message.
"""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import http
import ipaddress
import json
import logging
import ssl
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request as HttpRequest
from websockets.http11 import Response

from .. import clock
from ..bundle import Bundle
from ..frames import Bye, Schema, new_session
from ..pace import Pace
from ..runtime import MAXIMUM_RATE_HZ, MINIMUM_RATE_HZ
from ..wire import encode, encode_frames
from .asked import SETTINGS, asked, is_whole, number, one_of
from .limits import Refusal
from .metrics import CONTENT_TYPE
from .scheduler import Request, Scheduler
from .session import FORMATS, Frames, Session

#: Where sessions are.
PATH = "/v1/face"
#: What frames can come as.
ENCODINGS = ("json", "msgpack")
_SUBJECT = "face"
# Connections beside those with a session: between two, or to be told that all places are taken.
_SPARE_CONNECTIONS = 100
_FILL_EVERY_S = 0.02
_KEYS = ("type", "token", "sample_rate_hz", "sound", "frames", "fill_after_s", *SETTINGS)
# WebSocket's own numbers: a message that breaks the rules; try again later; the server leaves.
_CLOSE = {
    "invalid": 1008,
    "unauthenticated": 1008,
    "exhausted": 1013,
    "idle": 1008,
    "leaving": 1001,
    "internal": 1011,
}

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Begin:
    """A session as its first message asks for it."""

    request: Request
    msgpack: bool
    fill_after_s: float | None


class WebSocketService:
    """One connection is one session after another: `begin` ... `end`, and again.

    Args:
        scheduler: computes.
        bundle: whose name, rate and identities are told.
        token: that clients must show, or None.
        ready: whether the server takes sessions.
    """

    def __init__(
        self,
        scheduler: Scheduler,
        bundle: Bundle,
        *,
        token: str | None,
        ready: Callable[[], bool],
    ) -> None:
        self._scheduler, self._bundle, self._token = scheduler, bundle, token
        self._ready = ready
        self._connections = 0

    async def listen(self, host: str, port: int, tls: ssl.SSLContext | None) -> Server:
        server: Server = await serve(
            self._connection,
            host,
            port,
            ssl=tls,
            process_request=self._answer_http,
            compression=None,  # frames are noise to a compressor, and each would cost its time
            max_size=self._scheduler.limits.chunk_bytes,
            ping_interval=20,
            ping_timeout=20,
            server_header=None,
        )
        return server

    # ---- plain HTTP ----------------------------------------------------------------------------

    def _answer_http(self, connection: ServerConnection, request: HttpRequest) -> Response | None:
        path = request.path.partition("?")[0]
        if path == PATH:
            return self._refusal(request)
        if path == "/v1/health/live":
            return _http(200, "application/json", b'{"status": "live"}\n')
        if path == "/v1/health/ready":
            ready = self._ready()
            status = b"ready" if ready else b"leaving"
            return _http(200 if ready else 503, "application/json", b'{"status": "%s"}\n' % status)
        if path == "/metrics":
            return _http(200, CONTENT_TYPE, self._scheduler.metrics.text())
        known = f"{PATH}, /v1/health/ready, /v1/health/live, /metrics\n"
        return _http(404, "text/plain", b"here are: " + known.encode())

    def _refusal(self, request: HttpRequest) -> Response | None:
        """What a connection hears that gets no session, or None.

        Without a token whoever reaches the port is served, and any page that the user of this
        machine looks at reaches it: browsers say whose page it is, and other programs say nothing.
        """
        origin = request.headers.get("Origin")
        if self._token is None and origin is not None and not _is_of_this_machine(origin):
            return _http(
                403, "text/plain", b"pages of other sites need a token: dt-serve --token-file\n"
            )
        if self._connections >= self._scheduler.limits.sessions + _SPARE_CONNECTIONS:
            return _http(503, "text/plain", b"too many connections\n")
        return None

    # ---- sessions --------------------------------------------------------------------------------

    async def _connection(self, connection: ServerConnection) -> None:
        self._connections += 1
        try:
            with contextlib.suppress(ConnectionClosed):
                while await self._one(connection):
                    pass
        finally:
            self._connections -= 1

    async def _one(self, connection: ServerConnection) -> bool:
        """A session from its `begin` on; False where the connection is over."""
        how = "gone"
        session: Session | None = None
        tasks: list[asyncio.Task[None]] = []
        try:
            try:
                begin = self._begin(await self._first(connection), connection)
                session = await self._scheduler.open(begin.request)
                task = asyncio.current_task()
                assert task is not None
                session.abandon = task.cancel
                talk = _Talk(self, connection, session, begin)
                await talk.send_schema()
                tasks = [asyncio.create_task(talk.read())]
                if begin.fill_after_s is not None:
                    tasks.append(asyncio.create_task(talk.fill()))
                await talk.write()
                how = "done"
                return True
            except Refusal as refusal:
                how = refusal.kind
                _log.info("session refused or ended", extra={"how": how, "why": str(refusal)})
                await connection.send(json.dumps({"type": "error", "message": str(refusal)}))
                await connection.close(_CLOSE[refusal.kind], str(refusal)[:100])
                return False
        finally:
            for each in tasks:
                each.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            if session is not None:
                self._scheduler.close(session)
                self._scheduler.metrics.ended.labels("websocket", how).inc()

    async def _first(self, connection: ServerConnection) -> str | bytes:
        try:
            return await asyncio.wait_for(connection.recv(), self._scheduler.limits.idle_s)
        except asyncio.TimeoutError:
            raise Refusal("idle", "no begin came") from None

    def _begin(self, message: str | bytes, connection: ServerConnection) -> Begin:
        said = said_in(message, "begin")
        self._check_token(said, connection)
        try:
            return self._asked_in(said)
        except Refusal as refusal:
            raise Refusal(refusal.kind, f"begin: {refusal}") from None

    def _asked_in(self, said: dict[str, Any]) -> Begin:
        if unknown := [key for key in said if key not in _KEYS]:
            raise Refusal("invalid", f"no setting {unknown[0]!r}; there are {', '.join(_KEYS[1:])}")
        rate = said.get("sample_rate_hz", 16000)
        if not is_whole(rate) or not MINIMUM_RATE_HZ <= rate <= MAXIMUM_RATE_HZ:
            raise Refusal(
                "invalid",
                f"sample_rate_hz: expected a whole number from {MINIMUM_RATE_HZ} to "
                f"{MAXIMUM_RATE_HZ}, got {rate!r}",
            )
        sound = one_of("sound", said.get("sound", "s16le"), FORMATS)
        encoding = one_of("frames", said.get("frames", "json"), ENCODINGS)
        fill = said.get("fill_after_s")
        return Begin(
            Request(rate, sound, asked(said, tuple(self._bundle.identities))),
            encoding == "msgpack",
            None if fill is None else number("fill_after_s", fill, 0.02, 10.0),
        )

    def _check_token(self, said: dict[str, Any], connection: ServerConnection) -> None:
        if self._token is None:
            return
        request = connection.request
        header = "" if request is None else request.headers.get("Authorization", "")
        shown = said.get("token") or header.removeprefix("Bearer ")
        if not hmac.compare_digest(str(shown).encode(), self._token.encode()):
            raise Refusal(
                "unauthenticated",
                "expected the token: in begin, or as the header 'Authorization: Bearer TOKEN'",
            )

    def schema(self, session: Session, number: int, start_ns: int, unix_ns: int) -> Schema:
        """What the frames of a session mean."""
        return Schema(
            subject=_SUBJECT,
            session=number,
            curves=session.shapes.names,
            rate_num=session.frame_rate.numerator,
            rate_den=session.frame_rate.denominator * self._scheduler.every,
            model=self._bundle.name,
            model_version=self._bundle.sha256[:12],
            lookahead_ms=1000.0 * self._scheduler.lookahead_s(session.sample_rate),
            audio_rate=session.sample_rate,
            start_ns=start_ns,
            start_unix_ns=unix_ns,
        )

    @property
    def every(self) -> int:
        """Which of the model's frames leave."""
        return self._scheduler.every

    def lookahead_s(self, sample_rate: int) -> float:
        return self._scheduler.lookahead_s(sample_rate)


class _Talk:
    """One session on its connection."""

    def __init__(
        self,
        service: WebSocketService,
        connection: ServerConnection,
        session: Session,
        begin: Begin,
    ) -> None:
        self._service, self._connection, self._session = service, connection, session
        self._msgpack = begin.msgpack
        self._number = new_session()
        self._start_ns, self._unix_ns = time.monotonic_ns(), time.time_ns()
        self._fill_after_s = begin.fill_after_s
        self._pace = Pace(session.sample_rate, begin.fill_after_s)
        self._sequence = 0

    async def send_schema(self) -> None:
        schema = self._schema = self._service.schema(
            self._session, self._number, self._start_ns, self._unix_ns
        )
        if self._msgpack:
            await self._connection.send(encode(schema)[1])
            return
        await self._send_json(
            "schema",
            curves=schema.curves,
            rate_num=schema.rate_num,
            rate_den=schema.rate_den,
            model=schema.model,
            model_version=schema.model_version,
            lookahead_ms=schema.lookahead_ms,
            sample_rate_hz=schema.audio_rate,
        )

    async def _send_json(self, kind: str, **fields: Any) -> None:
        await self._connection.send(json.dumps({"type": kind, **fields}))

    async def read(self) -> None:
        """Takes sound and words until the end is said or the client is gone."""
        session = self._session
        try:
            async for message in self._connection:
                if isinstance(message, bytes):
                    self._pace.take(time.monotonic_ns(), session.push(message))
                    continue
                word = said_in(message, "interrupt", "end")["type"]
                if word == "end":
                    session.end()
                    return
                await self._interrupt()
            session.fail(Refusal("invalid", "the client is gone"))
        except Refusal as refusal:
            session.fail(refusal)
        except ConnectionClosed:
            session.fail(Refusal("invalid", "the client is gone"))

    async def _interrupt(self) -> None:
        session = self._session
        before = session.pushed
        frame = session.interrupt(self._service.lookahead_s(session.sample_rate))
        self._pace = Pace(session.sample_rate, self._fill_after_s)
        self._pace.take(time.monotonic_ns(), session.waiting)
        every = self._service.every
        frame += -frame % every
        await self._send_json(
            "interrupted",
            index=frame // every,
            position=clock.position_of(frame, session.frame_rate, session.sample_rate),
            next_position=session.pushed,
            forgotten=max(before - session.pushed, 0),
        )

    async def fill(self) -> None:
        """Puts silence in where sound has run out, so that the face goes on."""
        while True:
            await asyncio.sleep(_FILL_EVERY_S)
            due = self._pace.due(time.monotonic_ns())
            if due:
                self._pace.fill(due)
                self._session.silence(due)
                self._session.progress_s = time.monotonic()

    async def write(self) -> None:
        session = self._session
        while (frames := await session.frames()) is not None:
            for message in self._encoded(frames):
                await self._connection.send(message)
            session.sent()
        if self._msgpack:
            bye = Bye(_SUBJECT, self._number, self._sequence, "end of the audio")
            await self._connection.send(encode(bye)[1])
        else:
            await self._send_json("bye", frames=self._sequence, reason="end of the audio")

    def _encoded(self, frames: Frames) -> Sequence[str | bytes]:
        session = self._session
        rate, every = session.frame_rate, self._service.every
        indices = [number // every for number in frames.numbers]
        positions = [
            clock.position_of(number, rate, session.sample_rate) for number in frames.numbers
        ]
        first = self._sequence
        self._sequence += len(indices)
        if self._msgpack:
            schema = self._schema
            captures = [
                self._start_ns + position * 1_000_000_000 // session.sample_rate
                for position in positions
            ]
            return encode_frames(schema, first, indices, positions, captures, frames.curves)
        # Nine digits are enough to get the same float32 back.
        curves = ",".join(["%.9g"] * frames.curves.shape[1])
        out = []
        for index, position, values in zip(indices, positions, frames.curves.tolist(), strict=True):
            said = curves % tuple(values)
            out.append(
                f'{{"type":"frame","index":{index},"position":{position},"curves":[{said}]}}'
            )
        return out


def said_in(message: str | bytes, *words: str) -> dict[str, Any]:
    """A text message as the object that it is, of one of these types. Raises Refusal."""
    wanted = " or ".join(f'{{"type": "{word}"}}' for word in words)
    try:
        said = json.loads(message) if isinstance(message, str) else None
    except ValueError:
        said = None
    if not isinstance(said, dict) or said.get("type") not in words:
        got = "sound" if isinstance(message, bytes) else repr(message[:60])
        raise Refusal("invalid", f"expected {wanted}, got {got}")
    return said


def _is_of_this_machine(origin: str) -> bool:
    """Whether a page with this origin was served from here."""
    try:
        host = urlsplit(origin).hostname or ""
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _http(status: int, kind: str, body: bytes) -> Response:
    headers = Headers(
        [("Content-Type", kind), ("Content-Length", str(len(body))), ("Connection", "close")]
    )
    return Response(status, http.HTTPStatus(status).phrase, headers, body)
