"""Metrics of predicted curves against true or rule-made ones (definitions: docs/training.md).

Every function takes plain arrays (frames, 52) in ARKit order, so it can be run on any CSV too.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ..curves import CURVES, LIPS, LIPS_REFERENCE, UPPER_FACE, UPPER_FACE_REFERENCE, indices
from .corpora import Phone

Curves = NDArray[np.float32]

LIP_INDEX = indices(LIPS)
LIP_REFERENCE_INDEX = indices(LIPS_REFERENCE)
UPPER_INDEX = indices(UPPER_FACE)
UPPER_REFERENCE_INDEX = indices(UPPER_FACE_REFERENCE)
JAW_OPEN = CURVES.index("jawOpen")
FOLLOWED = ("jawOpen", "mouthPucker", "mouthClose", "eyeBlinkLeft")


def blendshape_error(
    predicted: Sequence[Curves], true: Sequence[Curves], index: Sequence[int]
) -> float:
    """MBE or LBE: L2 norm over the chosen curves, mean over frames, then over clips."""
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
    """FDD, signed and absolute: std over time of the upper face's energy, true minus predicted."""
    chosen = list(index)
    differences = [
        np.square(t[:, chosen]).sum(axis=1).std() - np.square(p[:, chosen]).sum(axis=1).std()
        for p, t in zip(predicted, true, strict=True)
    ]
    return float(np.mean(differences)), float(np.mean(np.abs(differences)))


def correlation(a: NDArray[np.floating], b: NDArray[np.floating]) -> float:
    """Pearson r; NaN when either does not move."""
    if a.std() < 1e-6 or b.std() < 1e-6:
        return float("nan")
    return float(np.corrcoef(a, b)[0, 1])


def curve_correlation(
    predicted: Sequence[Curves], true: Sequence[Curves], curve: str
) -> tuple[float, float]:
    """(mean of r over clips, r over all frames together)."""
    i = CURVES.index(curve)
    each = [correlation(p[:, i], t[:, i]) for p, t in zip(predicted, true, strict=True)]
    pooled = correlation(
        np.concatenate([p[:, i] for p in predicted]), np.concatenate([t[:, i] for t in true])
    )
    return float(np.nanmean(each)) if np.isfinite(each).any() else float("nan"), pooled


def velocity_error(
    predicted: Sequence[Curves], true: Sequence[Curves], rate_hz: float, index: Sequence[int]
) -> float:
    """Mean absolute difference of curve velocities, curve units a second."""
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
    """Mean absolute third difference of the predicted curves over that of the true ones."""

    def jerk(clips: Sequence[Curves]) -> float:
        return float(
            np.mean([np.abs(np.diff(c[:, list(index)], n=3, axis=0)).mean() for c in clips])
        )

    return jerk(predicted) / max(jerk(true), 1e-12)


def lag_frames(
    predicted: Sequence[Curves], true: Sequence[Curves], curve: str = "jawOpen", reach: int = 15
) -> int:
    """Lag at which the summed cross-correlation peaks; positive: the prediction is late."""
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
    return int(np.argmax(score)) - reach


def aperture(curves: Curves) -> NDArray[np.float32]:
    """(frames,) how far the lips stand apart: jaw less closure, plus half of the lip raisers."""
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
    """(closed, asked): /p b m/ whose aperture falls under a share of the clip's range.

    The range is that from the 2nd to the 98th percentile of the clip's aperture; the least
    aperture within 60 ms of the phone counts. Phones at the clip's edge next to silence count too.
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


def seed_spread(runs: Sequence[Curves], index: Sequence[int], moving: NDArray[np.bool_]) -> float:
    """Mean absolute difference between two seeds over the chosen curves that move at all."""
    chosen = [i for i in index if moving[i]]
    if not chosen:
        return float("nan")
    pairs = [
        np.abs(runs[a][:, chosen] - runs[b][:, chosen]).mean()
        for a in range(len(runs))
        for b in range(a)
    ]
    return float(np.mean(pairs))
