"""A face for LiveKit's agents: beside the agent's own sound, or as an avatar of its own.

    await session.start(agent, room=room)
    session.output.audio = FaceAudioOutput(room, next_in_chain=session.output.audio)

Curves go to the room as data packets. Wants the extra `[livekit]`.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from livekit import rtc
from livekit.agents.voice.avatar import (
    AudioSegmentEnd,
    AvatarOptions,
    AvatarRunner,
    AvatarSession,
    QueueAudioOutput,
    VideoGenerator,
)
from livekit.agents.voice.io import AudioOutput, AudioOutputCapabilities

from ..barge_in import BargeIn
from ..chunks import FloatArray
from . import messages
from .speech import Piece, SpeakingFace

#: Of the data packets.
TOPIC = "diffusiontalker"
# What is looked at this often: whether playback has begun, whether a frame is due.
_LOOK_S = 0.01

_log = logging.getLogger(__name__)


class CurvePackets:
    """Messages of one face to a room, with the schema for whoever comes.

    Args:
        room: connected, or not yet: what comes before is lost.
        reliable: whether lost packets are sent again, in order.
        to: identities; empty: everybody.
    """

    def __init__(
        self,
        room: rtc.Room,
        *,
        topic: str = TOPIC,
        reliable: bool = True,
        to: tuple[str, ...] = (),
        digits: int | None = messages.DIGITS,
    ) -> None:
        self._room, self._topic, self._reliable = room, topic, reliable
        self._to, self._digits = list(to), digits
        self._schema_is_due = True
        self._told_of_failure = False
        room.on("participant_connected", self._somebody_came)

    def close(self) -> None:
        self._room.off("participant_connected", self._somebody_came)

    def _somebody_came(self, _: Any) -> None:
        self._schema_is_due = True

    async def send_piece(self, face: SpeakingFace, piece: Piece, **more: Any) -> None:
        if self._schema_is_due and self._room.isconnected():
            self._schema_is_due = False
            await self.send(messages.schema(face.runtime))
        await self.send(messages.frames(piece, self._digits, **more))

    async def send(self, message: messages.Message) -> None:
        """An agent goes on speaking where its curves cannot be sent: the log is told once."""
        if not self._room.isconnected():
            return
        try:
            await self._room.local_participant.publish_data(
                json.dumps(message, separators=(",", ":")),
                reliable=self._reliable,
                topic=self._topic,
                destination_identities=self._to,
            )
        except Exception as error:  # whatever the connection raises
            if not self._told_of_failure:
                self._told_of_failure = True
                _log.warning("curves could not be sent to the room: %s", error)


class FaceAudioOutput(AudioOutput):
    """Goes in front of an agent's audio output. The sound passes through as it is; curves are sent
    to the room when the sound that they are for is played, by the output's own word for when that
    began. `clear_buffer`, an interruption, closes the mouth within 100 ms, and so does `pause`.

    Args:
        room: where the curves go.
        next_in_chain: the output that plays the sound.
        delay_s: curves are sent so much later, where listeners hear later than the output says.
        packets: how curves are sent; None: to everybody, by reliable packets.
        face: for `SpeakingFace`: bundle, identity, seed, idle, idle_between, gain, ...
    """

    def __init__(
        self,
        room: rtc.Room,
        *,
        next_in_chain: AudioOutput,
        delay_s: float = 0.0,
        packets: CurvePackets | None = None,
        **face: Any,
    ) -> None:
        super().__init__(
            label="DiffusionTalker",
            next_in_chain=next_in_chain,
            capabilities=AudioOutputCapabilities(pause=True),
        )
        self._packets = packets or CurvePackets(room)
        self._delay_s = delay_s
        self._face = SpeakingFace(self._carry_on, sound_waits=lambda: bool(self._queue), **face)
        self._queue: deque[tuple[int, float, Piece]] = deque()  # (segment, offset, piece)
        self._segment, self._offset_s = 0, 0.0  # of the sound that comes
        self._in_segment = False
        self._starts: dict[int, float] = {}  # when segments began to play, by the monotonic clock
        self._shown: FloatArray | None = None  # the newest frame that was sent
        self._told_of_failure = False
        self._paused_s: float | None = None  # since when
        self._barge_in: BargeIn | None = None  # closes the mouth in a pause
        self._under_way: asyncio.Task[None] | None = None
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def face(self) -> SpeakingFace:
        return self._face

    async def aclose(self) -> None:
        """Stops sending curves; the output behind goes on."""
        for task in [*self._tasks, *([self._under_way] if self._under_way else [])]:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []
        self._packets.close()
        await self._packets.send(messages.bye(self._face.frames))

    # ---- AudioOutput -------------------------------------------------------------------------

    @property
    def sample_rate(self) -> int | None:
        """What the output behind wants; it may be another one later."""
        return None if self.next_in_chain is None else self.next_in_chain.sample_rate

    async def capture_frame(self, frame: rtc.AudioFrame) -> None:
        if not self._tasks:
            self._tasks = [
                asyncio.create_task(self._face.live()),
                asyncio.create_task(self._send_what_is_due()),
            ]
        if self._under_way is not None:  # the end of the segment before
            await asyncio.shield(self._under_way)
        if not self._in_segment:
            self._in_segment = True
            self._segment, self._offset_s = self.captured_playout_segments, 0.0
        await self._hear(frame)
        assert self.next_in_chain is not None
        await self.next_in_chain.capture_frame(frame)
        await super().capture_frame(frame)  # last: a capture that is cancelled counts nowhere

    async def _hear(self, frame: rtc.AudioFrame) -> None:
        try:
            await self._face.hear(bytes(frame.data), frame.sample_rate, frame.num_channels)
        except ValueError as error:  # the agent is heard, if not seen
            if not self._told_of_failure:
                self._told_of_failure = True
                _log.warning("no face for this sound: %s", error)

    def flush(self) -> None:
        super().flush()
        if self.next_in_chain is not None:
            self.next_in_chain.flush()
        self._in_segment = False
        self._then(self._face.pause)

    def clear_buffer(self) -> None:
        if self.next_in_chain is not None:
            self.next_in_chain.clear_buffer()
        self._in_segment = False
        self._then(self._cut_short)

    def pause(self) -> None:
        super().pause()
        if self._paused_s is None:
            self._paused_s = time.monotonic()
            if self._shown is not None:
                runtime = self._face.runtime
                self._barge_in = BargeIn(runtime.curve_names, runtime.frame_rate)
                self._barge_in.sent(self._shown)
                self._barge_in.close()

    def resume(self) -> None:
        super().resume()
        if self._paused_s is not None:
            for segment in self._starts:
                self._starts[segment] += time.monotonic() - self._paused_s
            self._paused_s = None
            if self._barge_in is not None and self._queue:
                self._barge_in.open_at(self._queue[0][2].index)

    def on_playback_started(self, *, created_at: float) -> None:
        began_s = time.monotonic() - max(0.0, time.time() - created_at)
        segment = self.captured_playout_segments - self._pending_playback_count
        self._starts = {old: s for old, s in self._starts.items() if old >= segment - 1}
        self._starts[segment] = began_s
        super().on_playback_started(created_at=created_at)

    # ---- curves ------------------------------------------------------------------------------

    def _then(self, step: Callable[[], Awaitable[None]]) -> None:
        """`step` after what is under way; sound that comes waits for it."""
        before = self._under_way

        async def both() -> None:
            if before is not None:
                await asyncio.wait([before])
            await step()

        self._under_way = asyncio.create_task(both())

    async def _cut_short(self) -> None:
        self._queue.clear()
        self._paused_s = self._barge_in = None
        await self._packets.send(messages.interrupted(self._face.frames))
        await self._face.interrupt(self._shown)

    async def _carry_on(self, piece: Piece) -> None:
        self._queue.append((self._segment, self._offset_s, piece))
        self._offset_s += piece.sound_s

    async def _send_what_is_due(self) -> None:
        while True:
            if self._paused_s is not None:
                await self._close_in_pause()
            elif self._queue and (late_s := self._late_s()) >= 0:
                segment, offset_s, piece = self._queue.popleft()
                if late_s < 1.0 or not piece.sound:
                    await self._show(piece, segment=segment, offset_s=round(offset_s, 6))
                continue
            await asyncio.sleep(_LOOK_S)

    def _late_s(self) -> float:
        """How long ago the first piece of the queue was due; negative: it is not."""
        segment, offset_s, piece = self._queue[0]
        if not piece.sound:
            return 0.0
        if segment in self._starts:
            return time.monotonic() - self._starts[segment] - offset_s - self._delay_s
        played = self.captured_playout_segments - self._pending_playback_count
        return 1.0 if segment < played else -1.0  # a segment that was never heard

    async def _show(self, piece: Piece, **more: Any) -> None:
        if self._barge_in is not None:
            curves = self._barge_in.apply(piece.index, piece.curves)
            piece = Piece(piece.index, curves, piece.sound, piece.sample_rate_hz, piece.channels)
        self._shown = piece.curves[-1]
        await self._packets.send_piece(self._face, piece, **more)

    async def _close_in_pause(self) -> None:
        """A mouth that closes over what was seen last; frames with the number of the next one."""
        if self._barge_in is None or self._shown is None:
            return
        index = self._queue[0][2].index if self._queue else self._face.frames
        for _ in range(2):
            held = self._shown[None].repeat(3, 0)
            await self._show(Piece(index, held, b"", self._face.runtime.sample_rate, 1))
            await asyncio.sleep(self._face.piece_s)
        while self._paused_s is not None:
            await asyncio.sleep(_LOOK_S)


class FaceGenerator(VideoGenerator):
    """For `AvatarRunner`: sound in pieces, and for each its curves to the room just before it.

    Args:
        packets: where the curves go.
        draw: makes a picture of a piece's last frame, or None: a face that is drawn by others.
        face: for `SpeakingFace`.
    """

    def __init__(
        self,
        packets: CurvePackets,
        *,
        draw: Callable[[FloatArray], rtc.VideoFrame] | None = None,
        **face: Any,
    ) -> None:
        self._packets, self._draw = packets, draw
        self._queue: asyncio.Queue[Piece | AudioSegmentEnd] = asyncio.Queue()
        self._face = SpeakingFace(
            self._queue.put, sound_waits=lambda: not self._queue.empty(), **face
        )
        self._shown: FloatArray | None = None

    @property
    def face(self) -> SpeakingFace:
        return self._face

    async def push_audio(self, frame: rtc.AudioFrame | AudioSegmentEnd) -> None:
        if isinstance(frame, AudioSegmentEnd):
            await self._face.pause()
            await self._queue.put(frame)
        else:
            await self._face.hear(bytes(frame.data), frame.sample_rate, frame.num_channels)

    async def clear_buffer(self) -> None:
        while not self._queue.empty():
            self._queue.get_nowait()
        await self._packets.send(messages.interrupted(self._face.frames))
        await self._face.interrupt(self._shown)

    async def __aiter__(self) -> AsyncIterator[rtc.VideoFrame | rtc.AudioFrame | AudioSegmentEnd]:
        living = asyncio.create_task(self._face.live())
        try:
            while True:
                piece = await self._queue.get()
                if isinstance(piece, AudioSegmentEnd):
                    yield piece
                    continue
                self._shown = piece.curves[-1]
                await self._packets.send_piece(self._face, piece)
                if self._draw is not None:
                    yield self._draw(piece.curves[-1])
                if piece.sound:
                    samples = len(piece.sound) // (2 * piece.channels)
                    yield rtc.AudioFrame(piece.sound, piece.sample_rate_hz, piece.channels, samples)
        finally:
            living.cancel()
            self._packets.close()


class FaceAvatar(AvatarSession[Any]):
    """An avatar session in the agent's own process: the agent's participant speaks and has the
    curves. Start it before `AgentSession.start`, as avatars are.

    Args:
        sample_rate_hz: of the sound that is published.
        draw: a picture of a frame, for a video track of `size` at `frames_per_s`.
        face: for `SpeakingFace`.
    """

    _room: Any

    def __init__(
        self,
        *,
        sample_rate_hz: int = 24000,
        draw: Callable[[FloatArray], rtc.VideoFrame] | None = None,
        size: tuple[int, int] = (512, 512),
        frames_per_s: float = 20,
        **face: Any,
    ) -> None:
        super().__init__()
        self._rate_hz, self._draw, self._size = sample_rate_hz, draw, size
        self._frames_per_s, self._face = frames_per_s, face
        self._identity = ""
        self._runner: AvatarRunner | None = None

    @property
    def avatar_identity(self) -> str:
        return self._identity

    @property
    def provider(self) -> str:
        return "diffusiontalker"

    async def start(self, agent_session: Any, room: rtc.Room) -> None:
        self._identity = room.local_participant.identity
        await super().start(agent_session, room)
        output = QueueAudioOutput(sample_rate=self._rate_hz, wait_playback_start=True)
        agent_session.output.audio = output
        generator = FaceGenerator(CurvePackets(room), draw=self._draw, **self._face)
        await generator.face.prepare(self._rate_hz)
        self._runner = AvatarRunner(
            room,
            audio_recv=output,
            video_gen=generator,
            options=AvatarOptions(
                video_width=self._size[0],
                video_height=self._size[1],
                video_fps=self._frames_per_s,
                audio_sample_rate=self._rate_hz,
                audio_channels=1,
            ),
        )
        await self._runner.start()

    async def aclose(self) -> None:
        if self._runner is not None:
            runner, self._runner = self._runner, None
            await runner.aclose()
        if self._room is not None:
            # The base class would put the avatar's participant out of the room: here, the agent.
            self._room.off("connection_state_changed", self._on_connection_state_changed)
            self._room = None
        await super().aclose()
