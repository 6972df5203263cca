"""What is to be done: the recorded lines that folders, patterns, files and manifests name."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from ..stream import StreamError
from . import manifest, places

#: Endings that count as sound in a folder.
SOUNDS = (
    ".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff", ".aifc", ".caf", ".au",
    ".w64", ".rf64", ".m4a", ".aac", ".mp4", ".m4v", ".mov", ".mkv", ".webm",
)  # fmt: skip
_MAGIC = re.compile(r"[*?\[]")


@dataclass(frozen=True)
class Line:
    """A recorded line and what becomes of it."""

    audio: str  #: path or URL of its sound
    out: str  #: name of the result below OUT, without an ending; folders by "/"
    identity: str
    seed: int
    size: int  #: of the sound, bytes
    stamp: str  #: another one once the sound was changed
    formats: tuple[str, ...]  #: what is written of it: names in `formats.FORMATS`


@dataclass(frozen=True)
class Failure:
    """A line that gave nothing, and why."""

    audio: str
    out: str
    reason: str


@dataclass(frozen=True)
class _Named:
    """What a source names, before anybody has looked whether it is there."""

    audio: str
    out: str
    identity: str | None = None
    seed: int | None = None


def find(
    sources: Sequence[str], *, out: str, identity: str, seed: int, formats: tuple[str, ...]
) -> tuple[list[Line], list[Failure]]:
    """All lines that `sources` name, a folder's in the order of their names; and what is no line.

    `out` is where results go: what lies there is no source. Raises StreamError for a source that
    names nothing, or a manifest that cannot be read.
    """
    lines: dict[str, Line] = {}
    failures: list[Failure] = []
    for named in _all(sources, out):
        try:
            size, stamp = places.stamp(named.audio)
        except OSError as error:
            failures.append(Failure(named.audio, named.out, f"cannot open it: {places.why(error)}"))
            continue
        line = Line(
            named.audio,
            named.out,
            identity if named.identity is None else named.identity,
            seed if named.seed is None else named.seed,
            size,
            stamp,
            formats,
        )
        first = lines.setdefault(line.out, line)
        if first != line:
            reason = f"left out: {line.out} is what {first.audio} becomes"
            failures.append(Failure(line.audio, line.out, reason))
    return list(lines.values()), failures


def _all(sources: Sequence[str], out: str) -> Iterator[_Named]:
    alone = [s for s in sources if places.is_file(s) and not manifest.is_manifest(s)]
    # Files that a shell put in a pattern's place keep the folders in which they differ.
    top = os.path.commonpath([os.path.dirname(os.path.abspath(s)) for s in alone if "://" not in s]
                             or [os.curdir])  # fmt: skip
    for source in sources:
        if manifest.is_manifest(source):
            yield from _of_manifest(source)
        elif source in alone:
            yield _Named(source, _below(source, places.parent(source) if "://" in source else top))
        elif _MAGIC.search(source):
            fixed = places.parent(source[: _MAGIC.search(source).start()] + "x")  # type: ignore[union-attr]
            found = places.matching(source)
            if not found:
                raise StreamError(f"{source}: no file matches; quote a pattern with ** in it")
            yield from (_Named(audio, _below(audio, fixed)) for audio in found)
        else:
            yield from _of_folder(source, out)


def _of_folder(folder: str, out: str) -> Iterator[_Named]:
    found = [p for p in places.files_below(folder, leave_out=out) if p.lower().endswith(SOUNDS)]
    if not found:
        raise StreamError(
            f"{folder}: no sound in it; looked for {', '.join(SOUNDS)}, in its folders too"
        )
    for audio in found:
        yield _Named(audio, _below(audio, folder))


def _of_manifest(path: str) -> Iterator[_Named]:
    folder = places.parent(path)
    for row in manifest.read(path):
        audio = places.joined(folder, row.audio)
        name = row.out if row.out is not None else _below(audio, folder)
        yield _Named(audio, name, row.identity, row.seed)


def _below(audio: str, folder: str) -> str:
    """The name of what `audio` becomes: its path below `folder` without its ending."""
    path = PurePosixPath(places.relative(audio, folder))
    return str(path.with_suffix(""))
