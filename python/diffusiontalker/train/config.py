"""The training configuration: one TOML file, every field with its default here."""

from __future__ import annotations

import dataclasses
import importlib
import json
import sys
import typing
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

tomllib = importlib.import_module("tomllib" if sys.version_info >= (3, 11) else "tomli")

#: What a source may be (corpora/); "auto" takes whatever of the others a folder holds.
TAKE_KINDS = ("auto", "beat", "phones", "textgrid", "live_link", "vocaset")
#: What becomes of a face that is late or early (corpora/sync.py): move it, say so, look away.
SYNC_MODES = ("shift", "report", "off")
#: Sounds that are no speech (data/noises.py).
NOISE_KINDS = ("keys", "breath", "tones", "swell")


class ConfigError(ValueError):
    """A configuration that cannot be used; the message says where and what was expected."""


@dataclass(frozen=True)
class Source:
    """One folder of takes."""

    name: str
    path: str  # relative to the configuration file
    licence: str = ""
    citation: str = ""
    #: For takes whose file does not say; for all takes where it has a *, which stands for what the
    #: file says.
    speaker: str = ""
    hold_out: int = 0  # recordings kept aside
    hold_out_per_speaker: int = 0
    max_gap_s: float = 1.5  # longest silence put between two takes
    rest_percentile: float = 0.0  # of `rest_curves`, taken out a speaker at a time
    rest_curves: tuple[str, ...] = ()
    gain: dict[str, float] = field(default_factory=dict)  # curve -> factor, after the rest is out
    kind: str = "auto"  # one of TAKE_KINDS
    sync: str = "shift"  # one of SYNC_MODES
    max_offset_ms: float = 250.0  # a face further off its sound is dropped
    deltas: str = ""  # VOCASET's blendshapes (npz), relative to the configuration file


@dataclass(frozen=True)
class ContextConfig:
    """Shape of the causal transformer; the defaults are those of Whisper tiny."""

    layers: int = 4
    width: int = 384
    heads: int = 6
    hidden: int = 1536
    window: int = 64  # tokens of 20 ms that attention reaches back to, the present one included


@dataclass(frozen=True)
class FrozenConfig:
    """A pretrained encoder in place of a context, as it is: in torch alone (frozen.py)."""

    kind: str = ""  # whisper or hubert; empty: none
    #: Whisper: the npz of `listening.weights`; HuBERT: a folder, or a name. Relative to this file.
    weights: str = ""
    width: int = 384  # of its states: 384 in Whisper tiny, 768 in HuBERT base
    left_context_s: float = 0.72  # of sound before the instant that a token depicts
    lookahead_s: float = 0.08  # and after it; within the look-ahead of the whole talker

    @property
    def left_tokens(self) -> int:
        return round(50 * self.left_context_s)

    @property
    def ahead_tokens(self) -> int:
        return round(50 * self.lookahead_s)


def no_context() -> ContextConfig:
    return ContextConfig(layers=0)


@dataclass(frozen=True)
class EncoderConfig:
    channels: int = 128
    dilations: tuple[int, ...] = (1, 2, 4, 8, 16, 32)
    lookahead_columns: int = 4  # 10 ms each
    context: ContextConfig = field(default_factory=no_context)  # 0 layers: convolutions alone
    frozen: FrozenConfig = FrozenConfig()


@dataclass(frozen=True)
class Speech:
    """One folder of recordings without curves or phones: for the context alone."""

    name: str
    path: str  # relative to the configuration file
    licence: str = ""
    citation: str = ""


@dataclass(frozen=True)
class Listening:
    """How the context learns to hear what the unmasked encoder hears (listen.py)."""

    weights: str = ""  # npz of Whisper tiny's encoder, relative to the configuration file
    licence: str = ""  # of the weights
    citation: str = ""
    epochs: int = 10
    learning_rate: float = 5e-4
    warmup_steps: int = 100
    batch: int = 4
    segment_s: float = 8.0
    delay_tokens: int = 1  # token i learns what Whisper's token i - delay is: 20 ms each
    noise_snr_db: tuple[float, float] = (3.0, 40.0)
    noise_chance: float = 0.6
    babble_chance: float = 0.15
    reverb_chance: float = 0.3
    band_chance: float = 0.2
    speed: tuple[float, float] = (0.85, 1.2)
    speech: tuple[Speech, ...] = ()  # beside the audio of [[sources]]


@dataclass(frozen=True)
class Borrowing:
    """A measured face that performs voices nobody filmed (borrow.py)."""

    face: str = ""  # the speaker whose face it is; empty: no voice borrows any
    voices: tuple[str, ...] = ()  # names of [[sources]] without curves and of [[listening.speech]]
    hours: float = 0.5  # of their sound in each version of the data, the same from each
    layers: int = 3  # of the unmasked encoder (`listening.weights`) that the face is read from
    max_gap_s: float = 0.8  # longest silence put between two pieces


@dataclass(frozen=True)
class Performing:
    """What the measured people would do to voices that nobody filmed (performing.py)."""

    faces: tuple[str, ...] = ()  # speakers with measured curves, or `anyone`: the mean of them all
    #: Names of [[sources]] and of [[listening.speech]] whose sound is performed; empty: none.
    voices: tuple[str, ...] = ()
    teachers: int = 2  # networks that learn the measured faces, from seeds of their own
    epochs: int = 14  # of each
    layers: int = 3  # of the unmasked encoder (`listening.weights`) that they hear through
    share: float = 0.5  # of the performed takes that each version of the data has


@dataclass(frozen=True)
class Matching:
    """Rows that voices are compared with, apart from those that the decoder is told (keys.py)."""

    steps: int = 0  # of their own training, after all stages; 0: one row does for both
    spans: int = 1000  # of speech to learn from, of each voice


@dataclass(frozen=True)
class Export:
    """How an int8 bundle is rounded (rounding.py)."""

    context_bits: int = 8  # of the weights of the context's layers: 4 or 8
    calibration_s: float = 270.0  # of sound from the takes that 4 bits are fitted on


@dataclass(frozen=True)
class DecoderConfig:
    hidden: int = 256
    layers: int = 2
    step_dim: int = 64
    identity_hidden: int = 64


@dataclass(frozen=True)
class LossWeights:
    expression: float = 1.0
    lips: float = 1.0
    contrast: float = 0.007
    velocity: float = 0.5
    distillation: float = 0.1
    axes: float = 0.0  # of the lips' axes (lip_axes.py), their changes included
    temperature: float = 0.07


@dataclass(frozen=True)
class Augmentation:
    """Each version of the data but the first, which is clean, draws these afresh a take."""

    versions: int = 8
    gain_db: float = 12.0  # uniform in +-
    noise_snr_db: tuple[float, float] = (10.0, 40.0)
    noise_chance: float = 0.5
    tilt_db: float = 6.0  # uniform in +- at the two ends of the spectrum
    speed: tuple[float, float] = (0.88, 1.14)  # sound, curves and pitch together
    speed_chance: float = 0.5
    other_chance: float = 0.25  # of a pause with a sound that is no speech (noises.py)
    other_s: tuple[float, float] = (0.8, 2.5)
    other_db: tuple[float, float] = (-45.0, -18.0)  # its RMS level
    other_kinds: tuple[str, ...] = NOISE_KINDS  # a kind that is named twice comes twice as often


@dataclass(frozen=True)
class Stage:
    """One run of the optimiser: the teacher, one halving of its steps, or more of the same.

    A stage with as many steps as the one before goes on from it on the curves alone (no L_dis).
    The first stage may have fewer steps than `train_steps`: it is then trained from scratch on the
    schedule that keeps every so-many-th of theirs.
    """

    steps: int  # sampler steps of the model that this stage trains
    epochs: int
    learning_rate: float = 1e-3
    warmup_steps: int = 100
    batch: int = 32
    window_frames: int = 240
    draws: int = 1  # diffusion steps drawn for each window, over one pass of the encoder
    train_encoder: bool = True  # but for its context
    #: The context too: its tokens are then made in every step in place of read from the cache.
    train_context: bool = False
    velocity: float = 0.0  # weight of L_vel in this stage; 0 takes that of [losses]
    #: Weight of the same losses of the sampler's first prediction, from the noise it starts from.
    start: float = 0.0
    #: And of a later one, from where the sampler's own course leads: of curves without noise.
    rollout: float = 0.0
    #: In place of the paper's draw of x_t: what the sampler's own first prediction makes of the
    #: curves whose `noise_scale` is 0 (settled.py). It learns both of its predictions.
    settled: bool = False
    #: Weight of the gap that is left between lips where the true ones meet.
    closing: float = 0.0
    dropout: float = 0.0  # share of the audio features' channels that a window goes without
    weight_decay: float = 0.0  # of the matrices (AdamW); 0: Adam
    #: The stage starts from the mean of the weights that the last so many of its steps ended on;
    #: what the run started from counts as in `Config.average`.
    average: int = 1
    #: No diffusion: the same network predicts from zeros, in one step. After other stages it goes
    #: on from their weights.
    regression: bool = False

    def goes_on_from(self, before: Stage) -> bool:
        """Whether both train the same sampler."""
        return (self.steps, self.regression) == (before.steps, before.regression)


@dataclass(frozen=True)
class Config:
    name: str
    sources: tuple[Source, ...]
    stages: tuple[Stage, ...]
    #: Speakers of whom nothing is learnt: all their takes are held out, to measure strangers on.
    strangers: tuple[str, ...] = ()
    #: An identity that is nobody's: it learns from a share of everyone's windows, and is meant for
    #: voices outside the library (`default_identity`). Empty: none.
    anyone: str = ""
    anyone_share: float = 0.5  # 0 where it learns from what is performed for it alone
    seed: int = 0
    threads: int = 2
    frame_rate: tuple[int, int] = (60, 1)
    train_steps: int = 32  # T
    #: The talker starts from this bundle's weights (start_from.py): a folder, relative to this
    #: file, or "default" for the embedded one. Empty: from nothing.
    start_from: str = ""
    #: What of it: all its weights ("all"), or its ear alone ("context").
    start_with: str = "all"
    #: The curves' units: those of the bundle that training starts from, or the data's own ("data").
    start_units: str = "bundle"
    identity: bool = True  # false: the decoder is not told who speaks, and L_con is off
    precision: str = "fp32"  # of the forward pass in training: fp32, bf16 or fp16
    device: str = "auto"  # auto (a GPU where there is one), cpu or cuda
    default_identity: str = ""  # empty: the first name
    unknown_cosine: float = -1.0  # a voice less like any identity than this gets the default
    dtype: str = "float32"  # of the exported weights: float32, float16 or int8
    #: The model is the mean of the weights that the last so many stages of its steps ended on;
    #: before the first of them counts what the run started from, if it is such a sampler's or of
    #: one step.
    average: int = 1
    #: Share of the spread that the mouth's curves lack against the data, given back at export by a
    #: gain (spread.py).
    match_spread: float = 0.0
    save_every_s: float = 60.0
    encoder: EncoderConfig = EncoderConfig()
    listening: Listening = Listening()
    borrowing: Borrowing = Borrowing()
    performing: Performing = Performing()
    decoder: DecoderConfig = DecoderConfig()
    matching: Matching = Matching()
    export: Export = Export()
    losses: LossWeights = LossWeights()
    augmentation: Augmentation = Augmentation()
    noise_scale: dict[str, float] = field(
        default_factory=dict
    )  # curve or pattern -> factor; 1 elsewhere
    postprocess: dict[str, dict[str, float]] = field(default_factory=dict)
    folder: str = "."  # where the file lies; sources are relative to it

    @property
    def rate(self) -> Fraction:
        return Fraction(*self.frame_rate)

    @property
    def sample_steps(self) -> int:
        return self.stages[-1].steps

    @property
    def context(self) -> ContextConfig | None:
        return self.encoder.context if self.encoder.context.layers else None

    def context_trains(self, stage: int | None = None) -> bool:
        """Whether the context has left its cached tokens behind by the end of that (last) stage."""
        stages = self.stages if stage is None else self.stages[: stage + 1]
        return any(one.train_context for one in stages)

    def stage_name(self, index: int) -> str:
        """Teacher, student-STEPS or regression."""
        stage = self.stages[index]
        if stage.regression:
            return "regression"
        from_nothing = stage.steps == self.stages[0].steps and not self.start_from
        return "teacher" if from_nothing else f"student-{stage.steps}"

    def stage_folder(self, index: int) -> str:
        """Name of the stage's folder in a run's, such as 1-student-16."""
        return f"{index}-{self.stage_name(index)}"

    def source_path(self, source: Source | Speech) -> Path:
        return (Path(self.folder) / source.path).resolve()

    def bundle_path(self) -> Path | None:
        """The folder of `start_from`; None for the embedded bundle."""
        if self.start_from == "default":
            return None
        return (Path(self.folder) / Path(self.start_from).expanduser()).resolve()

    def deltas_path(self, source: Source) -> Path | None:
        return (Path(self.folder) / source.deltas).resolve() if source.deltas else None

    def describe(self, stages: int | None = None) -> dict[str, Any]:
        """Everything that decides the weights after the first `stages`, as plain JSON values."""
        plain: dict[str, Any] = json.loads(json.dumps(dataclasses.asdict(self)))
        machine = ("folder", "threads", "save_every_s", "device")
        export = [
            "name",
            "default_identity",
            "unknown_cosine",
            "dtype",
            "export",
            "average",
            "match_spread",
            "matching",
            "noise_scale",
            "postprocess",
        ]
        plain["stages"] = plain["stages"][:stages]
        if any(stage["start"] or stage["rollout"] or stage["settled"] for stage in plain["stages"]):
            export.remove("noise_scale")
        for key in (*machine, *export):
            del plain[key]
        for entry in (plain["listening"], *plain["listening"]["speech"]):
            del entry["licence"], entry["citation"]
        # Left out where they say nothing, so that runs begun before they existed go on.
        if not self.borrowing.face:
            del plain["borrowing"]
        if not self.performing.voices:
            del plain["performing"]
        if not self.encoder.frozen.kind:
            del plain["encoder"]["frozen"]
        for table, key, nothing in (
            (plain, "start_from", ""),
            (plain, "start_with", "all"),
            (plain, "start_units", "bundle"),
            (plain, "strangers", []),
            (plain, "anyone", ""),
            (plain, "anyone_share", 0.5),
            (plain["losses"], "axes", 0.0),
            (plain["augmentation"], "other_kinds", [*NOISE_KINDS]),
            (plain, "identity", True),
            (plain, "precision", "fp32"),
            *((stage, "regression", False) for stage in plain["stages"]),
            *((stage, "start", 0.0) for stage in plain["stages"]),
            *((stage, "rollout", 0.0) for stage in plain["stages"]),
            *((stage, "settled", False) for stage in plain["stages"]),
            *((stage, "closing", 0.0) for stage in plain["stages"]),
            *((stage, "dropout", 0.0) for stage in plain["stages"]),
            *((stage, "weight_decay", 0.0) for stage in plain["stages"]),
            *((stage, "average", 1) for stage in plain["stages"]),
            *((stage, "train_context", False) for stage in plain["stages"]),
        ):
            if table[key] == nothing:
                del table[key]
        for entry, source in zip(plain["sources"], self.sources, strict=True):
            for key in ("kind", "sync", "max_offset_ms", "deltas"):
                if getattr(source, key) == getattr(Source, key):
                    del entry[key]
        return plain


def _build(kind: Any, values: Any, where: str) -> Any:
    """A dataclass from a parsed TOML table; unknown keys and wrong types are refused by name."""
    if not isinstance(values, dict):
        raise ConfigError(f"{where}: expected a table, got {type(values).__name__}")
    hints = typing.get_type_hints(kind)
    known = {f.name for f in dataclasses.fields(kind)}
    for key in values:
        if key not in known:
            raise ConfigError(f"{where}.{key}: unknown; expected one of {', '.join(sorted(known))}")
    made: dict[str, Any] = {}
    for key, value in values.items():
        hint = hints[key]
        origin = typing.get_origin(hint)
        if dataclasses.is_dataclass(hint):
            made[key] = _build(hint, value, f"{where}.{key}")
        elif origin is tuple and dataclasses.is_dataclass(typing.get_args(hint)[0]):
            item = typing.get_args(hint)[0]
            made[key] = tuple(_build(item, v, f"{where}.{key}[{i}]") for i, v in enumerate(value))
        elif origin is tuple:
            made[key] = tuple(value)
        elif hint is float and isinstance(value, int) and not isinstance(value, bool):
            made[key] = float(value)
        elif hint in (int, float, str, bool) and type(value) is not hint:
            raise ConfigError(
                f"{where}.{key}: expected {hint.__name__}, got {type(value).__name__} {value!r}"
            )
        else:
            made[key] = value
    try:
        return kind(**made)
    except TypeError as error:
        raise ConfigError(f"{where}: {error}") from error


def _read(file: Path) -> dict[str, Any]:
    try:
        table: dict[str, Any] = tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ConfigError(f"no configuration {file}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file} is not TOML: {error}") from error
    return table


def _merged(base: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """Tables key by key; anything else, lists of tables too, is replaced as a whole."""
    merged = dict(base)
    for key, value in changes.items():
        old = merged.get(key)
        tables = isinstance(old, dict) and isinstance(value, dict)
        merged[key] = _merged(merged[key], value) if tables else value
    return merged


def load(path: str | Path, source_paths: dict[str, str] | None = None) -> Config:
    """Read a configuration; `source_paths` (source name -> folder) replaces paths in it.

    With `extends = "other.toml"` it says what differs from another one, which may extend a third.
    Raises ConfigError with the place and the reason.
    """
    file = Path(path)
    table = _read(file)
    read = [file.resolve()]
    while "extends" in table:
        # Relative to the file that says it; the paths of sources are to the folder of `path`.
        base = (read[-1].parent / str(table.pop("extends"))).resolve()
        if base in read:
            raise ConfigError(f"{file.name}: {base.name} extends itself")
        read.append(base)
        table = _merged(_read(base), table)
    config: Config = _build(Config, {**table, "folder": str(file.parent)}, file.name)
    overrides = dict(source_paths or {})
    sources = tuple(
        dataclasses.replace(s, path=str(Path(overrides.pop(s.name)).resolve()))
        if s.name in overrides
        else s
        for s in config.sources
    )
    if overrides:
        raise ConfigError(f"{file.name} has no source named {', '.join(overrides)}")
    if not config.sources or not config.stages:
        raise ConfigError(f"{file.name}: expected at least one source and one stage")
    for source in config.sources:
        for key, choices in (("kind", TAKE_KINDS), ("sync", SYNC_MODES)):
            if getattr(source, key) not in choices:
                raise ConfigError(
                    f"{file.name}: source {source.name}: {key}: expected one of "
                    f"{', '.join(choices)}, got {getattr(source, key)!r}"
                )
    check(config, file.name)
    return dataclasses.replace(config, sources=sources)


def check(config: Config, where: str) -> None:
    """Refuse what no run could train; `where` heads the message. Raises ConfigError."""
    if config.train_steps < 21:
        raise ConfigError(
            f"{where}: train_steps: expected at least 21, got {config.train_steps}: fewer are "
            "taken out of a longer schedule (train_steps = 32 and a first stage of 16, say)"
        )
    if config.precision not in ("fp32", "bf16", "fp16"):
        raise ConfigError(
            f"{where}: precision: expected fp32, bf16 or fp16, got {config.precision}"
        )
    if config.dtype not in ("float32", "float16", "int8"):
        raise ConfigError(f"{where}: dtype: expected float32, float16 or int8, got {config.dtype}")
    _check_export(config, where)
    if not -1.0 <= config.unknown_cosine <= 1.0:
        raise ConfigError(f"{where}: unknown_cosine: expected -1 to 1, got {config.unknown_cosine}")
    if not 0.0 <= config.match_spread <= 1.0:
        raise ConfigError(f"{where}: match_spread: expected 0 to 1, got {config.match_spread:g}")
    if config.matching.steps < 0 or config.matching.spans < 1:
        raise ConfigError(
            f"{where}: matching: expected steps of at least 0 and spans of at least 1, got "
            f"{config.matching.steps} and {config.matching.spans}"
        )
    if config.average < 1:
        raise ConfigError(f"{where}: average: expected at least 1 stage, got {config.average}")
    if config.device not in ("auto", "cpu", "cuda"):
        raise ConfigError(f"{where}: device: expected auto, cpu or cuda, got {config.device}")
    frozen = config.encoder.frozen
    if frozen.kind not in ("", "whisper", "hubert"):
        raise ConfigError(
            f"{where}: encoder.frozen.kind: expected whisper or hubert, got {frozen.kind!r}"
        )
    if frozen.kind and config.context is not None:
        raise ConfigError(f"{where}: expected encoder.context or encoder.frozen, got both")
    if frozen.kind and (frozen.left_tokens < 1 or frozen.ahead_tokens < 0):
        raise ConfigError(
            f"{where}: encoder.frozen: expected left_context_s of at least 0.02 and lookahead_s of "
            f"at least 0, got {frozen.left_context_s:g} and {frozen.lookahead_s:g}"
        )
    other = config.augmentation.other_kinds
    if not other or not set(other) <= set(NOISE_KINDS):
        raise ConfigError(
            f"{where}: augmentation.other_kinds: expected one or more of "
            f"{', '.join(NOISE_KINDS)}, got {', '.join(other) or 'none'}"
        )
    borrowing = config.borrowing
    if borrowing.face and (not borrowing.voices or borrowing.hours <= 0.0):
        raise ConfigError(
            f"{where}: borrowing: expected voices and hours above 0, got "
            f"{len(borrowing.voices)} voices and {borrowing.hours:g} hours"
        )
    performing = config.performing
    if performing.voices and not (
        performing.faces
        and performing.teachers >= 1
        and performing.epochs >= 1
        and 0.0 < performing.share <= 1.0
    ):
        raise ConfigError(
            f"{where}: performing: expected faces, teachers and epochs of at least 1 and a share "
            f"above 0, at most 1, got {len(performing.faces)} faces, {performing.teachers}, "
            f"{performing.epochs} and {performing.share:g}"
        )
    if config.start_from and not config.identity:
        raise ConfigError(f"{where}: start_from: expected identity = true, got false")
    never = bool(config.anyone) and config.anyone not in performing.faces
    if not 0.0 <= config.anyone_share <= 1.0 or (never and not config.anyone_share):
        raise ConfigError(
            f"{where}: anyone_share: expected above 0 (or 0 for one of performing.faces), at most "
            f"1, got {config.anyone_share:g}"
        )
    if config.start_units not in ("bundle", "data"):
        raise ConfigError(
            f"{where}: start_units: expected bundle or data, got {config.start_units!r}"
        )
    if config.start_with not in ("all", "context"):
        raise ConfigError(
            f"{where}: start_with: expected all or context, got {config.start_with!r}"
        )
    if config.start_from and frozen.kind:
        raise ConfigError(f"{where}: start_from: no bundle hears through encoder.frozen")
    if config.context_trains() and config.context is None:
        raise ConfigError(f"{where}: stages.train_context: there is no encoder.context to train")
    _check_order(config, where)
    _check_stages(config, where)


def _check_export(config: Config, where: str) -> None:
    """What rounding needs."""
    bits, seconds = config.export.context_bits, config.export.calibration_s
    if bits not in (4, 8):
        raise ConfigError(f"{where}: export.context_bits: expected 4 or 8, got {bits}")
    if bits == 4 and config.dtype != "int8":
        raise ConfigError(
            f'{where}: export.context_bits = 4: expected dtype = "int8", got {config.dtype!r}'
        )
    if bits == 4 and config.context is None:
        raise ConfigError(
            f"{where}: export.context_bits = 4: there is no encoder.context to round; leave it out"
        )
    if seconds <= 0.0:
        raise ConfigError(f"{where}: export.calibration_s: expected above 0, got {seconds:g}")


def _check_order(config: Config, where: str) -> None:
    """Which stage may follow which."""
    steps = [stage.steps for stage in config.stages]
    if steps[0] < 1 or config.train_steps % steps[0]:
        raise ConfigError(
            f"{where}: the first stage is the teacher: its steps divide train_steps = "
            f"{config.train_steps}, got {steps[0]}"
        )
    for stage, later in pairwise(config.stages):
        before, after = stage.steps, later.steps
        if not later.regression and after != before and (after < 1 or 2 * after != before):
            raise ConfigError(
                f"{where}: a stage after {before} steps keeps or halves them, got {after}"
            )
        if stage.regression and not later.regression:
            raise ConfigError(f"{where}: after a regression comes no stage of another kind")
    if any(stage.regression and stage.steps != 1 for stage in config.stages):
        raise ConfigError(f"{where}: a regression has steps = 1")


def _check_stages(config: Config, where: str) -> None:
    """Each stage by itself, and beside the one before it."""
    for index, stage in enumerate(config.stages):
        for key in ("start", "rollout"):
            weight = getattr(stage, key)
            if weight < 0.0 or (weight and stage.regression):
                raise ConfigError(
                    f"{where}: stages.{key}: expected 0 or more, and 0 for a regression, got "
                    f"{weight:g}"
                )
        if stage.rollout and (stage.steps == 1 or 0.0 not in config.noise_scale.values()):
            raise ConfigError(
                f"{where}: stages.rollout: expected more than one step and a noise_scale of 0 for "
                f"some curve, got {stage.steps} steps and noise_scale = {config.noise_scale}"
            )
        if stage.settled and (stage.steps == 1 or stage.regression):
            raise ConfigError(
                f"{where}: stages.settled: expected more than one step and no regression, got "
                f"{stage.steps} steps"
            )
        if not 0.0 <= stage.dropout < 1.0 or min(stage.weight_decay, stage.closing) < 0.0:
            raise ConfigError(
                f"{where}: expected stages.dropout from 0 to under 1, stages.weight_decay of at "
                f"least 0 and stages.closing of at least 0, got {stage.dropout:g}, "
                f"{stage.weight_decay:g} and {stage.closing:g}"
            )
        first = index == 0 or not stage.goes_on_from(config.stages[index - 1])
        if stage.average < 1 or (stage.average > 1 and first):
            raise ConfigError(
                f"{where}: stages.average: expected 1, or more in a stage that keeps the steps of "
                f"the one before it, got {stage.average}"
            )
