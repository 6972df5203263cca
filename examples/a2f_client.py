"""A client of Audio2Face-3D's protocol: a WAV file in, frames out, live.

    pip install 'diffusiontalker[serve]'
    dt-serve                                  # in another terminal
    python examples/a2f_client.py speech.wav

Speaks to any server of that protocol, ours or NVIDIA's. The sound is sent as fast as it is spoken;
each frame is printed as it comes: when it is due, how wide the jaw is open, and how long after its
sound was sent it was here.
"""

from __future__ import annotations

import argparse
import asyncio
import time
import wave

import grpc

from diffusiontalker.serve.rpc.client import Call, connect

CHUNK_S = 0.02


async def speak(call: Call, pcm: bytes, rate: int, started: list[float]) -> None:
    """Sends the sound in real time, and says when it is over."""
    size = 2 * int(rate * CHUNK_S)
    started.append(time.monotonic())
    for at in range(0, len(pcm), size):
        await call.send(pcm[at : at + size])
        await asyncio.sleep(started[0] + (at + size) / (2 * rate) - time.monotonic())
    await call.end()


async def main(file: str, address: str) -> int:
    with wave.open(file) as sound:
        if (sound.getnchannels(), sound.getsampwidth()) != (1, 2):
            print(
                f"{file}: expected 16-bit mono, as from: ffmpeg -i IN -ac 1 -c:a pcm_s16le OUT.wav"
            )
            return 2
        rate, pcm = sound.getframerate(), sound.readframes(sound.getnframes())
    channel = connect(address)
    call = Call(channel)
    started: list[float] = []
    try:
        await call.begin(rate)
        speaking = asyncio.create_task(speak(call, pcm, rate, started))
        names: list[str] = []
        async for message in call.messages():
            part = message.WhichOneof("part")
            if part == "animation_data_stream_header":
                header = message.animation_data_stream_header.skel_animation_header
                names = list(header.blend_shapes)
            elif part == "animation_data":
                weights = message.animation_data.skel_animation.blend_shape_weights[0]
                late_ms = 1000 * (time.monotonic() - started[0] - weights.time_code)
                jaw = weights.values[names.index("JawOpen")]
                print(
                    f"{weights.time_code:7.3f} s  JawOpen {jaw:.2f}  {late_ms:5.0f} ms behind",
                    flush=True,
                )
            elif part == "status" and message.status.message:
                print(f"the server says: {message.status.message}")
        await speaking
    except grpc.RpcError as error:
        print(f"{address}: {error.details() or error.code()}; does dt-serve run?")
        return 1
    finally:
        await channel.close()
    return 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Prints a WAV file's frames as they come.")
    parser.add_argument("file", help="16-bit mono WAV, 8 to 144 kHz")
    parser.add_argument("--address", default="127.0.0.1:52000", help="(default: 127.0.0.1:52000)")
    given = parser.parse_args()
    raise SystemExit(asyncio.run(main(given.file, given.address)))
