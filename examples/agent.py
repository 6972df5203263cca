"""An agent that speaks: text in, speech by any local program, a face that moves with it.

    echo "Hello. How are you?" | python examples/agent.py --tts "espeak-ng --stdout"
    python examples/agent.py --tts "espeak-ng --stdout"    # type; another line interrupts it
    python examples/agent.py --say Hello                   # without a program: the demo clip
    python examples/agent.py --say Hello --play            # heard, with the face in step
    python examples/agent.py --say Hello --json            # frames as JSON lines

`--tts` is a program that gets the sentence as its last argument and writes a sound file, WAV for
one, to standard output. Sound goes into the runtime as fast as the program makes it, so the frames
are ready before they are due; each is shown when the sound that it depicts is heard.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator

import numpy as np

from diffusiontalker import Runtime
from diffusiontalker.sound import SoundError, SoundReader
from diffusiontalker.stream.sources.wav import demo_path

BLOCK_SAMPLES = 512


class Face:
    """What a frame is handed to: put your engine here."""

    def __init__(self, names: tuple[str, ...], as_json: bool) -> None:
        self._names, self._as_json = names, as_json
        self._jaw = names.index("jawOpen")

    def show(self, time_s: float, curves: np.ndarray) -> None:
        if self._as_json:
            values = {n: round(float(v), 4) for n, v in zip(self._names, curves, strict=True)}
            print(json.dumps({"time_s": round(time_s, 4), "curves": values}), flush=True)
        elif sys.stdout.isatty():
            print(f"\r({'o' * round(1 + 25 * curves[self._jaw])})".ljust(30), end="", flush=True)


def answer(text: str) -> str:
    """What the agent says to `text`: put your language model here."""
    return f"You said: {text}" if text.endswith("?") else text


def sentences(text: str) -> list[str]:
    """Spoken one by one, so that the first is heard while the next is made."""
    return [s for s in re.split(r"(?<=[.!?])\s+", text.strip()) if s]


class Speech:
    """A sentence as sound, block by block, while a program makes it; heard, with `play`."""

    def __init__(self, tts: str, sentence: str, play: bool) -> None:
        self._program = None
        if tts:
            self._program = subprocess.Popen([*shlex.split(tts), sentence], stdout=subprocess.PIPE)
            assert self._program.stdout is not None
            self._reader = SoundReader(self._program.stdout, name=tts)
        else:
            self._reader = SoundReader(str(demo_path()))
        self._player = None
        if play:
            import sounddevice

            self._player = sounddevice.OutputStream(self.rate_hz, channels=1, dtype="float32")
            self._player.start()

    @property
    def delay_s(self) -> float:
        """From when a block is handed to the player until it is heard."""
        return 0.0 if self._player is None else float(self._player.latency)

    @property
    def rate_hz(self) -> int:
        return self._reader.sample_rate

    def blocks(self) -> Iterator[np.ndarray]:
        for block in self._reader.blocks(BLOCK_SAMPLES):
            if self._player is not None:
                self._player.write(block[:, np.newaxis])  # waits for room: sound in real time
            yield block
        if self._player is not None:
            self._player.stop()  # once all of it was heard

    def close(self) -> None:
        self._reader.close()
        if self._player is not None:
            self._player.close()
        if self._program is not None:
            self._program.kill()
            self._program.wait()


async def speak(sentence: str, options: argparse.Namespace) -> int:
    """Says one sentence; returns its frames. A cancel stops speech and face at once."""
    speech = await asyncio.to_thread(Speech, options.tts, sentence, options.play)
    try:
        runtime = Runtime(sample_rate=speech.rate_hz)
        face, rate = Face(runtime.curve_names, options.json), float(runtime.frame_rate)
        loop, count = asyncio.get_running_loop(), 0
        start_s = loop.time() + speech.delay_s  # when its first sample is heard
        async for frames in runtime.stream(speech.blocks()):
            for curves in frames:
                if not options.hurry:
                    await asyncio.sleep(start_s + count / rate - loop.time())
                face.show(count / rate, curves)
                count += 1
        return count
    finally:
        speech.close()


async def say(text: str, arguments: argparse.Namespace) -> None:
    for sentence in sentences(answer(text)):
        count = await speak(sentence, arguments)
        print(f"{count} frames: {sentence}", file=sys.stderr)


async def converse(arguments: argparse.Namespace) -> None:
    """Answers lines of standard input; whoever types while it speaks interrupts it."""
    if arguments.say:
        return await say(arguments.say, arguments)
    speaking: asyncio.Task[None] | None = None
    while line := await asyncio.to_thread(sys.stdin.readline):
        if speaking is not None:
            if sys.stdin.isatty():
                speaking.cancel()
            await asyncio.wait([speaking])
        speaking = asyncio.create_task(say(line, arguments))
    if speaking is not None:
        await speaking


def main() -> int:
    parser = argparse.ArgumentParser(description="An agent that speaks, with a face.")
    parser.add_argument("--say", metavar="TEXT", help="say this and leave (default: stdin's lines)")
    parser.add_argument("--tts", default="", metavar="PROGRAM", help="writes sound to stdout")
    parser.add_argument("--play", action="store_true", help="on the loudspeakers of this machine")
    parser.add_argument("--json", action="store_true", help="print frames as JSON lines")
    parser.add_argument("--hurry", action="store_true", help="do not wait until a frame is due")
    try:
        asyncio.run(converse(parser.parse_args()))
    except KeyboardInterrupt:
        return 130
    except (OSError, SoundError) as error:
        print(f"agent: --tts: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
