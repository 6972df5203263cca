"""Sound files and pipes as a source: mono blocks, paced when live."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...sound import RawFormat, SoundError, SoundReader, stdin
from .. import StreamError

Block = NDArray[np.float32]

#: Audio handed on at a time, seconds: as a sound card would.
BLOCK_S = 0.01
#: What `--wav` and `--pcm` call standard input.
STDIN = "-"

# A pace that has fallen this far behind (a laptop that slept) starts anew instead of racing.
_GIVE_UP_NS = 1_000_000_000
# Blocks that a pipe may bring in advance: 2 s.
_MOST_AHEAD = 200


def demo_path() -> Path:
    """The speech clip that ships with the package."""
    return Path(__file__).parents[2] / "data" / "demo.flac"


class WavSource:
    """A sound file, or standard input, as blocks of mono float32 (see `SoundReader`).

    Memory does not depend on the file's length.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        limit_s: float | None = None,
        loop: bool = False,
        raw: str | None = None,
    ) -> None:
        """Opens the file; "-" is standard input. `limit_s` ends it early; `loop` starts over at the
        end until then; `raw` (s16le:24000:1) says what samples without a header are.

        Raises StreamError for anything that is not sound.
        """
        self.path = Path(path)
        self.piped = str(path) == STDIN
        self._loop = loop
        self._reader = self._open(raw)
        self.piped = self._reader.piped
        #: True things about the file that whoever plays it should hear.
        self.notes: list[str] = []
        self.sample_rate = self._reader.sample_rate
        limit = None if limit_s is None else max(1, round(limit_s * self.sample_rate))
        #: Samples that will be read, None when nobody knows or it loops without an end.
        self.samples: int | None = limit
        if not loop:
            announced = self._reader.frames
            if limit is None or announced is None:
                self.samples = announced
            else:
                self.samples = min(limit, announced)
        self._limit = limit

    def _open(self, raw: str | None = None) -> SoundReader:
        try:
            given = None if raw is None else RawFormat.parse(raw)
        except SoundError as error:
            raise StreamError(f"--pcm {error}") from None
        try:
            if self.piped:
                return SoundReader(stdin(), name="standard input", raw=given)
            return SoundReader(self.path, raw=given)
        except SoundError as error:
            raise StreamError(str(error)) from None

    @property
    def name(self) -> str:
        return "standard input" if str(self.path) == STDIN else self.path.name

    @property
    def duration_s(self) -> float | None:
        """Length of what will be read, seconds."""
        return None if self.samples is None else self.samples / self.sample_rate

    def blocks(self, block_s: float = BLOCK_S) -> Iterator[Block]:
        """Yields mono blocks of `block_s` seconds, the last one shorter.

        Raises StreamError for a sample that is no number or no audio, naming its index and time,
        and for a file that cannot be read on.
        """
        block_samples = max(1, round(block_s * self.sample_rate))
        position = 0
        try:
            while True:
                for block in self._reader.blocks(block_samples):
                    if self._limit is not None:
                        block = block[: self._limit - position]
                    position += len(block)
                    yield np.ascontiguousarray(block)
                    if position == self._limit:
                        self.notes = self._reader.notes
                        return
                if not self._loop:
                    break
                self._reader.close()
                self._reader = self._open()
        except SoundError as error:
            raise StreamError(str(error)) from None
        self.notes = self._reader.notes

    def close(self) -> None:
        self._reader.close()


class PacedSource:
    """Plays a `WavSource` in real time: a block is handed on once its last sample would have come.

    The schedule is absolute (start + samples / rate), so it does not drift. A pipe that stalls
    delays the schedule by as long; it is read on a thread of its own, so that nobody waits for it.
    """

    def __init__(self, source: WavSource) -> None:
        self.sample_rate = source.sample_rate
        self.name = source.name
        self.duration_s = source.duration_s
        self.finished = False
        self.lost_blocks = self.unplugged = 0  # a file loses none; the microphone's counterpart can
        self.notices: list[str] = []
        # A file never pauses; a pipe may, and brings its sound at any pace.
        self.may_pause = source.piped
        self.realtime = False
        self._source = source
        self._blocks = source.blocks()
        self._ahead: queue.Queue[Block | StreamError | None] = queue.Queue(_MOST_AHEAD)
        self._stopped = threading.Event()
        self._block: Block | None = None
        self._ended = False
        self._position = 0
        self._start_ns = 0

    @property
    def notes(self) -> list[str]:
        """True things about the file that whoever plays it should hear."""
        return self._source.notes

    def start(self, push: Callable[[Block], int]) -> None:
        """Begins now; `push` takes each block."""
        self._push = push
        if self._source.piped:
            threading.Thread(target=self._read, name="dt-stream pipe", daemon=True).start()
        self._start_ns = time.monotonic_ns()
        self._block = self._next()
        self.finished = self._ended

    def _read(self) -> None:
        """Reads a pipe on a thread of its own."""
        last: StreamError | None = None
        try:
            for block in self._blocks:
                if not self._put(block):
                    return
        except StreamError as error:
            last = error
        self._put(last)

    def _put(self, item: Block | StreamError | None) -> bool:
        while not self._stopped.is_set():
            try:
                self._ahead.put(item, timeout=0.1)
                return True
            except queue.Full:
                continue
        return False

    def _next(self) -> Block | None:
        """The next block; None at the end, and while a pipe has none. Raises StreamError."""
        if not self._source.piped:
            block = next(self._blocks, None)
            self._ended = block is None
            return block
        try:
            item = self._ahead.get_nowait()
        except queue.Empty:
            return None
        if isinstance(item, StreamError):
            raise item
        self._ended = item is None
        return item

    def pump(self, heard_s: float) -> None:
        """Hands on what is due. `heard_s` is how far the runtime has come, in seconds of audio.

        Raises StreamError when the file turns out to be bad.
        """
        now_ns = time.monotonic_ns()
        while not self._ended:
            if self._block is None:
                self._block = self._next()
                if self._block is None:
                    break
                if self._source.piped:
                    # What a pipe brings cannot have sounded before it came.
                    due_ns = self._due_ns(self._position + len(self._block))
                    self._start_ns += max(0, now_ns - due_ns)
            end = self._position + len(self._block)
            due_ns = self._due_ns(end)
            if now_ns < due_ns:
                return
            # A file must not overflow the ring as a microphone may: wait for a slow machine.
            if self._position / self.sample_rate - heard_s > 1.0:
                late_ns = now_ns - due_ns
                if late_ns > _GIVE_UP_NS:
                    self._start_ns += late_ns
                return
            self._position = self._push(self._block)
            self._block = self._next()
        self.finished = self._ended

    def _due_ns(self, position: int) -> int:
        return self._start_ns + position * 1_000_000_000 // self.sample_rate

    def capture_ns(self, position: int) -> int:
        """Monotonic time at which sample `position` was due."""
        return self._due_ns(position)

    def stop(self) -> None:
        self._stopped.set()
        if not self._source.piped:
            self._source.close()
