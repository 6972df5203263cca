"""Sound files as a source: read in blocks, mixed to mono, checked, paced when live."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from importlib import resources
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from .. import StreamError

Block = NDArray[np.float32]

#: Audio handed on at a time, seconds: as a sound card would.
BLOCK_S = 0.01

# Float files may exceed full scale a little; one that holds 16-bit values as floats is a mistake.
_LARGEST = 16.0

# A pace that has fallen this far behind (a laptop that slept) starts anew instead of racing.
_GIVE_UP_NS = 1_000_000_000


def demo_path() -> Path:
    """The speech clip that ships with the package."""
    return Path(str(resources.files("diffusiontalker") / "data" / "demo.flac"))


class WavSource:
    """A WAV, FLAC, OGG or AIFF file as blocks of mono float32; any rate, width and channel count.

    Memory does not depend on the file's length.
    """

    def __init__(
        self, path: str | Path, *, limit_s: float | None = None, loop: bool = False
    ) -> None:
        """Opens the file. `limit_s` ends it early; `loop` starts over at the end until then.

        Raises StreamError for anything that is not sound.
        """
        self.path = Path(path)
        self._loop = loop
        try:
            # libsndfile's own message for a missing file is "System error."
            with open(self.path, "rb"):
                pass
            self._file = soundfile.SoundFile(self.path)
        except OSError as error:
            raise StreamError(f"cannot open {self.path}: {error.strerror or error}") from None
        except soundfile.LibsndfileError as error:
            detail = error.error_string.rstrip(".")
            raise StreamError(
                f"{self.path} is no WAV, FLAC, OGG, AIFF or MP3 file that can be read: {detail}"
            ) from None
        if self._file.frames == 0:
            self._file.close()
            raise StreamError(f"{self.path} holds no audio (0 samples)")
        self.sample_rate = int(self._file.samplerate)
        limit = None if limit_s is None else max(1, round(limit_s * self.sample_rate))
        #: Samples that will be read, None when it loops without an end.
        self.samples: int | None = limit
        if not loop:
            length = int(self._file.frames)
            self.samples = length if limit is None else min(limit, length)

    @property
    def name(self) -> str:
        return self.path.name

    @property
    def duration_s(self) -> float | None:
        """Length of what will be read, seconds."""
        return None if self.samples is None else self.samples / self.sample_rate

    def blocks(self, block_s: float = BLOCK_S) -> Iterator[Block]:
        """Yields mono blocks of `block_s` seconds, the last one shorter.

        Channels are mixed with equal weights. Raises StreamError for a sample that is no number or
        no audio, naming its index and time, and for a file that cannot be read on.
        """
        block_samples = max(1, round(block_s * self.sample_rate))
        position = 0
        while self.samples is None or position < self.samples:
            count = block_samples
            if self.samples is not None:
                count = min(count, self.samples - position)
            try:
                data = self._file.read(count, dtype="float32", always_2d=True)
            except soundfile.LibsndfileError as error:
                raise StreamError(f"{self.path}: {error.error_string}") from None
            if len(data) == 0:
                if not self._loop:
                    return  # shorter than its header says: what is there is what there is
                self._file.seek(0)
                continue
            self._refuse_non_audio(data, position)
            mono = data[:, 0] if data.shape[1] == 1 else data.mean(axis=1, dtype=np.float32)
            position += len(mono)
            yield np.ascontiguousarray(mono)

    def close(self) -> None:
        self._file.close()

    def _refuse_non_audio(self, data: Block, position: int) -> None:
        # NaN fails the comparison too.
        good = (np.abs(data) <= _LARGEST).all(axis=1)
        if not good.all():
            row = int(np.argmin(good))
            value = next(float(v) for v in data[row] if not abs(v) <= _LARGEST)
            what = f"{value:g}; expected full scale to be 1.0"
            if not np.isfinite(value):
                what = "NaN" if np.isnan(value) else "infinite"
            index = position + row
            raise StreamError(
                f"{self.path}: sample {index} ({index / self.sample_rate:.3f} s) is {what}"
            )


class PacedSource:
    """Plays a `WavSource` in real time: a block is handed on once its last sample would have come.

    The schedule is absolute (start + samples / rate), so it does not drift.
    """

    def __init__(self, source: WavSource) -> None:
        self.sample_rate = source.sample_rate
        self.name = source.name
        self.duration_s = source.duration_s
        self.finished = False
        self.lost_blocks = self.unplugged = 0  # a file loses none; the microphone's counterpart can
        self.notices: list[str] = []
        # A file never pauses; a pipe may, and brings its sound at any pace.
        self.may_pause: bool = getattr(source, "piped", False)
        self.realtime = False
        self._source = source
        self._blocks = source.blocks()
        self._block: Block | None = None
        self._position = 0
        self._start_ns = 0

    def start(self, push: Callable[[Block], int]) -> None:
        """Begins now; `push` takes each block."""
        self._push = push
        self._start_ns = time.monotonic_ns()
        self._block = next(self._blocks, None)
        self.finished = self._block is None

    def pump(self, heard_s: float) -> None:
        """Hands on what is due. `heard_s` is how far the runtime has come, in seconds of audio.

        Raises StreamError when the file turns out to be bad.
        """
        now_ns = time.monotonic_ns()
        while self._block is not None:
            end = self._position + len(self._block)
            due_ns = self._start_ns + end * 1_000_000_000 // self.sample_rate
            if now_ns < due_ns:
                return
            # A file must not overflow the ring as a microphone may: wait for a slow machine.
            if self._position / self.sample_rate - heard_s > 1.0:
                late_ns = now_ns - due_ns
                if late_ns > _GIVE_UP_NS:
                    self._start_ns += late_ns
                return
            self._position = self._push(self._block)
            self._block = next(self._blocks, None)
        self.finished = True

    def capture_ns(self, position: int) -> int:
        """Monotonic time at which sample `position` was due."""
        return self._start_ns + position * 1_000_000_000 // self.sample_rate

    def stop(self) -> None:
        self._source.close()
