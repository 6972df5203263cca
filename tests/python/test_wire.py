"""The wire: what is encoded is decoded, and nothing else is accepted (docs/wire.md)."""

from __future__ import annotations

import dataclasses
import random
import re
import struct

import msgpack
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from paths import ROOT

from diffusiontalker import wire
from diffusiontalker.curves import CURVES

SCHEMA = wire.Schema(
    subject="Gesicht ä",
    session=123456789,
    curves=CURVES,
    rate_num=60,
    rate_den=1,
    model="default",
    model_version="0123456789ab",
    lookahead_ms=59.1875,
    audio_rate=48000,
    start_ns=5_000_000_000,
    start_unix_ns=1_700_000_000_000_000_000,
)
FRAME = wire.Frame(
    subject="face",
    session=2**63 - 1,
    sequence=7,
    index=9,
    rate_num=30000,
    rate_den=1001,
    position=14414,
    audio_rate=48000,
    capture_ns=123_456_789_012,
    flags=wire.FLAG_CLOSING | wire.FLAG_NEUTRAL,
    curves=tuple(i / 64 for i in range(52)),
)
BYE = wire.Bye("face", 5, 60, "end of the audio")
AUDIO = wire.Audio("face", 5, 3, 960, 16000, 123_456, struct.pack("<4h", 0, 1, -1, -32768))

whole = st.integers(0, 2**63 - 1)
positive = st.integers(1, 2**31 - 1)
session = st.integers(1, 2**63 - 1)
subject = st.text(
    st.characters(codec="utf-8", categories=["L", "N", "P", "S"], exclude_characters="/"),
    min_size=1, max_size=30,
)  # fmt: skip
single = st.floats(allow_nan=False, allow_infinity=False, width=32)
frames = st.builds(
    wire.Frame, subject, session, whole, whole, positive, positive, whole, positive, whole,
    st.integers(0, 2**32 - 1), st.lists(single, min_size=1, max_size=256).map(tuple),
)  # fmt: skip
text = st.text(st.characters(codec="utf-8"), max_size=60)
name = text.filter(bool)
schemas = st.builds(
    wire.Schema, subject, session,
    st.lists(name, min_size=1, max_size=60, unique=True).map(tuple),
    positive, positive, name, text, single, positive, whole, whole,
)  # fmt: skip
byes = st.builds(wire.Bye, subject, session, whole, text)
audio = st.builds(
    wire.Audio, subject, session, whole, whole, positive, whole,
    st.lists(st.binary(min_size=2, max_size=2), min_size=1, max_size=400).map(b"".join),
)  # fmt: skip


@given(st.one_of(frames, schemas, byes, audio))
def test_round_trip(message: wire.Message) -> None:
    assert wire.decode(wire.encode(message)) == message


def test_a_frame_is_about_300_bytes_and_plain_msgpack() -> None:
    topic, payload = wire.encode(dataclasses.replace(FRAME, session=wire.new_session()))
    assert topic == b"dt/face/frame"
    assert 290 <= len(payload) <= 320
    fields = msgpack.unpackb(payload)
    assert fields[:2] == [1, "frame"]
    assert fields[3:11] == [7, 9, 30000, 1001, 14414, 48000, 123_456_789_012, 3]
    assert fields[11] == list(FRAME.curves)
    # The values are 52 single floats, 5 bytes each, at the end of the payload.
    last = payload[-5:]
    assert last[0] == 0xCA
    assert struct.unpack(">f", last[1:])[0] == FRAME.curves[-1]


@pytest.mark.parametrize(
    "message", [SCHEMA, FRAME, BYE, AUDIO], ids=["schema", "frame", "bye", "audio"]
)
def test_every_truncation_is_refused(message: wire.Message) -> None:
    topic, payload = wire.encode(message)
    for size in range(len(payload)):
        with pytest.raises(wire.WireError):
            wire.decode([topic, payload[:size]])
    for size in range(len(topic)):
        with pytest.raises(wire.WireError):
            wire.decode([topic[:size], payload])
    with pytest.raises(wire.WireError):
        wire.decode([topic, payload + b"\x00"])


@given(st.lists(st.binary(max_size=400), max_size=3))
def test_random_parts_raise_only_wire_error(parts: list[bytes]) -> None:
    with pytest.raises(wire.WireError):
        wire.decode(parts)


@given(st.binary(max_size=400))
def test_random_payloads_raise_only_wire_error(payload: bytes) -> None:
    for kind in (b"schema", b"frame", b"bye", b"audio"):
        with pytest.raises(wire.WireError):
            wire.decode([b"dt/face/" + kind, payload])


def check_outcome(parts: list[bytes]) -> None:
    """Either a message, or a WireError of one line; anything else escapes and fails the test."""
    refusal = ""
    try:
        wire.decode(parts)
    except wire.WireError as error:
        refusal = str(error)
    assert "\n" not in refusal


json_like = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats() | st.text() |
    st.binary(),
    lambda inner: st.lists(inner, max_size=6)
    | st.dictionaries(st.text(max_size=8), inner, max_size=6),
    max_leaves=20,
)  # fmt: skip


@given(st.lists(json_like, max_size=12), st.sampled_from(["schema", "frame", "bye", "audio"]))
def test_valid_msgpack_of_the_wrong_shape_raises_only_wire_error(body: list, kind: str) -> None:
    payload = msgpack.packb([wire.WIRE_VERSION, kind, *body])
    check_outcome([b"dt/face/" + kind.encode(), payload])


@settings(max_examples=50)
@given(st.integers(0, 2**32))
def test_flipped_bits_never_raise_anything_else(seed: int) -> None:
    rng = random.Random(seed)
    for message in (SCHEMA, FRAME, BYE, AUDIO):
        parts = [bytearray(p) for p in wire.encode(message)]
        for _ in range(rng.randint(1, 4)):
            part = rng.choice(parts)
            part[rng.randrange(len(part))] ^= 1 << rng.randrange(8)
        check_outcome([bytes(p) for p in parts])


def replaced(position: int, value: object, message: wire.Message = FRAME) -> list[bytes]:
    topic, payload = wire.encode(message)
    fields = msgpack.unpackb(payload)
    fields[position] = value
    return [topic, msgpack.packb(fields, use_single_float=True)]


def test_another_version_is_refused_with_both_numbers() -> None:
    with pytest.raises(wire.WireError, match=r"expected 1, got 2.*same version"):
        wire.decode(replaced(0, 2))
    with pytest.raises(wire.WireError, match="expected 1"):
        wire.decode(replaced(0, True))


@pytest.mark.parametrize(
    ("position", "value", "words"),
    [
        (1, "schema", "the topic says 'frame'"),
        (2, 0, "session"),
        (2, "abc", "session"),
        (3, -1, "sequence"),
        (3, 2**63, "sequence"),
        (4, 1.5, "index"),
        (4, True, "index"),
        (5, 0, "rate_num"),
        (6, 0, "rate_den"),
        (8, 0, "audio_rate"),
        (11, [], "curves"),
        (11, 5, "curves"),
        (11, [0.5] * 257, "max_array_len"),
        (11, [0.5, float("nan")], "curve 1: expected a finite float, got nan"),
        (11, [float("inf")], "curve 0"),
        (11, [0], "curve 0"),
        (11, [None], "curve 0"),
    ],
)
def test_bad_fields_are_named(position: int, value: object, words: str) -> None:
    with pytest.raises(wire.WireError, match=words):
        wire.decode(replaced(position, value))


@pytest.mark.parametrize(
    ("position", "value", "words"),
    [
        (3, -1, "sequence"),
        (4, 2**63, "position"),
        (5, 0, "audio_rate"),
        (6, 1.5, "capture_ns"),
        (7, "text", "samples: expected bytes"),
        (7, b"", "from 2 to 16384, got 0"),
        (7, b"odd", "an even number of bytes .* got 3"),
        (7, bytes(16386), "max_bin_len|exceeds"),
    ],
)
def test_bad_audio_is_named(position: int, value: object, words: str) -> None:
    with pytest.raises(wire.WireError, match=words):
        wire.decode(replaced(position, value, AUDIO))


def test_audio_may_be_long_and_nothing_else_may() -> None:
    longest = dataclasses.replace(AUDIO, samples=bytes(wire.MAX_AUDIO_BYTES))
    assert wire.decode(wire.encode(longest)) == longest
    with pytest.raises(wire.WireError, match=r"max_bin_len|exceeds"):
        wire.decode(replaced(4, bytes(300), BYE))


def test_schema_says_whether_sound_is_sent() -> None:
    assert b"audio_format" not in wire.encode(SCHEMA)[1]
    with_audio = dataclasses.replace(SCHEMA, audio_format=wire.AUDIO_FORMAT)
    assert wire.decode(wire.encode(with_audio)) == with_audio
    topic, payload = wire.encode(with_audio)
    fields = msgpack.unpackb(payload)
    fields[3]["audio_format"] = 16
    with pytest.raises(wire.WireError, match="audio_format: expected text, got 16"):
        wire.decode([topic, msgpack.packb(fields)])


def test_nothing_bad_is_sent_either() -> None:
    for change in (
        {"curves": (float("nan"),)},
        {"curves": (1e39,)},  # would become infinity as float32
        {"curves": ()},
        {"subject": "a/b"},
        {"subject": ""},
        {"subject": "x" * 129},
        {"subject": "line\nbreak"},
        {"subject": "\ud800"},
        {"sequence": -1},
    ):
        with pytest.raises(wire.WireError):
            wire.encode(dataclasses.replace(FRAME, **change))
    with pytest.raises(wire.WireError, match="samples"):
        wire.encode(dataclasses.replace(AUDIO, samples=b"odd"))
    with pytest.raises(wire.WireError, match="twice"):
        wire.encode(dataclasses.replace(SCHEMA, curves=("a", "a")))


def test_later_additions_are_passed_over() -> None:
    topic, payload = wire.encode(FRAME)
    fields = msgpack.unpackb(payload)
    more = msgpack.packb([*fields, "new", {"x": 1}], use_single_float=True)
    assert wire.decode([topic, more]) == FRAME
    topic, payload = wire.encode(SCHEMA)
    fields = msgpack.unpackb(payload)
    fields[3]["new"] = [1, 2]
    assert wire.decode([topic, msgpack.packb(fields)]) == SCHEMA


def test_schema_refusals() -> None:
    topic, payload = wire.encode(SCHEMA)
    fields = msgpack.unpackb(payload)
    for key in fields[3]:
        body = {k: v for k, v in fields[3].items() if k != key}
        with pytest.raises(wire.WireError, match=f"{key} is missing"):
            wire.decode([topic, msgpack.packb([*fields[:3], body])])
    with pytest.raises(wire.WireError, match="schema subject"):
        wire.decode([b"dt/another/schema", payload])
    with pytest.raises(wire.WireError, match="expected a map"):
        wire.decode([topic, msgpack.packb([*fields[:3], 5])])


def test_sizes_are_bounded() -> None:
    with pytest.raises(wire.WireError, match="at most 65536 bytes"):
        wire.decode([b"dt/face/frame", bytes(65537)])
    with pytest.raises(wire.WireError, match="topic"):
        wire.decode([b"dt/" + b"x" * 1000 + b"/frame", b""])
    # A declared length of 4 GiB must not be believed, nor nesting followed without end.
    for bomb in (b"\xdd\xff\xff\xff\xff", b"\xdb\xff\xff\xff\xff", b"\x91" * 60000):
        with pytest.raises(wire.WireError):
            wire.decode([b"dt/face/frame", bomb])


def test_topics_filter_by_subject() -> None:
    assert wire.subscription() == b"dt/"
    assert wire.subscription("anna") == b"dt/anna/"
    assert not wire.topic("anna2", "frame").startswith(wire.subscription("anna"))
    assert wire.topic("anna", "bye").startswith(wire.subscription("anna"))


def test_the_example_of_the_specification_is_what_is_sent() -> None:
    page = (ROOT / "docs" / "wire.md").read_text("utf-8")
    example = page[page.index("## An example") :]
    parts: list[bytes] = []
    for line in example.splitlines():
        match = re.match(r" {4}(topic|payload|) +((?:[0-9a-f]{2} ?)+)(?:  |$)", line)
        if match and match[1]:
            parts.append(b"")
        if match:
            parts[-1] += bytes.fromhex(match[2])
    topic, payload, goodbye = parts
    session = 0x0123456789ABCDEF
    frame = wire.Frame(
        "face", session, 300, 305, 60, 1, 81333, 16000, 5083333333333, 0, (0.25, 0.0, 0.5)
    )
    assert wire.encode(frame) == [topic, payload]
    assert wire.encode(wire.Bye("face", session, 672, "end of the audio"))[1] == goodbye
    whole_frame = dataclasses.replace(frame, curves=(0.0,) * 52)
    assert f"59 bytes; with 52 curves {len(wire.encode(whole_frame)[1])}" in example
    assert len(payload) == 59


@given(st.integers(1, 60), st.integers(0, 5), st.integers(0, 2**62), st.integers(0, 2**32 - 1))
def test_frames_at_once_are_frames_one_by_one(
    curves: int, frames: int, first: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    schema = dataclasses.replace(SCHEMA, curves=tuple(f"c{i}" for i in range(curves)))
    values = rng.standard_normal((frames, curves)).astype(np.float32)
    indices, positions, captures = ([first + k * i for i in range(frames)] for k in (1, 2, 3))
    payloads = wire.encode_frames(schema, 7, indices, positions, captures, values)
    for i, payload in enumerate(payloads):
        frame = wire.Frame(
            "face", schema.session, 7 + i, indices[i], schema.rate_num, schema.rate_den,
            positions[i], schema.audio_rate, captures[i], 0, tuple(values[i].tolist()),
        )  # fmt: skip
        assert payload == wire.encode(frame)[1]
