"""Presets: how a face is set, kept by name as TOML, and loaded wherever a face is driven."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .curves import CURVES, HEAD
from .files import replaced
from .knobs import Knobs, Settings
from .spelling import meant

if TYPE_CHECKING:
    from .runtime import Runtime

#: What names a preset may have: what is a file's name on every system.
_NAME = re.compile(r"[\w][\w .-]{0,63}")
_ENDING = ".toml"
_TABLES = ("gain", "offset")
_NUMBERS = ("strength_lower", "strength_upper", "smooth_ms", "idle")


class PresetError(ValueError):
    """A preset that cannot be found, read or written; one line that names it and the remedy."""


@dataclass(frozen=True)
class Preset:
    """What a preset sets; None and empty tables leave a setting as it is elsewhere."""

    identity: str | None = None  #: a name from `Runtime.identities`, or "auto"
    seed: int | None = None  #: 0 to 2**64 - 1
    idle: float | None = None  #: 0 to 1
    strength_lower: float | None = None  #: 0 to 10
    strength_upper: float | None = None  #: 0 to 10
    smooth_ms: float | None = None  #: 0 to 1000
    gain: Mapping[str, float] = field(default_factory=dict)  #: by group, curve or pattern
    offset: Mapping[str, float] = field(default_factory=dict)  #: the same

    @classmethod
    def of(cls, settings: Settings, *, identity: str, seed: int, idle: float) -> Preset:
        """What is in force now, whole."""
        return cls(
            identity, seed, idle, settings.strength_lower, settings.strength_upper,
            settings.smooth_ms, dict(settings.gain), dict(settings.offset),
        )  # fmt: skip

    def apply(self, runtime: Runtime) -> None:
        """Turns the knobs of `runtime`. Raises ValueError, and then nothing has changed.

        Identity, seed and idle motion are a runtime's from the start (`Runtime(...)`, or
        `Runtime.recast` while live): see `arguments`.
        """
        runtime.set(
            gain=self.gain or None,
            offset=self.offset or None,
            strength_lower=self.strength_lower,
            strength_upper=self.strength_upper,
            smooth_ms=self.smooth_ms,
        )

    def arguments(self) -> dict[str, Any]:
        """Those of `Runtime(...)` and `Runtime.recast` that the preset sets."""
        named = {"identity": self.identity, "seed": self.seed, "idle": self.idle}
        return {name: value for name, value in named.items() if value is not None}


def folder() -> Path:
    """Where presets are kept by name: in the user's folder for settings, as the system has it."""
    import platformdirs  # whoever names a file needs no folder

    return platformdirs.user_config_path("diffusiontalker") / "presets"


def names() -> list[str]:
    """Of all presets that are kept, in order."""
    return sorted(p.stem for p in folder().glob(f"*{_ENDING}") if _NAME.fullmatch(p.stem))


def load(name_or_path: str | Path) -> Preset:
    """Reads a preset: a file that ends with .toml, or the name of one that is kept.

    Raises PresetError.
    """
    text = str(name_or_path)
    path = Path(text)
    if path.suffix.lower() != _ENDING:
        path = _kept(text)
        if not path.is_file():
            known = names()
            there = f"there are {', '.join(known)}" if known else f"none are in {folder()}"
            raise PresetError(
                f"preset {text!r}: expected a file that ends with .toml, or a name; {there}"
                f"{meant(text, known)}"
            )
    try:
        return parse(path.read_text("utf-8"), str(path))
    except UnicodeDecodeError:
        raise PresetError(f"preset {path}: expected TOML in UTF-8") from None
    except OSError as error:
        raise PresetError(f"preset {path}: {error.strerror or error}") from None


def parse(text: str, where: str = "preset") -> Preset:
    """Reads a preset's TOML; `where` names it in a refusal. Raises PresetError."""
    toml: Any = import_module("tomllib" if sys.version_info >= (3, 11) else "tomli")
    try:
        found = toml.loads(text)
    except toml.TOMLDecodeError as error:
        raise PresetError(f"{where}: not TOML: {error}") from None
    return from_mapping(found, where)


def from_mapping(found: Mapping[str, Any], where: str = "preset") -> Preset:
    """The preset that a table of settings is. Raises PresetError that names what is wrong."""
    known = ("identity", "seed", *_NUMBERS, *_TABLES)
    for key in found:
        if key not in known:
            raise PresetError(
                f"{where}: {key!r} is no setting; they are {', '.join(known)}{meant(key, known)}"
            )
    identity, seed, idle = found.get("identity"), found.get("seed"), found.get("idle")
    if identity is not None and not isinstance(identity, str):
        raise PresetError(f"{where}: identity: expected a name or 'auto', got {identity!r}")
    if seed is not None and (
        isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed < 2**64
    ):
        raise PresetError(f"{where}: seed: expected a whole number from 0 to 2**64 - 1, got {seed}")
    if idle is not None and (
        isinstance(idle, bool) or not isinstance(idle, int | float) or not 0 <= idle <= 1
    ):
        raise PresetError(f"{where}: idle: expected a number from 0 to 1, got {idle!r}")
    try:
        Knobs((*CURVES, *HEAD), Fraction(60)).set(
            *(found.get(name) for name in (*_TABLES, *_NUMBERS) if name != "idle")
        )
    except ValueError as error:
        raise PresetError(f"{where}: {error}") from None
    values: dict[str, Any] = {k: dict(v) if isinstance(v, Mapping) else v for k, v in found.items()}
    return Preset(**values)


def save(name: str, preset: Preset) -> Path:
    """Keeps a preset under a name, in the place of one that had it; returns its file.

    Raises PresetError.
    """
    path = _kept(name)
    try:
        with replaced(path) as part:
            part.write_text(to_toml(preset), "utf-8")
    except OSError as error:
        raise PresetError(f"preset {path}: {error.strerror or error}") from None
    return path


def to_toml(preset: Preset) -> str:
    """A preset as TOML: what it sets and nothing else, in the order of its fields."""
    import tomli_w

    given = {name: value for name, value in vars(preset).items() if value not in (None, {})}
    for table in _TABLES:
        if table in given:
            given[table] = dict(given[table])
    return tomli_w.dumps(given)


def _kept(name: str) -> Path:
    if not _NAME.fullmatch(name) or name.endswith((".", " ")):
        raise PresetError(
            f"preset {name!r}: a name has 1 to 64 letters, digits, spaces, points, - or _"
        )
    return folder() / f"{name}{_ENDING}"
