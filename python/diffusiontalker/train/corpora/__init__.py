"""Corpora: folders of takes, all read into the same Recording.

A take is found by what it is (`takes`), read by the reader of its kind, put in sync with its sound
and split by recording (`load`).
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from ...curves import CURVES
from .audio import audio_beside, read_sound
from .beat import read_beat, speaker_of
from .live_link import is_live_link, read_live_link, sound_of
from .phone_timed import read_phone_timed
from .recording import SAMPLE_RATE_HZ, BrokenTake, Offset, Phone, Recording, Skipped, hold_out_order
from .store import remembered
from .sync import MODES as SYNC_MODES
from .sync import synchronise
from .textgrid import read_textgrid
from .vocaset import VERTICES, Vocaset, read_deltas

__all__ = [
    "KINDS",
    "SAMPLE_RATE_HZ",
    "SYNC_MODES",
    "BrokenTake",
    "Corpus",
    "Offset",
    "Phone",
    "Recording",
    "Skipped",
    "Take",
    "calibrate",
    "changes",
    "hold_out_order",
    "load",
    "offset_report",
    "sound_alone",
    "synchronise",
    "take_at",
    "takes",
]

#: What a source may be; "auto" takes whatever of the others a folder holds.
KINDS = ("auto", "beat", "phones", "textgrid", "live_link", "vocaset")


@dataclass(frozen=True)
class Corpus:
    """Takes of one source, those held out by recording apart, and what was skipped."""

    train: list[Recording]
    held_out: list[Recording]
    skipped: list[Skipped]


@dataclass(frozen=True)
class Take:
    """A take that was found: where it is, and what reads it.

    `read(speaker=, licence=)` gives the Recording or raises BrokenTake.
    """

    path: Path  # the file that describes it, for messages
    kind: str
    files: tuple[Path, ...]  # what the recording is made from
    read: Callable[..., Recording]


_LIST = r'"{}"\s*:\s*\['
_NAMES, _FRAMES, _PHONES = (re.compile(_LIST.format(k)) for k in ("names", "frames", "phones"))


def _json_kind(path: Path) -> str:
    """The kind of take in a JSON file; "" for other files.

    Broken JSON counts as "beat", whose reader can say what is wrong with it.
    """
    try:
        text = path.read_text(encoding="utf-8")
        # Told by its keys: parsing is what takes time, and the reader does it.
        if _NAMES.search(text) and _FRAMES.search(text):
            return "beat"
        if _PHONES.search(text):
            return "phones"
        json.loads(text)
    except (ValueError, OSError):
        return "beat"
    return ""


def take_at(path: Path, kind: str = "auto") -> Take | None:
    """The take that a file describes, None if it describes none of that kind."""
    suffix = path.suffix.lower()
    found = ""
    if suffix == ".json":
        found = _json_kind(path)
    elif suffix == ".textgrid":
        found = "textgrid"
    elif suffix == ".csv" and is_live_link(path):
        found = "live_link"
    if not found or kind not in ("auto", found):
        return None
    readers = {
        "beat": read_beat,
        "phones": read_phone_timed,
        "textgrid": read_textgrid,
        "live_link": read_live_link,
    }
    sound = sound_of(path) if found == "live_link" else audio_beside(path)
    return Take(path, found, (path, sound), partial(readers[found], path))


def takes(folder: Path, kind: str = "auto", deltas: Path | None = None) -> Iterator[Take]:
    """Every take under a folder, at any depth, in the order of their paths.

    Files that describe no take (word lists, indices) are passed over. Where one take is described
    twice (BEAT has a TextGrid beside each JSON), measured curves come before phones. `deltas` is
    VOCASET's npz of blendshapes. Raises FileNotFoundError or ValueError where a folder is not what
    `kind` says.
    """
    if kind == "vocaset" or (kind == "auto" and (folder / VERTICES).is_file()):
        if deltas is None:
            raise ValueError(
                f"{folder} is VOCASET: give `deltas`, an npz of blendshapes (docs/training.md)"
            )
        corpus = Vocaset(folder, read_deltas(deltas))
        for subject, sequence in corpus.takes():
            path = folder / VERTICES / subject / sequence
            yield Take(
                path, "vocaset", (folder / VERTICES, deltas), corpus.reader(subject, sequence)
            )
        return
    for path in sorted(_files(folder)):
        take = take_at(path, kind)
        if take is None or (kind == "auto" and _better_beside(path)):
            continue
        yield take


def _files(folder: Path) -> Iterator[Path]:
    for root, _, names in os.walk(folder):
        for name in names:
            if name.lower().endswith((".json", ".textgrid", ".csv")):
                yield Path(root) / name


def _better_beside(path: Path) -> bool:
    """Whether the same take is described better by another file: curves, or the project's JSON."""
    if path.suffix.lower() != ".textgrid":
        return False
    return any(
        take_at(path.with_suffix(suffix)) is not None
        for suffix in (".json", ".csv")
        if path.with_suffix(suffix).exists()
    )


def sound_alone(path: Path, *, speaker: str = "", licence: str = "") -> Recording:
    """A sound file without a face and without phones. Raises BrokenTake."""
    audio, notes = read_sound(path)
    return Recording(
        id=path.stem,
        speaker=speaker or speaker_of(path),
        licence=licence,
        audio=audio,
        notes=tuple(notes),
    )


def load(
    folder: Path,
    *,
    kind: str = "auto",
    speaker: str = "",
    licence: str = "",
    hold_out: int = 0,
    hold_out_per_speaker: int = 0,
    sync: str = "shift",
    max_offset_s: float = 0.25,
    deltas: Path | None = None,
    cache: Path | None = None,
    on_take: Callable[[], None] = lambda: None,
) -> Corpus:
    """Read a folder of takes of one of KINDS ("auto": any mixture of them).

    The `hold_out` takes whose id hashes lowest are kept aside, and `hold_out_per_speaker` of each
    speaker's: whole recordings, so that no part of one is on both sides. `sync` says what becomes
    of a face that is late or early (`synchronise`). What was read is kept in the folder `cache`,
    if given, so that a run that was cut does not read it again. Raises FileNotFoundError if the
    folder is missing; a broken take is skipped and named in the result.
    """
    if not folder.is_dir():
        raise FileNotFoundError(f"corpus folder {folder} does not exist")
    if kind not in KINDS:
        raise ValueError(f"corpus kind: expected one of {', '.join(KINDS)}, got {kind!r}")
    if sync not in SYNC_MODES:
        raise ValueError(f"corpus sync: expected one of {', '.join(SYNC_MODES)}, got {sync!r}")
    recordings: list[Recording] = []
    skipped: list[Skipped] = []
    for take in takes(folder, kind, deltas):
        try:
            read = partial(take.read, speaker=speaker, licence=licence)
            recording = remembered(cache, (take.path, *take.files), (speaker, licence), read)
            recordings.append(synchronise(recording, sync, max_offset_s))
        except BrokenTake as reason:
            skipped.append(Skipped(take.path, str(reason)))
        on_take()
    ranked = sorted(recordings, key=lambda recording: hold_out_order(recording.id))
    kept_aside = {(r.speaker, r.id) for r in ranked[:hold_out]}
    if hold_out_per_speaker:
        for name in {recording.speaker for recording in recordings}:
            own = [recording for recording in ranked if recording.speaker == name]
            kept_aside |= {(r.speaker, r.id) for r in own[:hold_out_per_speaker]}
    return Corpus(
        train=[r for r in recordings if (r.speaker, r.id) not in kept_aside],
        held_out=[r for r in recordings if (r.speaker, r.id) in kept_aside],
        skipped=skipped,
    )


def changes(take: Recording) -> list[str]:
    """In words, what reading did to a take beside reading it."""
    said = list(take.notes)
    if take.offset is not None and take.offset.shifted:
        side = "late" if take.offset.late_s > 0 else "early"
        said.append(
            f"the face was {1000 * abs(take.offset.late_s):.0f} ms {side}: moved into place"
        )
    return said


def offset_report(takes: Sequence[Recording]) -> dict[str, object]:
    """How faces stand against their sound, in ms (late is positive), as JSON values."""
    estimated = {take.id: take.offset for take in takes if take.offset is not None}
    clear = [offset for offset in estimated.values() if offset.clear]
    if not estimated:
        return {}
    report: dict[str, object] = {"estimated": len(estimated), "clear": len(clear)}
    if clear:
        late_ms = np.array([1000.0 * offset.late_s for offset in clear])
        report["median_ms"] = round(float(np.median(late_ms)), 1)
        report["range_ms"] = [round(float(late_ms.min()), 1), round(float(late_ms.max()), 1)]
        correlation = np.median([offset.correlation for offset in clear])
        report["median_correlation"] = round(float(correlation), 3)
    report["shifted_ms"] = {
        name: round(1000.0 * offset.late_s, 1)
        for name, offset in estimated.items()
        if offset.shifted
    }
    return report


def calibrate(
    corpus: Corpus, *, rest_percentile: float, rest_curves: list[str], gain: dict[str, float]
) -> Corpus:
    """Take a face's resting shape out of measured curves, a speaker at a time.

    For each curve in `rest_curves` the speaker's percentile over the training takes becomes 0
    (below is clamped); then `gain` scales curves that a tracker never brings to their full range.
    Takes without curves pass unchanged.
    """
    rest = [CURVES.index(name) for name in rest_curves]
    scale = np.ones(len(CURVES), np.float32)
    for name, value in gain.items():
        scale[CURVES.index(name)] = value
    offsets: dict[str, np.ndarray] = {}
    for name in {r.speaker for r in corpus.train + corpus.held_out if r.curves is not None}:
        own = [r for r in corpus.train if r.speaker == name and r.curves is not None]
        own = own or [r for r in corpus.held_out if r.speaker == name]
        offset = np.zeros(len(CURVES), np.float32)
        frames = np.concatenate([r.curves for r in own if r.curves is not None])
        offset[rest] = np.percentile(frames[:, rest], rest_percentile, axis=0)
        offsets[name] = offset

    def apply(recording: Recording) -> Recording:
        if recording.curves is None:
            return recording
        shifted = np.maximum(recording.curves - offsets[recording.speaker], 0.0) * scale
        return replace(recording, curves=shifted.astype(np.float32))

    return Corpus(
        [apply(r) for r in corpus.train], [apply(r) for r in corpus.held_out], corpus.skipped
    )
