"""Praat TextGrids with a tier of phones (Montreal Forced Aligner, WebMAUS, BEAT), beside sound."""

from __future__ import annotations

import math
import tempfile
from pathlib import Path
from typing import Any

from .audio import audio_beside, read_audio
from .beat import speaker_of
from .phones import to_shapes, unknown_note
from .recording import SAMPLE_RATE_HZ, BrokenTake, Phone, Recording, printable, told
from .text import read_text

#: Names of tiers that hold phones (compared in lower case), the likeliest first. WebMAUS writes
#: MAU; the Montreal aligner puts "SPEAKER - " before its own.
PHONE_TIERS = ("phones", "phone", "phonemes", "phoneme", "mau", "segments", "segment", "phon")
# Alignments end a little after the sound where frames were rounded up.
MAX_OVERHANG_S = 0.5
# Some converters leave out the last pause.
MAX_SHORTFALL_S = 1.0


def read_textgrid(path: Path, *, speaker: str = "", licence: str = "") -> Recording:
    """Read one take: the intervals of its phone tier, in the performer's phones.

    Raises BrokenTake with the reason if it cannot be used.
    """
    grid = _open(path)
    tier = _phone_tier(grid, path)
    timed = [Phone(str(e.label), float(e.start), float(e.end)) for e in tier.entries]
    if not timed:
        raise BrokenTake(f"{path.name} has no phones")
    if not all(0.0 <= p.start_s <= p.end_s and math.isfinite(p.end_s) for p in timed):
        raise BrokenTake(f"{path.name}: phone times are no times from 0 on")
    # The short form cut at a line's end still parses: its tier then stops before its own end.
    if timed[-1].end_s < float(tier.maxTimestamp) - MAX_SHORTFALL_S:
        raise BrokenTake(
            f"{path.name} is cut: its phones end at {timed[-1].end_s:.2f} s of "
            f"{float(tier.maxTimestamp):.2f} s"
        )
    audio = read_audio(audio_beside(path))
    if timed[-1].end_s > len(audio) / SAMPLE_RATE_HZ + MAX_OVERHANG_S:
        raise BrokenTake(f"{path.name}: phones end {timed[-1].end_s:.2f} s, after the sound")
    phones, unknown = to_shapes(timed)
    if all(phone.symbol in ("_", *unknown) for phone in phones):
        symbols = [printable(symbol[:24]) for symbol in sorted({p.symbol for p in timed})]
        raise BrokenTake(
            f"{path.name}: tier {tier.name!r} holds no phone in ARPAbet or IPA "
            f"(it has {', '.join(symbols[:5])})"
        )
    return Recording(
        id=path.stem,
        speaker=speaker or speaker_of(path),
        licence=licence,
        audio=audio,
        phones=phones,
        notes=unknown_note(unknown),
    )


def _open(path: Path) -> Any:
    """praatio's Textgrid. Raises BrokenTake."""
    try:
        from praatio import textgrid
        from praatio.utilities.errors import PraatioException
    except ImportError:
        raise BrokenTake(
            f"{path.name} needs praatio: pip install 'diffusiontalker[train]'"
        ) from None
    text = read_text(path)
    if text.startswith("ooBinaryFile"):
        raise BrokenTake(f"{path.name} is in Praat's binary form: save it as a text file")
    with tempfile.TemporaryDirectory() as folder:
        plain = Path(folder) / "take.TextGrid"  # praatio reads UTF-8 without a mark, and UTF-16
        plain.write_text(text, encoding="utf-8")
        try:
            # Empty intervals are pauses, and missing ends would otherwise move what follows.
            return textgrid.openTextgrid(
                str(plain),
                includeEmptyIntervals=True,
                reportingMode="error",
                duplicateNamesMode="rename",
            )
        except (PraatioException, ValueError, LookupError, TypeError, AttributeError) as error:
            raise BrokenTake(f"{path.name} is not a whole TextGrid: {told(error)}") from error


def _phone_tier(grid, path: Path):  # type: ignore[no-untyped-def]  # praatio has no types
    """The tier that is called one of PHONE_TIERS, or the only tier of intervals there is."""
    from praatio.data_classes.interval_tier import IntervalTier

    tiers = [tier for tier in grid.tiers if isinstance(tier, IntervalTier)]
    for wanted in PHONE_TIERS:
        for tier in tiers:
            name = tier.name.lower().strip()
            if name == wanted or name.endswith(f"- {wanted}"):
                return tier
    if len(tiers) == 1:
        return tiers[0]
    names = ", ".join(repr(tier.name) for tier in grid.tiers) or "none"
    raise BrokenTake(f"{path.name}: expected a tier named phones, found {names}")
