"""Corpora: folders of takes, all read into the same Recording.

A take is found by what it is (`takes`), read by the reader of its kind, put in sync with its sound
and split by recording (`load`).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import numpy as np

from ...curves import CURVES
from ..config import SYNC_MODES, TAKE_KINDS
from .audio import SUFFIXES, audio_beside, read_sound
from .beat import read_beat, speaker_of
from .forms import DESCRIPTIONS, form_of
from .live_link import read_live_link, sound_of
from .phone_timed import read_phone_timed
from .recording import (
    SAMPLE_RATE_HZ,
    BrokenTake,
    Offset,
    Phone,
    Recording,
    Skipped,
    attempt,
    hold_out_order,
    printable,
)
from .store import remembered
from .sync import synchronise
from .textgrid import read_textgrid
from .vocaset import VERTICES, Vocaset, read_deltas

__all__ = [
    "SAMPLE_RATE_HZ",
    "BrokenTake",
    "Corpus",
    "Offset",
    "Phone",
    "Recording",
    "Skipped",
    "Take",
    "attempt",
    "calibrate",
    "changes",
    "hold_out_order",
    "load",
    "offset_report",
    "printable",
    "sound_alone",
    "synchronise",
    "take_at",
    "takes",
]


@dataclass(frozen=True)
class Corpus:
    """Takes of one source, those held out by recording apart, and what was skipped."""

    train: list[Recording]
    held_out: list[Recording]
    skipped: list[Skipped]
    #: Files that were taken for no takes: word lists, other descriptions, sounds without any.
    passed_over: list[Skipped] = field(default_factory=list)


@dataclass(frozen=True)
class Take:
    """A take that was found: where it is, and what reads it.

    `read(speaker=, licence=)` gives the Recording or raises BrokenTake.
    """

    path: Path  # the file that describes it, for messages
    kind: str
    files: tuple[Path, ...]  # what the recording is made from
    read: Callable[..., Recording]


_READERS: dict[str, Callable[..., Recording]] = {
    "beat": read_beat,
    "phones": read_phone_timed,
    "textgrid": read_textgrid,
    "live_link": read_live_link,
}
DESCRIBED_TWICE = "another file describes the same take"
SOUND_ALONE = "sound without a face or phones beside it"


def take_at(path: Path, kind: str = "auto") -> Take | None:
    """The take that a file describes, None if it describes none of that kind."""
    found = form_of(path)[0] if path.suffix.lower() in DESCRIPTIONS else ""
    return _take(path, found) if found and kind in ("auto", found) else None


def _take(path: Path, form: str) -> Take:
    sound = sound_of(path) if form == "live_link" else audio_beside(path)
    return Take(path, form, (path, sound), partial(_READERS[form], path))


def takes(
    folder: Path,
    kind: str = "auto",
    deltas: Path | None = None,
    pass_over: Callable[[Path, str], None] = lambda path, reason: None,
) -> Iterator[Take]:
    """Every take under a folder, at any depth, in the order of their paths.

    `pass_over` is told of every other file that might have been meant as one, with the reason. A
    description of an unknown form beside a sound counts as a take that cannot be read. Where one
    take is described twice (BEAT has a TextGrid beside each JSON), measured curves come before
    phones. `deltas` is VOCASET's npz of blendshapes. Raises FileNotFoundError or ValueError where
    a folder is not what `kind` says.
    """
    if kind == "vocaset" or (kind == "auto" and (folder / VERTICES).is_file()):
        if deltas is None:
            raise ValueError(
                f"{folder} is VOCASET: give `deltas`, an npz of blendshapes (docs/training.md)"
            )
        corpus = Vocaset(folder, read_deltas(deltas))
        for subject, sequence in corpus.takes():
            path = folder / VERTICES / printable(str(subject)) / printable(str(sequence))
            yield Take(
                path, "vocaset", (folder / VERTICES, deltas), corpus.reader(subject, sequence)
            )
        return
    files = sorted(_files(folder, pass_over))
    described = [path for path in files if path.suffix.lower() in DESCRIPTIONS]
    forms = {path: form_of(path) for path in described}
    curves = {p.with_suffix("") for p, (f, _) in forms.items() if f in ("beat", "live_link")}
    known = {path.with_suffix("") for path, (form, _) in forms.items() if form}
    used: set[Path] = set()
    for path in described:
        form, reason = forms[path]
        stem = path.with_suffix("")
        if kind not in ("auto", form) and form:
            pass_over(path, f"a take of the kind {form}, {kind} is asked for")
        elif kind == "auto" and form == "textgrid" and stem in curves:
            pass_over(path, DESCRIBED_TWICE)
        elif form:
            take = _take(path, form)
            used.add(take.files[1].with_suffix(""))
            yield take
        elif stem in known:
            pass_over(path, DESCRIBED_TWICE)
        elif audio_beside(path).exists() and kind == "auto":
            used.add(stem)
            yield Take(path, "", (path,), partial(_refuse, reason))
        else:
            pass_over(path, reason)
    for path in files:
        if path.suffix.lower() in SUFFIXES and path.with_suffix("") not in used:
            pass_over(path, SOUND_ALONE)


def _refuse(reason: str, *, speaker: str = "", licence: str = "") -> Recording:
    raise BrokenTake(reason)


def _files(folder: Path, pass_over: Callable[[Path, str], None]) -> Iterator[Path]:
    """Descriptions and sounds under a folder."""

    def closed(error: OSError) -> None:
        pass_over(Path(os.fsdecode(error.filename)), f"a folder that cannot be read: {error}")

    for root, _, names in os.walk(folder, onerror=closed):
        for name in names:
            if name.lower().endswith((*DESCRIPTIONS, *SUFFIXES)):
                yield Path(root) / name


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
    """Read a folder of takes of one of TAKE_KINDS ("auto": any mixture of them).

    The `hold_out` takes whose id hashes lowest are kept aside, and `hold_out_per_speaker` of each
    speaker's, as long as one is left to learn from: whole recordings, so that no part of one is on
    both sides. `sync` says what becomes of a face that is late or early (`synchronise`). What was
    read is kept in the folder `cache`, if given, so that a run that was cut does not read it again.
    Raises FileNotFoundError if the folder is missing; a take that cannot be used, whatever is wrong
    with it, is skipped and named in the result.
    """
    if not folder.is_dir():
        raise FileNotFoundError(f"corpus folder {folder} does not exist")
    if kind not in TAKE_KINDS:
        raise ValueError(f"corpus kind: expected one of {', '.join(TAKE_KINDS)}, got {kind!r}")
    if sync not in SYNC_MODES:
        raise ValueError(f"corpus sync: expected one of {', '.join(SYNC_MODES)}, got {sync!r}")
    recordings: list[Recording] = []
    skipped: list[Skipped] = []
    passed: list[Skipped] = []

    def pass_over(path: Path, reason: str) -> None:
        passed.append(Skipped(path, reason))

    for take in takes(folder, kind, deltas, pass_over):
        try:
            read = partial(take.read, speaker=speaker, licence=licence)
            files = (take.path, *take.files)
            kept = partial(remembered, cache, files, (speaker, licence), read)
            in_sync = partial(_synchronised, kept, sync, max_offset_s)
            recordings.append(attempt(take.path, in_sync))
        except BrokenTake as reason:
            skipped.append(Skipped(take.path, printable(str(reason))))
        on_take()
    aside = _kept_aside(recordings, hold_out, hold_out_per_speaker)
    return Corpus(
        train=[r for r in recordings if (r.speaker, r.id) not in aside],
        held_out=[r for r in recordings if (r.speaker, r.id) in aside],
        skipped=skipped,
        passed_over=passed,
    )


def _synchronised(read: Callable[[], Recording], sync: str, max_offset_s: float) -> Recording:
    return synchronise(read(), sync, max_offset_s)


def _kept_aside(
    recordings: Sequence[Recording], hold_out: int, hold_out_per_speaker: int
) -> set[tuple[str, str]]:
    """(speaker, id) of the takes that are held out; of all, and of each speaker, one is not."""
    ranked = sorted(recordings, key=lambda recording: hold_out_order(recording.id))
    aside = {(r.speaker, r.id) for r in ranked[: min(hold_out, len(ranked) - 1)]}
    if hold_out_per_speaker:
        for name in {recording.speaker for recording in recordings}:
            own = [recording for recording in ranked if recording.speaker == name]
            count = min(hold_out_per_speaker, len(own) - 1)
            aside |= {(r.speaker, r.id) for r in own[:count]}
    return aside


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
        [apply(r) for r in corpus.train],
        [apply(r) for r in corpus.held_out],
        corpus.skipped,
        corpus.passed_over,
    )
