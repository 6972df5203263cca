"""gRPC alone: as many messages of the same size, and nothing computed. What a transport costs."""

from __future__ import annotations

from collections.abc import Mapping

from ...curves import CURVES
from . import messages
from .calls import Call, Method

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

    name = messages.A2F_SERVICE

    @property
    def methods(self) -> Mapping[str, Method]:
        return {messages.A2F_CALL: self.answer}

    async def answer(self, call: Call) -> None:
        heard = sent = 0
        await call.read()  # the header
        while message := await call.read():
            if message[0] == _END_OF_AUDIO:
                break
            heard += 1
            while sent < int(heard * self._share):
                await call.write([self._frame])
                sent += 1
        done = messages.AnimationDataStream()
        done.status.SetInParent()
        await call.write([done.SerializeToString()])
