"""Lines written down: a CSV with a header, or JSON lines."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from ..spelling import meant
from ..stream import StreamError
from . import places

#: What a row may say.
COLUMNS = ("audio", "out", "identity", "seed")
_ENDINGS = (".csv", ".tsv", ".jsonl", ".ndjson")
_LARGEST_SEED = 2**64 - 1


@dataclass(frozen=True)
class Row:
    """One line of a manifest; None where it leaves a thing to the command."""

    audio: str
    out: str | None
    identity: str | None
    seed: int | None


def is_manifest(path: str) -> bool:
    """Whether a source's name is that of a manifest."""
    return path.lower().endswith(_ENDINGS)


def read(path: str) -> list[Row]:
    """All rows. Raises StreamError that names the line that is wrong, and what would be right."""
    try:
        text = places.read(path).decode("utf-8-sig")
    except OSError as error:
        raise StreamError(f"{path}: cannot open it: {places.why(error)}") from None
    except UnicodeDecodeError:
        raise StreamError(f"{path}: expected text in UTF-8") from None
    json_lines = path.lower().endswith((".jsonl", ".ndjson"))
    rows = [
        _row(f"{path}, line {number}", fields)
        for number, fields in (_json(path, text) if json_lines else _csv(path, text))
    ]
    if not rows:
        raise StreamError(f"{path}: holds no lines")
    return rows


def _csv(path: str, text: str) -> Iterator[tuple[int, Mapping[str, object]]]:
    reader = csv.DictReader(
        io.StringIO(text), delimiter="\t" if path.lower().endswith(".tsv") else ",", strict=True
    )
    try:
        names = [name.strip() for name in reader.fieldnames or ()]
    except csv.Error as error:
        raise StreamError(f"{path}, line 1: {error}") from None
    if "audio" not in names:
        got = " ".join(", ".join(names).split())[:200]
        raise StreamError(
            f"{path}: expected a header with a column audio, got {got or 'nothing'}; "
            "beside it may stand out, identity, seed"
        )
    _refuse_misspelt(path, names)
    reader.fieldnames = names
    try:
        for fields in reader:
            if None in fields:
                raise StreamError(
                    f"{path}, line {reader.line_num}: more fields than the header has; text with "
                    "a comma in it stands in quotes"
                )
            yield reader.line_num, fields
    except csv.Error as error:
        raise StreamError(f"{path}, line {reader.line_num}: {error}") from None


def _json(path: str, text: str) -> Iterator[tuple[int, Mapping[str, object]]]:
    known: set[str] = set()
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            fields = json.loads(line)
        except json.JSONDecodeError as error:
            raise StreamError(f"{path}, line {number}: {error.msg}, column {error.colno}") from None
        if not isinstance(fields, dict):
            raise StreamError(f'{path}, line {number}: expected {{"audio": "PATH", ...}}')
        if not known.issuperset(fields):
            _refuse_misspelt(f"{path}, line {number}", fields)
            known.update(fields)
        yield number, fields


def _refuse_misspelt(where: str, names: Iterator[str] | Mapping[str, object] | list[str]) -> None:
    """Other columns may stand there, a transcript say; nearly ours is a slip of the pen."""
    for name in names:
        hint = "" if name in COLUMNS else meant(name, COLUMNS)
        if hint:
            raise StreamError(f"{where}: column {name!r} is not known{hint}")


def _row(where: str, fields: Mapping[str, object]) -> Row:
    said = {name: fields.get(name) for name in COLUMNS}
    texts = {name: _text(where, name, value) for name, value in said.items() if name != "seed"}
    if texts["audio"] is None:
        raise StreamError(f"{where}: audio is missing")
    return Row(texts["audio"], _out(where, texts["out"]), texts["identity"],
               _seed(where, said["seed"]))  # fmt: skip


def _text(where: str, name: str, value: object) -> str | None:
    if value is None or value == "":
        return None
    if not isinstance(value, str):
        raise StreamError(f"{where}: {name}: expected text, got {value!r}")
    return value.strip() or None


def _out(where: str, out: str | None) -> str | None:
    if out is None:
        return None
    path = PurePosixPath(out.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or not path.name or path.parts[0].startswith("."):
        raise StreamError(f"{where}: out: expected a path below --out, as in scene1/line7, "
                          f"got {out!r}")  # fmt: skip
    return str(path)


def _seed(where: str, value: object) -> int | None:
    if value is None or value == "":
        return None
    text = str(value).strip()
    if isinstance(value, bool) or not (text.isascii() and text.isdigit()):
        raise StreamError(f"{where}: seed: expected a whole number from 0, got {value!r}")
    if int(text) > _LARGEST_SEED:
        raise StreamError(f"{where}: seed: expected 0 to {_LARGEST_SEED}, got {text}")
    return int(text)
