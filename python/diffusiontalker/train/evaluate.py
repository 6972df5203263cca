"""Evaluation of a bundle on takes: the shipped runtime, or the torch reference beside it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import torch

from .. import _core
from ..bundle import Bundle
from ..curves import CURVES
from . import diffusion, metrics
from .corpora import SAMPLE_RATE_HZ, Recording
from .export import load_talker
from .identity import matched, pool
from .metrics import Curves
from .model import Talker, columns_for
from .performer import perform, style_of
from .streams import voiced_columns, voiced_frames

#: (takes, seed, identity) -> curves at the bundle's rate, one array a take. The identity is a name
#: of the library, "own" (the take's speaker where the library has it) or "auto".
Engine = Callable[[Sequence[Recording], int, str], list[Curves]]


def frame_count(samples: int, rate: Fraction) -> int:
    """ceil(duration x rate), as the runtime counts."""
    return -(-samples * rate.numerator // (SAMPLE_RATE_HZ * rate.denominator))


def torch_engine(bundle: Bundle, sample_steps: int | None = None) -> Engine:
    """The reference: whole clips, limits 0..1, no silence gate; "auto" is the pooled match.

    With `sample_steps` the talker is sampled in another number of DDIM steps than it ships with.
    """
    talker = load_talker(bundle)
    manifest = bundle.manifest["diffusion"]
    steps = sample_steps or int(manifest["sample_steps"])
    train_steps = int(manifest["train_steps"])
    abar = diffusion.alpha_bars(train_steps, steps)
    library = talker.identity()
    noise_scale = torch.from_numpy(bundle.noise_scale())

    def engine(takes: Sequence[Recording], seed: int, identity: str) -> list[Curves]:
        results: list[Curves] = [np.zeros((0, len(CURVES)), np.float32)] * len(takes)
        order = sorted(range(len(takes)), key=lambda i: len(takes[i].audio))
        for start in range(0, len(order), 32):
            chosen = order[start : start + 32]
            features, voiced, counts = batch_features(talker, [takes[i] for i in chosen])
            pooled = pool(features, voiced) - talker.identity.pooled_mean
            rows = matched(pooled, library)
            for k, i in enumerate(chosen):
                name = takes[i].speaker if identity == "own" else identity
                if name in bundle.identities:
                    rows[k] = bundle.identities.index(name)
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
    talker: Talker, takes: Sequence[Recording]
) -> tuple[torch.Tensor, torch.Tensor, list[int]]:
    """Features (B, F, A), voiced (B, F) and frame counts of clips padded with silence."""
    counts = [frame_count(len(take.audio), talker.rate) for take in takes]
    frames = max(counts)
    columns = columns_for(frames, talker.rate, talker.lookahead_columns)
    mel = np.zeros((len(takes), columns, 80), np.float32)
    voiced = np.zeros((len(takes), frames), np.bool_)
    for i, take in enumerate(takes):
        padded = np.zeros((columns + 2) * 160, np.float32)
        padded[: len(take.audio)] = take.audio
        bands, level_db = _core.log_mel(padded, True)
        mel[i] = bands[:columns]
        speech = voiced_columns(level_db[:columns])
        voiced[i] = voiced_frames(speech, frames, talker.rate, talker.lookahead_columns)
        voiced[i, counts[i] :] = False
    with torch.no_grad():
        features = talker.features(torch.from_numpy(mel), frames)
    return features, torch.from_numpy(voiced), counts


def runtime_engine(bundle: Bundle) -> Engine:
    """The shipped path: C++ runtime with gate, post-processing and its own identity matching."""
    from ..runtime import Runtime

    def engine(takes: Sequence[Recording], seed: int, identity: str) -> list[Curves]:
        results: list[Curves] = []
        runtimes: dict[str, Runtime] = {}
        for take in takes:
            name = take.speaker if identity == "own" else identity
            known = name if name in bundle.identities else "auto"
            if known not in runtimes:
                runtimes[known] = Runtime(bundle.path, seed=seed, identity=known)
            runtime = runtimes[known]
            runtime.reset()
            results.append(np.concatenate([runtime.step(take.audio), runtime.flush()]))
        return results

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
        inside = take.times_s <= (len(curves) - 1) / float(rate)
        position = take.times_s[inside] * float(rate)
        low = np.minimum(position.astype(int), len(curves) - 2)
        share = (position - low)[:, None].astype(np.float32)
        pairs_predicted.append(curves[low] * (1 - share) + curves[low + 1] * share)
        pairs_true.append(take.curves[inside])
    return Pairs(pairs_predicted, pairs_true, rate_hz)


def scores(takes: Sequence[Recording], predicted: list[Curves], rate: Fraction) -> dict[str, Any]:
    """All metrics of one set of predictions, beside those of the best constant face."""
    pairs = at_true_instants(takes, predicted, rate)
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
    for curve in metrics.FOLLOWED:
        clip, pooled = metrics.curve_correlation(p, t, curve)
        result[f"r_{curve}_clip"], result[f"r_{curve}_pooled"] = clip, pooled
    result["velocity_error_lips"] = metrics.velocity_error(p, t, pairs.rate_hz, metrics.LIP_INDEX)
    result["jerk_ratio_lips"] = metrics.jerk_ratio(p, t, metrics.LIP_INDEX)
    result["jerk_ratio_upper"] = metrics.jerk_ratio(p, t, metrics.UPPER_INDEX)
    lag = metrics.lag_frames(p, t)
    result["lag_jawOpen_ms"] = 1000.0 * lag / pairs.rate_hz
    jaw = metrics.JAW_OPEN
    result["jawOpen_std_ratio"] = float(
        np.concatenate(p)[:, jaw].std() / max(np.concatenate(t)[:, jaw].std(), 1e-9)
    )
    timed = [(c, take.phones) for c, take in zip(predicted, takes, strict=True) if take.phones]
    if timed:
        counted = [metrics.closures(c, phones, float(rate)) for c, phones in timed]
        asked = sum(n for _, n in counted)
        result["closures_asked"] = asked
        result["closure_recall"] = sum(n for n, _ in counted) / max(asked, 1)
    return result


def diversity(engine: Engine, takes: Sequence[Recording], identity: str) -> dict[str, float]:
    """Mean absolute difference over three seeds: lips, everything else, and shares of range."""
    runs = [np.concatenate(engine(takes, seed, identity)) for seed in (1, 2, 3)]
    moving = runs[0].std(axis=0) > 0.005
    others = [i for i in range(len(CURVES)) if i not in metrics.LIP_INDEX]
    jaw = runs[0][:, metrics.JAW_OPEN]
    jaw_spread = metrics.seed_spread(runs, [metrics.JAW_OPEN], moving)
    return {
        "seed_spread_lips": metrics.seed_spread(runs, metrics.LIP_INDEX, moving),
        "seed_spread_upper": metrics.seed_spread(runs, others, moving),
        "seed_spread_jawOpen_of_range": jaw_spread / float(np.percentile(jaw, 98) + 1e-9),
    }


def identity_accuracy(bundle: Bundle, takes: Sequence[Recording]) -> dict[str, float]:
    """Share of takes whose pooled audio matches their own speaker best, and macro F1."""
    talker = load_talker(bundle)
    library = talker.identity()
    known = [take for take in takes if take.speaker in bundle.identities]
    if not known:
        return {}
    guesses: list[int] = []
    for start in range(0, len(known), 32):
        features, voiced, _ = batch_features(talker, known[start : start + 32])
        guesses += matched(pool(features, voiced) - talker.identity.pooled_mean, library).tolist()
    truth = np.array([bundle.identities.index(take.speaker) for take in known])
    guess = np.array(guesses)
    f1 = []
    for speaker in np.unique(truth):
        hit = float(((guess == speaker) & (truth == speaker)).sum())
        f1.append(2 * hit / ((guess == speaker).sum() + (truth == speaker).sum()))
    return {"identity_accuracy": float((guess == truth).mean()), "identity_f1": float(np.mean(f1))}


def silence(engine: Engine) -> dict[str, float]:
    """How far the jaw opens on 5 s of nothing and of faint noise (-60 dBFS)."""
    noise = np.random.default_rng(0).standard_normal(5 * SAMPLE_RATE_HZ).astype(np.float32)
    empty = Recording("silence", "", "", np.zeros(5 * SAMPLE_RATE_HZ, np.float32))
    faint = Recording("noise", "", "", noise * np.float32(1e-3))
    quiet, hiss = engine([empty, faint], 0, "auto")
    return {
        "silence_jawOpen_max": float(quiet[30:, metrics.JAW_OPEN].max()),
        "faint_noise_jawOpen_max": float(hiss[30:, metrics.JAW_OPEN].max()),
    }


def evaluate(
    bundle: Bundle, takes: Sequence[Recording], engine: Engine, *, seed: int = 0
) -> dict[str, Any]:
    """Every metric over takes of one source: identity pinned to the speaker, and automatic."""
    result = {"own": scores(takes, engine(takes, seed, "own"), bundle.frame_rate)}
    result["auto"] = scores(takes, engine(takes, seed, "auto"), bundle.frame_rate)
    result["own"] |= diversity(engine, takes[:16], "own")
    result["library"] = identity_accuracy(bundle, takes) | silence(engine)
    return result
