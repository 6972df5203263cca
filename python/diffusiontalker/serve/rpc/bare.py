"""gRPC alone: as many messages of the same size, and nothing computed. What a transport costs."""

from __future__ import annotations

from typing import Any

import grpc
import grpc.aio

from ...curves import CURVES
from . import messages
from .service import bind, make_server

_END_OF_AUDIO = 0x1A  #: the first byte of the message that says it


def frame_message(sound_bytes: int) -> bytes:
    """A frame as long as any."""
    message = messages.AnimationDataStream()
    data = message.animation_data
    data.skel_animation.blend_shape_weights.add(time_code=1.0, values=[0.5] * len(CURVES))
    data.audio.time_code, data.audio.audio_buffer = 1.0, bytes(sound_bytes)
    return bytes(message.SerializeToString())


class BareService:
    """Answers sound with so many frames a message, on the average.

    Args:
        frames_a_chunk: what a message of sound is worth.
        sound_bytes: in each frame's message.
    """

    def __init__(self, frames_a_chunk: float, sound_bytes: int) -> None:
        self._share, self._frame = frames_a_chunk, frame_message(sound_bytes)

    def handler(self) -> Any:
        call = grpc.stream_stream_rpc_method_handler(self.answer, None, None)
        return grpc.method_handlers_generic_handler(messages.A2F_SERVICE, {messages.A2F_CALL: call})

    async def answer(self, _: Any, context: Any) -> None:
        heard = sent = 0
        await context.read()  # the header
        while (message := await context.read()) is not grpc.aio.EOF:
            if message[0] == _END_OF_AUDIO:
                break
            heard += 1
            while sent < int(heard * self._share):
                await context.write(self._frame)
                sent += 1
        done = messages.AnimationDataStream()
        done.status.SetInParent()
        await context.write(done.SerializeToString())


async def listen(service: BareService) -> tuple[Any, int]:
    """A server of it at any free port of this machine, and the port."""
    server = make_server(service, chunk_bytes=1 << 20)
    port = bind(server, "127.0.0.1:0", None, None)
    await server.start()
    return server, port
