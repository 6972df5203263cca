"""A client of Audio2Face-3D's protocol on our own descriptors: for load runs and for tests."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any

import grpc
import grpc.aio

from . import messages

#: Bytes of a message that a client may get or send.
_MOST_BYTES = 64 * 1024 * 1024


def connect(address: str, *, certificate: bytes | None = None) -> Any:
    """A channel to HOST:PORT; with the PEM of a certificate to trust, over TLS."""
    options = [
        ("grpc.max_send_message_length", _MOST_BYTES),
        ("grpc.max_receive_message_length", _MOST_BYTES),
        ("grpc.use_local_subchannel_pool", 1),
    ]
    if certificate is None:
        return grpc.aio.insecure_channel(address, options=options)
    return grpc.aio.secure_channel(
        address, grpc.ssl_channel_credentials(certificate), options=options
    )


class Call:
    """One `ProcessAudioStream`; `raw`: its messages come as bytes. docs/serving.md has the
    metadata."""

    def __init__(
        self,
        channel: Any,
        *,
        token: str | None = None,
        metadata: Mapping[str, str | bytes] | None = None,
        timeout_s: float | None = None,
        raw: bool = False,
    ) -> None:
        made = channel.stream_stream(
            f"/{messages.A2F_SERVICE}/{messages.A2F_CALL}",
            _serialized,
            None if raw else messages.AnimationDataStream.FromString,
        )
        pairs = list((metadata or {}).items())
        if token is not None:
            pairs.append(("authorization", f"Bearer {token}"))
        self.call = made(metadata=pairs, timeout=timeout_s)

    async def begin(self, sample_rate: int = 16000, **header: Any) -> None:
        """Sends the header; `header` are further fields of an AudioStreamHeader."""
        audio = {"channel_count": 1, "samples_per_second": sample_rate, "bits_per_sample": 16}
        audio.update(header.pop("audio_header", {}))
        await self.call.write(
            messages.AudioStream(audio_stream_header={"audio_header": audio, **header})
        )

    async def send(self, sound: bytes) -> None:
        await self.call.write(messages.AudioStream(audio_with_emotion={"audio_buffer": sound}))

    async def end(self) -> None:
        """Says that no more sound comes; the call stays half open, as NVIDIA's clients leave it."""
        await self.call.write(messages.AudioStream(end_of_audio={}))

    async def messages(self) -> AsyncIterator[Any]:
        """The server's messages; some may have been taken by `read` before."""
        while (message := await self.call.read()) is not grpc.aio.EOF:
            yield message

    async def read(self) -> Any:
        """The next message."""
        return await self.call.read()

    def cancel(self) -> None:
        self.call.cancel()

    async def code(self) -> Any:
        return await self.call.code()


def _serialized(message: Any) -> bytes:
    return bytes(message.SerializeToString())


async def health(channel: Any, service: str = "") -> int:
    """The status that the server says."""
    check = channel.unary_unary(
        f"/{messages.HEALTH_SERVICE}/Check",
        _serialized,
        messages.HealthCheckResponse.FromString,
    )
    return int((await check(messages.HealthCheckRequest(service=service))).status)
