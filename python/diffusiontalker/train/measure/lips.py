"""What a viewer sees of the lips: gap, width, raise, drop and protrusion, and whether they come in
time.

Curves are turned into the movements of a head's lips (lip_axes.py), whichever curves share the
work. Plain numpy on arrays (frames, 52) in ARKit order. A clip is judged by itself (people and
clips sit at different levels), a speaker by the mean over his clips, a set by the mean over its
speakers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...curves import CURVES, LIPS, indices
from .. import lip_axes

Curves = NDArray[np.float32]

LIP_INDEX = indices(LIPS)
#: Curves whose range is compared; of a pair both sides, and the mean of their two ratios.
RANGED = {
    "pucker": ("mouthPucker",),
    "jawOpen": ("jawOpen",),
    "upperUp": ("mouthUpperUpLeft", "mouthUpperUpRight"),
    "lowerDown": ("mouthLowerDownLeft", "mouthLowerDownRight"),
    "stretch": ("mouthStretchLeft", "mouthStretchRight"),
}
MOVES = 0.02  # spread from which a curve counts as moving
LAG_REACH_S = 0.1
SHUT, DEEP, AJAR = 0.4, 0.7, 0.25  # of a blink: where it counts, where it is deep, where it ends


@dataclass(frozen=True)
class Clip:
    """One clip's prediction at the model's rate and its truth at the truth's own times."""

    speaker: str
    predicted: Curves  # (frames, 52), frame f at f / rate_hz seconds
    rate_hz: float
    true: Curves  # (pictures, 52)
    times_s: NDArray[np.float64]  # (pictures,)

    def read(self, late_s: float = 0.0) -> tuple[Curves, Curves]:
        """Prediction and truth at the truth's times, the prediction read `late_s` later.

        Linear between the model's frames; pictures outside of the prediction are left out of both.
        """
        position = (self.times_s + late_s) * self.rate_hz
        inside = (position >= -1e-6) & (position <= len(self.predicted) - 1 + 1e-6)
        position = np.clip(position[inside], 0.0, len(self.predicted) - 1)
        low = np.minimum(position.astype(int), max(len(self.predicted) - 2, 0))
        share = (position - low)[:, None].astype(np.float32)
        high = np.minimum(low + 1, len(self.predicted) - 1)
        read = self.predicted[low] * (1 - share) + self.predicted[high] * share
        return read.astype(np.float32), self.true[inside]


def correlation(a: NDArray[np.floating], b: NDArray[np.floating]) -> float:
    """Pearson r; NaN when either does not move."""
    if len(a) < 2 or a.std() < 1e-6 or b.std() < 1e-6:
        return float("nan")
    return float(np.corrcoef(a, b)[0, 1])


def by_speaker(clips: Sequence[Clip], values: Sequence[float]) -> float:
    """Mean over each speaker's clips, then over speakers; NaN values are left out."""
    means = []
    for speaker in sorted({clip.speaker for clip in clips}):
        own = [v for c, v in zip(clips, values, strict=True) if c.speaker == speaker]
        own = [v for v in own if np.isfinite(v)]
        if own:
            means.append(float(np.mean(own)))
    return float(np.mean(means)) if means else float("nan")


def axes_correlation(clips: Sequence[Clip]) -> dict[str, float]:
    """Pearson r a clip, predicted with true, of the lips' gap, width, upper lip's raise, lower
    lip's drop and protrusion on the reference head (lip_axes.py), at the truth's own times (picture
    i of f a second is dated i / f) and of jawOpen itself; mean over a speaker's clips, then over
    speakers."""
    matrix = lip_axes.matrix()
    found: dict[str, list[float]] = {name: [] for name in (*lip_axes.AXES, "jawOpen")}
    jaw = CURVES.index("jawOpen")
    for clip in clips:
        p, t = clip.read()
        a, b = p @ matrix, t @ matrix
        for i, name in enumerate(lip_axes.AXES):
            found[name].append(correlation(a[:, i], b[:, i]))
        found["jawOpen"].append(correlation(p[:, jaw], t[:, jaw]))
    return {f"r_{name}": by_speaker(clips, values) for name, values in found.items()}


def gap_lag_ms(clips: Sequence[Clip]) -> float:
    """Milliseconds by which the prediction's lip gap is late against the truth's own times: the
    shift at which the gap's r (a clip, mean over a speaker's clips, then over speakers) is largest,
    searched 100 ms either way in tenths of the truth's frame. Positive: late."""
    matrix = lip_axes.matrix()[:, 0]
    step_s = 0.1 * float(np.median([np.median(np.diff(clip.times_s)) for clip in clips]))
    reach = round(LAG_REACH_S / step_s)
    best, late_s = -np.inf, 0.0
    for k in sorted(range(-reach, reach + 1), key=abs):  # of equals the nearest to none
        r = []
        for clip in clips:
            p, t = clip.read(k * step_s)
            r.append(correlation(p @ matrix, t @ matrix))
        mean = by_speaker(clips, r)
        if mean > best + 1e-9:
            best, late_s = mean, k * step_s
    return 1000.0 * late_s


def _frames_of(clips: Sequence[Clip], speaker: str) -> tuple[Curves, Curves]:
    pairs = [clip.read() for clip in clips if clip.speaker == speaker]
    return np.concatenate([p for p, _ in pairs]), np.concatenate([t for _, t in pairs])


def ranges(clips: Sequence[Clip]) -> dict[str, float]:
    """Spread (standard deviation over all of a speaker's frames) of the prediction over that of the
    truth, mean over speakers; left and right are averaged. Of mouthPucker, jawOpen, mouthUpperUp*,
    mouthLowerDown*, mouthStretch*, and of the gap and the width."""
    matrix = lip_axes.matrix()
    found: dict[str, list[float]] = {}
    for speaker in sorted({clip.speaker for clip in clips}):
        p, t = _frames_of(clips, speaker)
        for name, curves in RANGED.items():
            index = indices(curves)
            ratio = p[:, index].std(axis=0) / np.maximum(t[:, index].std(axis=0), 1e-9)
            found.setdefault(name, []).append(float(ratio.mean()))
        for i, name in ((0, "gap"), (1, "width")):
            ratio = (p @ matrix[:, i]).std() / max(float((t @ matrix[:, i]).std()), 1e-9)
            found.setdefault(name, []).append(float(ratio))
    return {f"range_{name}": float(np.mean(values)) for name, values in found.items()}


def lip_error(clips: Sequence[Clip]) -> tuple[float, float]:
    """LBE (L2 norm of the error over jaw and mouth curves, mean over frames, then clips, then
    speakers) over that of a still face: of the speaker's mean face, and centred, where each clip's
    own mean is taken out of prediction and truth (a stranger's neutral face cannot be heard) and
    the still face is that mean."""
    plain, centred = [], []
    for speaker in sorted({clip.speaker for clip in clips}):
        own = [clip for clip in clips if clip.speaker == speaker]
        still = _frames_of(own, speaker)[1][:, LIP_INDEX].mean(axis=0)
        error, flat, error_centred, flat_centred = [], [], [], []
        for clip in own:
            p, t = (curves[:, LIP_INDEX] for curves in clip.read())
            error.append(np.linalg.norm(p - t, axis=1).mean())
            flat.append(np.linalg.norm(t - still, axis=1).mean())
            p, t = p - p.mean(axis=0), t - t.mean(axis=0)
            error_centred.append(np.linalg.norm(p - t, axis=1).mean())
            flat_centred.append(np.linalg.norm(t, axis=1).mean())
        plain.append(float(np.mean(error) / max(np.mean(flat), 1e-9)))
        centred.append(float(np.mean(error_centred) / max(np.mean(flat_centred), 1e-9)))
    return float(np.mean(plain)), float(np.mean(centred))


def moving(clips: Sequence[Clip]) -> tuple[int, int]:
    """How many curves move (standard deviation over all frames above 0.02) in the truth, and how
    many of these move in the prediction."""
    pairs = [clip.read() for clip in clips]
    true = np.concatenate([t for _, t in pairs]).std(axis=0) > MOVES
    predicted = np.concatenate([p for p, _ in pairs]).std(axis=0) > MOVES
    return int(true.sum()), int((true & predicted).sum())


def blinks(curves: Curves, rate_hz: float) -> list[float]:
    """Depth of each blink: the largest mean of both eyeBlink curves while it is above 0.4, until it
    is under 0.25 again."""
    eyes = curves[:, indices(("eyeBlinkLeft", "eyeBlinkRight"))].mean(axis=1)
    depths: list[float] = []
    inside = False
    for value in eyes.tolist():
        if value > SHUT:
            if inside:
                depths[-1] = max(depths[-1], value)
            else:
                depths.append(value)
            inside = True
        elif value < AJAR:
            inside = False
    return depths


def blinking(runs: Sequence[Curves], rate_hz: float) -> dict[str, float]:
    """Blinks a minute (both eyes' mean above 0.4, until under 0.25), those of them that shut the
    eyes (above 0.7), and their median depth."""
    minutes = sum(len(curves) for curves in runs) / rate_hz / 60.0
    depths = [depth for curves in runs for depth in blinks(curves, rate_hz)]
    return {
        "blinks_a_minute": len(depths) / max(minutes, 1e-9),
        "blinks_shut_a_minute": sum(depth > DEEP for depth in depths) / max(minutes, 1e-9),
        "blink_depth": float(np.median(depths)) if depths else float("nan"),
    }


def viewed(clips: Sequence[Clip]) -> dict[str, float]:
    """All of the above that compares with a truth, of clips of one kind; empty without clips."""
    if not clips:
        return {}
    error, centred = lip_error(clips)
    true, both = moving(clips)
    return {
        **axes_correlation(clips),
        "gap_lag_ms": gap_lag_ms(clips),
        **ranges(clips),
        "lbe_over_still": error,
        "lbe_centred_over_still": centred,
        "curves_moving_true": true,
        "curves_moving": both,
    }
