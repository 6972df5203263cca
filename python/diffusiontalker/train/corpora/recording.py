"""What every corpus reader yields: one take of one speaker."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...curves import CURVES, curve_of, curves_of, remap

SAMPLE_RATE_HZ = 16000
# What sound or face have beyond the other is told from here on.
MAX_LENGTH_DIFFERENCE_S = 0.5
# Trackers overshoot a little; beyond this a value is in other units (percent, bytes).
MOST_VALUE = 2.0
# Frames further apart or closer than these are in other units of time, or broken.
FRAME_S = (1e-3, 0.25)
LEAST_STEP_S = 1e-5
# Frames this far apart are joined by interpolation; a longer hole is a face that was lost.
MAX_HOLE_S = 0.25
# What is left of a take around its holes is of no use if it is shorter.
MIN_STRETCH_S = 1.0


@dataclass(frozen=True)
class Phone:
    """One phone (IPA, without stress and length marks) and the audio it covers, in seconds."""

    symbol: str  # "_" is silence
    start_s: float
    end_s: float
    stressed: bool = False


@dataclass(frozen=True)
class Offset:
    """How late the face stands against the sound, by the jaw and the loudness (`sync.py`)."""

    late_s: float  # negative: the face is early
    correlation: float  # of jaw and loudness at that lag
    clear: bool  # the lag stands out from 0 and from chance; otherwise `late_s` means little
    shifted: bool = False  # the take was moved by it


@dataclass(frozen=True)
class Recording:
    """One take. A measured take has curves; a take to be performed by rule has phones.

    A take with neither is sound alone (`dt-train add-speaker` can use it).
    """

    id: str
    speaker: str
    licence: str
    audio: NDArray[np.float32]  # (samples,), 16 kHz mono, nominally in [-1, 1]
    curves: NDArray[np.float32] | None = None  # (frames, 52), ARKit order, nominally in [0, 1]
    times_s: NDArray[np.float64] | None = None  # (frames,), the instant each frame depicts
    curve_names: tuple[str, ...] = ()  # the curves that the file really had
    phones: tuple[Phone, ...] = ()
    offset: Offset | None = None  # None: not estimated
    notes: tuple[str, ...] = ()  # what was cut or could not be understood, for the report

    @property
    def seen(self) -> NDArray[np.bool_]:
        """(52,) which curves were measured. The others are 0 in `curves`, which says nothing of
        them; where no names are given, all were."""
        return np.array([not self.curve_names or name in self.curve_names for name in CURVES])

    @property
    def duration_s(self) -> float:
        return len(self.audio) / SAMPLE_RATE_HZ

    @property
    def rate_hz(self) -> float | None:
        """Frame rate of the curves, derived from their times; None without curves.

        Frames that are missing count as time passed, not as a lower rate.
        """
        if self.times_s is None or len(self.times_s) < 2:
            return None
        steps = np.diff(self.times_s)
        frames = np.round(steps / np.median(steps)).sum()
        return float(frames / (self.times_s[-1] - self.times_s[0]))


@dataclass(frozen=True)
class Skipped:
    """A take that was left out, or a file that is none, and why."""

    path: Path
    reason: str


class BrokenTake(ValueError):
    """A take that cannot be used; the message is the reason, fit for the report."""


def hold_out_order(name: str) -> str:
    """Sort key that picks held-out takes by their id alone, the same on every machine."""
    return hashlib.sha256(name.encode()).hexdigest()


def crop(take: Recording, start_s: float, end_s: float) -> Recording:
    """The part of a measured take from `start_s` to `end_s`, its clock starting at 0 again."""
    assert take.curves is not None
    assert take.times_s is not None
    # Rounded down, so that a frame right at the start stays in.
    first = max(0, int(start_s * SAMPLE_RATE_HZ))
    last = min(len(take.audio), round(end_s * SAMPLE_RATE_HZ))
    times_s = take.times_s - first / SAMPLE_RATE_HZ
    inside = (times_s >= 0.0) & (times_s < (last - first) / SAMPLE_RATE_HZ)
    return replace(
        take,
        audio=np.ascontiguousarray(take.audio[first:last]),
        curves=take.curves[inside],
        times_s=times_s[inside],
    )


#: Columns that trackers write beside the curves; lower case.
_EXPECTED = frozenset(
    ("headyaw", "headpitch", "headroll", "lefteyeyaw", "lefteyepitch", "lefteyeroll",
     "righteyeyaw", "righteyepitch", "righteyeroll", "_neutral", "neutral")
)  # fmt: skip


def measured(
    *,
    id: str,
    file: str,
    speaker: str,
    licence: str,
    audio: NDArray[np.float32],
    values: NDArray[np.floating],
    names: Sequence[str],
    times_s: NDArray[np.float64],
    others: Sequence[str] = (),
) -> Recording:
    """A take with curves from what a file says: values (frames, len(names)) at times (frames,).

    Curves go by name (`curves.curve_of`), those that the file lacks stay 0; names that are none,
    and `others` that the reader left out as such, are noted. Sound and face begin together; what
    one has beyond the other's end is left out. A face that was lost for a while leaves the longest
    stretch without a hole. Raises BrokenTake, `file` named in its message.
    """
    if values.shape != (len(times_s), len(names)):
        raise BrokenTake(f"{file}: values {values.shape}, expected {len(names)} a frame")
    if len(times_s) < 2:
        raise BrokenTake(f"{file} has {len(times_s)} frames")
    if not (np.isfinite(values).all() and np.isfinite(times_s).all()):
        raise BrokenTake(f"{file} holds NaN or infinite values")
    steps_s = np.diff(times_s)
    if (steps_s <= 0).any():
        raise BrokenTake(f"{file}: frame times do not rise")
    frame_s = float(np.median(steps_s))
    if not FRAME_S[0] <= frame_s <= FRAME_S[1] or float(steps_s.min()) < LEAST_STEP_S:
        raise BrokenTake(
            f"{file}: frames are {frame_s:.3g} s apart ({steps_s.min():.3g} at least): expected "
            "times in seconds"
        )
    try:
        placed = curves_of(names)
        curves = remap(values, names)
    except ValueError as error:
        raise BrokenTake(f"{file}: {error}") from error
    here = {curve for curve in placed if curve is not None}
    if not here:
        raise BrokenTake(f"{file} names no ARKit curve{_others_form(names)}")
    _refuse_other_units(curves, file)
    notes = _unknown_note([*names, *others])
    sound_s, face_s = len(audio) / SAMPLE_RATE_HZ, float(times_s[-1]) + frame_s
    # What lies outside the sound would run into the next take of a stream.
    heard = (times_s >= 0.0) & (times_s < sound_s)
    if int(heard.sum()) < 2:
        raise BrokenTake(f"{file}: {int(heard.sum())} frames lie within the sound")
    if abs(sound_s - face_s) > MAX_LENGTH_DIFFERENCE_S:
        longer, shorter = ("sound", "face") if sound_s > face_s else ("face", "sound")
        if min(sound_s, face_s) < MIN_STRETCH_S:
            raise BrokenTake(f"{file}: sound is {sound_s:.2f} s, the face {face_s:.2f} s long")
        past_s = abs(sound_s - face_s)
        notes += (f"the {longer} runs {past_s:.2f} s longer than the {shorter}: left out",)
        if sound_s > face_s:
            audio = np.ascontiguousarray(audio[: round(face_s * SAMPLE_RATE_HZ)])
    take = Recording(
        id=id,
        speaker=speaker,
        licence=licence,
        audio=audio,
        curves=curves[heard],
        times_s=times_s[heard],
        curve_names=tuple(name for name in CURVES if name in here),
        notes=notes,
    )
    return _without_holes(take, file, frame_s)


def _others_form(names: Sequence[str]) -> str:
    if any("ctrl_" in name.lower() for name in names):
        return ": these are MetaHuman's controls; record or export ARKit's curves"
    return f" (it names {', '.join(printable(name[:24]) for name in names[:4])})" if names else ""


def _refuse_other_units(curves: NDArray[np.float32], file: str) -> None:
    largest = float(np.abs(curves).max())
    if largest <= MOST_VALUE:
        return
    name = CURVES[int(np.abs(curves).max(axis=0).argmax())]
    raise BrokenTake(
        f"{file}: {name} reaches {largest:.4g}, a curve at its full is 1: percent are to be "
        "divided by 100, bytes by 255"
    )


def _unknown_note(names: Sequence[str]) -> tuple[str, ...]:
    unknown = [n for n in names if curve_of(n) is None and n.lower() not in _EXPECTED]
    if not unknown:
        return ()
    shown = ", ".join(printable(name[:32]) for name in unknown[:8])
    more = f" and {len(unknown) - 8} more" if len(unknown) > 8 else ""
    return (f"no ARKit curve, left out: {shown}{more}",)


def printable(name: str) -> str:
    """A name that can be printed and encoded, whatever bytes a file or a folder is called by."""
    encoded = name.encode("utf-8", "backslashreplace").decode("utf-8")
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode()
        for letter in encoded
    )


def told(error: BaseException) -> str:
    """An error that nobody thought of, in a line: its kind and what it says, not too long."""
    said = printable(" ".join(str(error).split()))
    said = said if len(said) <= 200 else said[:200] + "..."
    return f"{type(error).__name__}: {said}" if said else type(error).__name__


def attempt(path: Path, read: Callable[[], Recording]) -> Recording:
    """What `read` gives, its names fit to be printed.

    Raises BrokenTake, whatever is wrong: what a file's bytes can bring about has no end, and one
    take is never to end a run over many.
    """
    try:
        take = read()
    except BrokenTake:
        raise
    except Exception as error:
        raise BrokenTake(f"{printable(path.name)} cannot be read: {told(error)}") from error
    return replace(take, id=printable(take.id), speaker=printable(take.speaker))


def _without_holes(take: Recording, file: str, frame_s: float) -> Recording:
    assert take.times_s is not None
    times_s = take.times_s
    holes = np.flatnonzero(np.diff(times_s) > max(MAX_HOLE_S, 1.5 * frame_s))
    if not len(holes):
        return take
    starts = np.concatenate([[0], holes + 1])
    ends = np.concatenate([holes, [len(times_s) - 1]])
    longest = int(np.argmax(times_s[ends] - times_s[starts]))
    start_s, end_s = float(times_s[starts[longest]]), float(times_s[ends[longest]]) + frame_s
    lost = f"no face at {float(times_s[holes[0]]):.2f} s" + (
        f" and {len(holes) - 1} other places" if len(holes) > 1 else ""
    )
    if end_s - start_s < MIN_STRETCH_S:
        raise BrokenTake(f"{file}: {lost}; no stretch of {MIN_STRETCH_S:g} s is whole")
    note = f"{lost}: kept {start_s:.2f} to {end_s:.2f} s"
    return replace(crop(take, start_s, end_s), notes=(*take.notes, note))
