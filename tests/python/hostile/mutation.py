"""Bytes that are nearly right: mutations of good ones, all drawn from one `random.Random`."""

from __future__ import annotations

import copy
import json
from collections.abc import Sequence
from random import Random
from typing import Any

_EDGES = (0, 1, 0x7F, 0x80, 0xFE, 0xFF, 0x20, 0x0A, 0x22, 0x2D)
_WORDS = (
    b"-1", b"0", b"1e999", b"nan", b"-inf", b"99999999999999999999", b"\xff\xfe", b"\x00" * 8,
    b"\xff" * 4, b"\xff" * 8, b"\x7f\xff\xff\xff", b"\xff\xff\xff\x7f", b"\r\n", b'""', b"{}", b"[",
    b"\xed\xa0\x80", "\u202e\U0001f600".encode(), b"../../x", b";" * 50, b"=" * 9,
)  # fmt: skip
_VALUES: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 0.5, 1e308, -1e308, 2**31, 2**63, 2**64, 10**40, "", "x", "\0",
    "a" * 3000, "../..", "\ud800", [], {}, [None], [[]], {"": ""}, [1] * 300, {"a": {"a": {}}},
    float("nan"), float("inf"), "NaN", "1", [0, 0], [-1, 60], "data:,", "%00",
)  # fmt: skip


def mutated(good: Sequence[bytes], random: Random) -> bytes:
    """One of the good inputs, changed in 1 to 6 places."""
    bytes_ = bytearray(random.choice(good))
    for _ in range(random.randint(1, 6)):
        at = random.randrange(len(bytes_) + 1)
        match random.randrange(8):
            case 0:
                bytes_[at : at + 1] = bytes([random.randrange(256)])
            case 1:
                bytes_[at : at + 1] = bytes([random.choice(_EDGES)])
            case 2:
                bytes_[at:at] = random.choice(_WORDS)
            case 3:
                bytes_[at : at + random.choice((1, 2, 4, 8, 100))] = b""
            case 4:
                bytes_[at : at + 4] = random.choice(_WORDS)
            case 5:
                bytes_[at:at] = bytes_[at : at + random.choice((1, 8, 64))]
            case 6:
                other = random.choice(good)
                from_ = random.randrange(len(other) + 1)
                bytes_[at:at] = other[from_ : from_ + random.choice((4, 40))]
            case _:
                # Seldom, as nothing after it counts any more.
                if random.randrange(4) == 0:
                    del bytes_[at:]
    return bytes(bytes_)


def mutated_json(good: Any, random: Random) -> bytes:
    """A document with 1 to 3 of its values, names or lengths changed, as JSON."""
    found = json.loads(json.dumps(good))
    for _ in range(random.randint(1, 3)):
        _change(found, random)
    return json.dumps(found).encode()


def _change(found: Any, random: Random) -> None:
    """Walks down some way, and changes what is there."""
    while True:
        if isinstance(found, dict) and found:
            key: Any = random.choice(list(found))
        elif isinstance(found, list) and found:
            key = random.randrange(len(found))
        else:
            return
        if isinstance(found[key], dict | list) and found[key] and random.randrange(5):
            found = found[key]
            continue
        break
    match random.randrange(8):
        case 0:
            del found[key]
        case 1 if isinstance(found, dict):
            found[random.choice(("", "x", "name", "type", key + "x"))] = found.pop(key)
        case 2 if isinstance(found, list):
            found.append(copy.deepcopy(found[key]))
        case 3 if isinstance(found[key], int | float) and not isinstance(found[key], bool):
            found[key] = random.choice((found[key] + 1, -found[key], found[key] * 1000, 0))
        case _:
            found[key] = copy.deepcopy(random.choice(_VALUES))
