"""The reader of sound: any file, or a pipe, as blocks of mono float32, checked."""

from __future__ import annotations

import contextlib
import io
import os
import re
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol, cast

import numpy as np
import samplerate
from numpy.typing import NDArray

from ..scale import is_audio, what_is_wrong
from . import parts
from .codecs import SndfileDecoder
from .containers import REMEDY, AvDecoder
from .errors import SoundError
from .pcm import RAW_CODINGS, Coding, Header, PcmDecoder, read_header
from .stream import ByteStream, Part, Slice

FloatArray = NDArray[np.float32]

#: Rates of sound; others are headers that lie.
RATES_HZ = (1000, 768000)
#: Below this, dBFS, the loudest 0.1 s is no speech that a face could follow.
QUIET_DB = -48.0
# Of 0.1 s; less may well be a pause.
_LEAST_WINDOWS = 10
# Read at a time, seconds: from a file, and from a pipe, which may be live.
_UNIT_S, _PIPE_UNIT_S = 1.0, 0.02
# A mix that has less than this share of what unrelated channels would leave is a cancellation.
_CANCELLED = 0.1
# A mean of the first unit of a file beyond this is an offset, which is taken out of all of it.
# Speech stays far below: it has nothing under 50 Hz.
_OFFSET = 0.005
# Frames that may be missing without a word, seconds: encoders round their lengths.
_SLACK_S = 0.1
# Rows of all channels in memory at a time.
_MOST_VALUES = 1 << 22


class Decoder(Protocol):
    """A part of a file, decoded."""

    form: str
    rate_hz: int
    channels: int
    frames: int | None  #: as announced; None where nobody knows
    notes: list[str]  #: true things to tell

    def read(self, count: int) -> FloatArray:
        """Up to `count` rows (n, channels), none at the end. Raises SoundError, OSError."""

    def close(self) -> None:
        """Frees what it holds."""


@dataclass(frozen=True)
class RawFormat:
    """What samples without a header are, as `--pcm` says it: s16le:24000:1."""

    coding: Coding
    rate_hz: int
    channels: int

    @classmethod
    def parse(cls, text: str) -> RawFormat:
        """Raises SoundError that shows how it is written."""
        name, *numbers = text.split(":")
        how = "expected CODING:RATE:CHANNELS, as in s16le:24000:1"
        if name not in RAW_CODINGS:
            raise SoundError(f"{text}: {how}; CODING is one of {', '.join(RAW_CODINGS)}")
        if len(numbers) not in (1, 2) or not all(n.isascii() and n.isdigit() for n in numbers):
            raise SoundError(f"{text}: {how}")
        rate_hz, channels = int(numbers[0]), int(numbers[1]) if len(numbers) == 2 else 1
        if not 8000 <= rate_hz <= 192000:
            raise SoundError(f"{text}: expected a rate from 8000 to 192000 Hz, got {rate_hz}")
        if not 1 <= channels <= 64:
            raise SoundError(f"{text}: expected 1 to 64 channels, got {channels}")
        return cls(RAW_CODINGS[name], rate_hz, channels)


class SoundReader:
    """Sound as blocks of mono float32; what is worth telling gathers in `notes`.

    Reads WAV, RF64, W64, AIFF, CAF, AU (whatever length their headers state), FLAC, Ogg Vorbis,
    Opus and MP3 (each also where several were put end to end), and with PyAV installed what FFmpeg
    reads. Channels are mixed with equal weights; where that cancels them, the loudest is taken.
    Later parts of another rate are resampled to the first one's. Memory does not depend on length.
    """

    def __init__(
        self, source: str | Path | BinaryIO, *, name: str = "", raw: RawFormat | None = None
    ) -> None:
        """`source`: a path, or a binary stream, a pipe for one; `name` is what errors call it.

        Raises SoundError.
        """
        self.notes: list[str] = []
        self._stack = contextlib.ExitStack()
        if isinstance(source, str | Path):
            self.name = name or str(source)
            try:
                file = self._stack.enter_context(_forwards(io.FileIO(str(source), "r")))
            except (OSError, ValueError) as error:
                reason = getattr(error, "strerror", None) or error
                raise SoundError(f"cannot open {_clean(self.name)}: {reason}") from None
        else:
            self.name, file = name or "the stream", source
        try:
            self._open(file, raw)
        except OSError as error:
            self.close()
            raise self._refusal(str(error.strerror or error)) from None
        except BaseException:
            self.close()
            raise

    def _open(self, file: BinaryIO, raw: RawFormat | None) -> None:
        stream = ByteStream(file)
        self.piped = stream.size is None
        #: Samples that are announced, None where nobody knows or several parts follow each other.
        self.frames: int | None = None
        self._waiting: Iterator[Decoder] = iter(())
        if raw is not None:
            size = stream.left
            block = raw.coding.width * raw.channels
            frames = None if size is None else size // block
            header = Header("raw", raw.coding, raw.channels, raw.rate_hz, None, frames)
            first: Decoder = PcmDecoder(stream, header)
            self.frames = frames
        else:
            try:
                found = read_header(stream)
            except SoundError as error:
                raise self._refusal(str(error)) from None
            if found is not None:
                first = PcmDecoder(stream, found)
                self.frames = found.frames
            else:
                first = self._coded(self._seekable(file, stream))
        self._decoder: Decoder = first
        self.sample_rate = first.rate_hz
        self._check_part(first)
        if self.frames == 0:
            said = "was its header never completed?" if stream.left else "0 samples"
            raise SoundError(f"{_clean(self.name)} holds no audio ({said})")

    def _seekable(self, file: BinaryIO, stream: ByteStream) -> BinaryIO:
        """The file, or for a pipe all that it brings, on disk: its decoders want to seek."""
        if not self.piped:
            file.seek(0)
            return file
        spool: BinaryIO = self._stack.enter_context(tempfile.TemporaryFile())  # noqa: SIM115
        while data := stream.read(1 << 16):
            spool.write(data)
        spool.seek(0)
        return spool

    def _coded(self, file: BinaryIO) -> Decoder:
        """The first part of a file that needs a codec; the others wait."""
        size = file.seek(0, 2)
        kind, found = parts.split(file, size)
        try:
            first = SndfileDecoder(file, found[0], mp3=kind == "mp3")
        except SoundError as error:
            return self._foreign(file, found if kind in ("mp4", "ebml") else [], str(error))
        if len(found) == 1:
            self.frames = first.frames

        self._waiting = self._further(
            found[1:], lambda part: SndfileDecoder(file, part, mp3=kind == "mp3")
        )
        return first

    def _further(
        self, found: list[Part], open_part: Callable[[Part], Decoder]
    ) -> Iterator[Decoder]:
        for part in found:
            try:
                yield open_part(part)
            except SoundError as error:
                self.notes.append(f"a part of {part.end - part.start} bytes is left out: {error}")

    def _foreign(self, file: BinaryIO, found: list[Part], reason: str) -> Decoder:
        """A file that libsndfile does not know. Raises SoundError with the way out."""

        def open_part(part: Part) -> Decoder:
            return AvDecoder(cast(BinaryIO, Slice(file, part.start, part.end)))

        what = "is no WAV, FLAC, OGG, AIFF or MP3 file that can be read"
        target = re.sub(r"\.[^./\\]*$", "", _clean(self.name)) + ".converted.wav"
        way = f'ffmpeg -i "{_clean(self.name)}" "{target}"'
        try:
            several = len(found) > 1
            decoder = AvDecoder(
                cast(BinaryIO, Slice(file, found[0].start, found[0].end)) if several else file
            )
        except SoundError as error:
            if REMEDY in str(error):
                reason += f"; to read what FFmpeg reads: {REMEDY}, or convert it: {way}"
            elif "Invalid data" not in str(error):
                reason += f"; FFmpeg: {error}"
            raise SoundError(f"{_clean(self.name)} {what}: {reason}") from None
        self.frames = None if several else decoder.frames
        self._waiting = self._further(found[1:], open_part)
        suffix = Path(self.name).suffix.lower()
        known = (".wav", ".flac", ".ogg", ".mp3", ".aiff")
        if suffix in known and decoder.container != suffix[1:]:
            self.notes.append(
                f"is no {suffix[1:].upper()} inside but {decoder.form} ({decoder.container})"
            )
        return decoder

    def blocks(self, block_samples: int) -> Iterator[FloatArray]:
        """Yields mono blocks of that many samples, the last one shorter.

        Raises SoundError for a sample that is no number or no audio, naming its index and time, and
        for a file that cannot be read on.
        """
        rest: list[FloatArray] = []
        have = 0
        try:
            for unit in self._units():
                rest.append(unit)
                have += len(unit)
                if have < block_samples:
                    continue
                joined = np.concatenate(rest)
                whole = have - have % block_samples
                for start in range(0, whole, block_samples):
                    yield joined[start : start + block_samples]
                rest, have = [joined[whole:]], have - whole
        except OSError as error:
            raise self._refusal(str(error.strerror or error)) from None
        if have:
            yield np.concatenate(rest)

    def close(self) -> None:
        """Closes the file; a stream that was given stays open."""
        with contextlib.suppress(AttributeError, OSError):
            self._decoder.close()
        self._stack.close()

    # ---- parts, mixing, checks ------------------------------------------------------------

    def _units(self) -> Iterator[FloatArray]:
        mixer = _Mixer(self.sample_rate)
        position = 0
        number = 1
        while True:
            before = position
            resampler = _PartResampler(self._decoder.rate_hz, self.sample_rate)
            for rows in self._rows():
                self._refuse_non_audio(rows, position)
                position += len(rows)
                if len(mono := resampler.push(mixer.mix(rows))):
                    yield mono
            if len(mono := resampler.end()):
                yield mono
            self._tell_early_end(position - before, number)
            following = self._next_part()
            if following is None:
                break
            number += 1
        if position == 0:
            raise SoundError(f"{_clean(self.name)} holds no audio (0 samples)")
        self.notes += mixer.notes()

    def _rows(self) -> Iterator[FloatArray]:
        decoder = self._decoder
        unit_s = _PIPE_UNIT_S if self.piped else _UNIT_S
        count = max(1, round(unit_s * decoder.rate_hz))
        count = max(1, min(count, _MOST_VALUES // max(decoder.channels, 1)))
        while True:
            try:
                rows = decoder.read(count)
            except SoundError as error:
                raise self._refusal(str(error)) from None
            if not len(rows):
                return
            yield rows

    def _next_part(self) -> Decoder | None:
        last = self._decoder
        following: Decoder | None
        if isinstance(last, PcmDecoder):
            try:
                following = last.next_part()
            except SoundError as error:
                last.notes.append(f"what follows is left out: {error}")
                following = None
        else:
            following = next(self._waiting, None)
        self.notes += last.notes
        last.close()
        if following is None:
            return None
        self._decoder = following
        self._check_part(following)
        if following.rate_hz != self.sample_rate:
            self.notes.append(
                f"a later part runs at {following.rate_hz} Hz: resampled to {self.sample_rate} Hz"
            )
        return following

    def _check_part(self, part: Decoder) -> None:
        if not RATES_HZ[0] <= part.rate_hz <= RATES_HZ[1] or part.channels < 1:
            raise self._refusal(
                f"its header says {part.rate_hz} Hz and {part.channels} channels, which is no sound"
            )

    def _tell_early_end(self, read: int, number: int) -> None:
        part = self._decoder
        if part.frames is None or part.frames - read <= _SLACK_S * part.rate_hz:
            return
        which = "" if number == 1 else f"part {number} "
        self.notes.append(
            f"{which}ends early: {read} of {part.frames} samples that its header announces are "
            f"there ({read / part.rate_hz:.2f} of {part.frames / part.rate_hz:.2f} s)"
        )

    def _refuse_non_audio(self, rows: FloatArray, position: int) -> None:
        good = is_audio(rows).all(axis=1)
        if not good.all():
            row = int(np.argmin(good))
            value = float(rows[row][~is_audio(rows[row])][0])
            index = position + row
            raise self._refusal(
                f"sample {index} ({index / self._decoder.rate_hz:.3f} s) is {what_is_wrong(value)}"
            )

    def _refusal(self, reason: str) -> SoundError:
        return SoundError(f"{_clean(self.name)}: {reason}")


class _Mixer:
    """Rows to mono, and how loud it was."""

    def __init__(self, rate_hz: int) -> None:
        self._window = max(1, rate_hz // 10)
        self._least = rate_hz // 4  # samples that tell an offset, or a cancellation, from chance
        self._rest: FloatArray = np.empty(0, np.float32)
        self._loudest = -1.0
        self._measured = 0  # windows
        self._mixed = 0.0
        self._seen = 0
        self._powers: NDArray[np.float64] = np.zeros(0)
        self._channel: int | None = None
        self._told: int | None = None
        self._offset: np.float32 | None = None

    def mix(self, rows: FloatArray) -> FloatArray:
        """(n, channels) -> (n,)."""
        channels = rows.shape[1]
        if channels == 1:
            mono = np.ascontiguousarray(rows[:, 0])
        else:
            mono = rows.mean(axis=1, dtype=np.float32)
            if len(self._powers) != channels:
                self._powers, self._mixed, self._channel = np.zeros(channels), 0.0, None
                self._seen = 0
            centred = rows - rows.mean(axis=0, dtype=np.float64)
            self._powers += (centred**2).sum(axis=0)
            self._mixed += float((centred.mean(axis=1) ** 2).sum())
            unrelated = float(self._powers.sum()) / channels**2
            self._seen += len(rows)
            decides = self._channel is None and self._seen >= self._least
            if decides and self._mixed < _CANCELLED * unrelated:
                self._channel = self._told = int(np.argmax(self._powers))
            if self._channel is not None:
                mono = np.ascontiguousarray(rows[:, self._channel])
        if self._offset is None:
            mean = float(mono.mean(dtype=np.float64)) if len(mono) >= self._least else 0.0
            self._offset = np.float32(mean if abs(mean) > _OFFSET else 0.0)
        if self._offset:
            mono = mono - self._offset
        self._measure(mono)
        return mono

    def _measure(self, mono: FloatArray) -> None:
        joined = np.concatenate([self._rest, mono])
        whole = len(joined) - len(joined) % self._window
        if whole:
            windows = joined[:whole].reshape(-1, self._window).astype(np.float64)
            # About its mean: an offset is no loudness.
            self._loudest = max(self._loudest, float(windows.var(axis=1).max()))
            self._measured += len(windows)
        self._rest = joined[whole:]

    def notes(self) -> list[str]:
        """What is worth telling of all that was mixed."""
        told = []
        if self._offset:
            told.append(
                f"has a DC offset of {100 * float(self._offset):.1f} % of full scale: taken out"
            )
        if self._told is not None:
            told.append(
                "its channels cancel (one is the other upside down): channel "
                f"{self._told + 1} alone is heard"
            )
        if self._measured < _LEAST_WINDOWS:
            return told
        if self._loudest == 0.0:
            told.append("holds nothing but silence")
        elif 0.0 < self._loudest < 10 ** (QUIET_DB / 10):
            level_db = 10 * np.log10(self._loudest)
            told.append(
                f"is very quiet: {level_db:.0f} dB in its loudest 0.1 s, where speech has about "
                f"-20; raise it by {round(-20 - level_db)} dB or the face will hardly move"
            )
        return told


class _PartResampler:
    """A part of another rate at the first one's; round(n x ratio) samples come out of n."""

    def __init__(self, from_hz: int, to_hz: int) -> None:
        self._ratio = to_hz / from_hz
        self._stream = None
        self._from_hz, self._to_hz = from_hz, to_hz
        if from_hz != to_hz:
            self._stream = samplerate.Resampler("sinc_medium", channels=1)
        self._taken = self._given = 0

    def push(self, mono: FloatArray) -> FloatArray:
        if self._stream is None or not len(mono):
            return mono
        self._taken += len(mono)
        out: FloatArray = self._stream.process(mono, self._ratio, end_of_input=False)
        self._given += len(out)
        return out

    def end(self) -> FloatArray:
        """What the filter holds back, brought out by silence."""
        if self._stream is None:
            return np.empty(0, np.float32)
        owed = round(self._taken * self._to_hz / self._from_hz) - self._given
        parts: list[FloatArray] = []
        silence = np.zeros(4096, np.float32)
        while sum(map(len, parts)) < owed:
            parts.append(self._stream.process(silence, self._ratio, end_of_input=False))
        return np.concatenate([np.empty(0, np.float32), *parts])[: max(0, owed)]


def _clean(name: str) -> str:
    """A path that any terminal can show: names are bytes, and need be no text."""
    return name.encode("utf-8", "backslashreplace").decode("utf-8", "replace")


def read_all(source: str | Path | BinaryIO, *, name: str = "") -> tuple[FloatArray, int, list[str]]:
    """All of a file: mono samples (n,), rate in Hz, notes. Raises SoundError."""
    reader = SoundReader(source, name=name)
    try:
        blocks = list(reader.blocks(reader.sample_rate))
        return np.concatenate(blocks), reader.sample_rate, reader.notes
    finally:
        reader.close()


def stdin() -> BinaryIO:
    """Standard input as bytes. Raises SoundError where it is a terminal or closed."""
    try:
        if os.isatty(0):
            raise SoundError("standard input is a terminal: pipe sound into it")
        return _forwards(io.FileIO(os.dup(0), "r"))
    except OSError:
        raise SoundError("standard input is closed") from None


def _forwards(file: io.FileIO) -> BinaryIO:
    """With a buffer if it is a file, without for a pipe: the interpreter cannot end while a thread
    waits in one."""
    return cast(BinaryIO, io.BufferedReader(file) if file.seekable() else file)
