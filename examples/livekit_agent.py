"""A LiveKit agent that speaks, with a face: pip install '.[livekit]'.

    python examples/livekit_agent.py --say "Hello there."    # here, without a server or a key
    python examples/livekit_agent.py dev    # in rooms: LIVEKIT_URL, LIVEKIT_API_KEY and _SECRET

Speech is a program's (`--tts`, which gets the sentence as its last argument and writes a sound file
to its output) or the demo clip. An agent with a language model and a speech service of LiveKit's is
the same three lines in `entrypoint`.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import ExitStack
from typing import Any

from livekit import rtc
from livekit.agents import Agent, AgentSession, JobContext, WorkerOptions, cli
from livekit.agents.voice.io import AudioOutput, AudioOutputCapabilities

from diffusiontalker.integrations.livekit import FaceAudioOutput
from diffusiontalker.sound import SoundError, SoundReader
from diffusiontalker.stream.sources.wav import demo_path

BLOCK_SAMPLES = 1600


async def speech(program: str, text: str) -> AsyncIterator[rtc.AudioFrame]:
    """A sentence as sound, block by block."""
    process = None
    source: Any = str(demo_path())
    if program:
        process = subprocess.Popen([*shlex.split(program), text], stdout=subprocess.PIPE)
        source = process.stdout
    reader = await asyncio.to_thread(SoundReader, source, name=program)
    try:
        blocks = reader.blocks(BLOCK_SAMPLES)
        while (block := await asyncio.to_thread(next, blocks, None)) is not None:
            pcm = (block * 32767).astype("<i2")
            yield rtc.AudioFrame(pcm.tobytes(), reader.sample_rate, 1, pcm.size)
    finally:
        reader.close()
        if process is not None:
            process.kill()
            process.wait()


async def entrypoint(context: JobContext) -> None:
    """An agent in a room: says what AGENT_SAYS says to whoever comes."""
    await context.connect()
    session: AgentSession[None] = AgentSession()
    await session.start(Agent(instructions=""), room=context.room)
    output = session.output.audio
    assert output is not None
    session.output.audio = FaceAudioOutput(context.room, next_in_chain=output, idle_between=True)
    text = os.environ.get("AGENT_SAYS", "Hello there.")
    await session.say(text, audio=speech(os.environ.get("AGENT_TTS", ""), text))


# ---- without a server: a stand-in for the room and for its loudspeaker -------------------------


class Terminal(AudioOutput):
    """Plays nothing, but takes as long as if it did."""

    def __init__(self) -> None:
        super().__init__(label="terminal", capabilities=AudioOutputCapabilities(pause=False))
        self.sound_s = 0.0
        self._ends_s = 0.0
        self._segment_s = 0.0
        self._playing: asyncio.Task[None] | None = None

    async def capture_frame(self, frame: rtc.AudioFrame) -> None:
        await super().capture_frame(frame)
        if not self._segment_s:
            self._ends_s = time.monotonic()
            self.on_playback_started(created_at=time.time())
        self._segment_s += frame.duration
        self._ends_s += frame.duration
        self.sound_s += frame.duration

    def flush(self) -> None:
        super().flush()
        if self._segment_s:
            self._playing = asyncio.create_task(self._play())

    async def _play(self) -> None:
        await asyncio.sleep(self._ends_s - time.monotonic())
        played_s, self._segment_s = self._segment_s, 0.0
        self.on_playback_finished(playback_position=played_s, interrupted=False)

    def clear_buffer(self) -> None:
        self._ends_s = time.monotonic()


class Room(rtc.EventEmitter[str]):
    """Shows the mouth of the packets that a room would get."""

    def __init__(self, out: Any) -> None:
        super().__init__()
        self.local_participant = self
        self.frames, self.widest = 0, 0.0
        self._out, self._jaw = out, 0

    def isconnected(self) -> bool:
        return True

    async def publish_data(self, payload: str, **_: Any) -> None:
        if self._out is not None:
            print(payload, file=self._out)
        message = json.loads(payload)
        if message["type"] == "schema":
            self._jaw = message["curves"].index("jawOpen")
        elif message["type"] == "frames":
            jaws = [row[self._jaw] for row in message["curves"]]
            self.frames += len(jaws)
            self.widest = max(self.widest, *jaws)
            if sys.stdout.isatty():
                print(f"\r({'o' * round(1 + 25 * jaws[-1])})".ljust(30), end="", flush=True)


async def say(arguments: argparse.Namespace) -> None:
    with ExitStack() as files:
        out = None
        if arguments.json:
            out = files.enter_context(open(arguments.json, "w", encoding="utf-8"))
        room, terminal = Room(out), Terminal()
        output = FaceAudioOutput(room, next_in_chain=terminal)  # type: ignore[arg-type]
        session: AgentSession[None] = AgentSession()
        await session.start(Agent(instructions=""))
        session.output.audio = output
        await session.say(arguments.say, audio=speech(arguments.tts, arguments.say))
        await asyncio.sleep(0.6)  # until the face rests
        await session.aclose()
        await output.aclose()
    print(
        f"\r{terminal.sound_s:.2f} s of sound, {room.frames} frames; "
        f"the jaw opened to {room.widest:.2f}"
    )
    if not terminal.sound_s:
        raise SoundError("--tts: no sound came of it")


def main() -> int:
    if not any(word.startswith("--say") or word in ("-h", "--help") for word in sys.argv[1:]):
        cli.run_app(WorkerOptions(entrypoint_fnc=entrypoint))
        return 0
    parser = argparse.ArgumentParser(description="A LiveKit agent that speaks, with a face.")
    parser.add_argument("--say", metavar="TEXT", help="say this here, without a server, and leave")
    parser.add_argument("--tts", default="", metavar="PROGRAM", help="writes sound to stdout")
    parser.add_argument("--json", metavar="FILE", help="keep the packets, a line each")
    arguments = parser.parse_args()
    program = shlex.split(arguments.tts)
    try:
        if program and shutil.which(program[0]) is None:
            raise SoundError(f"--tts: no program {program[0]}")
        asyncio.run(say(arguments))
    except KeyboardInterrupt:
        return 130
    except (OSError, SoundError) as error:
        print(f"livekit_agent: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
