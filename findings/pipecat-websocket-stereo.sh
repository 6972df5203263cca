#!/bin/sh
# pipecat-ai 1.14.0 (SingleClientWebsocketServerTransport), Linux.
#
# Input: a pipeline whose WebSocket transport is asked for two channels (`audio_out_channels=2`), and
# 2 s of sound in two channels, 16 kHz, in one frame. The transport sends sound at the pace at which
# it is heard. With one channel 2 s are sent in 2 s. With two they take 4: the pause between chunks
# is the chunk's bytes by the rate by 2, which leaves the channels out, so a listener gets sound half
# as fast as it is heard (2026-11-29). Expected: 2 s. The client's and FastAPI's WebSocket transports
# and Tavus' have the same line.
#
# Ends with 0 while that is so, with 1 as soon as the package behaves otherwise.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check pipecat-ai==1.14.0 websockets
"$folder/venv/bin/python" - <<'PROGRAM'
import asyncio
import sys
import time

import websockets
from loguru import logger
from pipecat.frames.frames import EndFrame, Frame, OutputAudioRawFrame, TTSAudioRawFrame
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.serializers.base_serializer import FrameSerializer
from pipecat.transports.websocket.server import (
    SingleClientWebsocketServerParams,
    SingleClientWebsocketServerTransport,
)
from pipecat.workers.runner import WorkerRunner

logger.remove()
RATE, SECONDS, PORT = 16000, 2.0, 18901


class Raw(FrameSerializer):
    async def serialize(self, frame: Frame) -> bytes | None:
        return frame.audio if isinstance(frame, OutputAudioRawFrame) else None

    async def deserialize(self, data: str | bytes) -> Frame | None:
        return None


async def took(channels: int, port: int) -> float:
    """Seconds from the first to the last message that a client gets of so much sound."""
    params = SingleClientWebsocketServerParams(
        audio_out_enabled=True,
        audio_out_sample_rate=RATE,
        audio_out_channels=channels,
        audio_out_end_silence_secs=0,
        serializer=Raw(),
    )
    transport = SingleClientWebsocketServerTransport(params=params, host="127.0.0.1", port=port)
    worker = PipelineWorker(
        Pipeline([transport.input(), transport.output()]),
        params=PipelineParams(audio_out_sample_rate=RATE),
        enable_rtvi=False,
    )
    runner = WorkerRunner(handle_sigint=False)
    await runner.add_workers(worker)
    running = asyncio.create_task(runner.run())
    await asyncio.sleep(2)
    times, size = [], 0
    async with websockets.connect(f"ws://127.0.0.1:{port}") as client:
        sound = bytes(int(RATE * SECONDS) * 2 * channels)
        await worker.queue_frames([TTSAudioRawFrame(sound, RATE, channels)])
        while size < len(sound):
            size += len(await asyncio.wait_for(client.recv(), 30))
            times.append(time.monotonic())
    await worker.queue_frames([EndFrame()])
    await asyncio.wait_for(running, 30)
    return times[-1] - times[0]


async def main() -> bool:
    # The best of three: a busy machine sends later, and never sooner.
    one = min([await took(1, PORT + number) for number in range(3)])
    two = min([await took(2, PORT + 3 + number) for number in range(3)])
    print(f"{SECONDS} s of sound, one channel:  sent in {one:.2f} s")
    print(f"{SECONDS} s of sound, two channels: sent in {two:.2f} s")
    return abs(one - SECONDS) < 0.6 and abs(two - 2 * SECONDS) < 1.2


as_stated = asyncio.run(main())
print("as stated" if as_stated else "OTHERWISE than stated")
sys.exit(0 if as_stated else 1)
PROGRAM
