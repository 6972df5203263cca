#!/bin/sh
# livekit-agents 1.8.9 (QueueAudioOutput with AvatarRunner), Linux.
#
# Input: two segments of 1 s, each captured and flushed, the second at once behind the first: frames
# may be pushed faster than they are played. Only one `playback_finished` comes, and
# `wait_for_playout()` never returns: the runner notes that sound plays when it reads a frame, and
# forgets it at the end of the first segment, when all of the second has been read (2026-11-29).
# Where the second is captured after the first was heard, two come. Expected: two in both cases. The
# room is a stand-in that takes tracks; everything before it is the package's.
#
# Ends with 0 while that is so, with 1 as soon as the package behaves otherwise.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check livekit-agents==1.8.9
"$folder/venv/bin/python" - <<'PROGRAM'
import asyncio
import sys
from collections.abc import AsyncIterator
from typing import Any

from livekit import rtc
from livekit.agents.voice.avatar import (
    AudioSegmentEnd,
    AvatarOptions,
    AvatarRunner,
    QueueAudioOutput,
    VideoGenerator,
)

RATE = 16000


class SoundAlone(VideoGenerator):
    def __init__(self) -> None:
        self.queue: asyncio.Queue[Any] = asyncio.Queue()

    async def push_audio(self, frame: rtc.AudioFrame | AudioSegmentEnd) -> None:
        await self.queue.put(frame)

    def clear_buffer(self) -> None:
        pass

    async def __aiter__(self) -> AsyncIterator[Any]:
        while True:
            yield await self.queue.get()


class Room(rtc.EventEmitter[str]):
    """Takes what is published."""

    def __init__(self) -> None:
        super().__init__()
        self.local_participant = self

    def isconnected(self) -> bool:
        return True

    async def publish_track(self, *_: Any) -> "Room":
        return self

    async def wait_for_subscription(self) -> None:
        pass


async def played(at_once: bool) -> tuple[int, bool]:
    """How many playback_finished came for two segments, and whether waiting for them ends."""
    output = QueueAudioOutput(sample_rate=RATE)
    finished: list[Any] = []
    output.on("playback_finished", finished.append)
    options = AvatarOptions(
        video_width=16, video_height=16, video_fps=20, audio_sample_rate=RATE, audio_channels=1
    )
    runner = AvatarRunner(Room(), audio_recv=output, video_gen=SoundAlone(), options=options)
    await runner.start()
    ends = True
    for segment in range(2):
        for _ in range(10):
            await output.capture_frame(rtc.AudioFrame(bytes(3200), RATE, 1, 1600))
        output.flush()
        if segment or not at_once:
            try:
                await asyncio.wait_for(output.wait_for_playout(), 15)
            except asyncio.TimeoutError:
                ends = False
    await runner.aclose()
    return len(finished), ends


async def main() -> bool:
    later, at_once = await played(False), await played(True)
    print(f"the second after the first: {later[0]} playback_finished; waiting ends: {later[1]}")
    print(f"the second at once:         {at_once[0]} playback_finished; waiting ends: {at_once[1]}")
    return later == (2, True) and at_once == (1, False)


as_stated = asyncio.run(main())
print("as stated" if as_stated else "OTHERWISE than stated")
sys.exit(0 if as_stated else 1)
PROGRAM
