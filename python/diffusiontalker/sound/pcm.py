"""Samples that stand in a file as they are: WAV, RF64, W64, AIFF, CAF, AU, and no header at all.

Read here and not by libsndfile, because it believes a header's sizes, and the headers of pipes and
of recorders that were killed state none: 0, -1, 0xFFFFFFFF. What is there is read then. A WAV after
a WAV is its next part.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .errors import SoundError
from .stream import ByteStream

FloatArray = NDArray[np.float32]

#: Sizes from here on are what writers put down who do not know (0xFFFFFFFF, SoX's 0x7FFFF000).
_UNKNOWN_SIZE = 0x7FFFF000
_UNKNOWN_SIZE_64 = 1 << 62
# A header of more bytes than this before the sound is none.
_LONGEST_HEADER = 64 << 20


@dataclass(frozen=True)
class Coding:
    """How a sample is written."""

    kind: str  #: "s" signed, "u" unsigned, "f" float, "alaw", "ulaw"
    width: int  #: bytes
    big: bool = False

    def decode(self, data: bytes) -> FloatArray:
        """Whole samples as float32, full scale 1.0."""
        order = ">" if self.big else "<"
        values: FloatArray
        if self.kind == "f":
            with np.errstate(over="ignore", invalid="ignore"):
                values = np.frombuffer(data, f"{order}f{self.width}").astype(np.float32)
        elif self.kind in _LAWS:
            values = _LAWS[self.kind][np.frombuffer(data, np.uint8)]
        elif self.kind == "u":
            values = (np.frombuffer(data, np.uint8).astype(np.float32) - 128.0) / np.float32(128.0)
        elif self.width == 3:
            raw = np.frombuffer(data, np.uint8).reshape(-1, 3)
            wide = np.zeros((len(raw), 4), np.uint8)
            wide[:, 1:] = raw[:, ::-1] if self.big else raw
            values = wide.view("<i4")[:, 0].astype(np.float32) / np.float32(2**31)
        else:
            whole = np.frombuffer(data, f"{order}i{self.width}").astype(np.float32)
            values = whole / np.float32(2 ** (8 * self.width - 1))
        return values


def _alaw() -> FloatArray:
    code = np.arange(256) ^ 0x55
    exponent, mantissa = (code >> 4) & 7, code & 15
    value = np.where(
        exponent == 0,
        (mantissa << 4) + 8,
        ((mantissa << 4) + 0x108) << np.maximum(exponent - 1, 0),
    )
    return np.asarray(np.where(code & 0x80, value, -value) / 32768.0, np.float32)


def _ulaw() -> FloatArray:
    code = ~np.arange(256) & 0xFF
    value = ((((code & 15) << 3) + 0x84) << ((code >> 4) & 7)) - 0x84
    return np.asarray(np.where(code & 0x80, -value, value) / 32768.0, np.float32)


_LAWS = {"alaw": _alaw(), "ulaw": _ulaw()}

#: What `--pcm` may name.
RAW_CODINGS = {
    "s16le": Coding("s", 2),
    "s16be": Coding("s", 2, big=True),
    "s24le": Coding("s", 3),
    "s32le": Coding("s", 4),
    "f32le": Coding("f", 4),
    "f64le": Coding("f", 8),
    "u8": Coding("u", 1),
    "s8": Coding("s", 1),
    "alaw": Coding("alaw", 1),
    "ulaw": Coding("ulaw", 1),
}


@dataclass(frozen=True)
class Header:
    """What stands before samples."""

    form: str
    coding: Coding
    channels: int
    rate_hz: int
    size: int | None  #: bytes of samples; None: all that comes
    frames: int | None  #: as the header announces; None where it does not


class PcmDecoder:
    """Samples (n, channels) behind a header."""

    def __init__(self, stream: ByteStream, header: Header) -> None:
        self.form = header.form
        self.rate_hz = header.rate_hz
        self.channels = header.channels
        self.frames = header.frames
        self.notes: list[str] = []
        self._stream = stream
        self._header = header
        self._block = header.coding.width * header.channels
        self._left = header.size

    def read(self, count: int) -> FloatArray:
        """Up to `count` rows, none at the end. Raises OSError."""
        wanted = count * self._block
        if self._left is not None:
            wanted = min(wanted, self._left)
        data = self._stream.read(wanted)
        if self._left is not None:
            self._left -= len(data)
        elif self.form == "WAV":
            data = self._up_to_next(data)
        whole = len(data) - len(data) % self._block
        return self._header.coding.decode(data[:whole]).reshape(-1, self.channels)

    def _up_to_next(self, data: bytes) -> bytes:
        """Samples of unknown number end at the latest where another WAV begins."""
        at = data.find(b"RIFF")
        if at < 0:
            at = next((len(data) - n for n in (3, 2, 1) if data.endswith(b"RIFF"[:n])), -1)
        if at < 0:
            return data
        head = (data[at:] + self._stream.peek(16))[:16]
        if head[:4] != b"RIFF" or head[8:] != b"WAVEfmt ":
            return data
        self._stream.unread(data[at:])
        self._left = 0
        self.frames = None  # what was announced was all of it, the next file too
        return data[:at]

    def next_part(self) -> PcmDecoder | None:
        """The file that follows this one in the same stream, if one does."""
        if self._left is None:
            return None
        self._stream.skip(self._left)
        order = _CHUNK_ORDERS.get(self.form)
        if order and self._header.size and self._header.size % 2:
            self._stream.skip(1)
        while len(head := self._stream.peek(12)) == 12:
            if head.startswith(_MAGICS) and (header := read_header(self._stream)) is not None:
                return PcmDecoder(self._stream, header)
            left = self._stream.left
            size = struct.unpack(order + "I", head[4:8])[0] if order else 0
            is_chunk = order and all(32 <= c < 127 for c in head[:4])
            if not is_chunk or size > (_LONGEST_HEADER if left is None else left):
                if left is not None and left // self._block > 0.1 * self.rate_hz:
                    self.notes.append(
                        f"{left} bytes follow the end that its header gives: not read"
                    )
                return None
            self._stream.skip(8 + size + size % 2)
        return None

    def close(self) -> None:
        """Nothing to close: the stream belongs to the caller."""


def read_header(stream: ByteStream) -> Header | None:
    """The header that begins here; None, and nothing consumed, where it is none of these forms.

    Raises OSError, and SoundError for a header that says what cannot be.
    """
    head = stream.peek(16)
    stream.mark()
    header: Header | None = None
    try:
        for magic, reader in _READERS:
            if head.startswith(magic):
                header = reader(stream)
                break
    except (struct.error, OverflowError, ValueError):
        header = None  # it ends within its header: libsndfile says how it sees it
    if header is None:
        stream.back()
        return None
    stream.unmark()
    if not 1 <= header.channels <= 1024:
        raise SoundError(f"its header says {header.channels} channels")
    return header


def _sized(
    stream: ByteStream, stated: int, block: int, *, never_closed: bool, largest: int = _UNKNOWN_SIZE
) -> tuple[int | None, int | None]:
    """(size to read, frames announced) where a header states `stated` bytes of samples."""
    left = stream.left
    if stated >= largest or (stated == 0 and never_closed):
        return None, None if left is None else left // block
    if left is not None and stated > left:
        return None, stated // block
    return stated, stated // block


_RIFF_ORDERS = {b"RIFF": "<", b"RF64": "<", b"BW64": "<", b"RIFX": ">"}


def _fmt(data: bytes, order: str) -> tuple[Coding | None, int, int]:
    tag, channels, rate_hz, _, block, bits = struct.unpack(order + "HHIIHH", data[:16])
    if tag == 0xFFFE and len(data) >= 26:
        (tag,) = struct.unpack(order + "H", data[24:26])
    width = block // channels if channels and block % channels == 0 else (bits + 7) // 8
    big = order == ">"
    coding: Coding | None = None
    if tag == 1 and width == 1:
        coding = Coding("u", 1)
    elif tag == 1 and width in (2, 3, 4):
        coding = Coding("s", width, big)
    elif tag == 3 and width in (4, 8):
        coding = Coding("f", width, big)
    elif tag in (6, 7) and width == 1:
        coding = Coding("alaw" if tag == 6 else "ulaw", 1)
    return coding, channels, rate_hz


def _riff(stream: ByteStream) -> Header | None:
    begin = stream.position
    magic, riff_size, form = struct.unpack("<4s4s4s", stream.read(12))
    order = _RIFF_ORDERS[magic]
    (riff_size,) = struct.unpack(order + "I", riff_size)
    if form != b"WAVE":
        return None
    coding: Coding | None = None
    long_size = 0
    channels = rate_hz = 0
    while stream.position - begin < _LONGEST_HEADER:
        name, size = struct.unpack(order + "4sI", stream.read(8))
        if name == b"data":
            if coding is None or channels == 0:
                return None
            block = coding.width * channels
            if size == 0xFFFFFFFF and 0 < long_size < _UNKNOWN_SIZE_64:
                size_known = _sized(
                    stream, long_size, block, never_closed=False, largest=_UNKNOWN_SIZE_64
                )
            else:
                # A closed and empty file ends where its RIFF chunk says.
                closed = stream.size is not None and riff_size + 8 == stream.size - begin
                size_known = _sized(stream, size, block, never_closed=not closed)
            return Header("WAV", coding, channels, rate_hz, *size_known)
        if size > _LONGEST_HEADER:
            return None
        data = stream.read(size + size % 2)
        if name == b"fmt ":
            coding, channels, rate_hz = _fmt(data, order)
        elif name == b"ds64":
            (long_size,) = struct.unpack("<Q", data[8:16])
    return None


_W64_TAIL = bytes.fromhex("f3acd3118cd100c04f8edb8a")


def _w64(stream: ByteStream) -> Header | None:
    begin = stream.position
    stream.skip(16 + 8 + 16)
    coding: Coding | None = None
    channels = rate_hz = 0
    while stream.position - begin < _LONGEST_HEADER:
        guid, size = struct.unpack("<16sQ", stream.read(24))
        if guid[:4] == b"data":
            if coding is None or channels == 0:
                return None
            size_known = _sized(
                stream, max(0, size - 24), coding.width * channels,
                never_closed=True, largest=_UNKNOWN_SIZE_64,
            )  # fmt: skip
            return Header("W64", coding, channels, rate_hz, *size_known)
        body = size - 24
        if not 0 <= body <= _LONGEST_HEADER:
            return None
        data = stream.read(body + -body % 8)
        if guid[:4] == b"fmt ":
            coding, channels, rate_hz = _fmt(data, "<")
    return None


_AIFF_CODINGS: dict[bytes, Callable[[int], Coding | None]] = {
    b"NONE": lambda width: Coding("s", width, big=True),
    b"twos": lambda width: Coding("s", width, big=True),
    b"in24": lambda width: Coding("s", 3, big=True),
    b"in32": lambda width: Coding("s", 4, big=True),
    b"sowt": lambda width: Coding("s", width),
    b"raw ": lambda width: Coding("u", 1) if width == 1 else None,
    b"fl32": lambda width: Coding("f", 4, big=True),
    b"FL32": lambda width: Coding("f", 4, big=True),
    b"fl64": lambda width: Coding("f", 8, big=True),
    b"FL64": lambda width: Coding("f", 8, big=True),
    b"alaw": lambda width: Coding("alaw", 1),
    b"ALAW": lambda width: Coding("alaw", 1),
    b"ulaw": lambda width: Coding("ulaw", 1),
    b"ULAW": lambda width: Coding("ulaw", 1),
}


def _aiff(stream: ByteStream) -> Header | None:
    begin = stream.position
    _, _, form = struct.unpack(">4sI4s", stream.read(12))
    if form not in (b"AIFF", b"AIFC"):
        return None
    coding: Coding | None = None
    channels = frames = rate_hz = 0
    while stream.position - begin < _LONGEST_HEADER:
        name, size = struct.unpack(">4sI", stream.read(8))
        if name == b"SSND":
            offset, _ = struct.unpack(">II", stream.read(8))
            if coding is None or channels == 0 or offset > _LONGEST_HEADER:
                return None
            stream.skip(offset)
            block = coding.width * channels
            stated = max(0, size - 8 - offset)
            if size < _UNKNOWN_SIZE and 0 < frames * block < _UNKNOWN_SIZE:
                stated = min(stated, frames * block) or frames * block
            size_known = _sized(stream, stated, block, never_closed=frames == 0 or size <= 8)
            return Header("AIFF", coding, channels, rate_hz, *size_known)
        if size > _LONGEST_HEADER:
            return None
        data = stream.read(size + size % 2)
        if name == b"COMM":
            channels, frames, bits = struct.unpack(">HIH", data[:8])
            exponent, mantissa = struct.unpack(">HQ", data[8:18])
            rate = math.ldexp(mantissa, (exponent & 0x7FFF) - 16446) if exponent < 0x7FFF else 0.0
            rate_hz = round(rate) if rate < 1e9 else 0
            make = _AIFF_CODINGS.get(data[18:22] if form == b"AIFC" else b"NONE")
            width = (bits + 7) // 8
            coding = None if make is None or (not 1 <= width <= 4 and bits != 64) else make(width)
    return None


def _caf(stream: ByteStream) -> Header | None:
    begin = stream.position
    stream.skip(8)
    coding: Coding | None = None
    channels = rate_hz = 0
    while stream.position - begin < _LONGEST_HEADER:
        name, size = struct.unpack(">4sq", stream.read(12))
        if name == b"data":
            if coding is None or channels == 0:
                return None
            stream.skip(4)
            block = coding.width * channels
            stated = _UNKNOWN_SIZE_64 if size < 0 else max(0, size - 4)
            size_known = _sized(stream, stated, block, never_closed=True, largest=_UNKNOWN_SIZE_64)
            return Header("CAF", coding, channels, rate_hz, *size_known)
        if not 0 <= size <= _LONGEST_HEADER:
            return None
        data = stream.read(size)
        if name == b"desc":
            rate, form, flags, _, _, channels, bits = struct.unpack(">d4sIIIII", data[:32])
            rate_hz = round(rate) if 0 < rate < 1e9 else 0
            width = (bits + 7) // 8
            big = not flags & 2
            if form in (b"alaw", b"ulaw"):
                coding = Coding(form.decode(), 1)
            elif form == b"lpcm" and flags & 1 and width in (4, 8):
                coding = Coding("f", width, big)
            elif form == b"lpcm" and not flags & 1 and 1 <= width <= 4:
                coding = Coding("s", width, big)
            else:
                return None
    return None


_AU_CODINGS = {
    1: Coding("ulaw", 1),
    2: Coding("s", 1),
    3: Coding("s", 2, big=True),
    4: Coding("s", 3, big=True),
    5: Coding("s", 4, big=True),
    6: Coding("f", 4, big=True),
    7: Coding("f", 8, big=True),
    27: Coding("alaw", 1),
}


def _au(stream: ByteStream) -> Header | None:
    _, offset, size, code, rate_hz, channels = struct.unpack(">4sIIIII", stream.read(24))
    coding = _AU_CODINGS.get(code)
    if coding is None or channels == 0 or not 24 <= offset <= _LONGEST_HEADER:
        return None
    stream.skip(offset - 24)
    size_known = _sized(stream, size, coding.width * channels, never_closed=True)
    return Header("AU", coding, channels, rate_hz, *size_known)


_READERS: tuple[tuple[bytes, Callable[[ByteStream], Header | None]], ...] = (
    *((magic, _riff) for magic in _RIFF_ORDERS),
    (b"riff" + bytes.fromhex("2e91cf11a5d628db04c10000"), _w64),
    (b"FORM", _aiff),
    (b"caff", _caf),
    (b".snd", _au),
)
_MAGICS = tuple(magic for magic, _ in _READERS)
# Byte order of the chunks that may stand behind samples.
_CHUNK_ORDERS = {"WAV": "<", "AIFF": ">"}
