"""Takes of Epic's Live Link Face app, and of `dt-stream --out`: a CSV of curves beside sound.

Columns go by name: the phone's CSV has jawRight before jawLeft, unlike its UDP stream. The sound is
a wav or flac of the same stem, or the take's video.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from .audio import CONTAINERS, audio_beside, read_audio
from .recording import BrokenTake, Recording, measured

TIMECODE = "timecode"
COUNT = "blendshapecount"
#: Rates that a timecode may count in, in Hz.
RATES = (24, 25, 30, 48, 50, 60)
#: What the app puts after a take's name when it calibrates, the best first; the neutral face, which
#: it stores as `_neutral`, is no take.
VARIANTS = ("", "_cal", "_raw")

_TIMECODE = re.compile(r"(\d+):(\d\d):(\d\d)([:;.])(\d+)(?:\.(\d+))?$")
_DAY_S = 24 * 3600


def is_live_link(path: Path) -> bool:
    """Whether a CSV's first line is this format's, and no better variant of the take is there."""
    base, variant = _base_name(path)
    if path.stem.endswith("_neutral") or any(
        path.with_name(f"{base}{better}.csv").exists()
        for better in VARIANTS[: VARIANTS.index(variant)]
    ):
        return False
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            first = file.readline().lower()
    except (OSError, UnicodeDecodeError):
        return False
    return first.startswith(TIMECODE + ",") and "jawopen" in first


def _base_name(path: Path) -> tuple[str, str]:
    """(take's name, variant) of a CSV's stem."""
    for variant in VARIANTS[1:]:
        if path.stem.endswith(variant):
            return path.stem.removesuffix(variant), variant
    return path.stem, ""


def sound_of(path: Path) -> Path:
    """The file with a CSV's sound: of the same stem, or of the take's name without the variant."""
    beside = audio_beside(path)
    return beside if beside.exists() else audio_beside(path.with_name(_base_name(path)[0] + ".csv"))


def speaker_of(path: Path) -> str:
    """The folder's name; where that is a take's (the app's YYYYMMDD_SLATE_N), the one around it."""
    folder = path.parent
    return folder.parent.name if re.match(r"\d{8}_", folder.name) else folder.name


def seconds_of(codes: Sequence[str], rate: int | None = None) -> NDArray[np.float64]:
    """Timecodes `HH:MM:SS:FF.mmm` -> seconds since midnight of the first, (rows,).

    FF counts whole frames, mmm thousandths of one; a second has `rate` numbers for them, or the
    lowest of RATES that has room for the largest FF. With `;` before FF, or where frame numbers 0
    and 1 (0 to 3 at 60) are missing at the full minute, the code is drop-frame (SMPTE ST 12-1):
    labels of 30000/1001 or 60000/1001 Hz. Times that fall back by about a day have passed midnight.
    Raises ValueError for a code that cannot be read.
    """
    parsed = [_parsed(code) for code in codes]
    highest = max((int(frame) for *_, frame, _ in parsed), default=0)
    if rate is None:
        fitting = [candidate for candidate in RATES if candidate > highest]
        if not fitting:
            raise ValueError(f"timecode with frame {highest}: expected at most {RATES[-1] - 1}")
        # Within one second the largest number may not have come yet: the app records at 60 Hz.
        within_a_second = len({second for _, _, second, _, _ in parsed}) == 1
        rate = RATES[-1] if within_a_second else fitting[0]
    if rate <= highest:
        raise ValueError(f"timecode with frame {highest} at {rate} frames a second")
    drop = _drops_frames(parsed, rate)
    out = []
    for hours, minutes, seconds, frame, _ in parsed:
        if drop:
            minutes_in_all = 60 * hours + minutes
            left_out = _dropped_a_minute(rate) * (minutes_in_all - minutes_in_all // 10)
            number = (60 * minutes_in_all + seconds) * rate + frame - left_out
            out.append(float(number * Fraction(1001, 1000 * rate)))
        else:
            out.append(float(3600 * hours + 60 * minutes + seconds + frame / rate))
    times_s = np.array(out)
    wrapped = np.diff(times_s, prepend=times_s[:1]) < -_DAY_S / 2
    return np.asarray(times_s + _DAY_S * np.cumsum(wrapped))


#: Hours, minutes, seconds, frames with their fraction, the mark before the frames.
_Code = tuple[int, int, int, Fraction, str]


def _parsed(code: str) -> _Code:
    match = _TIMECODE.match(code.strip())
    if not match:
        raise ValueError(f"timecode {code!r}: expected HH:MM:SS:FF.mmm")
    hours, minutes, seconds, mark, frame, part = match.groups()
    fraction = Fraction(int(part), 10 ** len(part)) if part else Fraction(0)
    return int(hours), int(minutes), int(seconds), int(frame) + fraction, mark


def _dropped_a_minute(rate: int) -> int:
    """Frame numbers that drop-frame code leaves out at each minute that 10 does not divide."""
    return 2 * rate // 30


def _drops_frames(parsed: Sequence[_Code], rate: int) -> bool:
    """Whether the codes are drop-frame, by their mark or by what they leave out."""
    if rate not in (30, 60):
        return False
    if any(mark == ";" for *_, mark in parsed):
        return True
    jumps = 0
    for (_, before, _, last, _), (_, minute, second, first, _) in pairwise(parsed):
        if minute == before or minute % 10 == 0 or second != 0:
            continue
        if first < _dropped_a_minute(rate):
            return False
        jumps += int(last) == rate - 1 and int(first) == _dropped_a_minute(rate)
    return jumps > 0


def read_live_link(path: Path, *, speaker: str = "", licence: str = "") -> Recording:
    """Read one take. Rows without a face are left out; the first row is time 0 of a wav.

    Beside a video with a timecode of its own, the video's first picture is time 0. The speaker is
    the folder's name if none is given. Raises BrokenTake with the reason if it cannot be used.
    """
    columns, rows = _table(path)
    lower = [name.lower() for name in columns]
    if TIMECODE not in lower:
        raise BrokenTake(f"{path.name}: expected a column Timecode, found {', '.join(columns[:3])}")
    value_columns = [i for i, name in enumerate(lower) if name not in (TIMECODE, COUNT)]
    kept, codes, lost = [], [], 0
    for number, row in rows:
        cells = [row[i].strip() if i < len(row) else "" for i in value_columns]
        if not any(cells):  # the phone saw no face
            lost += 1
            continue
        if len(row) != len(columns):
            what = f"expected {len(columns)} columns, found {len(row)}"
            raise BrokenTake(f"{path.name}: line {number}: {what}; is the file cut?")
        try:
            kept.append([float(cell) for cell in cells])
        except ValueError as error:
            raise BrokenTake(f"{path.name}: line {number}: {error}") from error
        codes.append(row[lower.index(TIMECODE)])
    if len(kept) < 2:
        raise BrokenTake(f"{path.name} has {len(kept)} rows with a face")
    sound = sound_of(path)
    try:
        times_s = seconds_of(codes) - _start_s(codes, sound)
    except ValueError as error:
        raise BrokenTake(f"{path.name}: {error}") from error
    covered = times_s >= 0.0  # the app may track before it films
    take = measured(
        id=path.stem,
        file=path.name,
        speaker=speaker or speaker_of(path),
        licence=licence,
        audio=read_audio(sound),
        values=np.array(kept, dtype=np.float32)[covered],
        names=[columns[i] for i in value_columns],
        times_s=times_s[covered],
    )
    if not lost:
        return take
    note = f"{lost} of {lost + len(kept)} rows without a face"
    return replace(take, notes=(*take.notes, note))


def _table(path: Path) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """(column names, (line number, cells) of each row that is not empty)."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            lines = list(csv.reader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise BrokenTake(f"{path.name} is not a CSV: {error}") from error
    if not lines:
        raise BrokenTake(f"{path.name} is empty")
    rows = [(number, row) for number, row in enumerate(lines[1:], start=2) if row]
    return [name.strip() for name in lines[0]], rows


def _start_s(codes: Sequence[str], sound: Path) -> float:
    """When the sound starts on the clock of the timecodes, in seconds since midnight."""
    first_s = float(seconds_of(codes)[0])
    if sound.suffix.lower() not in CONTAINERS or not sound.exists():
        return first_s
    from . import video

    film = video.info(sound)
    if not film.timecode or not film.rate:
        return first_s
    start_s = float(seconds_of([film.timecode], round(film.rate))[0])
    # A clock that was set between the two, or another take's film, says nothing.
    return start_s if abs(start_s - first_s) < 5.0 else first_s
