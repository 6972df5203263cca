"""Where one file ends and the next begins, in files that were put end to end.

libsndfile reads the first link of a chained Ogg file, and an MP3 or FLAC file as far as its first
header says. Speech services return answers joined so.
"""

from __future__ import annotations

import re
import struct
from typing import BinaryIO

from .stream import Part


def split(file: BinaryIO, size: int) -> tuple[str, list[Part]]:
    """("mp3", "ogg", "flac", "mp4", "ebml" (WEBM) or "", the parts in order). Raises OSError."""
    start = _after_id3(file, 0, size)
    head = _at(file, start, 4)
    if head == b"OggS":
        return "ogg", _spans(_ogg_starts(file, start, size), size)
    if head == b"fLaC":
        return "flac", _spans(_found(file, _FLAC, start, 8), size)
    if _mp3_length(head) and _mp3_length(_at(file, start + _mp3_length(head), 4)):
        return "mp3", _mp3_parts(file, start, size)
    if head == b"\x1aE\xdf\xa3":
        return "ebml", _spans(_found(file, _EBML, start, 64), size)
    if _at(file, start + 4, 4) == b"ftyp":
        return "mp4", _spans(_mp4_starts(file, start, size), size)
    if not _OTHERS.match(_at(file, 0, 12)):
        # An MP3 that was cut begins within a frame.
        found = _resync(file, start, min(size, start + _LONGEST_FRAME))
        if _is_run(file, found):
            return "mp3", _mp3_parts(file, found, size)
    return ("mp3" if _mp3_length(head) else ""), [Part(0, size)]


# What begins so is no MP3, whatever stands in it.
_OTHERS = re.compile(rb"RIFF|RF64|BW64|RIFX|FORM|caff|\.snd|riff|....ftyp|\x1aE\xdf\xa3", re.DOTALL)
_LONGEST_FRAME = 2 * 2881
_RUN_FRAMES = 4


def _is_run(file: BinaryIO, at: int) -> bool:
    """Whether several MPEG audio frames follow each other."""
    for _ in range(_RUN_FRAMES):
        head = _at(file, at, 4)
        if not _mp3_length(head) or (head[1] >> 1) & 3 != 1:
            return False
        at += _mp3_length(head)
    return True


def _spans(starts: list[int], size: int) -> list[Part]:
    return [Part(*ends) for ends in zip(starts, [*starts[1:], size], strict=True)]


def _at(file: BinaryIO, offset: int, count: int) -> bytes:
    file.seek(offset)
    return file.read(count)


def _after_id3(file: BinaryIO, at: int, size: int) -> int:
    """Where what follows an ID3v2 tag begins; `at` where there is none."""
    while True:
        head = _at(file, at, 10)
        if len(head) < 10 or head[:3] != b"ID3" or any(b & 0x80 for b in head[6:]):
            return at
        length = (head[6] << 21) | (head[7] << 14) | (head[8] << 7) | head[9]
        after = at + 10 + length + (10 if head[5] & 0x10 else 0)
        if after >= size:
            return at
        at = after


def _find(file: BinaryIO, pattern: re.Pattern[bytes], at: int, longest: int) -> int | None:
    """The first match from `at` on. `longest`: bytes of a match at the most."""
    carry = b""
    file.seek(at)
    while chunk := file.read(1 << 20):
        text = carry + chunk
        if found := pattern.search(text):
            return at - len(carry) + found.start()
        at += len(chunk)
        carry = text[-(longest - 1) :]
    return None


_FLAC = re.compile(rb"fLaC[\x00\x80]\x00\x00\x22")


_EBML = re.compile(rb"\x1aE\xdf\xa3.{1,48}?(?:webm|matroska)", re.DOTALL)


def _found(file: BinaryIO, pattern: re.Pattern[bytes], start: int, longest: int) -> list[int]:
    """`start`, and every further place that looks like the beginning of a file."""
    starts = [start]
    while (found := _find(file, pattern, starts[-1] + 4, longest)) is not None:
        starts.append(found)
    return starts


def _mp4_starts(file: BinaryIO, start: int, size: int) -> list[int]:
    """The boxes at the top level that say what kind of file begins."""
    starts: list[int] = []
    at = start
    while at + 8 <= size:
        head = _at(file, at, 16)
        length = int.from_bytes(head[:4], "big")
        if length == 1:
            length = int.from_bytes(head[8:], "big")
        if head[4:8] == b"ftyp":
            starts.append(at)
        if length < 8:
            break
        at += length
    return starts or [start]


_OGG = re.compile(rb"OggS\x00")


def _ogg_starts(file: BinaryIO, start: int, size: int) -> list[int]:
    """The first page of every link: one that begins a stream after one that does not."""
    starts = [start]
    at, begun = start, False
    while at < size:
        head = _at(file, at, 27)
        if len(head) < 27:
            break
        if head[:4] != b"OggS":
            found = _find(file, _OGG, at + 1, 5)
            if found is None:
                break
            at = found
            continue
        begins = bool(head[5] & 2)
        if begins and begun:
            starts.append(at)
        begun = not begins
        at += 27 + head[26] + sum(file.read(head[26]))
    return starts


_RATES = (44100, 48000, 32000)
_KBITS = {
    (1, 1): (32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (1, 2): (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (1, 3): (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (2, 1): (32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (2, 2): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}


def _mp3_length(head: bytes) -> int:
    """Bytes of the MPEG audio frame with this header; 0 where it is none."""
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE0 != 0xE0:
        return 0
    version, layer = (head[1] >> 3) & 3, 4 - ((head[1] >> 1) & 3)
    kbit, rate = head[2] >> 4, (head[2] >> 2) & 3
    if version == 1 or layer == 4 or kbit in (0, 15) or rate == 3:
        return 0
    family = 1 if version == 3 else 2
    bits = 1000 * _KBITS[family, layer if family == 1 else min(layer, 2)][kbit - 1]
    rate_hz = _RATES[rate] >> {3: 0, 2: 1, 0: 2}[version]
    padding = (head[2] >> 1) & 1
    if layer == 1:
        return (12 * bits // rate_hz + padding) * 4
    return (144 if layer == 2 or family == 1 else 72) * bits // rate_hz + padding


def _samples_in(head: bytes) -> int:
    """Samples in a frame with this header."""
    layer = 4 - ((head[1] >> 1) & 3)
    if layer == 1:
        return 384
    return 576 if layer == 3 and (head[1] >> 3) & 3 != 3 else 1152


def _info_frames(frame: bytes) -> int | None:
    """Frames that a Xing, Info or VBRI header announces, 0 if it does not say; None: no header."""
    mono, first = frame[3] >> 6 == 3, (frame[1] >> 3) & 3 == 3
    at = 4 + ((17 if mono else 32) if first else (9 if mono else 17))
    if frame[at : at + 4] in (b"Xing", b"Info"):
        flags = int.from_bytes(frame[at + 4 : at + 8], "big")
        return int.from_bytes(frame[at + 8 : at + 12], "big") if flags & 1 else 0
    if frame[36:40] == b"VBRI":
        return int.from_bytes(frame[50:54], "big")
    return None


_SYNC = re.compile(rb"\xff[\xe2-\xff]|ID3")


def _info_of(head: bytes, frames: int) -> bytes:
    """A frame that announces how many follow; libsndfile reads no more than it takes for the length
    of an MP3, which it guesses from the first frames where nothing announces it."""
    first = (head[1] >> 3) & 3 == 3
    # Without a checksum, and large enough at any rate.
    made = bytes([0xFF, head[1] | 1, 0xA0 | (head[2] & 0x0C), head[3]])
    side = (17 if head[3] >> 6 == 3 else 32) if first else (9 if head[3] >> 6 == 3 else 17)
    frame = made + bytes(side) + b"Info" + struct.pack(">II", 1, frames)
    return frame.ljust(_mp3_length(made), b"\0")


def _mp3_parts(file: BinaryIO, start: int, size: int) -> list[Part]:
    """Cut at every place where a decoder must begin anew.

    That is at a tag, at a header of a file (Xing, Info, VBRI), where more frames follow than the
    last of those announced, and where rate or channel count change.
    """
    starts: list[int] = []
    heads: list[bytes | None] = []  # a part's first frame, where nothing announces its length
    counts: list[int] = []
    at, tag_at = start, start
    form: tuple[int, ...] | None = None
    left: int | None = None
    while at < size - 4:
        head = _at(file, at, 4)
        length = _mp3_length(head)
        if not length:
            after = _after_id3(file, at, size)
            if after != at:
                tag_at, at = at, after
                form = None
                continue
            at = tag_at = _resync(file, at + (128 if head[:3] == b"TAG" else 1), size)
            continue
        frame = head + file.read(60)
        info = _info_frames(frame)
        here = (head[1] & 0xFE, head[2] & 0x0C, int(head[3] >> 6 == 3))
        if form is None or here != form or info is not None or left == 0:
            # What libsndfile shall read after a frame of ours must begin with a frame.
            starts.append(tag_at if form is None and info is not None else at)
            heads.append(None if info else head)
            counts.append(0)
            left = info or None
        elif left is not None:
            left -= 1
        counts[-1] += info is None
        form = here
        at += length
        tag_at = at
    if not starts:
        return [Part(start, size)]
    found = []
    for part, head_of, count in zip(_spans(starts, size), heads, counts, strict=True):
        if head_of is not None:
            samples = count * _samples_in(head_of)
            part = Part(part.start, part.end, samples, _info_of(head_of, count))
        found.append(part)
    return found


def _resync(file: BinaryIO, at: int, size: int) -> int:
    """The next place where a frame is followed by a frame, or a tag begins; `size` for none."""
    while (found := _find(file, _SYNC, at, 3)) is not None:
        if _at(file, found, 3) == b"ID3" and _after_id3(file, found, size) != found:
            return found
        length = _mp3_length(_at(file, found, 4))
        if length and (found + length >= size or _mp3_length(_at(file, found + length, 4))):
            return found
        at = found + 1
    return size
