"""What goes between a stream, the server's process and its pages: controls and packed frames.

Controls and facts are JSON; frames and sound are little-endian bytes that a page reads in place:

    frames  16-byte header: kind 1 (u8), face (u8; 0 the stream's, 1 the second), values a frame
            (u16), frames (u32), session (u64). Then each frame: sequence (u64), instant in seconds
            of the stream's sound (f64), index (u32), flags (u32), values (f32), and 4 more bytes if
            their number is odd
    sound   24-byte header: kind 2 (u8), 3 zero bytes, samples a second (u32), session (u64),
            position of the first sample (u64). Then samples (s16)

A websocket's message joins several such packets (`hub.join`).
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from ..frames import Audio, StampedFrame
from . import PreviewError

FRAMES, SOUND = 1, 2
#: The stream's own face, and the one beside it.
FIRST_FACE, SECOND_FACE = 0, 1
#: Most bytes of a control that a page sends.
MOST_BYTES = 65536

_HEADER = struct.Struct("<BBHIQ")
_STAMP = struct.Struct("<QdII")
_SOUND_HEADER = struct.Struct("<BBHIQQ")
_U32 = 0xFFFFFFFF


@dataclass(frozen=True)
class Turn:
    """As `Runtime.set`: None leaves a knob as it is."""

    gain: Mapping[str, float] | None = None
    offset: Mapping[str, float] | None = None
    strength_lower: float | None = None
    strength_upper: float | None = None
    smooth_ms: float | None = None


@dataclass(frozen=True)
class Cast:
    """As `Runtime.recast`: None leaves a setting as it is."""

    identity: str | None = None
    seed: int | None = None
    idle: float | None = None


@dataclass(frozen=True)
class Mute:
    """Silence in place of the voice, or the voice again."""

    on: bool


@dataclass(frozen=True)
class Gate:
    """Sound quieter than `level_db` (dBFS) counts as silence; None lets all of it through."""

    level_db: float | None


@dataclass(frozen=True)
class Record:
    """Begins or ends a take."""

    on: bool


@dataclass(frozen=True)
class Restart:
    """The stream from its start; with another bundle (a folder, "" the embedded one) if given."""

    bundle: str | None = None


@dataclass(frozen=True)
class Second:
    """The face beside: shown or not, and how it is set. None leaves a setting as it is."""

    on: bool | None = None
    identity: str | None = None
    seed: int | None = None
    idle: float | None = None
    strength_lower: float | None = None
    strength_upper: float | None = None
    smooth_ms: float | None = None
    gain: Mapping[str, float] | None = None
    offset: Mapping[str, float] | None = None
    preset: str | None = None  #: a name: its settings come first
    take: str | None = None  #: a recording's path in place of a model; "" goes back to the model


@dataclass(frozen=True)
class KeepPreset:
    """Keeps what is in force under a name."""

    name: str


@dataclass(frozen=True)
class UsePreset:
    """Puts a kept preset in force."""

    name: str


Control: TypeAlias = Turn | Cast | Mute | Gate | Record | Restart | Second | KeepPreset | UsePreset
_KINDS: dict[str, type[Control]] = {
    "turn": Turn,
    "cast": Cast,
    "mute": Mute,
    "gate": Gate,
    "record": Record,
    "restart": Restart,
    "second": Second,
    "keep": KeepPreset,
    "use": UsePreset,
}
_DO = {kind: name for name, kind in _KINDS.items()}


def write_control(control: Control) -> bytes:
    """A control as JSON."""
    return json.dumps({"do": _DO[type(control)], **asdict(control)}).encode()


def read_control(text: bytes | str) -> Control:
    """The control that `text` is. Raises PreviewError for anything else."""
    if len(text) > MOST_BYTES:
        raise PreviewError(f"control: expected at most {MOST_BYTES} bytes, got {len(text)}")
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        raise PreviewError("control: not JSON") from None
    kind = _KINDS.get(str(found.pop("do", ""))) if isinstance(found, dict) else None
    if kind is None:
        raise PreviewError(f"control: expected one that does {', '.join(_KINDS)}")
    known = {each.name: str(each.type) for each in fields(kind)}
    for name, value in found.items():
        if name not in known:
            raise PreviewError(f"control {_DO[kind]}: {str(name)[:40]!r} is unknown")
        if not _fits(value, known[name]):
            raise PreviewError(
                f"control {_DO[kind]}: {name}: expected {known[name]}, got {str(value)[:40]!r}"
            )
    try:
        return kind(**found)
    except TypeError:
        raise PreviewError(f"control {_DO[kind]}: expected {', '.join(known)}") from None


def _fits(value: object, declared: str) -> bool:
    if value is None:
        return "None" in declared
    if isinstance(value, bool):
        return "bool" in declared
    if isinstance(value, int) and "int" in declared:
        return True
    if isinstance(value, int | float):
        return declared.startswith("float") and math.isfinite(value)
    if isinstance(value, str):
        return declared.startswith("str")
    return (
        "Mapping" in declared
        and isinstance(value, dict)
        and len(value) <= 256
        and all(_fits(number, "float") for number in value.values())
    )


def pack_frames(frames: Sequence[StampedFrame], face: int = FIRST_FACE) -> bytes:
    """Frames of one session."""
    first = frames[0]
    values = len(first.curves)
    parts = [_HEADER.pack(FRAMES, face, values, len(frames), first.session)]
    form = struct.Struct(f"<{values}f{4 * (values % 2)}x")
    for frame in frames:
        time_s = frame.index * frame.rate_den / frame.rate_num
        parts += (
            _STAMP.pack(frame.sequence, time_s, frame.index & _U32, frame.flags),
            form.pack(*frame.curves),
        )
    return b"".join(parts)


def pack_curves(
    curves: npt.NDArray[np.float32], times_s: Sequence[float], session: int, first: int
) -> bytes:
    """Frames (n, values) of the second face, numbered from `first`."""
    count, values = curves.shape
    padded = np.zeros((count, values + values % 2), "<f4")
    padded[:, :values] = curves
    parts = [_HEADER.pack(FRAMES, SECOND_FACE, values, count, session)]
    for i, time_s in enumerate(times_s):
        parts += _STAMP.pack(first + i, time_s, (first + i) & _U32, 0), padded[i].tobytes()
    return b"".join(parts)


def pack_sound(pieces: Sequence[Audio]) -> bytes:
    """Pieces of sound, each of which goes on where the one before ended."""
    first = pieces[0]
    header = _SOUND_HEADER.pack(SOUND, 0, 0, first.audio_rate, first.session, first.position)
    return header + b"".join(piece.samples for piece in pieces)


@dataclass(frozen=True)
class Sound:
    """Sound as it was packed."""

    rate_hz: int
    session: int
    position: int  #: of the first sample
    samples: npt.NDArray[np.int16]  #: (n,)


def unpack_sound(packed: bytes) -> Sound:
    """What `pack_sound` packed."""
    _, _, _, rate_hz, session, position = _SOUND_HEADER.unpack_from(packed)
    return Sound(rate_hz, session, position, np.frombuffer(packed, "<i2", offset=24))


def unpack_frames(packed: bytes) -> list[tuple[int, float, int, int, tuple[float, ...]]]:
    """(sequence, instant, index, flags, values) of each frame that was packed."""
    _, _, values, count, _ = _HEADER.unpack_from(packed)
    found = []
    at = _HEADER.size
    for _ in range(count):
        sequence, time_s, index, flags = _STAMP.unpack_from(packed, at)
        curves = struct.unpack_from(f"<{values}f", packed, at + _STAMP.size)
        found.append((sequence, time_s, index, flags, curves))
        at += _STAMP.size + 4 * (values + values % 2)
    return found
