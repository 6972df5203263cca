"""LiveKit's own classes with a face in their chain: `poe agents`.

No server: the room is a stand-in, whatever stands before it is the real package.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from typing import Any

import numpy as np
from livekit import rtc
from livekit.agents import Agent, AgentSession
from livekit.agents.voice.avatar import (
    AudioSegmentEnd,
    AvatarOptions,
    AvatarRunner,
    QueueAudioOutput,
)
from livekit.agents.voice.io import AudioOutput, AudioOutputCapabilities
from said import JAW, MOUTH, alone, speech

from diffusiontalker.integrations import livekit as ours

RATE = 24000


class Participant:
    identity = "agent"
    attributes: dict[str, str] = {}  # noqa: RUF012

    def __init__(self) -> None:
        self.packets: list[tuple[float, dict[str, Any]]] = []
        self.tracks: list[Any] = []

    async def publish_data(self, payload: str, **options: Any) -> None:
        assert options["topic"] == "diffusiontalker"
        self.packets.append((time.monotonic(), json.loads(payload)))

    async def publish_track(self, track: Any, options: Any) -> Any:
        self.tracks.append(track)
        return Publication()


class Publication:
    sid = "TR_1"

    async def wait_for_subscription(self) -> None:
        pass


class Room(rtc.EventEmitter[str]):
    """The border: what would go to a server is kept."""

    name = "room"

    def __init__(self) -> None:
        super().__init__()
        self.local_participant = Participant()
        self.remote_participants: dict[str, Any] = {}

    def isconnected(self) -> bool:
        return True

    @property
    def packets(self) -> list[tuple[float, dict[str, Any]]]:
        return self.local_participant.packets

    def frames(self) -> list[tuple[float, dict[str, Any]]]:
        return [(at_s, m) for at_s, m in self.packets if m["type"] == "frames"]


class Loudspeaker(AudioOutput):
    """Plays what it is given in real time, as LiveKit's rooms do, and says so."""

    def __init__(self, starts_after_s: float = 0.2) -> None:
        super().__init__(
            label="speaker", capabilities=AudioOutputCapabilities(pause=True), sample_rate=RATE
        )
        self.sound = b""
        self.began_s: list[float] = []
        self._starts_after_s = starts_after_s
        self._pushed_s = 0.0
        self._flushed = self._cleared = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def capture_frame(self, frame: rtc.AudioFrame) -> None:
        if self._task is not None and self._task.done():
            self._task = None
        if self._task is None:
            self._flushed, self._cleared = asyncio.Event(), asyncio.Event()
            self._pushed_s = 0.0
            self._task = asyncio.create_task(self._play())
        self._pushed_s += frame.duration
        self.sound += bytes(frame.data)
        await super().capture_frame(frame)

    async def _play(self) -> None:
        await asyncio.sleep(self._starts_after_s)
        began_s = time.monotonic()
        self.began_s.append(began_s)
        self.on_playback_started(created_at=time.time())
        while not self._cleared.is_set():
            await asyncio.sleep(0.005)
            if self._flushed.is_set() and time.monotonic() - began_s >= self._pushed_s:
                break
        played_s = min(time.monotonic() - began_s, self._pushed_s)
        self.on_playback_finished(playback_position=played_s, interrupted=self._cleared.is_set())

    def flush(self) -> None:
        super().flush()
        self._flushed.set()

    def clear_buffer(self) -> None:
        self._cleared.set()


def audio(pcm: np.ndarray[Any, Any], chunk: int = 2400) -> list[rtc.AudioFrame]:
    parts = [pcm[at : at + chunk] for at in range(0, pcm.size, chunk)]
    return [rtc.AudioFrame(part.tobytes(), RATE, 1, part.size) for part in parts]


def run(body: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(asyncio.wait_for(body(), 60))


def curves_of(frames: list[tuple[float, dict[str, Any]]]) -> np.ndarray[Any, Any]:
    return np.array([row for _, m in frames for row in m["curves"]], np.float32)


def test_curves_are_sent_when_their_sound_is_played() -> None:
    async def go() -> None:
        room, speaker = Room(), Loudspeaker()
        packets = ours.CurvePackets(room, digits=None)  # type: ignore[arg-type]
        output = ours.FaceAudioOutput(room, next_in_chain=speaker, packets=packets)  # type: ignore[arg-type]
        await output.face.prepare(RATE)
        said = [speech(1.5, RATE), speech(1.0, RATE)[::-1].copy()]
        for pcm in said:
            for frame in audio(pcm):
                await output.capture_frame(frame)
            output.flush()
            done = await output.wait_for_playout()
            assert not done.interrupted
            assert abs(done.playback_position - pcm.size / RATE) < 0.001
        await asyncio.sleep(0.7)
        await output.aclose()
        assert speaker.sound == b"".join(pcm.tobytes() for pcm in said)
        assert room.packets[0][1]["type"] == "schema"
        assert room.packets[-1][1]["type"] == "bye"
        frames = room.frames()
        expected = alone(said[0], RATE)
        np.testing.assert_array_equal(curves_of(frames)[: len(expected)], expected)
        late_ms = [
            1000 * (at_s - speaker.began_s[m["segment"]] - m["offset_s"])
            for at_s, m in frames
            if m["sound_s"]
        ]
        print(f"\ncurves are sent {np.median(late_ms):.0f} ms after their sound begins to play "
              f"(median), {max(late_ms):.0f} at most")  # fmt: skip
        assert min(late_ms) > -1
        assert np.median(late_ms) < 45
        assert {m["segment"] for _, m in frames} == {0, 1}

    run(go)


def test_an_interruption_closes_the_mouth_and_is_counted_once() -> None:
    async def go() -> None:
        room, speaker = Room(), Loudspeaker(0.05)
        output = ours.FaceAudioOutput(room, next_in_chain=speaker)  # type: ignore[arg-type]
        await output.face.prepare(RATE)
        for frame in audio(speech(4.0, RATE), RATE):
            await output.capture_frame(frame)
        while not speaker.began_s or time.monotonic() < speaker.began_s[0] + 1.4:
            await asyncio.sleep(0.01)
        output.flush()
        cut_s = time.monotonic()
        output.clear_buffer()
        done = await output.wait_for_playout()
        assert done.interrupted
        assert 1.3 < done.playback_position < 2.5
        await asyncio.sleep(0.9)
        number = [m["type"] for _, m in room.packets].index("interrupted")
        before = [m for _, m in room.packets[:number] if m["type"] == "frames"]
        after = [(at_s, m) for at_s, m in room.packets[number:] if m["type"] == "frames"]
        assert np.array(before[-1]["curves"])[:, MOUTH].max() > 0.05
        assert after[0][0] < cut_s + 0.1
        frames = curves_of(after)
        assert not frames[5:, MOUTH].any()
        assert all(not m["sound_s"] for _, m in after)
        numbers = [m["index"] + i for _, m in after for i in range(len(m["curves"]))]
        assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
        # ... and it speaks again.
        for frame in audio(speech(1.2, RATE)):
            await output.capture_frame(frame)
        output.flush()
        assert not (await output.wait_for_playout()).interrupted
        assert curves_of(room.frames()[-12:])[:, JAW].max() > 0.05
        await output.aclose()

    run(go)


def test_a_pause_closes_the_mouth_and_goes_on_where_it_was() -> None:
    async def go() -> None:
        room, speaker = Room(), Loudspeaker(0.0)
        output = ours.FaceAudioOutput(room, next_in_chain=speaker)  # type: ignore[arg-type]
        await output.face.prepare(RATE)
        for frame in audio(speech(2.0, RATE), RATE):
            await output.capture_frame(frame)
        output.flush()
        while not speaker.began_s or time.monotonic() < speaker.began_s[0] + 1.2:
            await asyncio.sleep(0.01)
        output.pause()
        paused_s = time.monotonic()
        await asyncio.sleep(0.5)
        held = curves_of([(at_s, m) for at_s, m in room.frames() if at_s > paused_s])
        assert not held[-1, MOUTH].any()
        assert len(held) <= 9
        output.resume()
        await asyncio.sleep(1.0)
        went_on = [(at_s, m) for at_s, m in room.frames() if at_s > paused_s + 0.5]
        assert curves_of(went_on)[:, JAW].max() > 0.05
        sent = [m for _, m in room.frames() if m["sound_s"]]
        assert sum(m["sound_s"] for m in sent) > 1.9
        await output.aclose()

    run(go)


def test_a_cancelled_capture_leaves_no_segment_open() -> None:
    async def go() -> None:
        room, speaker = Room(), Loudspeaker(0.0)
        output = ours.FaceAudioOutput(room, next_in_chain=speaker)  # type: ignore[arg-type]
        await output.face.prepare(RATE)
        capture = asyncio.create_task(output.capture_frame(audio(speech(4.0, RATE), RATE * 4)[0]))
        await asyncio.sleep(0.01)
        capture.cancel()
        await asyncio.gather(capture, return_exceptions=True)
        output.flush()
        output.clear_buffer()
        await asyncio.wait_for(output.wait_for_playout(), 2)
        assert output._pending_playback_count == 0
        await output.aclose()

    run(go)


def test_sound_that_no_face_can_be_made_for_is_heard() -> None:
    async def go() -> None:
        room, speaker = Room(), Loudspeaker(0.0)
        output = ours.FaceAudioOutput(room, next_in_chain=speaker)  # type: ignore[arg-type]
        assert output.sample_rate == RATE
        await output.capture_frame(rtc.AudioFrame(bytes(800), 4000, 1, 400))
        output.flush()
        assert not (await output.wait_for_playout()).interrupted
        assert speaker.sound == bytes(800)
        await output.aclose()

    run(go)


def test_behind_an_avatar_runner() -> None:
    async def go() -> None:
        room = Room()
        audio_out = QueueAudioOutput(sample_rate=RATE, wait_playback_start=True)
        packets = ours.CurvePackets(room, digits=None)  # type: ignore[arg-type]
        generator = ours.FaceGenerator(packets)
        await generator.face.prepare(RATE)
        runner = AvatarRunner(
            room,  # type: ignore[arg-type]
            audio_recv=audio_out,
            video_gen=generator,
            options=AvatarOptions(
                video_width=16, video_height=16, video_fps=20, audio_sample_rate=RATE,
                audio_channels=1,
            ),
        )  # fmt: skip
        await runner.start()
        pcm = speech(1.5, RATE)
        for frame in audio(pcm):
            await audio_out.capture_frame(frame)
        audio_out.flush()
        done = await asyncio.wait_for(audio_out.wait_for_playout(), 10)
        assert abs(done.playback_position - 1.5) < 0.001
        expected = alone(pcm, RATE)
        np.testing.assert_array_equal(curves_of(room.frames())[: len(expected)], expected)
        at_s = [at_s for at_s, m in room.frames() if m["sound_s"]]
        assert 1.1 < at_s[-1] - at_s[0] < 2.5  # paced by the audio source
        # An interruption.
        for frame in audio(speech(4.0, RATE), RATE):
            await audio_out.capture_frame(frame)
        audio_out.flush()
        await asyncio.sleep(1.4)
        audio_out.clear_buffer()
        done = await asyncio.wait_for(audio_out.wait_for_playout(), 10)
        assert done.interrupted
        await asyncio.sleep(0.7)
        number = [m["type"] for _, m in room.packets].index("interrupted")
        after = [(s, m) for s, m in room.packets[number:] if m["type"] == "frames"]
        assert not curves_of(after)[5:, MOUTH].any()
        assert len(curves_of(after)) > 25
        await runner.aclose()

    run(go)


def test_in_an_agent_session() -> None:
    """An AgentSession that says a sentence by sound that it is given: no key is needed."""

    async def go() -> None:
        room, speaker = Room(), Loudspeaker()
        session: AgentSession[None] = AgentSession()
        await session.start(Agent(instructions=""))
        output = ours.FaceAudioOutput(room, next_in_chain=speaker)  # type: ignore[arg-type]
        session.output.audio = output
        pcm = speech(1.5, RATE)

        async def spoken() -> Any:
            for frame in audio(pcm):
                yield frame

        handle = session.say("Hello there.", audio=spoken())
        await asyncio.wait_for(handle.wait_for_playout(), 20)
        assert not handle.interrupted
        assert speaker.sound == pcm.tobytes()
        assert curves_of(room.frames())[:, JAW].max() > 0.1
        handle = session.say("And again.", audio=spoken())
        while len(speaker.began_s) < 2:
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.9)
        session.interrupt()
        await asyncio.wait_for(handle.wait_for_playout(), 20)
        assert handle.interrupted
        await asyncio.sleep(0.5)
        assert "interrupted" in [m["type"] for _, m in room.packets]
        assert not np.array(room.frames()[-1][1]["curves"])[:, MOUTH].any()
        await session.aclose()
        await output.aclose()

    run(go)


def test_an_avatar_session_of_our_own() -> None:
    async def go() -> None:
        room = Room()
        session: AgentSession[None] = AgentSession()
        avatar = ours.FaceAvatar(sample_rate_hz=RATE)
        await avatar.start(session, room)  # type: ignore[arg-type]
        await session.start(Agent(instructions=""))
        pcm = speech(1.2, RATE)

        async def spoken() -> Any:
            for frame in audio(pcm):
                yield frame

        handle = session.say("Hello there.", audio=spoken())
        await asyncio.wait_for(handle.wait_for_playout(), 20)
        assert curves_of(room.frames())[:, JAW].max() > 0.1
        assert len(room.local_participant.tracks) == 2
        await session.aclose()
        await avatar.aclose()

    run(go)


def test_whoever_comes_is_told_the_names() -> None:
    async def go() -> None:
        room = Room()
        generator = ours.FaceGenerator(ours.CurvePackets(room))  # type: ignore[arg-type]
        frames = aiter(generator)
        for _ in range(2):
            await generator.push_audio(audio(speech(0.3, RATE), RATE)[0])
            await generator.push_audio(AudioSegmentEnd())
            while not isinstance(await anext(frames), AudioSegmentEnd):
                pass
            room.emit("participant_connected", None)
        assert [m["type"] for _, m in room.packets].count("schema") == 2
        await frames.aclose()  # type: ignore[attr-defined]

    run(go)
