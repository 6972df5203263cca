"""Clients of a load run: each speaks in real time and notes when its frames come."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from .. import ServeError
from ..rpc import messages
from . import http2, websocket

#: How clients may come.
PROTOCOLS = ("grpc", "websocket")
#: First bytes of what a gRPC server says.
_FRAME, _STATUS = 0x12, 0x22
#: A client that has all its frames and is told no end.
_LAST_WORDS_S = 10.0


@dataclass(frozen=True)
class Speech:
    """What every client says, each from another place of it."""

    pcm: bytes  #: int16
    sample_rate: int
    chunk_samples: int
    seconds: float
    frame_rate: Fraction
    lookahead_s: float

    @property
    def chunks(self) -> int:
        return round(self.seconds * self.sample_rate / self.chunk_samples)

    def chunk(self, voice: int, number: int) -> bytes:
        size = 2 * self.chunk_samples
        # Places that have no common pattern; the sound goes round.
        at = (voice * 7919 + number) * size % (len(self.pcm) - size)
        return self.pcm[at - at % 2 :][:size]

    @property
    def frames(self) -> int:
        """That come of it."""
        samples = self.chunks * self.chunk_samples
        rate = self.frame_rate
        return -(-samples * rate.numerator // (self.sample_rate * rate.denominator))

    def chunks_for(self) -> list[int]:
        """By frame, the chunk that brings the last sound that it needs."""
        chunks = []
        for frame in range(self.frames):
            needed_s = float(frame / self.frame_rate) + self.lookahead_s
            number = -int(-needed_s * self.sample_rate // self.chunk_samples) - 1
            chunks.append(min(max(number, 0), self.chunks - 1))
        return chunks


@dataclass
class Result:
    """One client's frames."""

    late_s: list[float] = field(default_factory=list)  #: after the sound that each needs was sent
    behind_s: float = 0.0  #: most that the client itself was behind its clock
    error: str = ""


class Voice:
    """One client, from its first words to its last frame."""

    def __init__(self, speech: Speech, number: int, chunks_for: Sequence[int]) -> None:
        self._speech, self._number, self._chunks_for = speech, number, chunks_for
        self._sent_s: list[float] = []
        self._line: Any = None
        self.over = asyncio.Event()
        self.result = Result()

    def begin_grpc(self, connection: http2.Connection) -> None:
        """A call on a connection that it may share."""
        path = f"/{messages.A2F_SERVICE}/{messages.A2F_CALL}"
        self._line = connection.call(path, self._heard_grpc, self._end)
        audio = {
            "channel_count": 1,
            "samples_per_second": self._speech.sample_rate,
            "bits_per_sample": 16,
        }
        header = messages.AudioStream(audio_stream_header={"audio_header": audio})
        self._line.send(header.SerializeToString())
        # All messages of sound are equally long: so is what comes before the sound.
        size = 2 * self._speech.chunk_samples
        message = messages.AudioStream(audio_with_emotion={"audio_buffer": bytes(size)})
        self._prefix = message.SerializeToString()[:-size]

    async def begin_websocket(self, address: str) -> None:
        self._line = await websocket.connect(address, "/v1/face", self._heard_websocket, self._lost)
        self._line.send_text(
            f'{{"type": "begin", "frames": "msgpack", '
            f'"sample_rate_hz": {self._speech.sample_rate}}}'
        )
        self._prefix = b""

    def speak(self, number: int, due_s: float) -> None:
        """Sends its chunk of this number, which was due at a moment."""
        now_s = time.monotonic()
        self.result.behind_s = max(self.result.behind_s, now_s - due_s)
        self._sent_s.append(now_s)
        self._line.send(self._prefix + self._speech.chunk(self._number, number))

    def stop(self) -> None:
        """Says that no more sound comes."""
        if isinstance(self._line, websocket.Connection):
            self._line.send_text('{"type": "end"}')
        else:
            self._line.send(messages.AudioStream(end_of_audio={}).SerializeToString())

    def _heard_grpc(self, message: memoryview) -> None:
        if message[0] == _FRAME:
            self._frame()
        elif message[0] == _STATUS:
            status = messages.AnimationDataStream.FromString(bytes(message)).status
            if status.code == messages.ERROR:
                self.result.error = status.message

    def _heard_websocket(self, message: memoryview, is_text: bool) -> None:
        if is_text:
            self._end(bytes(message).decode()[:80])
        elif len(message) > 200:  # a schema is longer still, and comes before any sound
            if self._sent_s:
                self._frame()
        elif self._sent_s:
            self._end("")  # a bye is shorter

    def _frame(self) -> None:
        late = self.result.late_s
        if len(late) < len(self._chunks_for):
            chunk = min(self._chunks_for[len(late)], len(self._sent_s) - 1)
            late.append(time.monotonic() - self._sent_s[chunk])

    def _lost(self, why: str) -> None:
        if not self.over.is_set():
            self._end(why)

    def _end(self, error: str) -> None:
        self.result.error = self.result.error or error
        self.over.set()
        if isinstance(self._line, websocket.Connection):
            self._line.close()


async def talk(speech: Speech, voices: Sequence[Voice], start_s: float) -> list[Result]:
    """All of them speak, each at a phase of its own, and hear their last frames."""
    step_s = speech.chunk_samples / speech.sample_rate
    for number in range(speech.chunks):
        for i, voice in enumerate(voices):
            due_s = start_s + step_s * (number + 1 + i / len(voices))
            wait_s = due_s - time.monotonic()
            if wait_s > 0:
                await asyncio.sleep(wait_s)
            elif i % 16 == 0:  # what has come is not left lying while there is a hurry
                await asyncio.sleep(0)
            if not voice.over.is_set():
                voice.speak(number, due_s)
    for voice in voices:
        if not voice.over.is_set():
            voice.stop()
    ends = asyncio.gather(*[voice.over.wait() for voice in voices])
    try:
        await asyncio.wait_for(ends, _LAST_WORDS_S + speech.seconds)
    except asyncio.TimeoutError:
        for voice in voices:
            if not voice.over.is_set():
                voice.result.error = "no end came"
    return [voice.result for voice in voices]


async def begin(
    speech: Speech, protocol: str, sessions: int, channels: int, grpc: str, http: str
) -> tuple[list[Voice], list[http2.Connection]]:
    """Clients that are connected, and the connections that they share. Raises ServeError."""
    chunks_for = speech.chunks_for()
    voices = [Voice(speech, i, chunks_for) for i in range(sessions)]
    connections: list[http2.Connection] = []
    try:
        if protocol == "grpc":
            for _ in range(channels):
                connections.append(await http2.connect(grpc))
            for i, voice in enumerate(voices):
                voice.begin_grpc(connections[i % channels])
        else:
            for voice in voices:
                await voice.begin_websocket(http)
    except OSError as error:
        raise ServeError(f"a client could not connect: {error}") from None
    return voices, connections
