"""examples/ray_serve.py on a local Ray: sessions through its proxy and beside it; a replica killed.

    python tests/cluster/ray_serving.py

Exit code 0: every session's frames are those of `Runtime.step`, both replicas had some, and
sessions that begin after one was killed are served. Linux; part of `poe ray`.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

import numpy as np

os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
import ray
from ray import serve
from websockets.asyncio.client import connect

from diffusiontalker import Runtime
from diffusiontalker.serve.rpc import client
from diffusiontalker.sound import read_all

sys.path.insert(0, str(Path(__file__).parents[2] / "examples"))
import ray_serve

DEMO = Path(sys.modules["diffusiontalker"].__file__ or "").parent / "data" / "demo.flac"
SESSIONS = 8


def where() -> dict[str, Any]:
    with urllib.request.urlopen("http://127.0.0.1:8000/where", timeout=30) as answer:
        return dict(json.load(answer))


async def over_websocket(pcm: bytes) -> Any:
    async with connect("ws://127.0.0.1:8000/v1/face", max_size=None) as socket:
        await socket.send('{"type": "begin"}')
        assert json.loads(await socket.recv())["type"] == "schema"

        async def speak() -> None:
            for at in range(0, len(pcm), 6400):
                await socket.send(pcm[at : at + 6400])
                await asyncio.sleep(0.02)
            await socket.send('{"type": "end"}')

        speaking = asyncio.create_task(speak())
        frames = []
        while (message := json.loads(await socket.recv()))["type"] == "frame":
            frames.append(message["curves"])
        assert message["type"] == "bye", message
        await speaking
    return np.array(frames, np.float32)


async def over_grpc(address: str, pcm: bytes) -> Any:
    channel = client.connect(address)
    call = client.Call(channel)
    await call.begin()
    await call.send(pcm)
    await call.end()
    frames = [
        list(message.animation_data.skel_animation.blend_shape_weights[0].values)
        async for message in call.messages()
        if message.HasField("animation_data")
    ]
    await channel.close()
    return np.array(frames, np.float32)


def alone(pcm: Any) -> Any:
    runtime = Runtime()
    return np.concatenate([runtime.step(pcm), runtime.flush()])


def check(name: str, good: bool, seen: object) -> None:
    print(f"{'ok' if good else 'FAILED'}  {name}: {seen}", flush=True)
    if not good:
        raise SystemExit(1)


def main() -> int:
    samples, _, _ = read_all(DEMO)
    pcm = (samples * 32767).astype(np.int16)[: 16000 * 4]
    expected, of_a_second = alone(pcm), alone(pcm[:16000])
    ray.init(num_cpus=4, object_store_memory=100 * 2**20, include_dashboard=False)
    serve.run(ray_serve.app)
    replicas = {where()["grpc"] for _ in range(40)}
    check("replicas that Ray's proxy picks", len(replicas) == 2, len(replicas))

    async def many() -> list[Any]:
        return await asyncio.gather(*[over_websocket(pcm.tobytes()) for _ in range(SESSIONS)])

    began_s = time.monotonic()
    frames = asyncio.run(many())
    same = sum(np.array_equal(one, expected) for one in frames)
    check(
        f"{SESSIONS} WebSocket sessions at once through the proxy",
        same == SESSIONS,
        f"{same} with the runtime's {len(expected)} frames, {time.monotonic() - began_s:.1f} s",
    )
    for address in sorted(replicas):
        one = asyncio.run(over_grpc(address, pcm.tobytes()))
        check(f"gRPC, straight to {address}", np.array_equal(one, expected), f"{len(one)} frames")

    victim = next(
        actor for actor in ray.util.list_named_actors(all_namespaces=True)
        if "Faces" in actor["name"] and "REPLICA" in actor["name"].upper()
    )  # fmt: skip
    ray.kill(ray.get_actor(victim["name"], namespace=victim["namespace"]))
    deadline_s = time.monotonic() + 60
    served = 0
    while served < SESSIONS and time.monotonic() < deadline_s:
        try:
            frames = asyncio.run(over_websocket(pcm[:16000].tobytes()))
            served += np.array_equal(frames, of_a_second)
        except Exception as error:  # the proxy has not yet noticed
            print(f"    {type(error).__name__}")
            time.sleep(0.5)
    check("sessions after a replica was killed", served == SESSIONS, f"{served} of {SESSIONS}")
    while len({where()["grpc"] for _ in range(40)}) < 2 and time.monotonic() < deadline_s:
        time.sleep(1)
    again = {where()["grpc"] for _ in range(40)}
    check("replicas, once Ray has begun another", len(again) == 2, len(again - replicas))
    serve.shutdown()
    ray.shutdown()
    return 0


if __name__ == "__main__":
    sys.exit(main())
