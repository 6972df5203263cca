"""What flows out of a session: schema, stamped frames, sound, goodbye. Knows no transport.

Every output takes these, each in its own way; `wire` is how they become bytes and come back.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import TypeAlias

#: Longest subject name, bytes of UTF-8.
MAX_SUBJECT_BYTES = 128
#: The only format of sound so far: mono, signed 16-bit, little-endian.
AUDIO_FORMAT = "s16le"

#: Frame flag: made by the sender while it closes the face, not by the model.
FLAG_CLOSING = 1
#: Frame flag: every curve is 0, the neutral face.
FLAG_NEUTRAL = 2
#: Frame flag: audio or frames were lost between the frame before and this one.
FLAG_GAP = 4
#: Frame flag: the sender was overloaded and made it with fewer sampling steps.
FLAG_FEWER_STEPS = 8


@dataclass(frozen=True)
class Schema:
    """What the frames of a session mean; comes before them."""

    subject: str  #: name of the face
    session: int  #: random id of this run of the sender, 1 to 2**63 - 1
    curves: tuple[str, ...]  #: names, in the order of a frame's values
    rate_num: int  #: frames a second, numerator
    rate_den: int  #: frames a second, denominator
    model: str  #: name of the bundle
    model_version: str  #: digest of the bundle's weights, shortened
    lookahead_ms: float  #: sound that the model hears beyond a frame's instant
    audio_rate: int  #: samples a second of the audio clock
    start_ns: int  #: sender's monotonic clock when sample 0 was captured
    start_unix_ns: int  #: the same instant on the wall clock, Unix time
    audio_format: str = ""  #: of the sound of this session; empty if none is sent


@dataclass(frozen=True)
class StampedFrame:
    """One instant of the face, with the stamp that a receiver needs: whose, which, and when.

    `diffusiontalker.Frame` is what the runtime computes; this is the same as it flows out.
    """

    subject: str
    session: int
    sequence: int  #: counts the frames sent, from 0 without gaps
    index: int  #: frame index: depicts index * rate_den / rate_num seconds of audio
    rate_num: int
    rate_den: int
    position: int  #: that instant in samples of the audio clock, rounded down
    audio_rate: int
    capture_ns: int  #: sender's monotonic clock when that sample was captured
    flags: int
    curves: tuple[float, ...]  #: float32 values in the schema's order


@dataclass(frozen=True)
class Audio:
    """A piece of the sound that moves the face, on the clock of the frames."""

    subject: str
    session: int
    sequence: int  #: counts the pieces sent, from 0 without gaps
    position: int  #: of the first sample on the audio clock
    audio_rate: int
    capture_ns: int  #: sender's monotonic clock when the first sample was captured
    samples: bytes  #: mono, signed 16-bit, little-endian


@dataclass(frozen=True)
class Bye:
    """The sender leaves; no frame of this session follows."""

    subject: str
    session: int
    frames: int  #: frames sent in this session, so that a reader knows whether it has them all
    reason: str


Message: TypeAlias = Schema | StampedFrame | Audio | Bye


def new_session() -> int:
    """A random session id, 1 to 2**63 - 1."""
    return secrets.randbelow(2**63 - 1) + 1


def check_subject(subject: str) -> None:
    """Raises ValueError, a line that names the value, unless `subject` can name a face."""
    try:
        size = len(subject.encode())
    except UnicodeEncodeError:
        raise ValueError(f"subject {subject!r}: expected text that UTF-8 can hold") from None
    if not 1 <= size <= MAX_SUBJECT_BYTES:
        raise ValueError(f"subject: expected 1 to {MAX_SUBJECT_BYTES} bytes of UTF-8, got {size}")
    if "/" in subject or not subject.isprintable():
        raise ValueError(f"subject {subject!r}: expected printable characters without '/'")
