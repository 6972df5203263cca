"""The two services: faces, and health."""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import logging
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
from google.protobuf.message import DecodeError

from ...runtime import MINIMUM_RATE_HZ
from .. import ServeError
from ..limits import Refusal
from ..scheduler import Request, Scheduler
from ..session import Frames, Session
from . import messages
from .face import BLEND_SHAPES, Face

#: As Audio2Face-3D takes them.
MAXIMUM_RATE_HZ = 144000
_CODES = {
    "invalid": grpc.StatusCode.INVALID_ARGUMENT,
    "exhausted": grpc.StatusCode.RESOURCE_EXHAUSTED,
    "idle": grpc.StatusCode.DEADLINE_EXCEEDED,
    "leaving": grpc.StatusCode.UNAVAILABLE,
    "unauthenticated": grpc.StatusCode.UNAUTHENTICATED,
    "internal": grpc.StatusCode.INTERNAL,
}

_log = logging.getLogger(__name__)
_write_frame = messages.FrameWriter(len(BLEND_SHAPES))


@dataclass(frozen=True)
class _Opening:
    """What a valid header asks for."""

    rate: int
    face: Face


class FaceService:
    """`ProcessAudioStream`: one call is one session.

    Args:
        scheduler: computes.
        token: that clients must show, or None.
    """

    def __init__(self, scheduler: Scheduler, *, token: str | None = None) -> None:
        self._scheduler, self._token = scheduler, token

    def handler(self) -> Any:
        """For `grpc.aio.Server.add_generic_rpc_handlers`."""
        call = grpc.stream_stream_rpc_method_handler(
            self.process_audio_stream, None, None
        )
        return grpc.method_handlers_generic_handler(messages.A2F_SERVICE, {messages.A2F_CALL: call})

    async def process_audio_stream(self, _: Any, context: Any) -> None:
        """Reads and writes at once: a client may send all of its sound before it reads."""
        how = "gone"
        session: Session | None = None
        reading: asyncio.Task[None] | None = None
        try:
            self._check_token(context)
            opening = await self._opening(context)
            session = await self._scheduler.open(
                Request(opening.rate, keep_sound=True, finish=opening.face)
            )
            # A client that neither reads nor leaves holds up a write: nothing else ends that.
            task = asyncio.current_task()
            assert task is not None
            session.abandon = task.cancel
            reading = asyncio.create_task(_read(context, session))
            await self._write(context, session, opening)
            how = "done"
        except Refusal as refusal:
            how = refusal.kind
            _log.info("session refused or ended", extra={"how": how, "why": str(refusal)})
            await _say(context, messages.ERROR, str(refusal))
            await context.abort(_CODES[refusal.kind], str(refusal))
        finally:
            if reading is not None:
                reading.cancel()
            if session is not None:
                self._scheduler.close(session)
            self._scheduler.metrics.ended.labels("grpc", how).inc()

    def _check_token(self, context: Any) -> None:
        if self._token is None:
            return
        shown = dict(context.invocation_metadata() or ()).get("authorization", "")
        if not hmac.compare_digest(str(shown).encode(), f"Bearer {self._token}".encode()):
            raise Refusal("unauthenticated", "expected the metadata 'authorization: Bearer TOKEN'")

    async def _opening(self, context: Any) -> _Opening:
        """The first message as what it asks for. Raises Refusal."""
        try:
            message = await asyncio.wait_for(context.read(), self._scheduler.limits.idle_s)
        except asyncio.TimeoutError:
            raise Refusal("idle", "no header came") from None
        if message is not grpc.aio.EOF:
            message = parsed(message)
        if message is grpc.aio.EOF or not message.HasField("audio_stream_header"):
            raise Refusal("invalid", "expected an audio_stream_header first")
        header = message.audio_stream_header
        audio = header.audio_header
        for name, got, wanted in (
            ("audio_format", audio.audio_format, messages.PCM),
            ("channel_count", audio.channel_count, 1),
            ("bits_per_sample", audio.bits_per_sample, 16),
        ):
            if got != wanted:
                raise Refusal("invalid", f"audio_header: expected {name} {wanted}, got {got}")
        rate = audio.samples_per_second
        if not MINIMUM_RATE_HZ <= rate <= MAXIMUM_RATE_HZ:
            raise Refusal(
                "invalid",
                f"audio_header: expected samples_per_second from {MINIMUM_RATE_HZ} to "
                f"{MAXIMUM_RATE_HZ}, got {rate}",
            )
        return _Opening(rate, Face(header, float(1 / self._scheduler.frame_rate)))

    async def _write(self, context: Any, session: Session, opening: _Opening) -> None:
        await context.write(_header(opening.rate))
        if opening.face.left_out:
            await _say(
                context,
                messages.INFO,
                f"not honoured by this server: {', '.join(opening.face.left_out)}",
            )
        write = context.write
        while (frames := await session.frames()) is not None:
            for message in encoded(session, frames):
                await write(message)
                session.sent()
        event = messages.AnimationDataStream()
        event.event.event_type = messages.END_OF_A2F_AUDIO_PROCESSING
        event.event.SetInParent()
        await context.write(event.SerializeToString())
        await _say(context, messages.SUCCESS, "")


async def _read(context: Any, session: Session) -> None:
    """Takes what comes until the end is said, the client's half closes, or it errs."""
    read, push = context.read, session.push
    try:
        while (message := await read()) is not grpc.aio.EOF:
            sound = messages.sound_in(message)
            if sound is not None:
                push(sound)
                continue
            said = parsed(message)
            part = said.WhichOneof("part")
            if part == "audio_with_emotion":
                push(said.audio_with_emotion.audio_buffer)
            elif part == "end_of_audio":
                break
            elif part == "audio_stream_header":
                raise Refusal("invalid", "audio_stream_header came twice; begin another call")
        session.end()
    except Refusal as refusal:
        session.fail(refusal)


def parsed(message: bytes) -> Any:
    """An AudioStream. Raises Refusal."""
    try:
        return messages.AudioStream.FromString(message)
    except DecodeError:
        raise Refusal("invalid", "a message came that is no AudioStream") from None


def encoded(session: Session, frames: Frames) -> list[bytes]:
    """A message a frame: its weights, and the sound until the next one."""
    rate = session.frame_rate
    numerator, denominator = rate.numerator, rate.denominator
    block = memoryview(frames.curves.astype("<f4", copy=False).tobytes())
    size = block.nbytes // len(frames.numbers)
    return [
        _write_frame(index * denominator / numerator, block[at : at + size], sound)
        for at, index, sound in zip(
            range(0, block.nbytes, size), frames.numbers, session.echo(frames.numbers), strict=True
        )
    ]


def _header(rate: int) -> bytes:
    message = messages.AnimationDataStream()
    header = message.animation_data_stream_header
    header.audio_header.channel_count = 1
    header.audio_header.samples_per_second = rate
    header.audio_header.bits_per_sample = 16
    header.skel_animation_header.blend_shapes.extend(BLEND_SHAPES)
    header.start_time_code_since_epoch = time.time()
    return bytes(message.SerializeToString())


async def _say(context: Any, code: int, sentence: str) -> None:
    message = messages.AnimationDataStream()
    message.status.code, message.status.message = code, sentence
    message.status.SetInParent()
    with contextlib.suppress(asyncio.InvalidStateError):
        await context.write(message.SerializeToString())


class HealthService:
    """`grpc.health.v1`: for the server (empty name) and for the service."""

    def __init__(self) -> None:
        self._serving = True
        self._changed = asyncio.Event()

    def leave(self) -> None:
        """No more sessions are taken."""
        self._serving = False
        self._changed.set()

    def handler(self) -> Any:
        request = messages.HealthCheckRequest.FromString
        return grpc.method_handlers_generic_handler(
            messages.HEALTH_SERVICE,
            {
                "Check": grpc.unary_unary_rpc_method_handler(self.check, request, None),
                "Watch": grpc.unary_stream_rpc_method_handler(self.watch, request, None),
            },
        )

    def _answer(self) -> bytes:
        status = messages.SERVING if self._serving else messages.NOT_SERVING
        return bytes(messages.HealthCheckResponse(status=status).SerializeToString())

    async def check(self, request: Any, context: Any) -> bytes:
        if request.service not in ("", messages.A2F_SERVICE):
            await context.abort(
                grpc.StatusCode.NOT_FOUND, f"no service {request.service!r} is here"
            )
        return self._answer()

    async def watch(self, request: Any, context: Any) -> AsyncIterator[bytes]:
        yield self._answer()
        if self._serving:
            await self._changed.wait()
            yield self._answer()


def make_server(*services: Any, chunk_bytes: int) -> Any:
    """A gRPC server of these services, without addresses."""
    server = grpc.aio.server(
        options=[
            ("grpc.max_receive_message_length", chunk_bytes),
            ("grpc.so_reuseport", 0),
            # A client that is gone without a word is noticed by its not answering.
            ("grpc.keepalive_time_ms", 20_000),
            ("grpc.keepalive_timeout_ms", 10_000),
            ("grpc.http2.min_ping_interval_without_data_ms", 5_000),
        ]
    )
    server.add_generic_rpc_handlers([service.handler() for service in services])
    return server


def bind(server: Any, address: str, certificate: str | None, key: str | None) -> int:
    """Adds an address, over TLS with two PEM files; returns its port. Raises ServeError."""
    try:
        if certificate is None or key is None:
            bound = server.add_insecure_port(address)
        else:
            pair = (Path(key).read_bytes(), Path(certificate).read_bytes())
            bound = server.add_secure_port(address, grpc.ssl_server_credentials([pair]))
    except RuntimeError:
        bound = 0
    if not bound:
        raise ServeError(f"cannot listen at {address}: is another program there?")
    return int(bound)
