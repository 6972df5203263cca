"""Takes of Epic's Live Link Face app, and of `dt-stream --out`: a CSV of curves beside sound.

Columns go by name: the phone's CSV has jawRight before jawLeft, unlike its UDP stream. The sound is
a wav or flac of the same stem, or the take's video.
"""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from fractions import Fraction
from itertools import groupby, pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...curves import curve_of
from .audio import CONTAINERS, audio_beside, read_audio
from .film_clock import numbers_a_second
from .recording import BrokenTake, Recording, measured, printable
from .text import decoded, read_text

TIMECODE = "timecode"
COUNT = "blendshapecount"
#: Rates that a timecode may count in, in Hz.
RATES = (10, 12, 15, 20, 24, 25, 30, 48, 50, 60, 72, 90, 96, 100, 120, 144, 200, 240)
APP_RATE = 60  # of the app where it was not told otherwise
#: What the app puts after a take's name when it calibrates, the best first; the neutral face, which
#: it stores as `_neutral`, is no take.
VARIANTS = ("", "_cal", "_raw")

_TIMECODE = re.compile(r"(\d{1,3}):(\d\d):(\d\d)([:;.])(\d{1,4})(?:\.(\d{1,9}))?$", re.ASCII)
_DAY_S = 24 * 3600
_HEADER_BYTES = 64 * 1024


def passed_variant(path: Path) -> str:
    """Why a CSV is not the take of its name: a better variant is there; "" if it may be."""
    if path.stem.endswith("_neutral"):
        return "the app's neutral face, no take"
    base, variant = _base_name(path)
    for better in VARIANTS[: VARIANTS.index(variant)]:
        if path.with_name(f"{base}{better}.csv").exists():
            return f"another form of the take {base}{better}.csv"
    return ""


def header(path: Path) -> list[str]:
    """The names of a CSV's columns. Raises BrokenTake, OSError."""
    with path.open("rb") as file:
        start = file.read(_HEADER_BYTES)
    lines = start.splitlines(keepends=True)[:2]  # a spreadsheet may put "sep=;" before them
    if start[:2] in (b"\xff\xfe", b"\xfe\xff") or b"\0" in start[:2]:
        text = decoded(start[: len(start) // 4 * 4], path.name)
    else:
        text = decoded(b"".join(lines), path.name)
    for _, row in _rows(text, path.name):
        return [name.strip() for name in row]
    return []


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

    FF counts whole frames, mmm thousandths of one; a second has `rate` numbers for them, or as many
    as the codes tell (`rate_of`). With `;` before FF, or where frame numbers 0 and 1 (0 to 3 at 60)
    are missing at the full minute, the code is drop-frame (SMPTE ST 12-1): labels of 30000/1001 or
    60000/1001 Hz. Rows that share a number lie evenly in its frame. Times that fall back by about a
    day have passed midnight. Raises ValueError for a code that cannot be read.
    """
    parsed = [_parsed(code) for code in codes]
    rate = rate_of(parsed) if rate is None else rate
    highest = max((int(frame) for *_, frame, _ in parsed), default=0)
    if rate <= highest:
        raise ValueError(f"timecode with frame {highest} at {rate} frames a second")
    drop = _drops_frames(parsed, rate)
    out = []
    for (hours, minutes, seconds, frame, _), part in zip(parsed, _shared(parsed), strict=True):
        if drop:
            minutes_in_all = 60 * hours + minutes
            left_out = _dropped_a_minute(rate) * (minutes_in_all - minutes_in_all // 10)
            number = (60 * minutes_in_all + seconds) * rate + frame + part - left_out
            out.append(float(number * Fraction(1001, 1000 * rate)))
        else:
            out.append(float(3600 * hours + 60 * minutes + seconds + (frame + part) / rate))
    times_s = np.array(out)
    wrapped = np.diff(times_s, prepend=times_s[:1]) < -_DAY_S / 2
    return np.asarray(times_s + _DAY_S * np.cumsum(wrapped))


def rate_of(parsed: Sequence[_Code]) -> int:
    """How many numbers a second of these codes has.

    At a change of second the numbers go on where they would have: (last - first + usual step) is
    the rate. The median over the changes stands against rows that are missing. Codes within one
    second tell nothing; they count as the app's 60. Raises ValueError where the codes leave it
    open.
    """
    highest = max((int(frame) for *_, frame, _ in parsed), default=0)
    if highest >= RATES[-1]:
        raise ValueError(f"timecode with frame {highest}: expected at most {RATES[-1] - 1}")
    fitting = [rate for rate in RATES if rate > highest]
    by_second = [
        [float(frame) for *_, frame, _ in rows]
        for _, rows in groupby(parsed, key=lambda code: code[:3])
    ]
    if len(by_second) < 2:
        return max(APP_RATE, fitting[0])
    within = [later - earlier for frames in by_second for earlier, later in pairwise(frames)]
    steps = [step for step in within if step > 0]
    if not steps:
        # A row a second, or two codes: the largest number has to do.
        return fitting[0] if len(parsed) < 3 or highest else APP_RATE
    counted = Counter(round(step, 1) for step in steps)
    usual = float(np.mean([s for s in steps if s <= 1.5 * counted.most_common(1)[0][0]]))
    said = [before[-1] - after[0] + usual for before, after in pairwise(by_second)]
    near = float(np.median(said))
    for rate in sorted(fitting, key=lambda rate: abs(rate - near)):
        if abs(rate - near) <= max(0.75, 0.015 * rate):
            return rate
    if highest + 1 in fitting:  # the holes lie at the changes
        return highest + 1
    raise ValueError(
        f"timecodes do not tell their rate: the largest frame is {highest}, a second goes on "
        f"after {near:.1f}; expected one of {', '.join(map(str, RATES))}"
    )


def _shared(parsed: Sequence[_Code]) -> Iterator[Fraction]:
    """Where each row lies in the frame whose number it shares with the rows beside it."""
    runs = [len(list(rows)) for _, rows in groupby(parsed)]
    # One number for two rows, now and then, is a fault; so it is one that times do not rise.
    usual = Counter(runs).most_common(1)[0][0] if runs else 1
    for run in runs:
        for row in range(run):
            yield Fraction(row, usual) if run <= usual else Fraction(0)


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
        found = printable(", ".join(columns[:3]))[:120]
        raise BrokenTake(f"{path.name}: expected a column Timecode, found {found}")
    # What is no curve (an index, rotations, remarks) need not be a number.
    value_columns = [i for i, name in enumerate(columns) if curve_of(name) is not None]
    kept, codes, lost = [], [], 0
    for number, row in rows:
        cells = [row[i].strip() if i < len(row) else "" for i in value_columns]
        if not any(cells):  # the phone saw no face
            lost += 1
            continue
        if len(row) < len(columns) or any(cell.strip() for cell in row[len(columns) :]):
            what = f"expected {len(columns)} columns, found {len(row)}"
            raise BrokenTake(f"{path.name}: line {number}: {what}; is the file cut?")
        try:
            kept.append([_number(cell) for cell in cells])
        except ValueError as error:
            raise BrokenTake(f"{path.name}: line {number}: {error}") from error
        codes.append(row[lower.index(TIMECODE)].strip().strip("'"))
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
        others=[
            name
            for name in columns
            if name and curve_of(name) is None and name.lower() not in (TIMECODE, COUNT)
        ],
    )
    if not lost:
        return take
    note = f"{lost} of {lost + len(kept)} rows without a face"
    return replace(take, notes=(*take.notes, note))


def _number(cell: str) -> float:
    """A cell's number, with a decimal comma too. Raises ValueError."""
    plain = cell.strip("'\"= ")
    try:
        return float(plain.replace(",", "."))
    except ValueError:
        raise ValueError(f"{printable(cell[:20])!r} is no number") from None


def _table(path: Path) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """(column names, (line number, cells) of each row that is not empty)."""
    rows = list(_rows(read_text(path), path.name))
    if not rows:
        raise BrokenTake(f"{path.name} is empty")
    return [name.strip() for name in rows[0][1]], rows[1:]


def _rows(text: str, name: str) -> Iterator[tuple[int, list[str]]]:
    """(line number, cells) of the rows, whatever a spreadsheet separates and quotes them by.

    Raises BrokenTake.
    """
    lines = io.StringIO(text.replace("\0", "\ufffd"), newline="")
    first = lines.readline().strip()
    told = re.fullmatch(r"\"?sep=(.)\"?", first, re.IGNORECASE)
    if not told:
        lines.seek(0)
    mark = told[1] if told else max(",;\t", key=first.count)
    try:
        for number, row in enumerate(csv.reader(lines, delimiter=mark), start=2 if told else 1):
            if len(row) == 1 and mark in row[0]:  # each line was quoted as a whole
                row = next(csv.reader([row[0]], delimiter=mark), row)
            if any(row):
                yield number, row
    except csv.Error as error:
        raise BrokenTake(f"{name} is not a CSV: {error}") from error


def _start_s(codes: Sequence[str], sound: Path) -> float:
    """When the sound starts on the clock of the timecodes, in seconds since midnight."""
    first_s = float(seconds_of(codes)[0])
    if sound.suffix.lower() not in CONTAINERS or not sound.exists():
        return first_s
    from . import video

    film = video.info(sound)
    if not film.timecode or not film.rate:
        return first_s
    # A film at 60 may count 30 in its code; only its own track of the code says so.
    counts = numbers_a_second(sound) or round(film.rate)
    start_s = float(seconds_of([film.timecode], counts)[0])
    # A clock that was set between the two, or another take's film, says nothing.
    return start_s if abs(start_s - first_s) < 5.0 else first_s
