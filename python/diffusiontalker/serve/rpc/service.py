"""The two services: faces, and health."""

from __future__ import annotations

import asyncio
import base64
import hmac
import json
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from google.protobuf.message import DecodeError

from ...runtime import MINIMUM_RATE_HZ
from ..asked import SETTINGS, Asked, asked
from ..limits import Refusal
from ..scheduler import Request, Scheduler
from ..session import Frames, Session
from . import calls, messages
from .calls import Call, Method
from .face import BLEND_SHAPES, Face

#: As Audio2Face-3D takes them.
MAXIMUM_RATE_HZ = 144000
_CODES = {
    "invalid": calls.INVALID_ARGUMENT,
    "exhausted": calls.RESOURCE_EXHAUSTED,
    "idle": calls.DEADLINE_EXCEEDED,
    "leaving": calls.UNAVAILABLE,
    "unauthenticated": calls.UNAUTHENTICATED,
    "internal": calls.INTERNAL,
}

#: Sessions that are opened at the same time.
_AT_ONCE = 8
#: From the sentence that refuses a session to the end of its call, where the client still writes.
_LINGER_S = 1.0

_log = logging.getLogger(__name__)
_writer = lru_cache(messages.FrameWriter)


@dataclass(frozen=True)
class _Opening:
    """What a valid header asks for."""

    rate: int
    face: Face
    asked: Asked


class FaceService:
    """`ProcessAudioStream`: one call is one session.

    Args:
        scheduler: computes.
        token: that clients must show, or None.
    """

    name = messages.A2F_SERVICE

    def __init__(self, scheduler: Scheduler, *, token: str | None = None) -> None:
        self._scheduler, self._token = scheduler, token
        # A crowd comes in a few at a time: those who are here get their frames in between.
        self._door = asyncio.Semaphore(_AT_ONCE)

    @property
    def methods(self) -> Mapping[str, Method]:
        return {messages.A2F_CALL: self.process_audio_stream}

    async def process_audio_stream(self, call: Call) -> None:
        """Reads and writes at once: a client may send all of its sound before it reads."""
        how = "gone"
        session: Session | None = None
        deafen: Callable[[], object] = calls.nothing
        try:
            self._check_token(call)
            message = await self._first(call)
            async with self._door:
                opening = self._opening(message, call.metadata)
                session = await self._scheduler.open(
                    Request(opening.rate, asked=opening.asked, keep_sound=True, finish=opening.face)
                )
            # A client that neither reads nor leaves holds up a write: nothing else ends that.
            task = asyncio.current_task()
            assert task is not None
            session.abandon = task.cancel
            deafen = call.listen(_Ear(session).take)
            await self._write(call, session, opening)
            how = "done"
        except Refusal as refusal:
            how = refusal.kind
            _log.info("session refused or ended", extra={"how": how, "why": str(refusal)})
            if session is not None:
                self._scheduler.close(session)
            await call.write([_status(messages.ERROR, str(refusal))])
            # A client that still writes when the call is over may never see why (grpc.aio's do).
            await call.linger(_LINGER_S, _says_end)
            call.end(_CODES[refusal.kind], str(refusal))
        finally:
            deafen()
            if session is not None:
                self._scheduler.close(session)
            self._scheduler.metrics.ended.labels("grpc", how).inc()

    def _check_token(self, call: Call) -> None:
        if self._token is None:
            return
        shown = call.metadata.get("authorization", "")
        if not hmac.compare_digest(shown.encode(), f"Bearer {self._token}".encode()):
            raise Refusal("unauthenticated", "expected the metadata 'authorization: Bearer TOKEN'")

    async def _first(self, call: Call) -> bytes:
        try:
            return await asyncio.wait_for(call.read(), self._scheduler.limits.idle_s) or b""
        except asyncio.TimeoutError:
            raise Refusal("idle", "no header came") from None

    def _opening(self, came: bytes, metadata: Mapping[str, str]) -> _Opening:
        """The first message as what it asks for. Raises Refusal."""
        message = parsed(came)
        if not message.HasField("audio_stream_header"):
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
        face = Face(header, float(1 / self._scheduler.frame_rate))
        return _Opening(rate, face, asked_in(metadata, self._scheduler.identities))

    async def _write(self, call: Call, session: Session, opening: _Opening) -> None:
        head = [_header(opening.rate, opening.asked)]
        if opening.face.left_out:
            names = ", ".join(opening.face.left_out)
            head.append(_status(messages.INFO, f"not honoured by this server: {names}"))
        await call.write(head)
        while (frames := await session.frames()) is not None:
            await call.write(encoded(session, frames), session.sent)
        event = messages.AnimationDataStream()
        event.event.event_type = messages.END_OF_A2F_AUDIO_PROCESSING
        event.event.SetInParent()
        await call.write([event.SerializeToString(), _status(messages.SUCCESS, "")])


def _says_end(message: bytes) -> bool:
    return message[:1] == b"\x1a"  # the field of end_of_audio


class _Ear:
    """Takes what comes until the end is said, the client's half closes, or it errs."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def take(self, message: bytes | None) -> bool:
        """Whether there may be more."""
        session = self._session
        if session.over:
            return False
        try:
            if message is None:
                session.end()
                return False
            sound = messages.sound_in(message)
            if sound is not None:
                session.push(sound)
                return True
            said = parsed(message)
            part = said.WhichOneof("part")
            if part == "audio_with_emotion":
                session.push(said.audio_with_emotion.audio_buffer)
            elif part == "audio_stream_header":
                raise Refusal("invalid", "audio_stream_header came twice; begin another call")
            elif part == "end_of_audio":
                session.end()
                return False
        except Refusal as refusal:
            session.fail(refusal)
            return False
        return True


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
    write_frame = _writer(size // 4)
    return [
        write_frame(index * denominator / numerator, block[at : at + size], sound)
        for at, index, sound in zip(
            range(0, block.nbytes, size), frames.numbers, session.echo(frames.numbers), strict=True
        )
    ]


def asked_in(metadata: Mapping[str, str], identities: tuple[str, ...]) -> Asked:
    """Settings beyond the protocol's, by metadata: dt-preset, dt-seed, ... Raises Refusal."""
    given: dict[str, Any] = {}
    for name in SETTINGS:
        said = metadata.get(f"dt-{name.replace('_', '-')}")
        if said is not None:
            given[name] = _meant(name, said)
    toml = metadata.get("dt-preset-bin")
    if toml is not None:
        try:
            given["preset"] = base64.b64decode(toml + "=" * (-len(toml) % 4)).decode() + "\n"
        except ValueError:
            raise Refusal("invalid", "dt-preset-bin: expected TOML in UTF-8") from None
    try:
        return asked(given, identities)
    except Refusal as refusal:
        raise Refusal(refusal.kind, f"metadata: {refusal}") from None


def _meant(name: str, said: str) -> Any:
    """A value of metadata as JSON, or the word that it is; of names the words between commas."""
    if name == "names":
        return [word.strip() for word in said.split(",")] if "," in said else said
    if name in ("preset", "identity"):
        return said
    try:
        return json.loads(said)
    except ValueError:
        return said


def _header(rate: int, asked: Asked) -> bytes:
    message = messages.AnimationDataStream()
    header = message.animation_data_stream_header
    header.audio_header.channel_count = 1
    header.audio_header.samples_per_second = rate
    header.audio_header.bits_per_sample = 16
    header.skel_animation_header.blend_shapes.extend(
        BLEND_SHAPES if asked.shapes.are_curves else asked.shapes.names
    )
    header.start_time_code_since_epoch = time.time()
    return bytes(message.SerializeToString())


def _status(code: int, sentence: str) -> bytes:
    message = messages.AnimationDataStream()
    message.status.code, message.status.message = code, sentence
    message.status.SetInParent()
    return bytes(message.SerializeToString())


class HealthService:
    """`grpc.health.v1`: for the server (empty name) and for the service."""

    name = messages.HEALTH_SERVICE

    def __init__(self) -> None:
        self._serving = True
        self._changed = asyncio.Event()

    def leave(self) -> None:
        """No more sessions are taken."""
        self._serving = False
        self._changed.set()

    @property
    def methods(self) -> Mapping[str, Method]:
        return {"Check": self.check, "Watch": self.watch}

    def _answer(self) -> bytes:
        status = messages.SERVING if self._serving else messages.NOT_SERVING
        return bytes(messages.HealthCheckResponse(status=status).SerializeToString())

    async def check(self, call: Call) -> None:
        try:
            service = messages.HealthCheckRequest.FromString(await call.read() or b"").service
        except DecodeError:
            call.end(calls.INVALID_ARGUMENT, "a message came that is no HealthCheckRequest")
        if service not in ("", messages.A2F_SERVICE):
            call.end(calls.NOT_FOUND, f"no service {service!r} is here")
        await call.write([self._answer()])

    async def watch(self, call: Call) -> None:
        await call.write([self._answer()])
        if self._serving:
            await self._changed.wait()
            await call.write([self._answer()])
