"""A face in a pipecat pipeline: `FaceProcessor`, between the speech service and the transport.

    Pipeline([..., tts, FaceProcessor(), transport.output(), ...])

Wants the extra `[pipecat]`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pipecat.frames.frames import (
    CancelFrame,
    ClientConnectedFrame,
    EndFrame,
    Frame,
    InterruptionFrame,
    OutputAudioRawFrame,
    OutputTransportMessageFrame,
    SpeechOutputAudioRawFrame,
    StartFrame,
    StopFrame,
    TTSAudioRawFrame,
    TTSStartedFrame,
    TTSStoppedFrame,
)
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor, FrameProcessorSetup

from ..bundle import Bundle
from . import messages
from .speech import FRAMES_PER_PIECE, Piece, SpeakingFace


class FaceProcessor(FrameProcessor):
    """Speech goes through it, and transport messages with the curves go before the sound they are
    for, in the transport's own queue: they leave when that sound does.

    The sound goes on as it came, byte for byte, cut into pieces of `frames_per_message` frames. Of
    an utterance the last 40 ms wait for the frame `TTSStoppedFrame`, or for 100 ms without sound.

    Args:
        bundle, identity, seed, idle, head: as `diffusiontalker.Runtime` takes them.
        idle_between: whether the face lives on between utterances.
        frames_per_message: 1 to 60; 3 are 50 ms.
        digits: decimals of a curve; None keeps every bit.
        rtvi: whether messages come as RTVI's server messages, for its clients' `onServerMessage`.
        settings: for `Runtime.set`: gain, offset, strength_lower, strength_upper, smooth_ms.
        processor: for `FrameProcessor`: name, metrics.
    """

    def __init__(
        self,
        bundle: str | Path | Bundle | None = None,
        *,
        identity: str = "auto",
        seed: int = 0,
        idle: float = 1.0,
        head: bool = False,
        idle_between: bool = False,
        frames_per_message: int = FRAMES_PER_PIECE,
        digits: int | None = messages.DIGITS,
        rtvi: bool = False,
        settings: dict[str, Any] | None = None,
        **processor: Any,
    ) -> None:
        super().__init__(**processor)
        self._face = SpeakingFace(
            self._carry_on,
            bundle,
            identity=identity,
            seed=seed,
            idle=idle,
            head=head,
            idle_between=idle_between,
            frames_per_piece=frames_per_message,
            sound_waits=lambda: self.has_queued_frame(OutputAudioRawFrame),
            **(settings or {}),
        )
        self._digits, self._rtvi = digits, rtvi
        self._like: OutputAudioRawFrame | None = None  # the newest frame with sound
        self._schema_is_due = True
        self._living: Any = None

    @property
    def face(self) -> SpeakingFace:
        return self._face

    async def setup(self, setup: FrameProcessorSetup) -> None:
        await super().setup(setup)
        await self._face.prepare(setup.audio_out_sample_rate)

    async def cleanup(self) -> None:
        await self._stop_living()
        await super().cleanup()

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        if direction != FrameDirection.DOWNSTREAM:
            await self.push_frame(frame, direction)
        elif isinstance(frame, TTSAudioRawFrame | SpeechOutputAudioRawFrame):
            await self._speak(frame)
        elif isinstance(frame, InterruptionFrame):
            await self.push_frame(frame)  # first: it empties the queues on its way
            await self._tell(messages.interrupted(self._face.frames))
            await self._face.interrupt()
        elif isinstance(frame, TTSStoppedFrame):
            await self._face.pause()
            await self.push_frame(frame)
        elif isinstance(frame, EndFrame | StopFrame):
            await self._stop_living()
            await self._face.pause()
            await self._tell(messages.bye(self._face.frames))
            await self.push_frame(frame)
        else:
            await self.push_frame(frame)
            if isinstance(frame, StartFrame):
                self._living = self.create_task(self._face.live(), f"{self}::live")
            elif isinstance(frame, CancelFrame):
                await self._stop_living()
            elif isinstance(frame, TTSStartedFrame | ClientConnectedFrame):
                self._schema_is_due = True

    async def _speak(self, frame: OutputAudioRawFrame) -> None:
        self._like = frame
        try:
            await self._face.hear(frame.audio, frame.sample_rate, frame.num_channels)
        except ValueError as error:  # the agent is heard, if not seen
            await self.push_frame(frame)
            await self.push_error(f"no face for this sound: {error}", exception=error)

    async def _carry_on(self, piece: Piece) -> None:
        if self._schema_is_due:
            self._schema_is_due = False
            await self._tell(messages.schema(self._face.runtime))
        await self._tell(messages.frames(piece, self._digits))
        if piece.sound:
            await self.push_frame(self._sound_like(piece))

    def _sound_like(self, piece: Piece) -> OutputAudioRawFrame:
        like = self._like
        assert like is not None
        frame = type(like)(piece.sound, piece.sample_rate_hz, piece.channels)
        frame.transport_destination = like.transport_destination
        frame.metadata = dict(like.metadata)
        for name in ("context_id", "interruptible"):
            if hasattr(like, name):
                setattr(frame, name, getattr(like, name))
        return frame

    async def _tell(self, message: messages.Message) -> None:
        if self._rtvi:
            message = {"label": "rtvi-ai", "type": "server-message", "data": message}
        frame = OutputTransportMessageFrame(message)
        if self._like is not None:
            frame.transport_destination = self._like.transport_destination
        await self.push_frame(frame)

    async def _stop_living(self) -> None:
        if self._living is not None:
            living, self._living = self._living, None
            await self.cancel_task(living)
