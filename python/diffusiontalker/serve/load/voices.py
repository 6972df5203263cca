"""Clients of a load run: each speaks in real time and notes when its frames come."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from websockets.asyncio.client import connect as connect_websocket

from .. import ServeError
from ..rpc import client

#: How clients may come.
PROTOCOLS = ("grpc", "websocket")


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

    def chunk_for(self, frame: int) -> int:
        """The chunk that brings the last sound that a frame needs."""
        needed_s = float(frame / self.frame_rate) + self.lookahead_s
        number = -int(-needed_s * self.sample_rate // self.chunk_samples) - 1
        return min(max(number, 0), self.chunks - 1)


@dataclass
class Result:
    """One client's frames."""

    late_s: list[float] = field(default_factory=list)  #: after the sound that each needs was sent
    behind_s: float = 0.0  #: most that the client itself was behind its clock
    error: str = ""


class Voice:
    """One client, from its connection to its last frame."""

    def __init__(self, speech: Speech, number: int, start_s: float) -> None:
        self._speech, self._number, self._start_s = speech, number, start_s
        self._sent_s: list[float] = []
        self.result = Result()

    async def over_grpc(self, channel: Any) -> Result:
        call = client.Call(channel, raw=True)
        try:
            await call.begin(self._speech.sample_rate)
            sending = asyncio.create_task(self._speak(call.send, call.end))
            async for message in call.messages():
                if message[0] == 0x12:  # the field of a frame; nothing else is looked at
                    self._frame()
            await sending
            if (code := await call.code()).name != "OK":
                self.result.error = code.name
        except Exception as error:  # a client's end, whatever it is, is a line of the table
            self.result.error = type(error).__name__
        return self.result

    async def over_websocket(self, url: str) -> Result:
        try:
            async with connect_websocket(url, compression=None, max_queue=1024) as socket:
                await socket.send(
                    f'{{"type": "begin", "frames": "msgpack", '
                    f'"sample_rate_hz": {self._speech.sample_rate}}}'
                )
                await socket.recv()  # the schema

                async def end() -> None:
                    await socket.send('{"type": "end"}')

                sending = asyncio.create_task(self._speak(socket.send, end))
                while len(message := await socket.recv()) > 60:  # a bye is shorter
                    if isinstance(message, str):
                        raise ServeError(message)
                    self._frame()
                await sending
        except Exception as error:
            self.result.error = f"{type(error).__name__}: {error}"[:80]
        return self.result

    def _frame(self) -> None:
        chunk = self._speech.chunk_for(len(self.result.late_s))
        self.result.late_s.append(time.monotonic() - self._sent_s[chunk])

    async def _speak(self, send: Any, end: Any) -> None:
        speech = self._speech
        for number in range(speech.chunks):
            due_s = self._start_s + (number + 1) * speech.chunk_samples / speech.sample_rate
            wait_s = due_s - time.monotonic()
            if wait_s > 0:
                await asyncio.sleep(wait_s)
            self.result.behind_s = max(self.result.behind_s, -wait_s)
            self._sent_s.append(time.monotonic())
            await send(speech.chunk(self._number, number))
        await end()
