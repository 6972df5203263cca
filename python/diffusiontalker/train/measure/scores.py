"""The numbers of a measurement: predictions beside the truth, seeds, identities, time."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from ... import _core, clock
from ...bundle import Bundle
from ...curves import CURVES
from ..corpora import SAMPLE_RATE_HZ, Recording
from ..data.performer import perform, style_of
from ..data.voice import voiced_columns
from ..mesh import Head
from ..networks.identity import matched, pool
from . import lips, metrics
from .metrics import Curves
from .players import OnClips, Player, Reference, batch_features, play, reference_of

SEEDS = (1, 2, 3)  # of the diversity
SPREAD_CLIPS = 16  # clips that the diversity is measured on
STREAM_S = 8.0  # longest stream on which the automatic identity has to decide


def rule_made(take: Recording, rate: Fraction) -> Curves:
    """The performance that training would give a phone-timed take (blinks drawn from its id)."""
    seed = int.from_bytes(hashlib.sha256(take.id.encode()).digest()[:4], "little")
    return perform(
        take.phones,
        clock.total_frames(len(take.audio), rate),
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


def _as_seen(curves: Curves, take: Recording) -> Curves:
    """With the curves that the take does not have at 0, in truth and prediction alike: an error in
    what nobody measured is none."""
    return np.where(take.seen, curves, np.float32(0.0))


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
        read = curves[low] * (1 - share) + curves[low + 1] * share
        pairs_predicted.append(_as_seen(read, take))
        pairs_true.append(_as_seen(take.curves[inside], take))
    return Pairs(pairs_predicted, pairs_true, rate_hz)


def clips_of(
    takes: Sequence[Recording], predicted: Sequence[Curves], rate: Fraction
) -> list[lips.Clip]:
    """Predictions (at the model's `rate`) beside measured truth; takes made by rule are left
    out."""
    return [
        lips.Clip(
            take.speaker,
            _as_seen(curves, take),
            float(rate),
            _as_seen(take.curves, take),
            take.times_s,
        )
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
    player: Player, takes: Sequence[Recording], identity: str, on_clips: OnClips
) -> dict[str, float]:
    """How far the results of three seeds lie apart (metrics.seed_spread), lips and upper face."""
    runs = [np.concatenate(play(player, takes, seed, identity, on_clips)) for seed in SEEDS]
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
    library = talker.identity.matching()
    known = [take for take in takes if take.speaker in reference.identities]
    if not known:
        return {}
    guesses: list[int] = []
    for start in range(0, len(known), 32):
        together = known[start : start + 32]
        features, voiced, _ = batch_features(talker, together, reference.hear, reference.gate)
        guesses += matched(pool(features, voiced) - talker.identity.pooled_mean, library).tolist()
    own = [reference.identities.index(take.speaker) for take in known]
    return metrics.matching(own, guesses)


def identity_decisions(
    bundle: Bundle, takes: Sequence[Recording], precision: str = "int8"
) -> dict[str, float]:
    """How much speech the runtime's automatic identity needs (metrics.decided_after_s)."""
    from ...runtime import Runtime

    default = bundle.identities[bundle.default_identity]
    speakers = {take.speaker for take in takes} & set(bundle.identities) - {default}

    def decide(speaker: str) -> float:
        audio = np.concatenate([take.audio for take in takes if take.speaker == speaker])
        audio = audio[: int(STREAM_S * SAMPLE_RATE_HZ)]
        level_db = _core.log_mel(audio, True)[1]
        heard = np.cumsum(voiced_columns(level_db, bundle.core_config().gate)) / 100.0
        runtime = Runtime(bundle, precision=precision)
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


def inference_time(
    bundle: Bundle, takes: Sequence[Recording], precision: str = "int8"
) -> dict[str, float]:
    """Seconds a frame of the C++ core on one thread (metrics.time_per_frame), over 5 s of sound."""
    config = bundle.core_config()
    config.precision = precision
    model = _core.Model(config, bundle.core_tensors(), bundle.identity_features())
    audio = np.concatenate([take.audio for take in takes])[: 5 * SAMPLE_RATE_HZ]
    frames = clock.total_frames(len(audio), bundle.frame_rate)
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
