"""One call for every form."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...files import replaced
from ...sound import write as write_sound
from ...spelling import meant
from ..errors import TakeError
from ..motion import Motion

#: What each ending makes, as help and errors say it.
ENDINGS = {
    ".csv": "Live Link Face CSV",
    ".json": "BEAT's JSON",
    ".npz": "NumPy arrays",
    ".glb": "glTF animation on a head",
    ".usda": "USD, text: UsdSkel blend shapes",
    ".usdc": "USD, binary",
    ".vrma": "VRM animation",
    ".wav": "the sound alone, 16-bit",
}
#: What a VRM animation may move.
EXPRESSIONS = ("both", "arkit", "presets")
_WITH_HEAD = (".glb", ".usda", ".usdc", ".vrma")


@dataclass(frozen=True)
class Options:
    """What converting may be told."""

    #: A glTF or VRM to animate in place of the head that ships.
    head: Path | None = None
    #: .vrma: ARKit's names as custom expressions, the presets that every VRM has, or both; None
    #: is what the head has, both without one.
    expressions: str | None = None
    #: The sound beside it too, as NAME.wav.
    sound: bool = False


@dataclass(frozen=True)
class Voice:
    """Sound whose first sample sounds with the first frame."""

    samples: NDArray[np.float32]
    rate_hz: int


def check(out: Path, options: Options) -> None:
    """Raises TakeError for a file that could not be written as asked, before anything is read."""
    ending = out.suffix.lower()
    if ending not in ENDINGS:
        known = ", ".join(f"{name} ({what})" for name, what in ENDINGS.items())
        raise TakeError(f"{out}: no such form; there are {known}{meant(ending, ENDINGS)}")
    if options.head is not None and ending not in _WITH_HEAD:
        raise TakeError(f"--head: a {ending} has no head; it goes with {', '.join(_WITH_HEAD)}")
    if options.expressions is not None:
        if ending != ".vrma":
            raise TakeError("--expressions goes with .vrma")
        if options.expressions not in EXPRESSIONS:
            raise TakeError(
                f"--expressions {options.expressions}: expected {', '.join(EXPRESSIONS)}"
                f"{meant(options.expressions, EXPRESSIONS)}"
            )


def convert(
    motion: Motion,
    out: Path,
    voice: Voice | None = None,
    options: Options | None = None,
    *,
    name: str = "take",
) -> list[str]:
    """Writes `motion` to `out`, whole or not at all; returns what a user should hear, a line each.

    `name` is what the animation is called inside. Raises TakeError.
    """
    options = options or Options()
    check(out, options)
    ending = out.suffix.lower()
    if ending == ".wav" or options.sound:
        if voice is None or not len(voice.samples):
            raise TakeError(f"{out}: there is no sound in what is converted")
        _write(out.with_suffix(".wav"), lambda part: _sound(voice, part))
    if ending == ".wav":
        return []
    if not len(motion.index):
        raise TakeError(f"{out}: there is no frame in what is converted")
    notes: list[str] = []
    _write(out, lambda part: notes.extend(_form(ending)(motion, part, voice, options, name)))
    return notes


Form = Callable[[Motion, Path, "Voice | None", Options, str], list[str]]


def _form(ending: str) -> Form:
    """The writer of an ending, imported only now."""
    from . import glb, tables, usd, vrma

    forms: dict[str, Form] = {
        ".csv": lambda motion, part, *_: tables.write_csv(motion, part),
        ".json": lambda motion, part, *_: tables.write_beat(motion, part),
        ".npz": lambda motion, part, voice, *_: tables.write_npz(motion, part, voice),
        ".glb": lambda motion, part, _, options, name: glb.write(motion, part, options.head, name),
        ".vrma": lambda motion, part, _, options, name: vrma.write(
            motion, part, options.head, options.expressions, name
        ),
        ".usda": lambda motion, part, _, options, name: usd.write(motion, part, options.head, name),
    }
    forms[".usdc"] = forms[".usda"]
    return forms[ending]


def _write(out: Path, fill: Callable[[Path], None]) -> None:
    try:
        if not out.absolute().parent.is_dir():
            raise TakeError(f"{out}: there is no folder {out.absolute().parent}")
        with replaced(out) as part:
            fill(part)
    except OSError as error:
        raise TakeError(f"{out} cannot be written: {error.strerror or error}") from None


def _sound(voice: Voice, part: Path) -> None:
    whole = np.clip(np.rint(voice.samples * 32768.0), -32768, 32767).astype(np.int16)
    write_sound(part, whole, voice.rate_hz, "WAV", "PCM_16")
