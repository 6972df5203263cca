"""What a file is, told by its beginning or its keys: a take of a known form, or what else."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from ...curves import curve_of
from .live_link import TIMECODE, header, passed_variant
from .recording import printable
from .text import read_json, read_text

#: Endings of files that may describe a take.
DESCRIPTIONS = (".json", ".textgrid", ".csv")

_LIST = r'"{}"\s*:\s*\['
_NAMES, _FRAMES, _PHONES, _FACS, _WEIGHTS = (
    re.compile(_LIST.format(key)) for key in ("names", "frames", "phones", "facsNames", "weightMat")
)
#: Forms of other tools that say nothing of ARKit's curves: keys that tell them, what they are.
_OTHERS = (
    ({"mouthCues"}, "Rhubarb Lip Sync's mouth cues: shapes of a drawn mouth, no curves"),
    ({"visemes"}, "visemes: shapes by name, no curves"),
    ({"word_segments"}, "a transcript (WhisperX), no face"),
    ({"segments", "text"}, "a transcript (Whisper), no face"),
    ({"fragments"}, "an alignment of sentences (aeneas), no phones"),
    ({"words", "transcript"}, "an alignment (Gentle): export its phones"),
    ({"faceBlendshapes"}, "MediaPipe's result of single pictures: dt-train capture films"),
    ({"face_blendshapes"}, "MediaPipe's result of single pictures: dt-train capture films"),
)


def form_of(path: Path) -> tuple[str, str]:
    """(kind, "") of a take, or ("", why it is none).

    What is broken counts as a take: its reader can say what is wrong with it.
    """
    suffix = path.suffix.lower()
    try:
        if suffix == ".json":
            return _json_form(path)
        if suffix == ".csv":
            return _csv_form(path)
    except Exception:  # among them BrokenTake, OSError, and what nobody thought of
        return {".json": "beat", ".csv": "live_link"}[suffix], ""
    return ("textgrid", "") if suffix == ".textgrid" else ("", "of no known form")


def _json_form(path: Path) -> tuple[str, str]:
    text = read_text(path)
    # Told by its keys: parsing is what takes time, and the reader does it.
    if (_NAMES.search(text) and _FRAMES.search(text)) or (
        _FACS.search(text) and _WEIGHTS.search(text)
    ):
        return "beat", ""
    if _PHONES.search(text):
        return "phones", ""
    document = read_json(path)
    keys = set(document) if isinstance(document, dict) else set()
    for wanted, what in _OTHERS:
        if wanted <= keys:
            return "", what
    return "", f"JSON without names and frames, or phones (it has {_few(sorted(keys))})"


def _csv_form(path: Path) -> tuple[str, str]:
    passed = passed_variant(path)
    if passed:
        return "", passed
    columns = header(path)
    lower = [name.lower() for name in columns]
    curves = sum(curve_of(name) is not None for name in columns)
    if TIMECODE in lower and curves:
        return "live_link", ""
    if any(re.fullmatch(r"au\d\d_[rc]", name) for name in lower):
        return "", "OpenFace's action units, no ARKit curves"
    if curves:
        return "", f"{curves} ARKit curves, but no column Timecode (it has {_few(columns)})"
    return "", f"a CSV without Timecode and curves (it has {_few(columns)})"


def _few(names: Iterable[str]) -> str:
    shown = [printable(name[:24]) for name in names]
    more = f" and {len(shown) - 4} more" if len(shown) > 4 else ""
    return ", ".join(shown[:4]) + more if shown else "nothing of the kind"
