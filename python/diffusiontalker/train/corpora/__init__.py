"""Corpora: folders of takes, all read into the same Recording."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ...curves import CURVES
from .beat import is_beat, read_beat
from .phone_timed import is_phone_timed, read_phone_timed
from .recording import (
    SAMPLE_RATE_HZ,
    BrokenTake,
    Phone,
    Recording,
    Skipped,
    hold_out_order,
)

__all__ = [
    "SAMPLE_RATE_HZ",
    "BrokenTake",
    "Corpus",
    "Phone",
    "Recording",
    "Skipped",
    "calibrate",
    "hold_out_order",
    "load",
    "take_files",
]


@dataclass(frozen=True)
class Corpus:
    """Takes of one source, those held out by recording apart, and what was skipped."""

    train: list[Recording]
    held_out: list[Recording]
    skipped: list[Skipped]


def take_files(folder: Path) -> Iterator[tuple[Path, str]]:
    """Every take description under a folder with its form ("beat" or "phones").

    JSON files that are neither (word lists, indices) are passed over; broken JSON counts as
    "beat" so that its reader can say what is wrong with it.
    """
    for path in sorted(folder.rglob("*.json")):
        try:
            document = json.loads(path.read_text(encoding="utf-8"))
        except (ValueError, OSError):
            yield path, "beat"
            continue
        if is_beat(document):
            yield path, "beat"
        elif is_phone_timed(document):
            yield path, "phones"


def load(
    folder: Path,
    *,
    speaker: str = "",
    licence: str = "",
    hold_out: int = 0,
    hold_out_per_speaker: int = 0,
    on_take: Callable[[], None] = lambda: None,
) -> Corpus:
    """Read a folder of takes (any mixture of the known forms).

    The `hold_out` takes whose id hashes lowest are kept aside, and `hold_out_per_speaker` of each
    speaker's: whole recordings, so that no part of one is on both sides. Raises FileNotFoundError
    if the folder is missing; a broken take is skipped and named in the result.
    """
    if not folder.is_dir():
        raise FileNotFoundError(f"corpus folder {folder} does not exist")
    recordings: list[Recording] = []
    skipped: list[Skipped] = []
    for path, form in take_files(folder):
        read = read_beat if form == "beat" else read_phone_timed
        try:
            recordings.append(read(path, speaker=speaker, licence=licence))
        except BrokenTake as reason:
            skipped.append(Skipped(path, str(reason)))
        on_take()
    ranked = sorted(recordings, key=lambda recording: hold_out_order(recording.id))
    kept_aside = {recording.id for recording in ranked[:hold_out]}
    if hold_out_per_speaker:
        for name in {recording.speaker for recording in recordings}:
            own = [recording for recording in ranked if recording.speaker == name]
            kept_aside |= {recording.id for recording in own[:hold_out_per_speaker]}
    return Corpus(
        train=[recording for recording in recordings if recording.id not in kept_aside],
        held_out=[recording for recording in recordings if recording.id in kept_aside],
        skipped=skipped,
    )


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
