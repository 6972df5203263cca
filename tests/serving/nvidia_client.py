"""NVIDIA's own messages and stub against a dt-serve; run by clients.py.

    python nvidia_client.py ADDRESS FILE.wav OUT.f32

Sends the file in real time where it is short, at once where it is long, and saves what came: the
weights, and when the first frame was here.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
import wave
from array import array

import grpc.aio
from nvidia_ace.audio_pb2 import AudioHeader
from nvidia_audio2face_3d.audio2face_pb2_grpc import A2FControllerServiceStub
from nvidia_audio2face_3d.messages_pb2 import (
    AudioWithEmotion,
    AudioWithEmotionStream,
    AudioWithEmotionStreamHeader,
    BlendShapeParameters,
    EmotionParameters,
    FaceParameters,
)

CHUNK_S = 0.02


async def main(address: str, wav: str, out: str) -> None:
    with wave.open(wav) as file:
        rate, pcm = file.getframerate(), file.readframes(file.getnframes())
    live = len(pcm) / 2 / rate <= 30
    async with grpc.aio.insecure_channel(address) as channel:
        stream = A2FControllerServiceStub(channel).ProcessAudioStream()
        sent: list[float] = []

        async def write() -> None:
            header = AudioWithEmotionStreamHeader(
                audio_header=AudioHeader(
                    audio_format=AudioHeader.AUDIO_FORMAT_PCM,
                    channel_count=1,
                    samples_per_second=rate,
                    bits_per_sample=16,
                ),
                face_params=FaceParameters(float_params={"lowerFaceStrength": 1.0}),
                blendshape_params=BlendShapeParameters(bs_weight_multipliers={"JawOpen": 1.0}),
                emotion_params=EmotionParameters(beginning_emotion={"joy": 1.0}),
            )
            await stream.write(AudioWithEmotionStream(audio_stream_header=header))
            size = 2 * int(rate * CHUNK_S) if live else 2 * rate
            start = time.monotonic()
            for at in range(0, len(pcm), size):
                if live:
                    await asyncio.sleep(start + (at + size) / 2 / rate - time.monotonic())
                sent.append(time.monotonic())
                await stream.write(
                    AudioWithEmotionStream(
                        audio_with_emotion=AudioWithEmotion(audio_buffer=pcm[at : at + size])
                    )
                )
            await stream.write(
                AudioWithEmotionStream(end_of_audio=AudioWithEmotionStream.EndOfAudio())
            )

        writing = asyncio.create_task(write())
        values, names, statuses, sound, first = array("f"), [], [], [], None
        while (message := await stream.read()) is not grpc.aio.EOF:
            part = message.WhichOneof("stream_part")
            if part == "animation_data_stream_header":
                names = list(
                    message.animation_data_stream_header.skel_animation_header.blend_shapes
                )
            elif part == "animation_data":
                first = first or time.monotonic()
                values.extend(message.animation_data.skel_animation.blend_shape_weights[0].values)
                sound.append(message.animation_data.audio.audio_buffer)
            elif part == "status":
                statuses.append([message.status.code, message.status.message])
        await writing
    with open(out, "wb") as file:
        file.write(values.tobytes())
    # Frame 0 needs the look-ahead: the chunk that brought it is known to the caller.
    print(
        json.dumps(
            {
                "names": names,
                "statuses": statuses,
                "echoed": b"".join(sound)[: len(pcm)] == pcm,
                "first_s": (first or 0.0) - sent[0],
                "chunks_s": CHUNK_S if live else 1.0,
                "code": str(await stream.code()),
            }
        )
    )


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:4]))
