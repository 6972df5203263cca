"""What `dt-stream --out` wrote, a CSV or JSON lines, as curves again."""

from __future__ import annotations

import csv
import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from .. import live_link_csv
from ..curves import HEAD, curve_of, pascal_case
from .errors import TakeError
from .motion import Motion

ENDINGS = (".csv", ".json", ".jsonl")
# Rates that frames may have: a time code does not state its own.
_RATES = (
    *(Fraction(rate) for rate in (24, 25, 30, 48, 50, 60, 90, 100, 120)),
    Fraction(24000, 1001), Fraction(30000, 1001), Fraction(60000, 1001),
)  # fmt: skip


def read(path: Path) -> Motion:
    """Raises TakeError that says what was expected."""
    try:
        text = path.read_text("utf-8")
    except OSError as error:
        raise TakeError(f"{path}: {error.strerror or error}") from None
    except UnicodeDecodeError:
        raise TakeError(f"{path}: expected text that dt-stream --out wrote") from None
    try:
        return _csv(text) if path.suffix.lower() == ".csv" else _json_lines(text)
    except (ValueError, LookupError, TypeError, ArithmeticError, AttributeError, RecursionError,
            csv.Error) as error:  # fmt: skip
        said = " ".join(str(error).split())
        raise TakeError(f"{path}: expected what dt-stream --out writes: {said}") from None


def _csv(text: str) -> Motion:
    rows = list(csv.reader(text.splitlines()))
    if not rows or rows[0][:1] != ["Timecode"]:
        raise ValueError("its first line is no header with a Timecode")
    body = [row for row in rows[1:] if len(row) == len(rows[0])]  # the last line may be cut
    if not body:
        raise ValueError("there is no frame in it")
    index, rate = _placed([row[0] for row in body])
    columns = {name: place for place, name in enumerate(rows[0])}
    head = [pascal_case(name) for name in HEAD]
    names = [name for name in columns if curve_of(name) is not None or name in head]
    values = np.array([[float(row[columns[name]]) for name in names] for row in body], np.float32)
    spelt = [name[0].lower() + name[1:] for name in names]
    if not values[:, [spelt.index(name) for name in HEAD]].any():
        keep = [place for place, name in enumerate(spelt) if name not in HEAD]
        spelt, values = [spelt[place] for place in keep], values[:, keep]
    return Motion(tuple(spelt), rate, index - index[0], values)


def _placed(codes: list[str]) -> tuple[np.ndarray[Any, np.dtype[np.int64]], Fraction]:
    """The frames' numbers, and the rate whose time codes these are. Raises ValueError."""
    parts = [code.replace(".", ":").split(":") for code in codes]
    highest = max(int(part[3]) for part in parts)
    fitting = []
    for rate in _RATES if highest < max(_RATES) else ():
        numbers = []
        for hours, minutes, seconds, frame, *thousandths in parts:
            whole = 3600 * int(hours) + 60 * int(minutes) + int(seconds)
            within = Fraction(int(frame)) + Fraction(int((thousandths or ["0"])[0]), 1000)
            numbers.append(round(whole * rate + within))
        if all(
            live_link_csv.timecode(number, rate) == code
            for number, code in zip(numbers, codes, strict=True)
        ):
            # The one that leaves the fewest frames out; within a second all do alike.
            fitting.append((numbers[-1] - numbers[0], rate != 60, rate, numbers))
    if not fitting:
        raise ValueError("its time codes fit no rate that dt-stream writes")
    *_, rate, numbers = min(fitting)
    return np.array(numbers, np.int64), rate


def _json_lines(text: str) -> Motion:
    schema: dict[str, Any] = {}
    index, rows = [], []
    lines = text.splitlines()
    for number, line in enumerate(lines):
        try:
            fields = json.loads(line)
        except ValueError:
            if number == len(lines) - 1:
                break  # cut
            raise
        if fields.get("kind") == "schema":
            schema = fields
        elif fields.get("kind") == "frame":
            index.append(int(fields["index"]))
            rows.append([float(fields["curves"][name]) for name in schema["curves"]])
    if not rows:
        raise ValueError("there is no frame in it")
    numbers = np.array(index, np.int64)
    rate = Fraction(int(schema["rate_num"]), int(schema["rate_den"]))
    names = tuple(map(str, schema["curves"]))
    return Motion(names, rate, numbers - numbers[0], np.array(rows, np.float32))
