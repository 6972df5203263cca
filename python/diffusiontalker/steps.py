"""Steps taken off the event loop, for `Runtime.stream`: in order, and whole when cancelled."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterable, Awaitable, Callable, Iterable
from functools import partial
from typing import Any, TypeVar

import numpy as np

_Frames = TypeVar("_Frames")
_END = object()


async def steps(
    step: Callable[[Any], _Frames],
    flush: Callable[[], _Frames],
    item: Callable[[], Awaitable[Any]],
    owed: deque[_Frames],
    *,
    is_worth: Callable[[_Frames], bool],
) -> AsyncGenerator[_Frames, None]:
    """What `step` returns for each item, then what `flush` does; without what is not worth it.

    Args:
        step, flush: run on a thread of the event loop's own pool, one at a time.
        item: the next one, as `items_of` gives it.
        owed: gets the result of a call that a cancel met, which ends before the cancel goes on.
            What it holds comes first.
        is_worth: whether a result is handed on.
    """
    while owed:
        yield owed.popleft()
    while (chunk := await item()) is not _END:
        frames = await undivided(owed, partial(step, chunk))
        if is_worth(frames):
            yield frames
    frames = await undivided(owed, flush)
    if is_worth(frames):
        yield frames


def items_of(source: object) -> Callable[[], Awaitable[Any]]:
    """The next item of an async iterable, or of an ordinary one whose `next` may wait.

    Raises:
        ValueError: `source` is a chunk of sound, not an iterable of them.
        TypeError: it is not iterable.
    """
    if isinstance(source, bytes | bytearray | memoryview) or (
        isinstance(source, np.ndarray) and source.ndim < 2
    ):
        raise ValueError(
            f"source: expected an iterable of chunks, got one {type(source).__name__}; "
            "put it into a list: [chunk]"
        )
    if isinstance(source, AsyncIterable):
        return partial(_next_of, aiter(source))
    if isinstance(source, Iterable):
        # On a thread, so that one that waits for sound does not hold up the event loop.
        return partial(asyncio.to_thread, next, iter(source), _END)
    raise TypeError(
        f"source: expected an iterable or async iterable of chunks, got {type(source).__name__}"
    )


async def _next_of(iterator: Any) -> Any:
    return await anext(iterator, _END)


async def undivided(owed: deque[_Frames], call: Callable[[], _Frames]) -> _Frames:
    """`call` on a thread. A cancel waits for it: nobody meets a runtime in the middle of a step."""
    # A future, not a task: an event loop that closes cancels every task, and would not wait.
    under_way = asyncio.get_running_loop().run_in_executor(None, call)
    try:
        return await asyncio.shield(under_way)
    except asyncio.CancelledError:
        while not under_way.done():
            try:
                await asyncio.wait([under_way])
            except asyncio.CancelledError:
                continue  # asked again: it is ending already
        if under_way.exception() is None:
            owed.append(under_way.result())
        raise
