"""Metrics of predicted curves against true or rule-made ones.

Every function takes plain arrays (frames, 52) in ARKit order, so it can be run on any CSV too. Its
docstring is the metric's definition: reports print it (`DEFINITIONS` says which keys it covers).
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...curves import CURVES, LIPS, LIPS_REFERENCE, UPPER_FACE, UPPER_FACE_REFERENCE, indices
from ..corpora import Phone
from ..mesh import Head
from . import lips

Curves = NDArray[np.float32]

LIP_INDEX = indices(LIPS)
LIP_REFERENCE_INDEX = indices(LIPS_REFERENCE)
UPPER_INDEX = indices(UPPER_FACE)
UPPER_REFERENCE_INDEX = indices(UPPER_FACE_REFERENCE)
JAW_OPEN = CURVES.index("jawOpen")
FOLLOWED = ("jawOpen", "mouthPucker", "mouthClose", "eyeBlinkLeft")

#: Aperture over which a mouth counts as open, and under which it counts as shut again.
OPEN_APERTURE, SHUT_APERTURE = 0.10, 0.05


def blendshape_error(
    predicted: Sequence[Curves], true: Sequence[Curves], index: Sequence[int]
) -> float:
    """L2 norm of the error over a set of curves, mean over frames, then over clips.

    MBE: all 52 curves. LBE: all jaw and mouth curves; "reference 12" the 12 lip curves that the
    paper's reference evaluation counts. "ratio" is to the best constant face, the mean of the very
    frames that are scored.
    """
    chosen = list(index)
    return float(
        np.mean(
            [
                np.linalg.norm((p - t)[:, chosen], axis=1).mean()
                for p, t in zip(predicted, true, strict=True)
            ]
        )
    )


def upper_face_deviation(
    predicted: Sequence[Curves], true: Sequence[Curves], index: Sequence[int]
) -> tuple[float, float]:
    """FDD: u_f is the sum of the squares of the upper face's curves in frame f; the standard
    deviation of u over time, true minus predicted, mean over clips. Signed (positive: the
    prediction moves too little) and as the mean of absolute values.

    fdd: the reference's 16 curves (14 of the eyes, noseSneerLeft and noseSneerRight);
    fdd_with_brows: those and the 5 of the brows.
    """
    chosen = list(index)
    differences = [
        np.square(t[:, chosen]).sum(axis=1).std() - np.square(p[:, chosen]).sum(axis=1).std()
        for p, t in zip(predicted, true, strict=True)
    ]
    return float(np.mean(differences)), float(np.mean(np.abs(differences)))


def lip_vertex_error(predicted: Sequence[Curves], true: Sequence[Curves], head: Head) -> float:
    """LVE: the largest squared L2 error over the lip vertices of a head, mean over frames, then
    over clips; in the square of the head file's unit of length.

    The head is the user's (--head), its vertices move linearly with the curves. Lip vertices are
    those that the mouth curves move most: at least 70 % of the largest summed displacement.
    """
    lips = head.deltas[:, head.lip_vertices()].reshape(len(CURVES), -1)
    each = []
    for p, t in zip(predicted, true, strict=True):
        moved = ((p - t) @ lips).reshape(len(p), -1, 3)
        each.append(np.square(moved).sum(axis=2).max(axis=1).mean())
    return float(np.mean(each))


def correlation(a: NDArray[np.floating], b: NDArray[np.floating]) -> float:
    """Pearson r; NaN when either does not move."""
    if a.std() < 1e-6 or b.std() < 1e-6:
        return float("nan")
    return float(np.corrcoef(a, b)[0, 1])


def curve_correlation(
    predicted: Sequence[Curves], true: Sequence[Curves], curve: str
) -> tuple[float, float]:
    """Pearson r of one curve, predicted with true: mean over the clips in which both move, and
    over all frames together ("pooled")."""
    i = CURVES.index(curve)
    each = [correlation(p[:, i], t[:, i]) for p, t in zip(predicted, true, strict=True)]
    pooled = correlation(
        np.concatenate([p[:, i] for p in predicted]), np.concatenate([t[:, i] for t in true])
    )
    return float(np.nanmean(each)) if np.isfinite(each).any() else float("nan"), pooled


def curve_errors(predicted: Sequence[Curves], true: Sequence[Curves]) -> NDArray[np.float64]:
    """Mean absolute error of each curve over all frames (the plot of bars), (52,)."""
    frames = sum(len(t) for t in true)
    total = np.zeros(len(CURVES))
    for p, t in zip(predicted, true, strict=True):
        total += np.abs(p - t).sum(axis=0)
    return total / max(frames, 1)


def velocity_error(
    predicted: Sequence[Curves], true: Sequence[Curves], rate_hz: float, index: Sequence[int]
) -> float:
    """Mean absolute difference of the curves' velocities (change a frame times the frame rate),
    curve units a second, over the jaw and mouth curves; mean over clips."""
    chosen = list(index)
    return float(
        np.mean(
            [
                np.abs(np.diff((p - t)[:, chosen], axis=0)).mean() * rate_hz
                for p, t in zip(predicted, true, strict=True)
            ]
        )
    )


def jerk_ratio(predicted: Sequence[Curves], true: Sequence[Curves], index: Sequence[int]) -> float:
    """Mean absolute third difference of the predicted curves over that of the true ones, both at
    the instants of the truth; lips: jaw and mouth, upper: eyes, nose and brows."""

    def jerk(clips: Sequence[Curves]) -> float:
        return float(
            np.mean([np.abs(np.diff(c[:, list(index)], n=3, axis=0)).mean() for c in clips])
        )

    return jerk(predicted) / max(jerk(true), 1e-12)


def lag_frames(
    predicted: Sequence[Curves], true: Sequence[Curves], curve: str = "jawOpen", reach: int = 15
) -> float:
    """Lag in whole frames of the truth at which the cross-correlation of jawOpen, summed over
    clips, peaks; positive when the prediction is late. Searched over 15 frames either way; clips
    shorter than twice that do not count."""
    i = CURVES.index(curve)
    score = np.zeros(2 * reach + 1)
    for p, t in zip(predicted, true, strict=True):
        if len(p) <= 2 * reach + 2:
            continue
        a, b = p[:, i] - p[:, i].mean(), t[:, i] - t[:, i].mean()
        for k, lag in enumerate(range(-reach, reach + 1)):
            x = a[max(lag, 0) : len(a) + min(lag, 0)]
            y = b[max(-lag, 0) : len(b) + min(-lag, 0)]
            score[k] += float(x @ y) / (len(x) * max(a.std() * b.std(), 1e-9))
    return float(np.argmax(score) - reach) if score.any() else float("nan")


def aperture(curves: Curves) -> NDArray[np.float32]:
    """(frames,) how far the lips stand apart: jaw less closure, plus a quarter of each lip raiser
    and lowerer."""
    value = {name: curves[:, i] for i, name in enumerate(CURVES)}
    lips = (
        value["mouthLowerDownLeft"]
        + value["mouthLowerDownRight"]
        + value["mouthUpperUpLeft"]
        + value["mouthUpperUpRight"]
    )
    return np.asarray(value["jawOpen"] - value["mouthClose"] + 0.25 * lips, dtype=np.float32)


def closures(
    curves: Curves, phones: Sequence[Phone], rate_hz: float, share: float = 0.3
) -> tuple[int, int]:
    """Lip-closure recall: of all /p b m/ asked, the share within 60 ms of which the lips' aperture
    (jawOpen - mouthClose + a quarter of mouthLowerDown* and mouthUpperUp*) falls under 30 % of the
    way from the 2nd to the 98th percentile of the clip's aperture.

    Returns (closed, asked). Phones at the clip's edge next to silence count too.
    """
    opening = aperture(curves)
    low, high = np.percentile(opening, [2, 98])
    limit = low + share * (high - low)
    closed = asked = 0
    for phone in phones:
        if phone.symbol not in "pbm":
            continue
        first = max(int((phone.start_s - 0.06) * rate_hz), 0)
        last = int(np.ceil((phone.end_s + 0.06) * rate_hz)) + 1
        if first >= len(opening):
            continue
        asked += 1
        closed += bool(opening[first:last].min() <= limit)
    return closed, asked


def flapping(curves: Curves, rate_hz: float) -> tuple[float, float]:
    """What the mouth does on sound that is not speech: the share of frames with the aperture above
    0.10, and the openings a minute (the aperture rising above 0.10 after it was under 0.05). The
    first half second does not count.
    """
    opening = aperture(curves)[round(0.5 * rate_hz) :]
    if not len(opening):
        return float("nan"), float("nan")
    count, shut = 0, True
    for value in opening.tolist():
        if shut and value > OPEN_APERTURE:
            count, shut = count + 1, False
        elif value < SHUT_APERTURE:
            shut = True
    return float((opening > OPEN_APERTURE).mean()), 60.0 * rate_hz * count / len(opening)


def closing_ms(curves: Curves, rate_hz: float, silent_from_s: float) -> float:
    """Time from the instant at which digital silence begins, cut in at the loudest moment of a
    clip's second half, to the last frame with the aperture above 0.10; 0 if there is none. The
    median over clips, and the worst."""
    last = np.flatnonzero(aperture(curves) > OPEN_APERTURE)
    return max(0.0, 1000.0 * (last[-1] / rate_hz - silent_from_s)) if len(last) else 0.0


def seed_spread(runs: Sequence[Curves], index: Sequence[int], moving: NDArray[np.bool_]) -> float:
    """Diversity: mean absolute difference between the results of two seeds (three seeds, all
    pairs), over frames and over those of the chosen curves that move (standard deviation above
    0.005). lips: jaw and mouth; upper: eyes, nose and brows."""
    chosen = [i for i in index if moving[i]]
    if not chosen:
        return float("nan")
    pairs = [
        np.abs(runs[a][:, chosen] - runs[b][:, chosen]).mean()
        for a in range(len(runs))
        for b in range(a)
    ]
    return float(np.mean(pairs))


def seed_spread_of_range(
    runs: Sequence[Curves], index: Sequence[int], moving: NDArray[np.bool_]
) -> float:
    """A curve's spread between seeds over its own range (2nd to 98th percentile of all seeds'
    frames), mean over the curves that move."""
    together = np.concatenate(runs)
    shares = []
    for i in index:
        low, high = np.percentile(together[:, i], [2, 98])
        if moving[i] and high > low:
            shares.append(seed_spread(runs, [i], moving) / float(high - low))
    return float(np.mean(shares)) if shares else float("nan")


def matching(true: Sequence[int], guess: Sequence[int]) -> dict[str, float]:
    """Identity matching over whole recordings: the library row whose cosine with the recording's
    pooled voiced audio is largest, against the recording's speaker. accuracy: share right;
    precision, recall and F1: macro means over the speakers that occur (a speaker who is never
    guessed has precision 0)."""
    t, g = np.asarray(true), np.asarray(guess)
    precision, recall, f1 = [], [], []
    for speaker in np.unique(t):
        hit = float(((g == speaker) & (t == speaker)).sum())
        guessed, there = int((g == speaker).sum()), int((t == speaker).sum())
        precision.append(hit / guessed if guessed else 0.0)
        recall.append(hit / there)
        f1.append(2 * hit / (guessed + there))
    return {
        "identity_accuracy": float((g == t).mean()),
        "identity_precision": float(np.mean(precision)),
        "identity_recall": float(np.mean(recall)),
        "identity_f1": float(np.mean(f1)),
        "identity_speakers": len(precision),
    }


def decided_after_s(right: Sequence[bool], voiced_s: Sequence[float]) -> float:
    """Seconds of speech (sound above the noise gate) heard from the start of a stream until the
    runtime's automatic identity is the speaker's own and stays so; NaN if it never does. Over one
    stream of up to 8 s a speaker, held-out recordings end to end; the default identity, right from
    the first sample on, does not count. The median, the worst, and the share of speakers decided.
    """
    if not len(right) or not right[-1]:
        return float("nan")
    wrong = np.flatnonzero(~np.asarray(right))
    return float(voiced_s[wrong[-1] + 1]) if len(wrong) else float(voiced_s[0])


def time_per_frame(total_s: float, sampler_s: float, frames: int) -> dict[str, float]:
    """ITF: seconds of computing a frame of the C++ core on one thread, features, audio encoder and
    sampler together, the best of three runs; the sampler's share apart. 1e-4 s is the paper's
    unit; its figures are of another machine."""
    return {"itf_s": total_s / frames, "itf_sampler_s": sampler_s / frames}


#: What a report prints beside its numbers: (the keys that begin so, the function that defines).
DEFINITIONS: tuple[tuple[str, Callable[..., Any]], ...] = (
    ("mbe, lbe, lbe_reference_12", blendshape_error),
    ("fdd, fdd_with_brows", upper_face_deviation),
    ("lve", lip_vertex_error),
    ("r_*", curve_correlation),
    ("curves_*.png", curve_errors),
    ("r_gap, r_width, r_upper_raise, r_lower_drop, r_protrusion, r_jawOpen", lips.axes_correlation),
    ("gap_lag_ms", lips.gap_lag_ms),
    ("range_*", lips.ranges),
    ("lbe_over_still, lbe_centred_over_still", lips.lip_error),
    ("curves_moving_true, curves_moving", lips.moving),
    ("*blink*", lips.blinking),
    ("velocity_error_lips", velocity_error),
    ("jerk_ratio_*", jerk_ratio),
    ("lag_*", lag_frames),
    ("closure_recall", closures),
    ("seed_spread_*", seed_spread),
    ("seed_spread_*_of_range", seed_spread_of_range),
    ("identity_*", matching),
    ("decided_*", decided_after_s),
    ("*_open_share, *_flaps_a_minute", flapping),
    ("closing_ms_*", closing_ms),
    ("itf_*", time_per_frame),
)


def definition(function: Callable[..., Any]) -> str:
    """A metric's definition on one line: its docstring."""
    return " ".join((inspect.getdoc(function) or "").split())
