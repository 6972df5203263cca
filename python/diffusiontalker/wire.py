"""Frames <-> bytes: two-part ZeroMQ messages `[topic, payload]`, payload in msgpack.

docs/wire.md is the specification, field by field; this module is its only implementation in
Python. `encode` and `decode` check the same rules, so nothing that breaks them is sent or accepted.
What the messages mean stands in `frames`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgpack
import numpy as np
from numpy.typing import NDArray

from . import frames
from .frames import (
    AUDIO_FORMAT,
    FLAG_CLOSING,
    FLAG_FEWER_STEPS,
    FLAG_GAP,
    FLAG_NEUTRAL,
    MAX_SUBJECT_BYTES,
    Audio,
    Bye,
    Message,
    Schema,
    StampedFrame,
    new_session,
)

__all__ = [
    "AUDIO_FORMAT",
    "FLAG_CLOSING",
    "FLAG_FEWER_STEPS",
    "FLAG_GAP",
    "FLAG_NEUTRAL",
    "MAX_AUDIO_BYTES",
    "MAX_CURVES",
    "MAX_PAYLOAD_BYTES",
    "MAX_SUBJECT_BYTES",
    "MAX_TEXT_BYTES",
    "WIRE_VERSION",
    "Audio",
    "Bye",
    "Frame",
    "Message",
    "Schema",
    "WireError",
    "check_subject",
    "decode",
    "encode",
    "new_session",
    "subscription",
    "topic",
]

#: What a message of the kind "frame" holds.
Frame = StampedFrame

#: Of the message layout. A reader refuses every other version.
WIRE_VERSION = 1

#: Largest payload that a reader accepts, bytes.
MAX_PAYLOAD_BYTES = 65536
#: Most curves in a frame.
MAX_CURVES = 256
#: Most sound in an audio message, bytes.
MAX_AUDIO_BYTES = 16384
#: Longest curve name or other text in a message, bytes of UTF-8.
MAX_TEXT_BYTES = 256

_TOPIC_PREFIX = b"dt/"
_INT63 = 2**63 - 1
_INT31 = 2**31 - 1
_FLOAT32_MAX = 3.4028234663852886e38
# Elements that later minor additions may append to an array, and keys they may add to the schema.
_SPARE_ELEMENTS = 16
_SPARE_KEYS = 32


class WireError(ValueError):
    """A message that does not follow docs/wire.md; the message is one line."""


def check_subject(subject: str) -> None:
    """Raises WireError unless `subject` can name a face on the wire."""
    try:
        frames.check_subject(subject)
    except ValueError as error:
        raise WireError(str(error)) from None


def subscription(subject: str | None = None) -> bytes:
    """Topic prefix to subscribe to: everything of one subject, or everything (None)."""
    if subject is None:
        return _TOPIC_PREFIX
    check_subject(subject)
    return _TOPIC_PREFIX + subject.encode() + b"/"


def topic(subject: str, kind: str) -> bytes:
    """Topic of one kind of message ("schema", "frame", "audio", "bye") of one subject."""
    return subscription(subject) + kind.encode()


def encode(message: Message) -> list[bytes]:
    """The two parts of a message. Raises WireError if it breaks a rule."""
    _check(message)
    body: list[Any]
    if isinstance(message, Frame):
        kind = "frame"
        body = [
            message.sequence, message.index, message.rate_num, message.rate_den, message.position,
            message.audio_rate, message.capture_ns, message.flags, message.curves,
        ]  # fmt: skip
    elif isinstance(message, Audio):
        kind = "audio"
        body = [
            message.sequence, message.position, message.audio_rate, message.capture_ns,
            message.samples,
        ]  # fmt: skip
    elif isinstance(message, Schema):
        kind = "schema"
        body = [
            {
                "subject": message.subject,
                "curves": message.curves,
                "rate_num": message.rate_num,
                "rate_den": message.rate_den,
                "model": message.model,
                "model_version": message.model_version,
                "lookahead_ms": message.lookahead_ms,
                "audio_rate": message.audio_rate,
                "start_ns": message.start_ns,
                "start_unix_ns": message.start_unix_ns,
                **({"audio_format": message.audio_format} if message.audio_format else {}),
            }
        ]
    else:
        kind = "bye"
        body = [message.frames, message.reason]
    payload = msgpack.packb([WIRE_VERSION, kind, message.session, *body], use_single_float=True)
    return [topic(message.subject, kind), bytes(payload)]


def encode_frames(
    schema: Schema,
    sequence: int,
    indices: Sequence[int],
    positions: Sequence[int],
    captures_ns: Sequence[int],
    curves: NDArray[np.float32],
) -> list[bytes]:
    """Payloads of frames that follow one another, as `encode` makes them, without its checks.

    Args:
        schema: whose frames they are, valid.
        sequence: number of the first.
        indices: a frame each.
        positions: a frame each, in samples.
        captures_ns: a frame each, in nanoseconds.
        curves: (frames, curves of the schema), finite.
    """
    count = curves.shape[1]
    head = b"\xdc" + count.to_bytes(2, "big") if count > 15 else bytes([0x90 | count])
    # Each value has a mark and four bytes, the highest first.
    marked = np.empty((*curves.shape, 5), np.uint8)
    marked[:, :, 0] = 0xCA
    marked[:, :, 1:] = curves.astype(">f4")[:, :, None].view(np.uint8)
    block, size = marked.tobytes(), 5 * count
    pack = msgpack.Packer().pack
    known = (WIRE_VERSION, "frame", schema.session)
    rates = (schema.rate_num, schema.rate_den)
    out = []
    for i, (index, position, capture_ns) in enumerate(
        zip(indices, positions, captures_ns, strict=True)
    ):
        # All but the curves: what stands for them here is the last byte.
        body = pack(
            (*known, sequence + i, index, *rates, position, schema.audio_rate, capture_ns, 0, 0)
        )
        out.append(body[:-1] + head + block[i * size : (i + 1) * size])
    return out


def decode(parts: Sequence[bytes]) -> Message:
    """Reads the parts of one ZeroMQ message. Raises WireError, and nothing else, on any bytes."""
    if len(parts) != 2:
        raise WireError(f"expected 2 parts (topic, payload), got {len(parts)}")
    subject, topic_kind = _split_topic(parts[0])
    fields = _unpack(parts[1], MAX_AUDIO_BYTES if topic_kind == "audio" else MAX_TEXT_BYTES)
    if not isinstance(fields, list) or not fields:
        raise WireError(f"payload: expected an array, got {_describe(fields)}")
    if fields[0] != WIRE_VERSION or isinstance(fields[0], bool):
        raise WireError(
            f"wire version: expected {WIRE_VERSION}, got {_describe(fields[0])}; "
            "sender and receiver need the same version of DiffusionTalker Stream"
        )
    kind = fields[1] if len(fields) > 1 else None
    if kind != topic_kind:
        raise WireError(f"kind: the topic says {topic_kind!r}, the payload {_describe(kind)}")
    message: Message
    if kind == "frame":
        values = _elements(fields, 12, "frame")
        curves = values[11]
        if not isinstance(curves, list):
            raise WireError(f"frame curves: expected an array, got {_describe(curves)}")
        message = Frame(subject, *[*values[2:11], tuple(curves)])
    elif kind == "audio":
        message = Audio(subject, *_elements(fields, 8, "audio")[2:8])
    elif kind == "schema":
        values = _elements(fields, 4, "schema")
        message = _read_schema(subject, values[2], values[3])
    elif kind == "bye":
        message = Bye(subject, *_elements(fields, 5, "bye")[2:5])
    else:
        raise WireError(f"kind: expected schema, frame, audio or bye, got {_describe(kind)}")
    _check(message)
    return message


def _split_topic(raw: bytes) -> tuple[str, str]:
    if len(raw) > MAX_SUBJECT_BYTES + 16:
        raise WireError(f"topic: expected at most {MAX_SUBJECT_BYTES + 16} bytes, got {len(raw)}")
    try:
        parts = raw.decode().split("/")
    except UnicodeDecodeError:
        raise WireError("topic: expected UTF-8") from None
    if len(parts) != 3 or parts[0] != "dt":
        raise WireError(f"topic: expected dt/SUBJECT/KIND, got {raw[:40]!r}")
    return parts[1], parts[2]


def _unpack(payload: bytes, max_bin_bytes: int) -> Any:
    if len(payload) > MAX_PAYLOAD_BYTES:
        raise WireError(f"payload: expected at most {MAX_PAYLOAD_BYTES} bytes, got {len(payload)}")
    try:
        return msgpack.unpackb(
            payload,
            raw=False,
            strict_map_key=True,
            max_str_len=MAX_TEXT_BYTES,
            max_bin_len=max_bin_bytes,
            max_ext_len=0,
            max_array_len=MAX_CURVES,
            max_map_len=_SPARE_KEYS,
        )
    except msgpack.ExtraData as error:
        raise WireError(f"payload: {len(error.extra)} bytes too many") from None
    except (ValueError, TypeError, OverflowError, RecursionError, msgpack.UnpackException) as error:
        detail = " ".join(str(error).split())[:80] or type(error).__name__
        raise WireError(f"payload: not a msgpack message: {detail}") from None


def _elements(fields: list[Any], count: int, kind: str) -> list[Any]:
    if not count <= len(fields) <= count + _SPARE_ELEMENTS:
        raise WireError(f"{kind}: expected {count} elements, got {len(fields)}")
    return fields


def _read_schema(subject: str, session: Any, body: Any) -> Schema:
    if not isinstance(body, dict):
        raise WireError(f"schema: expected a map, got {_describe(body)}")
    keys = (
        "curves", "rate_num", "rate_den", "model", "model_version", "lookahead_ms", "audio_rate",
        "start_ns", "start_unix_ns",
    )  # fmt: skip
    missing = [k for k in ("subject", *keys) if k not in body]
    if missing:
        raise WireError(f"schema: {missing[0]} is missing")
    if body["subject"] != subject:
        raise WireError(
            f"schema subject: the topic says {subject!r}, the payload {_describe(body['subject'])}"
        )
    values = {k: body[k] for k in keys}
    values["audio_format"] = body.get("audio_format", "")
    if not isinstance(values["curves"], list):
        raise WireError(f"schema curves: expected an array, got {_describe(values['curves'])}")
    values["curves"] = tuple(values["curves"])
    return Schema(subject=subject, session=session, **values)


def _check(message: Message) -> None:
    check_subject(message.subject)
    _whole("session", message.session, 1, _INT63)
    if isinstance(message, Bye):
        _whole("bye frames", message.frames, 0, _INT63)
        _text("bye reason", message.reason, 0)
        return
    if isinstance(message, Audio):
        _whole("sequence", message.sequence, 0, _INT63)
        _whole("position", message.position, 0, _INT63)
        _whole("audio_rate", message.audio_rate, 1, _INT31)
        _whole("capture_ns", message.capture_ns, 0, _INT63)
        _samples(message.samples)
        return
    _whole("rate_num", message.rate_num, 1, _INT31)
    _whole("rate_den", message.rate_den, 1, _INT31)
    _whole("audio_rate", message.audio_rate, 1, _INT31)
    if not 1 <= len(message.curves) <= MAX_CURVES:
        raise WireError(f"curves: expected 1 to {MAX_CURVES}, got {len(message.curves)}")
    if isinstance(message, Frame):
        _whole("sequence", message.sequence, 0, _INT63)
        _whole("index", message.index, 0, _INT63)
        _whole("position", message.position, 0, _INT63)
        _whole("capture_ns", message.capture_ns, 0, _INT63)
        _whole("flags", message.flags, 0, 2**32 - 1)
        # All at once, as a rule: NaN and infinity fail the comparison of their sum too.
        if set(map(type, message.curves)) == {float} and sum(map(abs, message.curves)) <= 1e30:
            return
        for i, value in enumerate(message.curves):
            _number(f"curve {i}", value)
        return
    for i, name in enumerate(message.curves):
        _text(f"curve name {i}", name, 1)
    if len(set(message.curves)) != len(message.curves):
        raise WireError("curve names: expected distinct names, got one twice")
    _text("model", message.model, 1)
    _text("model_version", message.model_version, 0)
    _number("lookahead_ms", message.lookahead_ms)
    _whole("start_ns", message.start_ns, 0, _INT63)
    _whole("start_unix_ns", message.start_unix_ns, 0, _INT63)
    _text("audio_format", message.audio_format, 0)


def _whole(name: str, value: object, low: int, high: int) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise WireError(f"{name}: expected a whole number >= {low}, got {_describe(value)}")


def _number(name: str, value: object) -> None:
    # NaN fails the comparison, so it needs no test of its own.
    if not isinstance(value, float) or not -_FLOAT32_MAX <= value <= _FLOAT32_MAX:
        raise WireError(f"{name}: expected a finite float, got {_describe(value)}")


def _text(name: str, value: object, least: int) -> None:
    if not isinstance(value, str):
        raise WireError(f"{name}: expected text, got {_describe(value)}")
    try:
        size = len(value.encode())
    except UnicodeEncodeError:
        raise WireError(f"{name}: expected text that UTF-8 can hold") from None
    if not least <= size <= MAX_TEXT_BYTES:
        raise WireError(f"{name}: expected {least} to {MAX_TEXT_BYTES} bytes, got {size}")


def _samples(value: object) -> None:
    if not isinstance(value, bytes):
        raise WireError(f"samples: expected bytes, got {_describe(value)}")
    if not 2 <= len(value) <= MAX_AUDIO_BYTES or len(value) % 2:
        raise WireError(
            f"samples: expected an even number of bytes from 2 to {MAX_AUDIO_BYTES}, "
            f"got {len(value)}"
        )


def _describe(value: object) -> str:
    """A short, one-line rendering of a foreign value, for error messages."""
    if value is None or isinstance(value, (bool, int, float)):
        return repr(value)
    if isinstance(value, (str, bytes)):
        return repr(value[:40])
    return f"a {type(value).__name__}"
