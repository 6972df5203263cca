"""`Runtime.stream`: the frames of `step`, off the event loop, whole when it is cancelled."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Iterator

import numpy as np
import pytest
from test_runtime import loaded, run, speech_like

from diffusiontalker import Runtime
from diffusiontalker.bundle import Bundle

SIZES = [0, 1, 160, 441, 4096, 7, 9000, 2]


def cut(audio: np.ndarray, sizes: list[int]) -> list[np.ndarray]:
    return np.split(audio, np.cumsum(sizes))


async def arriving(chunks: list[np.ndarray]) -> AsyncIterator[np.ndarray]:
    for chunk in chunks:
        await asyncio.sleep(0)
        yield chunk


async def gathered(rt: Runtime, source: object) -> np.ndarray:
    found = []
    async for frames in rt.stream(source):  # type: ignore[call-overload]
        assert len(frames)
        found.append(frames)
    return np.concatenate(found)


@pytest.mark.parametrize("rate", [16000, 44100])
def test_the_frames_are_those_of_step(any_bundle: Bundle, rate: int) -> None:
    audio = speech_like(1.1, rate)
    rt = Runtime(any_bundle, sample_rate=rate, seed=5)
    expected = run(rt, audio, SIZES)
    for source in (arriving(cut(audio, SIZES)), cut(audio, SIZES), iter([audio])):
        rt.reset()
        np.testing.assert_array_equal(asyncio.run(gathered(rt, source)), expected)


def test_many_voices_in_one_stream(any_bundle: Bundle) -> None:
    first, second = speech_like(0.5, 16000), speech_like(0.5, 16000, seed=2)
    rt = Runtime(any_bundle, streams=2, seed=[1, 2])
    pairs = list(zip(cut(first, SIZES), cut(second, SIZES[::-1]), strict=True))
    expected = [list(frames) for frames in rt.step([first, second])]
    expected = [
        np.concatenate([a, b])
        for a, b in zip(expected, rt.flush(), strict=True)  # type: ignore[arg-type]
    ]
    rt.reset()

    async def both() -> list[list[np.ndarray]]:
        return [frames async for frames in rt.stream(pairs)]

    out = asyncio.run(both())
    assert all(any(map(len, frames)) for frames in out)
    for stream in (0, 1):
        np.testing.assert_array_equal(np.concatenate([f[stream] for f in out]), expected[stream])


def test_nothing_is_lost_by_a_cancel(any_bundle: Bundle) -> None:
    """Cancelled in the middle of a step, again and again: the rest joins on without a seam."""
    audio = speech_like(2.0, 16000)
    rt = Runtime(any_bundle, seed=5)
    expected = run(rt, audio)
    rt.reset()
    plain, began = rt.step, threading.Event()

    def slow(chunk: np.ndarray) -> np.ndarray:
        began.set()
        time.sleep(0.01)
        return plain(chunk)

    rt.step = slow  # type: ignore[method-assign, assignment]
    chunks: Iterator[np.ndarray] = iter(cut(audio, [3200] * 9))
    found: list[np.ndarray] = []

    async def collect() -> None:
        async for frames in rt.stream(chunks):
            found.append(frames)

    async def cancelled() -> None:
        began.clear()
        task = asyncio.create_task(collect())
        await asyncio.to_thread(began.wait, 5)
        for _ in range(3):  # asked more than once
            task.cancel()
            await asyncio.sleep(0)
        with pytest.raises(asyncio.CancelledError):
            await task

    async def course() -> None:
        for _ in range(4):
            await cancelled()
        assert len(rt._owed) == 1
        await collect()

    asyncio.run(course())
    np.testing.assert_array_equal(np.concatenate(found), expected)


def test_the_event_loop_goes_on(any_bundle: Bundle) -> None:
    """While a step, or an ordinary source, takes its time."""
    rt = Runtime(any_bundle)
    plain = rt.step

    def slow(chunk: np.ndarray) -> np.ndarray:
        time.sleep(0.15)
        return plain(chunk)

    def source() -> Iterator[np.ndarray]:
        time.sleep(0.15)
        yield np.zeros(1600, np.float32)

    rt.step = slow  # type: ignore[method-assign, assignment]

    async def course() -> int:
        turns = 0
        task = asyncio.create_task(gathered(rt, source()))
        while not task.done():
            turns += 1
            await asyncio.sleep(0.01)
        await task
        return turns

    assert asyncio.run(course()) > 8


def test_what_fails_leaves_the_stream_where_it_was(any_bundle: Bundle) -> None:
    audio = speech_like(0.6, 16000)
    rt = Runtime(any_bundle, seed=1)
    expected = run(rt, audio)
    rt.reset()
    found: list[np.ndarray] = []

    async def collect(source: object) -> None:
        async for frames in rt.stream(source):  # type: ignore[call-overload]
            found.append(frames)

    with pytest.raises(ValueError, match="sample 3 is NaN"):
        asyncio.run(collect([audio[:4000], np.array([0, 0, 0, np.nan], np.float32)]))

    async def failing() -> AsyncIterator[np.ndarray]:
        yield audio[4000:5000]
        raise OSError("the service hung up")

    with pytest.raises(OSError, match="hung up"):
        asyncio.run(collect(failing()))
    asyncio.run(collect([audio[5000:]]))
    np.testing.assert_array_equal(np.concatenate(found), expected)
    with pytest.raises(RuntimeError, match="was flushed; call reset"):
        asyncio.run(collect([audio]))


def test_a_chunk_is_no_source() -> None:
    rt = Runtime()
    for chunk in (np.zeros(160, np.float32), bytes(320)):
        with pytest.raises(ValueError, match=r"put it into a list: \[chunk\]"):
            rt.stream(chunk)  # type: ignore[call-overload]
    with pytest.raises(TypeError, match="iterable of chunks, got int"):
        rt.stream(3)  # type: ignore[call-overload]


def test_asyncio_is_loaded_for_stream_alone() -> None:
    assert "asyncio" not in loaded("import diffusiontalker; diffusiontalker.Runtime()")
