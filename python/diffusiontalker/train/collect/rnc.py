"""RNC ProPack, method 1: unpacking.

A packed block is a header of 18 bytes and the packed bytes. Numbers in the header are big-endian:

    "RNC" 0x01 | u32 unpacked bytes | u32 packed bytes | u16 CRC of the unpacked bytes |
    u16 CRC of the packed bytes | u8 leeway for unpacking in place | u8 chunks

What follows is bits and literal bytes in one sequence. Bits come in little-endian 16-bit words,
lowest first; a word is taken where the first of its bits is needed, and literals lie between the
words. Two bits at the start are of no use here (a lock and a key). Each chunk has three Huffman
tables, for literal counts, distances and lengths, then 16 bits: how many pairs of literals and a
match follow. The last pair of a chunk has no match.

A table is 5 bits, the number of symbols, and 4 bits of code length a symbol (0: does not occur).
Codes are canonical and written from their highest bit. Symbols 0 and 1 stand for themselves; symbol
n above stands for 2^(n-1) plus the n-1 bits that follow the code. A match goes back distance + 1
bytes and is length + 2 bytes long. Both CRCs are CRC-16/ARC.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

MAGIC = b"RNC\x01"
_HEADER = struct.Struct(">4sIIHHBB")
#: Bits that are at hand before a symbol is read: a code of 15 and its 30 at most.
_ENOUGH = 45


class BrokenPack(ValueError):
    """Data that is no whole RNC block of method 1."""


@dataclass(frozen=True)
class _Table:
    """Every pattern of the next `bits` bits -> (length of the code, base value, bits to add)."""

    bits: int
    symbols: list[tuple[int, int, int]]  # length 0 where no code begins so


def crc16(data: bytes) -> int:
    """CRC-16/ARC: polynomial 0x8005, lowest bit first, starting from 0."""
    crc = 0
    for byte in data:
        crc = crc >> 8 ^ _CRC[(crc ^ byte) & 0xFF]
    return crc


def _crc_table() -> tuple[int, ...]:
    table = []
    for crc in range(256):
        for _ in range(8):
            crc = crc >> 1 ^ (0xA001 if crc & 1 else 0)
        table.append(crc)
    return tuple(table)


_CRC = _crc_table()


def unpack(data: bytes) -> bytes:
    """The bytes of the block that `data` starts with. Raises BrokenPack."""
    if len(data) < _HEADER.size:
        raise BrokenPack(f"{len(data)} bytes are no RNC block: its header alone has 18")
    magic, size, packed, crc, packed_crc, _, chunks = _HEADER.unpack_from(data)
    if magic != MAGIC:
        raise BrokenPack(f"starts with {magic.hex()}, expected {MAGIC.hex()} (RNC, method 1)")
    body = data[_HEADER.size : _HEADER.size + packed]
    if len(body) < packed:
        raise BrokenPack(f"ends after {len(body)} of {packed} packed bytes")
    _refuse_other_crc("packed", body, packed_crc)
    reader = _Reader(body)
    reader.bits(2)
    out = bytearray()
    for _ in range(chunks):
        reader.chunk(out, size)
    if len(out) != size:
        raise BrokenPack(f"unpacks to {len(out)} bytes, expected {size}")
    _refuse_other_crc("unpacked", out, crc)
    return bytes(out)


def _refuse_other_crc(which: str, data: bytes | bytearray, expected: int) -> None:
    got = crc16(bytes(data))
    if got != expected:
        raise BrokenPack(f"CRC of the {which} bytes is {got:04x}, expected {expected:04x}")


class _Reader:
    """Bits and literals of one sequence.

    More words are at hand than were begun; a literal starts after the last word that was begun, so
    whole words that no bit was read from are given back first.
    """

    def __init__(self, body: bytes) -> None:
        self._body = body + bytes(16)  # reading ahead needs no check; `_refuse_overrun` is one
        self._end = len(body) + 1  # of the last word the upper half may be missing
        self._at = 0
        self._held, self._count = 0, 0

    def bits(self, count: int) -> int:
        self._fill()
        value = self._held & ((1 << count) - 1)
        self._held >>= count
        self._count -= count
        return value

    def chunk(self, out: bytearray, size: int) -> None:
        """Append one chunk to `out`, which may not grow beyond `size`."""
        literals, distances, lengths = self._table(), self._table(), self._table()
        pairs = self.bits(16)
        self._refuse_overrun()
        for pair in range(pairs):
            count = self._symbol(literals)
            if count:
                out += self._take(count)
            if pair < pairs - 1:
                back = self._symbol(distances) + 1
                length = self._symbol(lengths) + 2
                start = len(out) - back
                if start < 0:
                    raise BrokenPack(f"a match goes back {back} bytes, {len(out)} are there")
                if length > size - len(out):
                    raise BrokenPack(f"unpacks to more than the {size} bytes that it names")
                if back < length:  # the match repeats what it writes
                    seen = bytes(out[start:])
                    out += (seen * (length // back + 1))[:length]
                else:
                    out += out[start : start + length]
            if len(out) > size:
                raise BrokenPack(f"unpacks to more than the {size} bytes that it names")
            self._refuse_overrun()

    def _fill(self) -> None:
        if self._count < _ENOUGH:
            word = int.from_bytes(self._body[self._at : self._at + 8], "little")
            self._held |= word << self._count
            self._count += 64
            self._at += 8

    def _symbol(self, table: _Table) -> int:
        if self._count < _ENOUGH:
            self._fill()
        held = self._held
        length, base, more = table.symbols[held & ((1 << table.bits) - 1)]
        if not length:
            raise BrokenPack("holds a code that is in none of its tables")
        held >>= length
        self._held = held >> more
        self._count -= length + more
        return base + (held & ((1 << more) - 1))

    def _take(self, count: int) -> bytes:
        ahead = self._count >> 4
        self._at -= 2 * ahead
        self._count &= 15
        self._held &= (1 << self._count) - 1
        taken = self._body[self._at : self._at + count]
        self._at += count
        return taken

    def _refuse_overrun(self) -> None:
        if self._at - 2 * (self._count >> 4) > self._end:
            raise BrokenPack("its bits go on after its end")

    def _table(self) -> _Table:
        lengths = [self.bits(4) for _ in range(self.bits(5))]
        longest = max(lengths, default=0)
        symbols = [(0, 0, 0)] * (1 << longest)
        code, last = 0, 0
        for length, value in sorted((length, i) for i, length in enumerate(lengths) if length):
            code <<= length - last
            last = length
            if code >> length:
                raise BrokenPack("a table has more codes than their lengths allow")
            more = max(value - 1, 0)
            symbol = (length, 1 << more if value else 0, more)
            first = int(f"{code:0{length}b}"[::-1], 2)
            for pattern in range(first, 1 << longest, 1 << length):
                symbols[pattern] = symbol
            code += 1
        return _Table(longest, symbols)
