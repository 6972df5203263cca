"""What a client may ask of its session beside sound, whichever way it comes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .. import presets
from ..spelling import meant
from .limits import Refusal
from .pool import VoiceSettings
from .shapes import Shapes

_KNOBS = ("gain", "offset", "strength_lower", "strength_upper", "smooth_ms")
#: By name. Whatever stands beside a preset goes before what the preset says.
SETTINGS = ("preset", "identity", "seed", "idle", *_KNOBS, "names")


@dataclass(frozen=True)
class Asked:
    """A session's own settings."""

    voice: VoiceSettings = field(default_factory=VoiceSettings)
    #: Those of `Runtime.set`, by keyword.
    knobs: Mapping[str, object] = field(default_factory=dict)
    shapes: Shapes = field(default_factory=Shapes)


def asked(given: Mapping[str, Any], identities: tuple[str, ...]) -> Asked:
    """Settings by name, of which any may be left out. Raises Refusal.

    Args:
        given: `SETTINGS`, and what else there is, which is passed over.
        identities: that the model knows.
    """
    from_preset = vars(_preset(given["preset"])) if given.get("preset") is not None else {}
    found = {name: value for name, value in from_preset.items() if value not in (None, {})}
    found.update({name: given[name] for name in SETTINGS if given.get(name) is not None})
    names = ("auto", *identities)
    identity = names.index(one_of("identity", found.get("identity", "auto"), names)) - 1
    seed = found.get("seed", 0)
    if not is_whole(seed) or not 0 <= seed < 2**64:
        raise Refusal("invalid", f"seed: expected 0 to 2**64 - 1, got {seed!r}")
    return Asked(
        VoiceSettings(seed, identity, number("idle", found.get("idle", 1.0), 0.0, 1.0)),
        {name: found[name] for name in _KNOBS if name in found},
        Shapes(found.get("names", "arkit")),
    )


def _preset(said: object) -> presets.Preset:
    """One that the server keeps, by name, or its TOML. No client names a file."""
    if not isinstance(said, str):
        raise Refusal("invalid", f"preset: expected a name, or TOML, got {said!r}")
    try:
        if "=" in said or "\n" in said:  # which no name holds
            return presets.parse(said, "preset")
        known = presets.names()
        if said in known:
            return presets.load(said)
    except presets.PresetError as error:
        raise Refusal("invalid", str(error)) from None
    there = f"there are {', '.join(known)}" if known else "this server keeps none"
    raise Refusal(
        "invalid", f"preset {said!r}: expected a name, or TOML; {there}{meant(said, known)}"
    )


def is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def number(name: str, value: object, low: float, high: float) -> float:
    """Raises Refusal for anything but a number in the range."""
    good = isinstance(value, int | float) and not isinstance(value, bool)
    if not good or not low <= value <= high:  # type: ignore[operator]
        raise Refusal(
            "invalid", f"{name}: expected a number from {low:g} to {high:g}, got {value!r}"
        )
    return float(value)  # type: ignore[arg-type]


def one_of(name: str, value: object, known: tuple[str, ...]) -> str:
    """Raises Refusal for anything but one of these words."""
    if value not in known:
        raise Refusal("invalid", f"{name}: expected {' or '.join(known)}, got {value!r}")
    return str(value)
