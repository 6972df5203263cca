"""Recordings -> long training streams: takes end to end with silences, augmented, as features.

The runtime hears one endless stream, so training does too. Features come from the C++ code that
the runtime uses. Every version of the data is drawn from (seed, version) alone and cached.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import partial
from itertools import zip_longest
from pathlib import Path

import numpy as np
import samplerate
from numpy.typing import NDArray

from ... import _core
from ...curves import CURVES, indices
from ...files import is_whole
from ..clock import COLUMNS_A_TOKEN, alignment_period_frames, columns_for, token_count
from ..config import NOISE_KINDS, Augmentation, Config
from ..corpora import SAMPLE_RATE_HZ, Phone, Recording
from ..files import save_arrays
from .noises import draw_noise, noise_below
from .performer import perform, style_of
from .voice import voiced_columns, voiced_frames

TAKES_A_STREAM = 16
OWN_VOICE = (0.88, 1.14)  # at other speeds the voice is another's, and no frame counts as voiced


@dataclass(frozen=True)
class Stream:
    """Features and curves of one long stretch of one speaker."""

    speaker: str
    mel: NDArray[np.float16]  # (columns, 80), 100 Hz
    curves: NDArray[np.float16]  # (frames, 52), curve units; NaN where nobody saw
    voiced: NDArray[np.bool_]  # (frames,)
    #: (n, width), 50 Hz: what the context or the frozen encoder hears; width 0 without one
    tokens: NDArray[np.float16]


#: Sound (16 kHz) and its log-mel (columns, 80) -> tokens (n, width) of an encoder that does not
#: train: the context or a frozen one.
Hear = Callable[[NDArray[np.float32], NDArray[np.float16]], NDArray[np.float16]]


def hear_nothing(audio: NDArray[np.float32], mel: NDArray[np.float16]) -> NDArray[np.float16]:
    """Tokens of a talker that hears through its own convolutions alone."""
    return np.zeros((token_count(len(mel)), 0), np.float16)


# ------------------------------------------------------------------------------- signal arithmetic


def monotone_cubic(
    times: NDArray[np.float64], values: NDArray[np.float32], at: NDArray[np.float64]
) -> NDArray[np.float32]:
    """Shape-preserving cubic (Fritsch & Carlson 1980) through values (n, c) at times (n,).

    Never overshoots the data, so a closed mouth stays closed; outside it the ends are held.
    """
    step = np.diff(times)[:, None]
    slope = np.diff(values, axis=0) / step
    tangent = np.zeros(values.shape)
    before, after = slope[:-1], slope[1:]
    w1, w2 = 2 * step[1:] + step[:-1], step[1:] + 2 * step[:-1]
    same = before * after > 0
    safe_before, safe_after = np.where(same, before, 1.0), np.where(same, after, 1.0)
    harmonic = (w1 + w2) / (w1 / safe_before + w2 / safe_after)
    tangent[1:-1] = np.where(same, harmonic, 0.0)
    clamped = np.clip(at, times[0], times[-1])
    i = np.clip(np.searchsorted(times, clamped, side="right") - 1, 0, len(times) - 2)
    h = step[i]
    u = (clamped - times[i])[:, None] / h
    out = (
        (1 + 2 * u) * (1 - u) ** 2 * values[i]
        + u * (1 - u) ** 2 * h * tangent[i]
        + u**2 * (3 - 2 * u) * values[i + 1]
        + u**2 * (u - 1) * h * tangent[i + 1]
    )
    return np.asarray(out, dtype=np.float32)


def tilt(
    audio: NDArray[np.float32], low_db: float, middle_db: float, high_db: float
) -> NDArray[np.float32]:
    """Mild equaliser: gains at 100 Hz, 1 kHz and 6 kHz, linear in dB over log frequency."""
    spectrum = np.fft.rfft(audio)
    frequency = np.maximum(np.fft.rfftfreq(len(audio), 1 / SAMPLE_RATE_HZ), 1.0)
    knots = np.log10([100.0, 1000.0, 6000.0])
    gain_db = np.interp(np.log10(frequency), knots, [low_db, middle_db, high_db])
    filtered = np.fft.irfft(spectrum * 10 ** (gain_db / 20), len(audio))
    return np.asarray(filtered, dtype=np.float32)


# ----------------------------------------------------------------------------------- making streams


@dataclass(frozen=True)
class Draw:
    """What happens to one take in one version of the data."""

    speed: float = 1.0
    gain: float = 1.0
    tilt_db: tuple[float, float, float] = (0.0, 0.0, 0.0)
    noise_snr_db: float | None = None
    noise_exponent: float = 0.0
    gap_s: float = 0.0
    gap_noise_db: float | None = None  # level of a sound that is no speech, in the gap
    gap_noises: tuple[str, ...] = NOISE_KINDS  # and of which kinds it is one


def draw(rng: np.random.Generator, options: Augmentation, max_gap_s: float, *, clean: bool) -> Draw:
    gap_s = rng.uniform(0.0, max_gap_s)
    if clean:
        return Draw(gap_s=gap_s)
    low, high = np.log(options.speed)
    noisy = rng.random() < options.noise_chance
    other = rng.random() < options.other_chance
    return Draw(
        speed=float(np.exp(rng.uniform(low, high))) if rng.random() < options.speed_chance else 1.0,
        gain=10 ** (rng.uniform(-options.gain_db, options.gain_db) / 20),
        tilt_db=(
            rng.uniform(-options.tilt_db, options.tilt_db),
            0.0,
            rng.uniform(-options.tilt_db, options.tilt_db),
        ),
        noise_snr_db=rng.uniform(*options.noise_snr_db) if noisy else None,
        noise_exponent=rng.uniform(0.0, 2.0),
        gap_s=rng.uniform(*options.other_s) if other else gap_s,
        gap_noise_db=rng.uniform(*options.other_db) if other else None,
        gap_noises=options.other_kinds,
    )


def _sound(take: Recording, how: Draw, rng: np.random.Generator) -> NDArray[np.float32]:
    """The take and the silence after it, augmented."""
    audio = take.audio
    if how.speed != 1.0:
        audio = samplerate.resample(audio, 1.0 / how.speed, "sinc_fastest")
    power = float(np.mean(np.square(audio)))
    if how.tilt_db != (0.0, 0.0, 0.0):
        audio = tilt(audio, *how.tilt_db)
    gap = np.zeros(int(how.gap_s * SAMPLE_RATE_HZ), np.float32)
    if how.gap_noise_db is not None:
        gap = draw_noise(len(gap), how.gap_noise_db, rng, how.gap_noises)
    audio = np.concatenate([audio, gap])
    if how.noise_snr_db is not None:
        audio = audio + noise_below(power, how.noise_snr_db, len(audio), how.noise_exponent, rng)
    return np.asarray(np.clip(audio * np.float32(how.gain), -1.0, 1.0), dtype=np.float32)


#: What parts the lips, and mouthClose, which only means something where the jaw is open.
PARTING = indices(
    (
        "jawOpen",
        "mouthClose",
        "mouthFunnel",
        "mouthLowerDownLeft",
        "mouthLowerDownRight",
        "mouthUpperUpLeft",
        "mouthUpperUpRight",
    )
)
SHUTS_S = 0.15  # how long a mouth takes to shut, and to be back


def shut_between(
    curves: NDArray[np.float32], gaps_s: Sequence[tuple[float, float]], rate: Fraction
) -> NDArray[np.float32]:
    """Curves (frames, 52) whose lips meet between takes, where the face is only filled in.

    Short clips begin and end with an open mouth, which would else stay open through the pause and
    whatever is heard there. Pauses of less than twice SHUTS_S are left as they are.
    """
    times_s = np.arange(len(curves)) / float(rate)
    shut = np.zeros(len(curves), np.float32)
    for start_s, end_s in gaps_s:
        if end_s - start_s < 2 * SHUTS_S:
            continue
        share = np.minimum(times_s - start_s, end_s - times_s) / SHUTS_S
        shut = np.maximum(shut, 0.5 - 0.5 * np.cos(np.pi * np.clip(share, 0.0, 1.0)))
    kept = curves.copy()
    kept[:, PARTING] *= (1.0 - shut)[:, None]
    return np.asarray(kept, dtype=np.float32)


def make_stream(
    takes: list[Recording],
    draws: list[Draw],
    config: Config,
    rng: np.random.Generator,
    hear: Hear = hear_nothing,
) -> Stream:
    """Takes of one speaker, one after another, as features and curves at the model's rate."""
    rate = config.rate
    lead_s = draws[0].gap_s
    sounds = [np.zeros(int(lead_s * SAMPLE_RATE_HZ), np.float32)]
    levels: list[NDArray[np.float32]] = [np.full(int(lead_s * 100), -100.0, np.float32)]
    level_columns = len(levels[0])
    gaps: list[slice] = []  # columns
    strangers: list[slice] = []  # columns
    phones: list[Phone] = []
    times: list[NDArray[np.float64]] = []
    values: list[NDArray[np.float32]] = []
    at = len(sounds[0])
    for take, how in zip(takes, draws, strict=True):
        sound = _sound(take, how, rng)
        at_s = at / SAMPLE_RATE_HZ
        if take.curves is not None and take.times_s is not None:
            times.append(at_s + take.times_s / how.speed)
            values.append(np.where(take.seen, take.curves, np.float32(np.nan)))
        else:
            phones += [
                Phone(
                    p.symbol, at_s + p.start_s / how.speed, at_s + p.end_s / how.speed, p.stressed
                )
                for p in take.phones
            ]
            # Loudness for the performer is that of the clean take, on the stretched clock.
            clean = _core.log_mel(take.audio, True)[1]
            columns = round((at + len(sound)) / 160) - level_columns
            stretched = np.interp(np.arange(columns) * how.speed, np.arange(len(clean)), clean)
            levels.append(stretched.astype(np.float32))
            level_columns += columns
        sounds.append(sound)
        at += len(sound)
        ends = round((at_s + take.duration_s / how.speed) * 100)
        gaps.append(slice(ends, round(at / 160)))
        if not OWN_VOICE[0] <= how.speed <= OWN_VOICE[1]:
            strangers.append(slice(round(at_s * 100), ends))
    audio = np.concatenate(sounds)
    mel, level_db = _core.log_mel(audio, True)
    period = alignment_period_frames(rate)
    frames = int(len(audio) * rate / SAMPLE_RATE_HZ) // period * period
    while frames and columns_for(frames, rate, config.encoder.lookahead_columns) > len(mel):
        frames -= period
    if values:
        frame_times = np.arange(frames, dtype=np.float64) / float(rate)
        curves = monotone_cubic(np.concatenate(times), np.concatenate(values), frame_times)
        curves = shut_between(curves, [(gap.start / 100, gap.stop / 100) for gap in gaps], rate)
    else:
        curves = perform(
            phones,
            frames,
            frame_rate_hz=float(rate),
            style=style_of(takes[0].speaker),
            seed=int(rng.integers(2**31)),
            level_db=np.concatenate(levels),
        )
    for gap in gaps:  # whatever is heard there, it is not the speaker
        level_db[gap] = level_db.min()
    spoken = voiced_columns(level_db)
    for stranger in strangers:
        spoken[stranger] = False
    voiced = voiced_frames(spoken, frames, rate, config.encoder.lookahead_columns)
    kept = mel.astype(np.float16)
    return Stream(takes[0].speaker, kept, curves.astype(np.float16), voiced, hear(audio, kept))


def make_version(
    takes_by_source: list[list[Recording]],
    config: Config,
    version: int,
    hear: Hear = hear_nothing,
    borrowed: Sequence[Recording] = (),
) -> list[Stream]:
    """All streams of one version; version 0 is clean, later ones are augmented.

    Each stream has a generator of its own, so that threads change nothing. `borrowed` takes have
    the face of their speaker and the voice of another: no frame of them counts as voiced, so that
    they have no say in whose voice is whose.
    """
    jobs: list[Callable[[], Stream]] = []
    gaps_s = [source.max_gap_s for source in config.sources] + [config.borrowing.max_gap_s]
    for source_index, takes in enumerate([*takes_by_source, borrowed]):
        matched = source_index < len(takes_by_source)
        for speaker in sorted({take.speaker for take in takes}):
            digest = hashlib.sha256(speaker.encode()).digest()
            seed = [config.seed, version, source_index, int.from_bytes(digest[:4], "little")]
            own = [take for take in takes if take.speaker == speaker]
            order = np.random.default_rng(seed).permutation(len(own))
            for start in range(0, len(own), TAKES_A_STREAM):
                group = [own[i] for i in order[start : start + TAKES_A_STREAM]]
                jobs.append(
                    partial(
                        _make_drawn,
                        group,
                        gaps_s[source_index],
                        [*seed, 1 + start],
                        config,
                        version,
                        hear,
                        matched,
                    )
                )
    with ThreadPoolExecutor(config.threads) as threads:
        return list(threads.map(lambda job: job(), jobs))


def _make_drawn(
    group: list[Recording],
    max_gap_s: float,
    seed: list[int],
    config: Config,
    version: int,
    hear: Hear,
    matched: bool,
) -> Stream:
    rng = np.random.default_rng(seed)
    draws = [draw(rng, config.augmentation, max_gap_s, clean=version == 0) for _ in group]
    stream = make_stream(group, draws, config, rng, hear)
    return stream if matched else replace(stream, voiced=np.zeros_like(stream.voiced))


def some_mels(
    takes_by_source: Sequence[Sequence[Recording]], config: Config
) -> list[NDArray[np.float32]]:
    """Log-mel (columns, 80) of clips for `config.export.calibration_s`, drawn from `config.seed`.

    The sources give a take each in turn until all are used; every second take is augmented.
    """
    rng = np.random.default_rng([config.seed, 6])
    orders = [[takes[i] for i in rng.permutation(len(takes))] for takes in takes_by_source]
    in_turn = [
        (take, source.max_gap_s)
        for some in zip_longest(*orders)
        for take, source in zip(some, config.sources, strict=True)
        if take is not None
    ]
    mels: list[NDArray[np.float32]] = []
    columns = 0
    for take, max_gap_s in in_turn:
        if columns >= 100 * config.export.calibration_s:
            break
        how = draw(rng, config.augmentation, max_gap_s, clean=len(mels) % 2 == 0)
        mels.append(_core.log_mel(_sound(take, how, rng), True)[0])
        columns += len(mels[-1])
    return mels


# ------------------------------------------------------------------------------------------- cache


def cache_key(takes_by_source: list[list[Recording]], config: Config, context: str) -> str:
    """Digest of all that decides the streams: settings, takes and this format's version.

    `context` tells one state of the weights that make tokens from another.
    """
    described = config.describe()
    kept = {key: described[key] for key in ("sources", "seed", "frame_rate", "augmentation")}
    kept["lookahead"] = config.encoder.lookahead_columns
    kept["context"] = context
    kept["borrowing"] = described.get("borrowing")
    if config.performing.voices:
        kept["performing"] = described["performing"]
        kept["anyone"] = config.anyone
    kept["format"] = 7  # raise it when streams or performances change
    digest = hashlib.sha256(json.dumps(kept, sort_keys=True).encode())
    for takes in takes_by_source:
        for take in takes:
            digest.update(f"{take.id} {len(take.audio)}".encode())
            digest.update(take.audio[:: max(1, len(take.audio) // 64)].tobytes())
            if take.curves is not None:
                digest.update(take.curves.tobytes())
            digest.update(repr(take.phones).encode())
    return digest.hexdigest()[:16]


def save_streams(path: Path, streams: list[Stream]) -> None:
    arrays: dict[str, NDArray[np.generic]] = {
        "speakers": np.array([stream.speaker for stream in streams])
    }
    for i, stream in enumerate(streams):
        arrays |= {f"mel{i}": stream.mel, f"curves{i}": stream.curves, f"voiced{i}": stream.voiced}
        arrays[f"tokens{i}"] = stream.tokens
    save_arrays(path, arrays)


def load_streams(path: Path) -> list[Stream]:
    with np.load(path) as arrays:
        return [
            Stream(
                str(speaker),
                *(arrays[f"{name}{i}"] for name in ("mel", "curves", "voiced", "tokens")),
            )
            for i, speaker in enumerate(arrays["speakers"])
        ]


def files(
    takes_by_source: list[list[Recording]], config: Config, folder: Path, context: str = ""
) -> list[Path]:
    """Where `prepare` keeps each version."""
    key = cache_key(takes_by_source, config, context)
    return [folder / f"{key}-{version}.npz" for version in range(config.augmentation.versions)]


def prepare(
    takes_by_source: list[list[Recording]],
    config: Config,
    folder: Path,
    on_version: Callable[[int], None] = lambda version: None,
    hear: Hear = hear_nothing,
    context: str = "",
    lend: Callable[[], list[list[Recording]]] = list,
) -> list[Path]:
    """Make every version that the cache lacks, or holds damaged; returns their files.

    `lend` gives the takes whose face is not their voice's own, if any are asked for: a list a
    version.
    """
    paths = files(takes_by_source, config, folder, context)
    lacking = {path for path in paths if not is_whole(path)}
    lent = lend() if lacking else []
    for version, path in enumerate(paths):
        if path in lacking:
            theirs = lent[version] if lent else []
            save_streams(path, make_version(takes_by_source, config, version, hear, theirs))
        on_version(version)
    return paths


# ----------------------------------------------------------------------------------------- windows


@dataclass(frozen=True)
class Batch:
    """Windows of the streams, standardised by the caller."""

    mel: NDArray[np.float32]  # (B, columns, 80)
    curves: NDArray[np.float32]  # (B, frames, 52), curve units; NaN where nobody saw
    voiced: NDArray[np.bool_]  # (B, frames)
    speaker: NDArray[np.int64]  # (B,)
    tokens: NDArray[np.float32]  # (B, n, width)


def epoch_batches(
    streams: list[Stream],
    speakers: list[str],
    *,
    window_frames: int,
    batch: int,
    rate: Fraction,
    lookahead_columns: int,
    seed: list[int],
) -> list[Callable[[], Batch]]:
    """One pass over the streams in shuffled windows; a list, so that a resumed run can skip."""
    rng = np.random.default_rng(seed)
    period = alignment_period_frames(rate)
    window = window_frames // period * period
    columns = columns_for(window, rate, lookahead_columns)
    places: list[tuple[int, int]] = []
    for index, stream in enumerate(streams):
        frames = len(stream.curves)
        first = int(rng.integers(0, min(window, max(frames - window, 0) + 1))) // period * period
        for start in range(first, frames - window + 1, window):
            if start * 100 // rate + columns <= len(stream.mel):
                places.append((index, start))
    shuffled = [places[i] for i in rng.permutation(len(places))]
    count = max(1, len(shuffled) // batch) if shuffled else 0

    def load(chosen: list[tuple[int, int]]) -> Batch:
        mel, curves, voiced, who, tokens = [], [], [], [], []
        for index, start in chosen:
            stream = streams[index]
            column = int(start * 100 / rate)
            mel.append(stream.mel[column : column + columns])
            curves.append(stream.curves[start : start + window])
            voiced.append(stream.voiced[start : start + window])
            who.append(speakers.index(stream.speaker))
            token = column // COLUMNS_A_TOKEN
            tokens.append(stream.tokens[token : token + token_count(columns)])
        return Batch(
            np.stack(mel).astype(np.float32),
            np.stack(curves).astype(np.float32),
            np.stack(voiced),
            np.array(who),
            np.stack(tokens).astype(np.float32),
        )

    return [lambda i=i: load(shuffled[i * batch : (i + 1) * batch]) for i in range(count)]  # type: ignore[misc]


def statistics(
    streams: list[Stream], least_std: float = 0.01, least_active: float = 1e-3
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """(mean, std), each (52,), over all frames of the mixture in which a curve was seen.

    A curve that hardly moves gets `least_std`, so that a tracker's jitter is not blown up to the
    size of speech; one that never moves is marked by mean 0 and std 1.
    """
    total = np.zeros(len(CURVES))
    square = np.zeros(len(CURVES))
    frames = np.zeros(len(CURVES))
    for stream in streams:
        values = stream.curves.astype(np.float64)
        total += np.nansum(values, axis=0)
        square += np.nansum(np.square(values), axis=0)
        frames += np.isfinite(values).sum(axis=0)
    frames = np.maximum(frames, 1.0)  # a curve that nobody saw is still
    mean = total / frames
    std = np.sqrt(np.maximum(square / frames - mean**2, 0.0))
    still = std < least_active
    std = np.where(still, 1.0, np.maximum(std, least_std))
    return np.where(still, 0.0, mean).astype(np.float32), std.astype(np.float32)
