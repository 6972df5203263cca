"""Evaluation of a bundle on takes: the shipped runtime, or the torch reference beside it."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import numpy as np
import torch

from .. import _core
from ..bundle import Bundle
from ..curves import CURVES
from . import corpora, diffusion, lips, metrics
from .corpora import SAMPLE_RATE_HZ, Recording
from .export import load_talker
from .head import Head
from .identity import matched, pool
from .metrics import Curves
from .model import Talker, columns_for
from .noises import coloured_noise, noise_below
from .performer import perform, style_of
from .streams import Hear, voiced_columns, voiced_frames

#: (takes, seed, identity) -> curves at the bundle's rate, one array a take. The identity is a name
#: of the library, "own" (the take's speaker where the library has it) or "auto".
Engine = Callable[[Sequence[Recording], int, str], list[Curves]]
#: Told how many more clips a measurement has gone through.
OnClips = Callable[[int], None]

SEEDS = (1, 2, 3)  # of the diversity
SPREAD_CLIPS = 16  # clips that the diversity is measured on
SILENCE_S = 60.0  # in which blinks are counted
CLOSING_CLIPS = 8  # clips that are cut into silence
AT_ONCE = 16  # clips between two reports of progress
STREAM_S = 8.0  # longest stream on which the automatic identity has to decide


def frame_count(samples: int, rate: Fraction) -> int:
    """ceil(duration x rate), as the runtime counts."""
    return -(-samples * rate.numerator // (SAMPLE_RATE_HZ * rate.denominator))


@dataclass(frozen=True)
class Reference:
    """A talker in torch and how it is sampled: that of a bundle, or of a run that has none."""

    talker: Talker
    identities: tuple[str, ...]
    sample_steps: int
    train_steps: int
    noise_scale: torch.Tensor  # (52,)
    hear: Hear | None = None  # makes the tokens of a frozen encoder

    @property
    def frame_rate(self) -> Fraction:
        return self.talker.rate


def reference_of(bundle: Bundle) -> Reference:
    """The bundle's model in torch."""
    manifest = bundle.manifest["diffusion"]
    return Reference(
        load_talker(bundle),
        tuple(bundle.identities),
        int(manifest["sample_steps"]),
        int(manifest["train_steps"]),
        torch.from_numpy(bundle.noise_scale()),
    )


def torch_engine(judged: Bundle | Reference, sample_steps: int | None = None) -> Engine:
    """The reference: whole clips, limits 0..1, no silence gate; "auto" is the pooled match.

    With `sample_steps` the talker is sampled in another number of DDIM steps than it ships with.
    """
    reference = reference_of(judged) if isinstance(judged, Bundle) else judged
    talker, train_steps = reference.talker, reference.train_steps
    steps = sample_steps or reference.sample_steps
    abar = diffusion.alpha_bars(train_steps, steps)
    library = talker.identity()
    noise_scale = reference.noise_scale

    def engine(takes: Sequence[Recording], seed: int, identity: str) -> list[Curves]:
        results: list[Curves] = [np.zeros((0, len(CURVES)), np.float32)] * len(takes)
        order = sorted(range(len(takes)), key=lambda i: len(takes[i].audio))
        for start in range(0, len(order), 32):
            chosen = order[start : start + 32]
            together = [takes[i] for i in chosen]
            features, voiced, counts = batch_features(talker, together, reference.hear)
            pooled = pool(features, voiced) - talker.identity.pooled_mean
            rows = matched(pooled, library)
            for k, i in enumerate(chosen):
                name = takes[i].speaker if identity == "own" else identity
                if name in reference.identities:
                    rows[k] = reference.identities.index(name)
            noise = torch.from_numpy(_core.noise(seed, 0, features.shape[1], len(CURVES)))
            noise = (noise * noise_scale)[None].expand(len(chosen), -1, -1)

            def network(
                x: torch.Tensor, n: int, a: torch.Tensor = features, g: torch.Tensor = library[rows]
            ) -> torch.Tensor:
                row = torch.full((len(x),), int(diffusion.table_row(n, steps, train_steps)))
                x0, _ = talker.decoder(a, g, row, x)
                return torch.as_tensor(x0)

            x0 = diffusion.sample(network, noise, abar) * talker.std + talker.mean
            for k, i in enumerate(chosen):
                results[i] = x0[k, : counts[k]].clamp(0.0, 1.0).numpy()
        return results

    return engine


def batch_features(
    talker: Talker, takes: Sequence[Recording], hear: Hear | None = None
) -> tuple[torch.Tensor, torch.Tensor, list[int]]:
    """Features (B, F, A), voiced (B, F) and frame counts of clips padded with silence.

    `hear` makes the tokens of a talker behind a frozen encoder.
    """
    counts = [frame_count(len(take.audio), talker.rate) for take in takes]
    frames = max(counts)
    columns = columns_for(frames, talker.rate, talker.lookahead_columns)
    mel = np.zeros((len(takes), columns, 80), np.float32)
    voiced = np.zeros((len(takes), frames), np.bool_)
    tokens = []
    for i, take in enumerate(takes):
        padded = np.zeros((columns + 2) * 160, np.float32)
        padded[: len(take.audio)] = take.audio
        bands, level_db = _core.log_mel(padded, True)
        mel[i] = bands[:columns]
        if hear is not None:
            tokens.append(torch.from_numpy(hear(padded, bands[:columns].astype(np.float16))))
        speech = voiced_columns(level_db[:columns])
        voiced[i] = voiced_frames(speech, frames, talker.rate, talker.lookahead_columns)
        voiced[i, counts[i] :] = False
    with torch.no_grad():
        heard = torch.stack(tokens).float() if tokens else None
        features = talker.features(torch.from_numpy(mel), frames, heard)
    return features, torch.from_numpy(voiced), counts


def runtime_engine(bundle: Bundle, threads: int | None = None) -> Engine:
    """The shipped path: C++ runtime with gate, post-processing and its own identity matching.

    Clips are shared out among `threads` runtimes, by default one a CPU.
    """
    from ..runtime import Runtime

    count = threads or os.cpu_count() or 1
    # A runtime a thread: as many as identities would fill the memory with copies of the model.
    latest: list[tuple[tuple[int, str], Runtime] | None] = [None] * count

    def work(worker: int, takes: Sequence[Recording], seed: int, identity: str) -> list[Curves]:
        results: list[Curves] = []
        for take in takes:
            name = take.speaker if identity == "own" else identity
            key = (seed, name if name in bundle.identities else "auto")
            entry = latest[worker]
            if entry is None or entry[0] != key:
                entry = latest[worker] = (key, Runtime(bundle, seed=seed, identity=key[1]))
            runtime = entry[1]
            runtime.reset()
            results.append(np.concatenate([runtime.step(take.audio), runtime.flush()]))
        return results

    def engine(takes: Sequence[Recording], seed: int, identity: str) -> list[Curves]:
        each = -(-len(takes) // count)
        with ThreadPoolExecutor(count) as threads_used:
            jobs = [
                threads_used.submit(work, i, takes[i * each : (i + 1) * each], seed, identity)
                for i in range(count)
            ]
            return [curves for job in jobs for curves in job.result()]

    return engine


def rule_made(take: Recording, rate: Fraction) -> Curves:
    """The performance that training would give a phone-timed take (blinks drawn from its id)."""
    seed = int.from_bytes(hashlib.sha256(take.id.encode()).digest()[:4], "little")
    return perform(
        take.phones,
        frame_count(len(take.audio), rate),
        frame_rate_hz=float(rate),
        style=style_of(take.speaker),
        seed=seed,
        level_db=_core.log_mel(take.audio, True)[1],
    )


def some(takes: Sequence[Recording], count: int | None) -> list[Recording]:
    """At most so many takes, chosen by their ids alone; None takes all."""
    ordered = sorted(takes, key=lambda take: corpora.hold_out_order(take.id))
    return list(takes) if count is None else ordered[:count]


def in_noise(takes: Sequence[Recording], snr_db: float) -> list[Recording]:
    """Takes with pink noise this far below their own power, the same on every call."""

    def spoilt(take: Recording) -> Recording:
        seed = hashlib.sha256(take.id.encode()).digest()
        power = float(np.mean(np.square(take.audio)))
        rng = np.random.default_rng(list(seed))
        noise = noise_below(power, snr_db, len(take.audio), 1.0, rng)
        audio = np.clip(take.audio + noise, -1.0, 1.0)
        return replace(take, audio=audio.astype(np.float32))

    return [spoilt(take) for take in takes]


def alike(takes: Sequence[Recording]) -> dict[str, list[Recording]]:
    """Takes whose truth is of one kind: measured at one frame rate, or made by rule."""
    groups: dict[str, list[Recording]] = {}
    for take in takes:
        kind = "by rule" if take.rate_hz is None else f"{take.rate_hz:.0f} Hz"
        groups.setdefault(kind, []).append(take)
    return groups


@dataclass(frozen=True)
class Pairs:
    """Predictions and truth at the same instants."""

    predicted: list[Curves]
    true: list[Curves]
    rate_hz: float


def at_true_instants(takes: Sequence[Recording], predicted: list[Curves], rate: Fraction) -> Pairs:
    """Read predictions at the instants of the truth (linear between the model's frames)."""
    pairs_predicted: list[Curves] = []
    pairs_true: list[Curves] = []
    rate_hz = float(rate)
    for take, curves in zip(takes, predicted, strict=True):
        if take.curves is None or take.times_s is None:
            true = rule_made(take, rate)
            pairs_true.append(true)
            pairs_predicted.append(curves[: len(true)])
            continue
        rate_hz = take.rate_hz or rate_hz
        inside = take.times_s <= (len(curves) - 1) / float(rate) + 1e-9
        position = take.times_s[inside] * float(rate)
        low = np.minimum(position.astype(int), len(curves) - 2)
        share = (position - low)[:, None].astype(np.float32)
        pairs_predicted.append(curves[low] * (1 - share) + curves[low + 1] * share)
        pairs_true.append(take.curves[inside])
    return Pairs(pairs_predicted, pairs_true, rate_hz)


def clips_of(
    takes: Sequence[Recording], predicted: Sequence[Curves], rate: Fraction
) -> list[lips.Clip]:
    """Predictions (at the model's `rate`) beside measured truth; takes made by rule are left
    out."""
    return [
        lips.Clip(take.speaker, curves, float(rate), take.curves, take.times_s)
        for take, curves in zip(takes, predicted, strict=True)
        if take.curves is not None and take.times_s is not None
    ]


def scores(
    takes: Sequence[Recording],
    pairs: Pairs,
    predicted: list[Curves],
    rate: Fraction,
    head: Head | None,
) -> dict[str, Any]:
    """All metrics of one set of predictions, beside those of the best constant face.

    `pairs` are `predicted` (at the model's `rate`) at the instants of the truth.
    """
    p, t = pairs.predicted, pairs.true
    everything = list(range(len(CURVES)))
    constant = np.concatenate(t).mean(axis=0)
    mean_face: list[Curves] = [np.broadcast_to(constant, c.shape) for c in t]
    result: dict[str, Any] = {"clips": len(t), "frames": sum(len(c) for c in t)}
    for name, index in (
        ("mbe", everything),
        ("lbe", metrics.LIP_INDEX),
        ("lbe_reference_12", metrics.LIP_REFERENCE_INDEX),
    ):
        own = metrics.blendshape_error(p, t, index)
        flat = metrics.blendshape_error(mean_face, t, index)
        result[name] = own
        result[f"{name}_mean_face"] = flat
        result[f"{name}_ratio"] = own / flat
    for name, index in (
        ("fdd", metrics.UPPER_REFERENCE_INDEX),
        ("fdd_with_brows", metrics.UPPER_INDEX),
    ):
        signed, absolute = metrics.upper_face_deviation(p, t, index)
        result[f"{name}_signed"], result[f"{name}_absolute"] = signed, absolute
    if head is not None:
        result["lve"] = metrics.lip_vertex_error(p, t, head)
        result["lve_mean_face"] = metrics.lip_vertex_error(mean_face, t, head)
    for curve in metrics.FOLLOWED:
        clip, pooled = metrics.curve_correlation(p, t, curve)
        result[f"r_{curve}_clip"], result[f"r_{curve}_pooled"] = clip, pooled
    result["velocity_error_lips"] = metrics.velocity_error(p, t, pairs.rate_hz, metrics.LIP_INDEX)
    result["jerk_ratio_lips"] = metrics.jerk_ratio(p, t, metrics.LIP_INDEX)
    result["jerk_ratio_upper"] = metrics.jerk_ratio(p, t, metrics.UPPER_INDEX)
    lag = metrics.lag_frames(p, t)
    result["lag_jawOpen_frames"] = lag
    result["lag_jawOpen_ms"] = 1000.0 * lag / pairs.rate_hz
    jaw = metrics.JAW_OPEN
    result["jawOpen_std_ratio"] = float(
        np.concatenate(p)[:, jaw].std() / max(np.concatenate(t)[:, jaw].std(), 1e-9)
    )
    seen = clips_of(takes, predicted, rate)
    result |= lips.viewed(seen)
    if seen:
        result |= lips.blinking(predicted, float(rate))
        measured = lips.blinking([clip.true for clip in seen], pairs.rate_hz)
        result |= {f"{name}_true": value for name, value in measured.items()}
    timed = [(c, take.phones) for c, take in zip(predicted, takes, strict=True) if take.phones]
    if timed:
        counted = [metrics.closures(c, phones, float(rate)) for c, phones in timed]
        asked = sum(n for _, n in counted)
        result["closures_asked"] = asked
        result["closure_recall"] = sum(n for n, _ in counted) / max(asked, 1)
    return result


def diversity(
    engine: Engine, takes: Sequence[Recording], identity: str, on_clips: OnClips
) -> dict[str, float]:
    """How far the results of three seeds lie apart (metrics.seed_spread), lips and upper face."""
    runs = [np.concatenate(play(engine, takes, seed, identity, on_clips)) for seed in SEEDS]
    moving = runs[0].std(axis=0) > 0.005
    result: dict[str, float] = {}
    for name, index in (("lips", metrics.LIP_INDEX), ("upper", metrics.UPPER_INDEX)):
        result[f"seed_spread_{name}"] = metrics.seed_spread(runs, index, moving)
        share = metrics.seed_spread_of_range(runs, index, moving)
        result[f"seed_spread_{name}_of_range"] = share
    share = metrics.seed_spread_of_range(runs, [metrics.JAW_OPEN], moving)
    result["seed_spread_jawOpen_of_range"] = share
    return result


def identity_matching(judged: Bundle | Reference, takes: Sequence[Recording]) -> dict[str, float]:
    """Whole recordings against the library (metrics.matching); empty without known speakers."""
    reference = reference_of(judged) if isinstance(judged, Bundle) else judged
    talker = reference.talker
    library = talker.identity()
    known = [take for take in takes if take.speaker in reference.identities]
    if not known:
        return {}
    guesses: list[int] = []
    for start in range(0, len(known), 32):
        features, voiced, _ = batch_features(talker, known[start : start + 32], reference.hear)
        guesses += matched(pool(features, voiced) - talker.identity.pooled_mean, library).tolist()
    own = [reference.identities.index(take.speaker) for take in known]
    return metrics.matching(own, guesses)


def identity_decisions(bundle: Bundle, takes: Sequence[Recording]) -> dict[str, float]:
    """How much speech the runtime's automatic identity needs (metrics.decided_after_s)."""
    from ..runtime import Runtime

    default = bundle.identities[bundle.default_identity]
    speakers = {take.speaker for take in takes} & set(bundle.identities) - {default}

    def decide(speaker: str) -> float:
        audio = np.concatenate([take.audio for take in takes if take.speaker == speaker])
        audio = audio[: int(STREAM_S * SAMPLE_RATE_HZ)]
        heard = np.cumsum(voiced_columns(_core.log_mel(audio, True)[1])) / 100.0
        runtime = Runtime(bundle)
        right, voiced_s = [], []
        for end in range(1600, len(audio) + 1, 1600):
            runtime.step(audio[end - 1600 : end])
            right.append(runtime.identity == speaker)
            voiced_s.append(float(heard[min(end // 160, len(heard)) - 1]))
        return metrics.decided_after_s(right, voiced_s)

    if not speakers:
        return {}
    with ThreadPoolExecutor(os.cpu_count() or 1) as threads:
        seconds = np.array(list(threads.map(decide, sorted(speakers))))
    decided = seconds[np.isfinite(seconds)]
    none = float("nan")
    return {
        "decided_share": len(decided) / len(seconds),
        "decided_after_s_median": float(np.median(decided)) if len(decided) else none,
        "decided_after_s_worst": float(decided.max()) if len(decided) else none,
    }


def not_speech() -> list[Recording]:
    """Ten seconds each of sounds that are no speech, the same on every call: digital silence,
    noise at -60 dBFS, pink noise at -30 dBFS, breaths, white noise that swells once (to 0.1 of full
    scale), a keyboard, chords."""
    count = 10 * SAMPLE_RATE_HZ
    time_s = np.arange(count) / SAMPLE_RATE_HZ
    rng = np.random.default_rng(0)
    white = rng.standard_normal(count)
    phase = time_s % 3.0 / 1.2  # a breath of 1.2 s every 3 s
    breath = np.where(phase < 1, np.sin(np.pi * np.minimum(phase, 1)) ** 2, 0)
    keys = np.zeros(count)
    for start in np.cumsum(rng.uniform(0.08, 0.3, 60)):
        at = int(start * SAMPLE_RATE_HZ)
        if at + 400 < count:
            keys[at : at + 400] += np.exp(-np.arange(400) / 60) * rng.standard_normal(400)
    chords = np.zeros(count)
    for i, root_hz in enumerate((220.0, 174.6, 261.6, 196.0, 220.0)):
        inside = (time_s >= 2 * i) & (time_s < 2 * i + 2)
        since = time_s - 2 * i
        for ratio in (1.0, 1.25, 1.5, 2.0):
            tone = np.sin(2 * np.pi * root_hz * ratio * time_s) * np.exp(-1.5 * since)
            chords += np.where(inside, tone, 0)
    sounds = {
        "silence": np.zeros(count),
        "faint_noise": 1e-3 * white,
        "pink_noise": 10**-1.5 * coloured_noise(count, 1.0, rng),
        "breath": 0.1 * breath * coloured_noise(count, 0.5, rng),
        "swell": 0.1 * np.sin(np.pi * time_s / 10.0) ** 2 * white,
        "keyboard": 0.3 * keys,
        "music": 0.1 * chords,
    }
    return [
        Recording(name, "", "", np.clip(sound, -1, 1).astype(np.float32))
        for name, sound in sounds.items()
    ]


def at_rest(
    engine: Engine, takes: Sequence[Recording], rate: Fraction, on_clips: OnClips
) -> dict[str, float]:
    """What the mouth does without speech (metrics.flapping), and how fast it shuts after it."""
    result: dict[str, float] = {}
    sounds = not_speech()
    for sound, curves in zip(sounds, play(engine, sounds, 0, "auto", on_clips), strict=True):
        share, rate_a_minute = metrics.flapping(curves, float(rate))
        result[f"{sound.id}_open_share"] = share
        result[f"{sound.id}_flaps_a_minute"] = rate_a_minute
        result[f"{sound.id}_jawOpen_max"] = float(curves[30:, metrics.JAW_OPEN].max())
    silence = Recording("silence", "", "", np.zeros(int(SILENCE_S * SAMPLE_RATE_HZ), np.float32))
    still = lips.blinking(play(engine, [silence], 0, "auto", on_clips), float(rate))
    result |= {f"silence_{name}": value for name, value in still.items()}
    cut: list[Recording] = []
    for take in takes[:CLOSING_CLIPS]:
        level_db = _core.log_mel(take.audio, True)[1]
        half = len(level_db) // 2
        at = (half + int(np.argmax(level_db[half:]))) * 160
        audio = np.concatenate([take.audio[:at], np.zeros(SAMPLE_RATE_HZ, np.float32)])
        cut.append(Recording(take.id, take.speaker, "", audio))
    shut = [
        metrics.closing_ms(curves, float(rate), len(take.audio) / SAMPLE_RATE_HZ - 1.0)
        for take, curves in zip(cut, play(engine, cut, 0, "own", on_clips), strict=True)
    ]
    result["closing_ms_median"] = float(np.median(shut))
    result["closing_ms_worst"] = float(np.max(shut))
    return result


def inference_time(bundle: Bundle, takes: Sequence[Recording]) -> dict[str, float]:
    """Seconds a frame of the C++ core on one thread (metrics.time_per_frame), over 5 s of sound."""
    model = _core.Model(bundle.core_config(), bundle.tensors, bundle.identity_features())
    audio = np.concatenate([take.audio for take in takes])[: 5 * SAMPLE_RATE_HZ]
    frames = frame_count(len(audio), bundle.frame_rate)
    identity = np.repeat(bundle.identity_features()[:1], frames, axis=0)
    noise = _core.noise(0, 0, frames, len(CURVES))
    heard_s, sampled_s = [], []
    for _ in range(3):
        begun = time.perf_counter()
        mel, _ = _core.log_mel(audio, True)
        encoded = _core.Encoder(model).push(mel)
        heard = time.perf_counter()
        columns = np.arange(frames) * len(encoded) // frames
        features = np.ascontiguousarray(encoded[columns])
        ready = time.perf_counter()
        _core.Sampler(model).sample(features, identity, noise)
        heard_s.append(heard - begun)
        sampled_s.append(time.perf_counter() - ready)
    return metrics.time_per_frame(min(heard_s) + min(sampled_s), min(sampled_s), frames)


def play(
    engine: Engine, takes: Sequence[Recording], seed: int, identity: str, on_clips: OnClips
) -> list[Curves]:
    """The engine's results, reporting its progress every few clips."""
    results: list[Curves] = []
    for start in range(0, len(takes), AT_ONCE):
        part = takes[start : start + AT_ONCE]
        results += engine(part, seed, identity)
        on_clips(len(part))
    return results


def fair_takes(bundle: Bundle, takes: Sequence[Recording]) -> list[Recording]:
    """The takes that the bundle never learnt from, treated as its training treated them.

    The manifest lists the recordings that each source kept aside, those of the bundle that
    training started from too. Where some of a source's are among the takes, these are taken for
    that source: only those kept aside are returned, their curves calibrated as in training (resting
    shape and gain). Otherwise all takes are unseen.
    """
    kept: list[Recording] = []
    training = bundle.manifest["training"]
    sources = list(training.get("sources", []))
    while "starts_from" in training:
        training = training["starts_from"]["training"]
        sources += training.get("sources", [])
    for source in sources:
        aside = set(source.get("held_out", [])) - {take.id for take in kept}
        mine = [take for take in takes if take.id in aside]
        if mine:
            corpus = corpora.Corpus([take for take in takes if take.id not in aside], mine, [])
            rest = source.get("rest_taken_out", {"percentile": 0.0, "curves": []})
            kept += corpora.calibrate(
                corpus,
                rest_percentile=rest["percentile"],
                rest_curves=rest["curves"],
                gain=source.get("gain", {}),
            ).held_out
    return kept or list(takes)


@dataclass(frozen=True)
class Measured:
    """What one source's takes gave."""

    #: "own" (identity pinned to the speaker; only where the library has one), "auto", "library".
    report: dict[str, dict[str, Any]]
    takes: list[Recording]
    pairs: Pairs  # of "own" where there is one, else of "auto"


def clips_to_play(judged: Bundle | Reference, takes: Sequence[Recording]) -> int:
    """How many clips `measure` will report in all."""
    parts = 2 if any(take.speaker in judged.identities for take in takes) else 1
    spread = len(SEEDS) * min(len(takes), SPREAD_CLIPS)
    return parts * len(takes) + spread + len(not_speech()) + 1 + min(len(takes), CLOSING_CLIPS)


def measure(
    judged: Bundle | Reference,
    takes: Sequence[Recording],
    engine: Engine,
    *,
    seed: int = 0,
    head: Head | None = None,
    core: bool = True,
    on_clips: OnClips = lambda count: None,
) -> Measured:
    """Every metric over takes of one source: identity pinned to the speaker, and automatic.

    `core` also measures what only the C++ core can tell of a bundle: time a frame, and how fast the
    automatic identity decides. Raises ValueError for a take too short to have a frame.
    """
    short = [take.id for take in takes if take.duration_s < 0.1]
    if short:
        raise ValueError(f"takes shorter than 0.1 s cannot be scored: {', '.join(short[:5])}")
    rate = judged.frame_rate
    report: dict[str, dict[str, Any]] = {}
    scored: list[Pairs] = []
    known = any(take.speaker in judged.identities for take in takes)
    for part in ("own", "auto") if known else ("auto",):
        predicted = play(engine, takes, seed, part, on_clips)
        pairs = at_true_instants(takes, predicted, rate)
        report[part] = scores(takes, pairs, predicted, rate, head)
        scored.append(pairs)
    first = next(iter(report))
    report[first] |= diversity(engine, takes[:SPREAD_CLIPS], first, on_clips)
    report["library"] = identity_matching(judged, takes) | at_rest(engine, takes, rate, on_clips)
    if core and isinstance(judged, Bundle):
        report["library"] |= identity_decisions(judged, takes) | inference_time(judged, takes)
    return Measured(report, list(takes), scored[0])
