"""A pipecat pipeline that speaks, with a face: pip install '.[pipecat]'.

    python examples/pipecat_agent.py --say "Hello there." --tts "flite -o /dev/stdout -t"
    python examples/pipecat_agent.py --say "Hello there." --out said.wav --json curves.jsonl
    python examples/pipecat_agent.py --serve          # for the page in examples/talkinghead

Any speech service of pipecat's may stand where `ProgramTTS` does; this one needs no key: it runs a
program that gets the sentence as its last argument and writes a sound file to its output, and
without `--tts` it plays the demo clip.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import shlex
import shutil
import subprocess
import sys
import time
import wave
from collections.abc import AsyncGenerator
from contextlib import ExitStack
from typing import Any

from loguru import logger
from pipecat.frames.frames import (
    EndFrame,
    Frame,
    InterruptionFrame,
    OutputAudioRawFrame,
    OutputTransportMessageFrame,
    TTSAudioRawFrame,
    TTSSpeakFrame,
    TTSStoppedFrame,
)
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.serializers.base_serializer import FrameSerializer
from pipecat.services.settings import TTSSettings
from pipecat.services.tts_service import TTSService
from pipecat.transports.base_output import BaseOutputTransport
from pipecat.transports.base_transport import TransportParams
from pipecat.transports.websocket.server import (
    SingleClientWebsocketServerParams,
    SingleClientWebsocketServerTransport,
)
from pipecat.workers.runner import WorkerRunner

from diffusiontalker.integrations.pipecat import FaceProcessor
from diffusiontalker.sound import SoundError, SoundReader
from diffusiontalker.stream.sources.wav import demo_path

RATE_HZ = 16000
BLOCK_SAMPLES = 1600


class ProgramTTS(TTSService):
    """Speech by a program on this machine."""

    def __init__(self, program: str) -> None:
        settings = TTSSettings(model=None, voice=None, language=None)
        super().__init__(push_start_frame=True, sample_rate=RATE_HZ, settings=settings)
        self._program = shlex.split(program)

    async def run_tts(self, text: str, context_id: str) -> AsyncGenerator[Frame | None, None]:
        process = None
        if self._program:
            process = subprocess.Popen([*self._program, text], stdout=subprocess.PIPE)
            source: Any = process.stdout
        else:
            source = str(demo_path())
        reader = await asyncio.to_thread(SoundReader, source, name=" ".join(self._program))
        try:
            blocks = reader.blocks(BLOCK_SAMPLES)
            while (block := await asyncio.to_thread(next, blocks, None)) is not None:
                pcm = (block * 32767).astype("<i2").tobytes()
                yield TTSAudioRawFrame(pcm, reader.sample_rate, 1, context_id=context_id)
            yield TTSStoppedFrame(context_id=context_id)
        finally:
            reader.close()
            if process is not None:
                process.kill()
                process.wait()


class Terminal(BaseOutputTransport):
    """Plays nothing, but takes as long as if it did; shows the mouth, and keeps what it was given.

    Where your agent has a loudspeaker, a phone line or a room, its own transport stands here.
    """

    def __init__(self, out: wave.Wave_write | None, curves: Any) -> None:
        super().__init__(TransportParams(audio_out_enabled=True, audio_out_end_silence_secs=0))
        self._out, self._curves = out, curves
        self._free_s = 0.0
        self._jaw = 0
        self.sound_s = self.widest = 0.0
        self.frames = 0

    async def start(self, frame: Any) -> None:
        await super().start(frame)
        await self.set_transport_ready(frame)

    async def write_audio_frame(self, frame: OutputAudioRawFrame) -> bool:
        if self._out is not None:
            self._out.writeframes(frame.audio)
        lasts_s = frame.num_frames / frame.sample_rate
        self.sound_s += lasts_s
        self._free_s = max(self._free_s, time.monotonic()) + lasts_s
        await asyncio.sleep(self._free_s - time.monotonic())
        return True

    async def send_message(self, frame: Any) -> None:
        message = frame.message
        if self._curves is not None:
            print(json.dumps(message), file=self._curves)
        if message["type"] == "schema":
            self._jaw = message["curves"].index("jawOpen")
        elif message["type"] == "frames":
            jaws = [row[self._jaw] for row in message["curves"]]
            self.frames += len(jaws)
            self.widest = max(self.widest, *jaws)
            if sys.stdout.isatty():
                print(f"\r({'o' * round(1 + 25 * jaws[-1])})".ljust(30), end="", flush=True)


class Plain(FrameSerializer):
    """A page's side of it: sound as binary messages, everything else as JSON."""

    async def serialize(self, frame: Frame) -> str | bytes | None:
        if isinstance(frame, OutputAudioRawFrame):
            return frame.audio
        if isinstance(frame, OutputTransportMessageFrame):
            return json.dumps(frame.message)
        return None

    async def deserialize(self, data: str | bytes) -> Frame | None:
        said = json.loads(data) if isinstance(data, str) else {}
        if said.get("type") == "say":
            return TTSSpeakFrame(str(said["text"]))
        return InterruptionFrame() if said.get("type") == "interrupt" else None


def worker_for(stages: list[Any]) -> PipelineWorker:
    params = PipelineParams(audio_out_sample_rate=RATE_HZ)
    return PipelineWorker(
        Pipeline(stages), params=params, enable_rtvi=False, cancel_on_idle_timeout=False
    )


async def run(worker: PipelineWorker) -> None:
    runner = WorkerRunner(handle_sigint=False)
    await runner.add_workers(worker)
    await runner.run()


async def say(text: str, arguments: argparse.Namespace) -> None:
    """Says it, shows the mouth, and leaves."""
    with ExitStack() as files:
        out = curves = None
        if arguments.out:
            out = files.enter_context(wave.open(arguments.out, "wb"))
            out.setparams((1, 2, RATE_HZ, 0, "NONE", ""))
        if arguments.json:
            curves = files.enter_context(open(arguments.json, "w", encoding="utf-8"))
        terminal = Terminal(out, curves)
        worker = worker_for([ProgramTTS(arguments.tts), FaceProcessor(), terminal])
        await worker.queue_frames([TTSSpeakFrame(text), EndFrame()])
        await run(worker)
    print(
        f"\r{terminal.sound_s:.2f} s of sound, {terminal.frames} frames; "
        f"the jaw opened to {terminal.widest:.2f}"
    )
    if not terminal.sound_s:
        raise SoundError("--tts: no sound came of it")


async def serve(arguments: argparse.Namespace) -> None:
    """Waits for a page that says what to say; it may interrupt."""
    transport = SingleClientWebsocketServerTransport(
        host="127.0.0.1",
        port=arguments.port,
        params=SingleClientWebsocketServerParams(audio_out_enabled=True, serializer=Plain()),
    )
    face = FaceProcessor(idle_between=True)
    worker = worker_for([transport.input(), ProgramTTS(arguments.tts), face, transport.output()])
    print(f"ws://127.0.0.1:{arguments.port}", flush=True)
    await run(worker)


def main() -> int:
    parser = argparse.ArgumentParser(description="A pipecat agent that speaks, with a face.")
    parser.add_argument("--say", default="Hello.", metavar="TEXT", help="say this and leave")
    parser.add_argument("--tts", default="", metavar="PROGRAM", help="writes sound to stdout")
    parser.add_argument("--out", metavar="WAV", help="keep the sound")
    parser.add_argument("--json", metavar="FILE", help="keep the messages, a line each")
    parser.add_argument("--serve", action="store_true", help="for a page, by WebSocket")
    parser.add_argument("--port", type=int, default=8765, help="with --serve (default 8765)")
    parser.add_argument("--verbose", action="store_true", help="pipecat's own log")
    arguments = parser.parse_args()
    logger.remove()
    logger.add(sys.stderr, level="DEBUG" if arguments.verbose else "ERROR")
    program = shlex.split(arguments.tts)
    try:
        if program and shutil.which(program[0]) is None:
            raise SoundError(f"--tts: no program {program[0]}")
        asyncio.run(serve(arguments) if arguments.serve else say(arguments.say, arguments))
    except KeyboardInterrupt:
        return 130
    except (OSError, SoundError) as error:
        print(f"pipecat_agent: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
