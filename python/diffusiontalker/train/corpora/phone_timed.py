"""Phone-timed speech: {"speaker", "phones": [{"phone", "start", "end"}]} beside a wav or flac."""

from __future__ import annotations

import math
from itertools import pairwise
from pathlib import Path

from .audio import audio_beside, read_audio
from .phones import LENGTH_MARKS, SILENCE, STRESS_MARKS, to_shapes, unknown_note
from .recording import BrokenTake, Phone, Recording, told
from .text import read_json

# A gap between words shorter than this is articulation, not a pause.
MIN_PAUSE_S = 0.18


def merge_marks(timed: list[tuple[str, float, float]]) -> tuple[Phone, ...]:
    """Give the time of marks that are no sounds to their neighbours.

    Length marks lengthen the phone before them, stress marks the phone after them (which they
    also mark), and a short gap between words is shared by both sides; a long one is a pause.
    """
    phones: list[Phone] = []
    waiting_s: float | None = None  # start of a stress mark or half gap owed to the next phone
    stressed = False
    for symbol, start_s, end_s in timed:
        if symbol in STRESS_MARKS:
            stressed = symbol == STRESS_MARKS[0]
            waiting_s = start_s if waiting_s is None else waiting_s
        elif symbol in LENGTH_MARKS or (symbol.isspace() and end_s - start_s < MIN_PAUSE_S):
            boundary_s = end_s if symbol in LENGTH_MARKS else 0.5 * (start_s + end_s)
            if phones:
                last = phones[-1]
                phones[-1] = Phone(last.symbol, last.start_s, boundary_s, last.stressed)
            if symbol.isspace():
                waiting_s = boundary_s
        else:
            silent = symbol == SILENCE or symbol.isspace()
            begin_s = start_s if waiting_s is None or silent else waiting_s
            phones.append(Phone(SILENCE if silent else symbol, begin_s, end_s, stressed))
            waiting_s, stressed = None, False
    return tuple(phones)


def read_phone_timed(path: Path, *, speaker: str = "", licence: str = "") -> Recording:
    """Read one take. Raises BrokenTake with the reason if it cannot be used."""
    document = read_json(path)
    try:
        timed = [(str(p["phone"]), float(p["start"]), float(p["end"])) for p in document["phones"]]
        said = document.get("speaker", "")
    except (ValueError, KeyError, TypeError, OverflowError, AttributeError) as error:
        raise BrokenTake(f"{path.name} is not whole phone-timed JSON: {told(error)}") from error
    if not all(math.isfinite(start_s) and math.isfinite(end_s) for _, start_s, end_s in timed):
        raise BrokenTake(f"{path.name}: phone times hold NaN or infinite values")
    if any(start_s < 0.0 for _, start_s, _ in timed):
        raise BrokenTake(f"{path.name}: phone times start before the sound")
    if any(end_s < start_s for _, start_s, end_s in timed) or any(
        later[1] < earlier[1] for earlier, later in pairwise(timed)
    ):
        raise BrokenTake(f"{path.name}: phone times do not rise")
    audio = read_audio(audio_beside(path))
    phones, unknown = to_shapes(merge_marks(timed))
    if not phones:
        raise BrokenTake(f"{path.name} has no phones")
    if phones[-1].end_s > len(audio) / 16000 + 0.5:
        raise BrokenTake(f"{path.name}: phones end {phones[-1].end_s:.2f} s, after the sound")
    name = speaker or (said if isinstance(said, str) else "") or path.parent.name
    return Recording(
        id=path.stem,
        speaker=name,
        licence=licence,
        audio=audio,
        phones=phones,
        notes=unknown_note(unknown),
    )
