"""The manifest as a table: a row a field, with what it may hold and what the runtime makes of it.

The ranges of a model's settings are those of the runtime's own option structs (`_core.*.RANGES`),
so they are stated once. A refusal is one sentence: what, where, expected, got.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

from .. import _core, clock
from ..curves import CURVES, GATED

FORMAT = "diffusiontalker-bundle"
#: Version 2 is version 1 with a context in the encoder, which a reader of version 1 would miss;
#: version 3 may have either, weights in int8, and rows of its own that voices are matched with
#: (`identities.keys`).
FORMAT_VERSIONS = (1, 2, 3)
MANIFEST = "manifest.json"
WEIGHTS = "weights.safetensors"
#: How weights may be stored.
DTYPES = ("float32", "float16", "int8")

BANDS = 80

#: Name -> default of a struct of settings that a manifest may give in part.
Defaults = dict[str, float]


class BundleError(ValueError):
    """A bundle that cannot be used; the message says what, where, expected, got."""


@dataclass(frozen=True)
class Fault:
    """What is wrong with a value."""

    where: str
    expected: object
    got: object


#: (where, value, manifest) -> what is wrong with the value that stands there, None if nothing is.
Check = Callable[[str, Any, Any], Fault | None]


@dataclass(frozen=True)
class Field:
    """A row of the manifest."""

    where: str  # its dotted path
    check: Check
    #: (configuration, value, manifest): puts a checked value into the runtime's configuration.
    into: Callable[[_core.ModelConfig, Any, Any], None] = lambda config, value, manifest: None
    optional: bool = False  # where it is missing, the configuration keeps its default


def defaults_of(options: Any) -> Defaults:
    """The settings of a struct of the runtime that have a range, with their defaults."""
    made = options()
    return {name: getattr(made, name) for name in options.RANGES}


#: Silence gate (levels in dBFS, times in ms); every value can be set in the manifest.
GATE_DEFAULTS: Defaults = defaults_of(_core.GateOptions)
#: Idle motion; every value can be set in the manifest.
IDLE_DEFAULTS: Defaults = defaults_of(_core.IdleOptions)
#: Post-processing of a curve that the manifest does not name.
POSTPROCESS_DEFAULTS: Defaults = defaults_of(_core.CurveOptions)


# ---- what a value may be -------------------------------------------------------------------------


def _is_whole(value: object, low: float, high: float) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and low <= value <= high


def _is_number(value: object, low: float, high: float) -> bool:
    return (isinstance(value, float) and low <= value <= high) or _is_whole(value, low, high)


def that(expected: str, holds: Callable[[Any], bool]) -> Check:
    """A value of which `holds` is true; `expected` says what that is."""
    return lambda where, value, _: None if holds(value) else Fault(where, expected, value)


def equal(wanted: object) -> Check:
    return that(repr(wanted), lambda value: value == wanted)


def an_object(expected: str = "an object") -> Check:
    return that(expected, lambda value: isinstance(value, dict))


def within(ranges: Mapping[str, tuple[bool, float, float]], name: str) -> Check:
    """What the runtime says of its setting `name`: (whole numbers, least, greatest)."""
    whole, low, high = ranges[name]
    kind, holds = ("a whole number", _is_whole) if whole else ("a number", _is_number)
    return that(f"{kind} from {low:g} to {high:g}", lambda value: holds(value, low, high))


def setting(name: str) -> Check:
    """What the runtime's model configuration says of its own setting."""
    return within(_core.ModelConfig.RANGES, name)


def or_none(one: Check) -> Check:
    """What `one` lets through, or null for the default."""

    def check(where: str, value: Any, manifest: Any) -> Fault | None:
        fault = None if value is None else one(where, value, manifest)
        return fault and Fault(where, f"{fault.expected}, or none", value)

    return check


def each(expected: str, one: Check) -> Check:
    """A list of values that `one` lets through."""

    def check(where: str, value: Any, manifest: Any) -> Fault | None:
        if isinstance(value, list) and all(one(where, v, manifest) is None for v in value):
            return None
        return Fault(where, expected, value)

    return check


def settings(ranges: Mapping[str, tuple[bool, float, float]]) -> Check:
    """An object of any of the settings in `ranges`: a misspelt one would change the face unsaid."""

    def check(where: str, value: Any, manifest: Any) -> Fault | None:
        if not isinstance(value, dict):
            return Fault(where, "an object", value)
        for key, given in value.items():
            if key not in ranges:
                return Fault(where, f"only {', '.join(ranges)}", key)
            fault = within(ranges, key)(f"{where}.{key}", given, manifest)
            if fault:
                return fault
        return None

    return check


def by_curve(one: Check) -> Check:
    """An object from the names of curves to what `one` lets through."""

    def check(where: str, value: Any, manifest: Any) -> Fault | None:
        if not isinstance(value, dict):
            return Fault(where, "an object", value)
        for curve, given in value.items():
            if curve not in CURVES:
                return Fault(where, "ARKit curve names", curve)
            fault = one(f"{where}.{curve}", given, manifest)
            if fault:
                return fault
        return None

    return check


# ---- fields that look at more than themselves ----------------------------------------------------


def _curves(where: str, value: Any, _: Any) -> Fault | None:
    expected = f"the {len(CURVES)} ARKit names"
    if not isinstance(value, list):
        return Fault(where, expected, value)
    if len(value) != len(CURVES):
        return Fault(where, expected, len(value))
    for i, (name, got) in enumerate(zip(CURVES, value, strict=True)):
        if got != name:
            return Fault(f"{where}[{i}]", repr(name), got)
    return None


def _frame_rate(where: str, value: Any, _: Any) -> Fault | None:
    low, high = _core.FRAME_RATE_RANGE_HZ
    _, least, most = _core.ModelConfig.RANGES["frame_rate_num"]
    good = (
        isinstance(value, list)
        and len(value) == 2
        and all(_is_whole(x, least, most) for x in value)
        and low <= value[0] / value[1] <= high
    )
    expected = f"[numerator, denominator], {low:g} to {high:g} Hz"
    return None if good else Fault(where, expected, value)


def _context(where: str, value: Any, manifest: Any) -> Fault | None:
    if manifest["format_version"] < 2:
        version = manifest["format_version"]
        return Fault("format_version", "2 for an encoder with a context", version)
    ranges = _core.ContextConfig.RANGES
    fault = settings(ranges)(where, value, manifest)
    if fault:
        return fault
    for key in ranges:  # its shape has no defaults
        fault = within(ranges, key)(f"{where}.{key}", value.get(key), manifest)
        if fault:
            return fault
    if value["width"] % value["heads"]:
        return Fault(f"{where}.heads", f"a divisor of {value['width']}", value["heads"])
    return None


def _sample_steps(where: str, value: Any, manifest: Any) -> Fault | None:
    train_steps = manifest["diffusion"]["train_steps"]
    if not _is_whole(value, 1, train_steps):
        return Fault(where, f"a whole number from 1 to {train_steps}", value)
    if train_steps % value:
        return Fault(where, f"a divisor of {train_steps}", value)
    return None


def _alpha_bar(where: str, value: Any, manifest: Any) -> Fault | None:
    steps = manifest["diffusion"]["sample_steps"]
    good = (
        isinstance(value, list)
        and len(value) == steps
        and all(isinstance(a, float) and 0 < a < 1 for a in value)
        and all(b < a for a, b in pairwise(value))
    )
    return None if good else Fault(where, f"{steps} numbers in (0, 1) that fall", value)


def _are_names(value: Any) -> bool:
    return (
        isinstance(value, list)
        and value != []
        and all(isinstance(n, str) and n not in ("", "auto") for n in value)
        and len(set(value)) == len(value)
    )


def _default_identity(where: str, value: Any, manifest: Any) -> Fault | None:
    known = value in manifest["identities"]["names"]
    return None if known else Fault(where, "one of identities.names", value)


def _keys(where: str, value: Any, manifest: Any) -> Fault | None:
    if not isinstance(value, bool):
        return Fault(where, "true or false", value)
    version = manifest["format_version"]
    if value and version < 3:
        return Fault("format_version", "3 for a library with keys", version)
    return None


def _lookahead(where: str, value: Any, manifest: Any) -> Fault | None:
    columns = manifest["encoder"]["lookahead_columns"]
    return equal(clock.lookahead_samples(Fraction(*manifest["frame_rate"]), columns))(
        where, value, manifest
    )


def _dtype(where: str, value: Any, manifest: Any) -> Fault | None:
    if value not in DTYPES:
        return Fault(where, " or ".join(DTYPES), value)
    version = manifest["format_version"]
    if value == "int8" and version < 3:
        return Fault("format_version", "3 for weights in int8", version)
    return None


# ---- what the runtime makes of them --------------------------------------------------------------


def _as(name: str) -> Callable[[_core.ModelConfig, Any, Any], None]:
    return lambda config, value, _: setattr(config, name, value)


def _filled(options: Any, given: Mapping[str, float]) -> Any:
    for name, value in given.items():
        setattr(options, name, value)
    return options


def _set_context(config: _core.ModelConfig, value: Mapping[str, int], _: Any) -> None:
    config.context = _filled(_core.ContextConfig(), value)


def _set_gate(config: _core.ModelConfig, value: Mapping[str, float], _: Any) -> None:
    config.gate = _filled(_core.GateOptions(), value)


def _set_idle(config: _core.ModelConfig, value: Mapping[str, float], _: Any) -> None:
    config.idle = _filled(_core.IdleOptions(), value)


def _set_frame_rate(config: _core.ModelConfig, value: Sequence[int], _: Any) -> None:
    config.frame_rate_num, config.frame_rate_den = value


def _set_curve_options(config: _core.ModelConfig, value: Mapping[str, Any], _: Any) -> None:
    made = []
    for curve in CURVES:
        options = _filled(_core.CurveOptions(), value.get(curve, {}))
        options.gated = curve in GATED
        made.append(options)
    config.curve_options = made


def _set_noise_scale(config: _core.ModelConfig, value: Mapping[str, float], _: Any) -> None:
    config.noise_scale = [value.get(curve, 1.0) for curve in CURVES]


def _set_default_identity(config: _core.ModelConfig, value: str, manifest: Any) -> None:
    config.default_identity = manifest["identities"]["names"].index(value)


#: In the order in which they are checked: a check may look at the fields above its own.
FIELDS: tuple[Field, ...] = (
    Field("format", equal(FORMAT)),
    Field(
        "format_version",
        that(
            " or ".join(map(str, FORMAT_VERSIONS)),
            lambda v: _is_whole(v, FORMAT_VERSIONS[0], FORMAT_VERSIONS[-1]),
        ),
    ),
    Field("name", that("a string", lambda v: isinstance(v, str) and v != "")),
    Field("curves", _curves, _as("curves")),
    Field("frame_rate", _frame_rate, _set_frame_rate),
    Field("audio.sample_rate", equal(clock.CORE_RATE_HZ)),
    Field("audio.features", equal("log_mel")),
    Field("audio.hop_samples", equal(clock.HOP_SAMPLES)),
    Field("audio.bands", equal(BANDS)),
    Field("encoder.type", equal("causal_conv")),
    Field("encoder.channels", setting("channels"), _as("channels")),
    Field("encoder.lookahead_columns", setting("lookahead_columns"), _as("lookahead_columns")),
    Field(
        "encoder.dilations",
        each("whole numbers from 1 to 1024", setting("dilations")),
        _as("dilations"),
    ),
    Field(
        "encoder.context",
        _context,
        _set_context,
        optional=True,
    ),
    Field("decoder.hidden", setting("hidden"), _as("hidden")),
    Field("decoder.layers", equal(2), _as("layers")),
    Field("decoder.step_dim", setting("step_dim"), _as("step_dim")),
    Field("decoder.identity_hidden", that("a whole number from 1 to 4096",
                                          lambda v: _is_whole(v, 1, 4096))),
    Field("diffusion.train_steps", setting("train_steps"), _as("train_steps")),
    Field("diffusion.sample_steps", _sample_steps),
    Field("diffusion.alpha_bar", _alpha_bar, _as("alpha_bar")),
    Field(
        "diffusion.noise_scale",
        by_curve(that("0 to 1", lambda v: _is_number(v, 0, 1))),
        _set_noise_scale,
        optional=True,
    ),
    Field("identities.names", that("distinct names, none of them 'auto'", _are_names)),
    Field("identities.default", _default_identity, _set_default_identity),
    Field(
        "identities.unknown_cosine",
        or_none(setting("unknown_cosine")),
        _as("unknown_cosine"),
        optional=True,
    ),
    Field("identities.keys", _keys, optional=True),
    Field(
        "gate",
        settings(_core.GateOptions.RANGES),
        _set_gate,
        optional=True,
    ),
    Field(
        "idle",
        settings(_core.IdleOptions.RANGES),
        _set_idle,
        optional=True,
    ),
    Field("postprocess", by_curve(settings(_core.CurveOptions.RANGES)), _set_curve_options),
    Field("lookahead_samples", _lookahead),
    Field("training", an_object("an object with sources and licences")),
    Field("weights.file", equal(WEIGHTS)),
    Field("weights.dtype", _dtype, optional=True),
)  # fmt: skip


def at(manifest: Any, where: str) -> Any:
    """The entry that a dotted path names, None where there is none."""
    for key in where.split("."):
        manifest = manifest.get(key) if isinstance(manifest, dict) else None
    return manifest


def _has(manifest: Any, where: str) -> bool:
    around, _, key = where.rpartition(".")
    table = at(manifest, around) if around else manifest
    return isinstance(table, dict) and key in table


def refusal(folder: Path, where: str, expected: object, got: object) -> BundleError:
    """What, where, expected, got, in one sentence."""
    return BundleError(f"bundle {folder}: {where}: expected {expected}, got {got!r}")


def check(folder: Path, manifest: Any) -> None:
    """Raises BundleError at the first field that is not what it may be."""
    if not isinstance(manifest, dict):
        raise refusal(folder, MANIFEST, "an object", type(manifest).__name__)
    for field in FIELDS:
        if field.optional and not _has(manifest, field.where):
            continue
        fault = field.check(field.where, at(manifest, field.where), manifest)
        if fault:
            raise refusal(folder, fault.where, fault.expected, fault.got)


def core_config(manifest: Mapping[str, Any]) -> _core.ModelConfig:
    """What the runtime takes beside the tensors, of a manifest that has been checked."""
    config = _core.ModelConfig()
    for field in FIELDS:
        value = at(manifest, field.where)
        if value is not None:
            field.into(config, value, manifest)
    return config
