"""asyncio: two sources of sound and their faces in one event loop.

    python examples/asyncio_stream.py                       # the demo clip, twice
    python examples/asyncio_stream.py anna.wav bo.wav

Each source is paced like a live one. `Runtime.stream` computes on threads, so the loop stays free
for everything else that a program does: here, for a line four times a second.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
from collections.abc import AsyncIterator

import numpy as np

from diffusiontalker import CURVES, Runtime
from diffusiontalker.sound import read_all
from diffusiontalker.stream.sources.wav import demo_path

CHUNK_S = 0.02
JAW = CURVES.index("jawOpen")


async def paced(sound: np.ndarray, rate_hz: int) -> AsyncIterator[np.ndarray]:
    """Chunks when they would have been spoken."""
    loop = asyncio.get_running_loop()
    start_s, size = loop.time(), round(CHUNK_S * rate_hz)
    for at in range(0, len(sound), size):
        spoken_s = start_s + min(at + size, len(sound)) / rate_hz
        await asyncio.sleep(spoken_s - loop.time())
        yield sound[at : at + size]


async def follow(name: str, path: str, faces: dict[str, np.ndarray], seconds: float | None) -> int:
    """Keeps `faces[name]` at the newest frame; returns how many there were."""
    sound, rate_hz, _ = read_all(path)
    sound = sound[: None if seconds is None else round(seconds * rate_hz)]
    runtime, count = Runtime(sample_rate=rate_hz), 0
    async for frames in runtime.stream(paced(sound, rate_hz)):
        faces[name] = frames[-1]
        count += len(frames)
    return count


async def show(faces: dict[str, np.ndarray]) -> None:
    while True:
        await asyncio.sleep(0.25)
        print("   ".join(f"{name} {'#' * round(30 * c[JAW]):<20}" for name, c in faces.items()))


async def main(paths: list[str], seconds: float | None) -> None:
    faces: dict[str, np.ndarray] = {}
    shown = asyncio.create_task(show(faces))
    counts = await asyncio.gather(
        *(follow(f"voice {i}", path, faces, seconds) for i, path in enumerate(paths, 1))
    )
    shown.cancel()
    print("frames:", *counts)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Faces of several sources in one event loop.")
    parser.add_argument("sounds", nargs="*", default=[str(demo_path())] * 2)
    parser.add_argument("--seconds", type=float, help="of each sound")
    arguments = parser.parse_args()
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(main(arguments.sounds, arguments.seconds))
