"""Reads a take of any state: one that was completed, one that goes on, one that was cut."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import clock
from ..curves import remap
from ..frames import FLAG_GAP, Schema
from ..sound.growing_wav import HEADER_BYTES
from . import form
from .errors import TakeError
from .motion import Motion

FloatArray = NDArray[np.float32]
IndexArray = NDArray[np.int64]

# Takes that are named where one was expected.
_MOST_NAMED = 8
_WIDTH = 4  # bytes of a sample
# Rates stay below: what the wire carries.
_MOST = 2**31


@dataclass(frozen=True)
class Take:
    """A take as it lies on the disk. Frames and sound count on one clock, samples at `rate_hz`."""

    path: Path
    source: str  #: where the voice came from
    recorded: str  #: when it began, ISO 8601 with the zone
    schema: Schema  #: as it was published
    settings: dict[str, Any]  #: of the face, as they were asked for
    found: dict[str, Any]  #: what was known at the end only
    complete: bool  #: it was ended, not broken off
    reason: str  #: why it ended
    index: IndexArray  #: (F,) of each frame, rising; missing ones were lost
    position: IndexArray  #: (F,) samples of the audio clock, rounded down
    capture_ns: IndexArray  #: (F,) the sender's monotonic clock
    flags: NDArray[np.uint32]  #: (F,) as on the wire
    values: FloatArray  #: (F, N) in the schema's order, bit for bit as published
    first_sample: int  #: of the sound, on the clock
    samples: int  #: of the sound; 0 where there is none
    events: tuple[dict[str, Any], ...]  #: what happened meanwhile
    cut: str  #: what is missing, as one line; "" where nothing is

    @property
    def names(self) -> tuple[str, ...]:
        """Of the values."""
        return self.schema.curves

    @property
    def rate(self) -> Fraction:
        """Frames a second."""
        return Fraction(self.schema.rate_num, self.schema.rate_den)

    @property
    def rate_hz(self) -> int:
        """Of the sound, and of the clock."""
        return self.schema.audio_rate

    @cached_property
    def motion(self) -> Motion:
        """The frames alone, time 0 being the first."""
        first = self.index[0] if len(self.index) else 0
        return Motion(self.names, self.rate, self.index - first, self.values)

    @property
    def duration_s(self) -> float:
        """From the first frame to the end of the last."""
        return self.motion.duration_s

    @property
    def lost_frames(self) -> int:
        """Frames between the first and the last that are not there."""
        return int(self.index[-1] - self.index[0] + 1 - len(self.index)) if len(self.index) else 0

    @property
    def gaps(self) -> IndexArray:
        """Of the frames before which sound or frames were lost, (n,) places in `index`."""
        jumps = np.diff(self.index, prepend=self.index[:1] - 1) > 1
        return np.flatnonzero(jumps | (self.flags & FLAG_GAP != 0))

    def sound(self, start: int | None = None, end: int | None = None) -> FloatArray:
        """Samples (n,) from `start` to `end` of the clock, silence where the take has none.

        By default all there are: `first_sample` on. Raises TakeError.
        """
        start = self.first_sample if start is None else start
        end = self.first_sample + self.samples if end is None else end
        out = np.zeros(max(0, end - start), np.float32)
        first = max(start, self.first_sample)
        last = min(end, self.first_sample + self.samples)
        if last > first:
            try:
                with (self.path / form.SOUND).open("rb") as file:
                    file.seek(HEADER_BYTES + _WIDTH * (first - self.first_sample))
                    got = np.frombuffer(file.read(_WIDTH * (last - first)), "<f4")
            except OSError as error:
                raise TakeError(f"{self.path}: {error.strerror or error}") from None
            out[first - start : first - start + len(got)] = got
        return out

    def sound_of_motion(self) -> FloatArray:
        """The sound whose first sample sounds with the first frame, as long as the frames last."""
        if not len(self.index) or not self.samples:
            return np.zeros(0, np.float32)
        start = int(self.position[0])
        length = clock.position_of(
            int(self.index[-1]) + 1 - int(self.index[0]), self.rate, self.rate_hz
        )
        return self.sound(start, start + length)


def find(folder: Path) -> list[Path]:
    """The takes in a folder, oldest name first."""
    try:
        inside = sorted(path for path in folder.iterdir() if (path / form.MANIFEST).is_file())
    except OSError:
        return []
    return inside


def read(path: str | Path) -> Take:
    """Reads the take that `path` is, or the only one in it.

    What a cut left is read up to the cut, and `Take.cut` says so. Raises TakeError.
    """
    folder = _the_take(Path(path))
    manifest = _manifest(folder)
    schema = _schema(manifest, folder)
    cuts: list[str] = []
    frames = _frames(folder, schema, manifest, cuts)
    first_sample, samples = _sound(folder, schema, manifest, cuts)
    complete = manifest.get("complete") is True
    if not complete:
        cuts.insert(
            0,
            f"it was not ended ({manifest.get('reason') or 'its recorder was killed, or goes on'})",
        )
    cut = f"{folder}: read up to the cut: {'; '.join(cuts)}" if cuts else ""
    return Take(
        path=folder,
        source=str(manifest.get("source", "")),
        recorded=str(manifest.get("recorded", "")),
        schema=schema,
        settings=_mapping(manifest.get("settings")),
        found=_mapping(manifest.get("found")),
        complete=complete,
        reason=str(manifest.get("reason", "")),
        index=frames["index"].astype(np.int64),
        position=frames["position"].astype(np.int64),
        capture_ns=frames["capture_ns"].astype(np.int64),
        flags=frames["flags"].astype(np.uint32),
        values=np.ascontiguousarray(frames["values"], np.float32),
        first_sample=first_sample,
        samples=samples,
        events=tuple(_events(folder)),
        cut=cut,
    )


def _the_take(path: Path) -> Path:
    """The folder of the one take that a path means. Raises TakeError."""
    if path.name == form.MANIFEST and path.is_file():
        return path.parent
    if (path / form.MANIFEST).is_file():
        return path
    if not path.exists():
        raise TakeError(f"{path}: there is no such take; dt-take list FOLDER lists those that are")
    inside = find(path) if path.is_dir() else []
    if len(inside) == 1:
        return inside[0]
    if inside:
        names = ", ".join(each.name for each in inside[:_MOST_NAMED])
        more = f" and {len(inside) - _MOST_NAMED} more" if len(inside) > _MOST_NAMED else ""
        raise TakeError(f"{path} holds {len(inside)} takes, name one: {names}{more}")
    what = "holds no take" if path.is_dir() else "is no take"
    raise TakeError(
        f"{path} {what}: a take is a folder with {form.MANIFEST}, see dt-stream --record"
    )


def _manifest(folder: Path) -> dict[str, Any]:
    path = folder / form.MANIFEST
    try:
        document = json.loads(path.read_text("utf-8"))
    except OSError as error:
        raise TakeError(f"{path}: {error.strerror or error}") from None
    except ValueError as error:
        raise TakeError(f"{path}: expected a take's manifest, found no JSON ({error})") from None
    if not isinstance(document, dict) or document.get("format") != form.FORMAT:
        raise TakeError(f"{path}: expected a manifest of format {form.FORMAT!r}")
    if document.get("version") != form.VERSION:
        raise TakeError(
            f"{path}: version: expected {form.VERSION}, got {document.get('version')!r}; "
            "it was written by another release"
        )
    return document


def _schema(manifest: dict[str, Any], folder: Path) -> Schema:
    """Raises TakeError that names the field."""
    given = _mapping(manifest.get("schema"))
    kinds: dict[str, Any] = {
        "str": str, "int": int, "float": (int, float), "tuple[str, ...]": list,
    }  # fmt: skip
    fields: dict[str, Any] = {}
    for field in dataclasses.fields(Schema):
        value = given.get(field.name)
        if isinstance(value, bool) or not isinstance(value, kinds[str(field.type)]):
            raise TakeError(
                f"{folder / form.MANIFEST}: schema.{field.name}: expected {field.type}, "
                f"got {value!r}"
            )
        fields[field.name] = tuple(map(str, value)) if isinstance(value, list) else value
    schema = Schema(**fields)
    where = f"{folder / form.MANIFEST}: schema"
    rates = (schema.rate_num, schema.rate_den, schema.audio_rate)
    if not all(1 <= rate < _MOST for rate in rates) or not schema.curves:
        raise TakeError(f"{where}: expected rates from 1 to {_MOST - 1} and curves")
    if len(set(schema.curves)) < len(schema.curves):
        raise TakeError(f"{where}: expected distinct names of curves")
    try:
        remap(np.zeros((0, len(schema.curves)), np.float32), schema.curves)
    except ValueError as error:
        raise TakeError(f"{where}: {error}") from None
    return schema


def _frames(
    folder: Path, schema: Schema, manifest: dict[str, Any], cuts: list[str]
) -> NDArray[np.void]:
    """The records up to the first that cannot be one."""
    kind = form.record(len(schema.curves))
    path = folder / form.FRAMES
    try:
        data = path.read_bytes() if path.exists() else b""
    except OSError as error:
        raise TakeError(f"{path}: {error.strerror or error}") from None
    whole = len(data) // kind.itemsize
    frames = np.frombuffer(data, kind, whole)
    rate = Fraction(schema.rate_num, schema.rate_den)
    # What a power cut left unwritten reads as zeros.
    rising = np.diff(frames["index"], prepend=-1) > 0
    placed = frames["position"] == frames["index"] * schema.audio_rate * rate.denominator // (
        rate.numerator
    )
    good = rising & placed & np.isfinite(frames["values"]).all(axis=1)
    kept = whole if good.all() else int(np.argmin(good))
    announced = _mapping(manifest.get("frames")).get("count")
    if kept < whole:
        cuts.append(f"frame {kept} of {form.FRAMES} is damaged, {whole - kept} are left out")
    elif isinstance(announced, int) and announced != kept:
        cuts.append(f"{kept} of {announced} frames are there")
    return frames[:kept]


def _sound(
    folder: Path, schema: Schema, manifest: dict[str, Any], cuts: list[str]
) -> tuple[int, int]:
    """(first sample, samples) of the sound."""
    said = _mapping(manifest.get("sound"))
    first = said.get("first_sample", 0)
    path = folder / form.SOUND
    if not said or not isinstance(first, int) or not 0 <= first < 2**62:
        return 0, 0
    size = path.stat().st_size if path.exists() else 0
    samples = max(0, size - HEADER_BYTES) // _WIDTH
    announced = said.get("samples")
    if isinstance(announced, int) and announced != samples:
        cuts.append(
            f"{samples / schema.audio_rate:.2f} of {announced / schema.audio_rate:.2f} s of "
            "sound are there"
        )
    return first, samples


def _events(folder: Path) -> Iterator[dict[str, Any]]:
    try:
        lines = (folder / form.EVENTS).read_text("utf-8", errors="replace").splitlines()
    except OSError:
        return
    for line in lines:
        try:
            event = json.loads(line)
        except ValueError:
            return  # the last one, cut
        if isinstance(event, dict):
            yield event


def _mapping(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
