"""The rule-made performance: timed phones in, 52 ARKit curves out.

It supplies curves for speech whose face nobody has measured. Phones become targets of a few
articulators (jaw, rounding, funnel, spread, lower and upper lip), blended by overlapping dominance
functions after Cohen & Massaro 1993 ("Modeling coarticulation in synthetic visual speech"); the
mouth's curves are read off them as they go together in measured faces (mouth_reading.py). Lip
closure and the labiodental tuck are laid over that, because a blend would leave them half open.
Brows, blinks and gaze are drawn at random, and a style that follows from the speaker's name alone
makes two voices move differently.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from ...curves import CURVES
from ..corpora import Phone
from ..lip_axes import TABLE
from .mouth_reading import PARTS, READING

FloatArray = NDArray[np.float64]

# ------------------------------------------------------------------------------------ articulation

ARTICULATORS = ("jaw", "pucker", "funnel", "spread", "lower", "upper")


@dataclass(frozen=True)
class Reach:
    """When an articulator serves its phone; docs/training.md says what was fitted to real faces."""

    before_s: float  # one Gaussian sigma of the approach
    after_s: float  # and of the release
    edge: float = 0.25  # share of the phone at either end that already gives way to neighbours
    delay_s: float = 0.0  # how much later than the sound


REACH: dict[str, Reach] = {
    "jaw": Reach(0.132, 0.031, edge=0.44, delay_s=0.015),
    "pucker": Reach(0.040, 0.056, edge=0.09, delay_s=-0.012),
    "funnel": Reach(0.093, 0.036, edge=0.42, delay_s=0.005),
    "spread": Reach(0.079, 0.143, edge=0.21, delay_s=0.008),
    "lower": Reach(0.049, 0.041, edge=0.38, delay_s=-0.002),
    "upper": Reach(0.042, 0.050, edge=0.24, delay_s=-0.008),
}

# A long silence holds all the more of itself: with edges of half a second the mouth would hang open
# into it until the last phone's reach ends, and snap shut.
LONGEST_EDGE_S = 0.3

# (target, dominance) an articulator, in the order of ARTICULATORS. What a target of 1 does to the
# curves is said by mouth_reading.py; dominance 0 leaves the articulator to the neighbours.
Targets = tuple[
    tuple[float, float],
    tuple[float, float],
    tuple[float, float],
    tuple[float, float],
    tuple[float, float],
    tuple[float, float],
]


_NOTHING: Targets = ((0.0, 0.0),) * 6

# Fitted to the solved faces of one speaker (studies/fit_performer.py) on the phones of 51 words;
# what he never says has the values that were set by hand before.
PHONES: dict[str, Targets] = {
    # (target, dominance) of  jaw, pucker, funnel, spread, lower, upper
    "_": ((0.01, 0.07), (0.15, 0.16), (0.02, 0.16), (0.33, 0.05), (0.02, 0.90), (0.09, 1.47)),
    "ɑ": ((0.79, 1.19), (0.06, 0.46), (0.21, 0.79), (0.15, 0.81), (0.59, 0.78), (0.43, 0.95)),
    "æ": ((0.44, 1.18), (0.20, 0.20), (0.22, 0.42), (0.49, 0.49), (0.57, 0.51), (0.64, 0.48)),
    "a": ((0.87, 0.59), (0.04, 0.16), (0.09, 0.40), (0.30, 0.43), (0.99, 0.67), (0.72, 0.62)),
    "ɐ": ((0.67, 1.40), (0.00, 0.24), (0.00, 0.60), (0.20, 0.80), (0.45, 0.70), (0.25, 0.70)),
    "ʌ": ((0.77, 1.37), (0.36, 0.13), (0.01, 0.63), (0.06, 0.89), (0.36, 0.64), (0.20, 0.71)),
    "ɒ": ((0.80, 1.40), (0.15, 0.40), (0.45, 1.00), (0.00, 0.80), (0.40, 0.70), (0.20, 0.70)),
    "ɔ": ((0.42, 1.36), (0.25, 0.30), (0.03, 0.94), (0.18, 1.06), (0.37, 0.71), (0.00, 1.11)),
    "ɛ": ((0.37, 1.80), (0.01, 0.27), (0.14, 0.52), (0.41, 0.60), (0.81, 0.46), (0.81, 0.82)),
    "e": ((0.35, 1.97), (0.07, 0.29), (0.25, 0.17), (1.30, 0.37), (1.15, 0.62), (1.02, 0.32)),
    "ɜ": ((0.45, 1.40), (0.15, 0.40), (0.35, 1.00), (0.05, 0.80), (0.40, 0.70), (0.20, 0.70)),
    "ɚ": ((0.37, 1.40), (0.15, 0.40), (0.35, 1.00), (0.05, 0.80), (0.35, 0.70), (0.20, 0.70)),
    "ə": ((0.24, 1.03), (0.00, 0.28), (0.02, 0.55), (0.33, 0.69), (0.85, 0.63), (0.89, 0.90)),
    "i": ((0.22, 1.48), (0.00, 0.60), (0.16, 0.56), (1.24, 0.30), (0.88, 0.94), (1.04, 1.13)),
    "ɪ": ((0.35, 0.92), (0.03, 0.34), (0.11, 0.39), (1.24, 0.17), (0.97, 0.21), (1.19, 0.35)),
    "ᵻ": ((0.33, 1.40), (0.00, 0.24), (0.00, 0.60), (0.45, 0.80), (0.45, 0.70), (0.20, 0.70)),
    "o": ((0.64, 1.62), (0.26, 0.39), (0.24, 0.77), (0.00, 1.19), (0.26, 0.68), (0.27, 0.64)),
    "ʊ": ((0.00, 2.49), (0.13, 0.36), (0.07, 1.17), (0.60, 0.68), (0.00, 2.19), (0.11, 1.15)),
    "u": ((0.24, 0.97), (0.92, 0.21), (0.02, 1.13), (0.22, 1.74), (0.09, 0.93), (0.00, 1.38)),
    "p": ((0.41, 2.70), (0.54, 0.14), (0.01, 0.92), (0.00, 0.12), (0.04, 0.61), (0.00, 0.47)),
    "b": ((0.50, 2.16), (0.92, 0.15), (0.02, 0.58), (0.00, 0.33), (0.00, 1.47), (0.00, 1.00)),
    "m": ((0.52, 2.98), (0.38, 0.09), (0.00, 0.15), (0.00, 0.12), (0.11, 1.11), (0.09, 1.09)),
    "f": ((0.18, 1.28), (0.00, 0.74), (0.00, 0.65), (0.00, 1.27), (0.54, 0.78), (0.54, 0.70)),
    "v": ((0.27, 1.16), (0.00, 0.32), (0.00, 0.71), (0.00, 0.69), (0.28, 0.70), (0.59, 0.91)),
    "w": ((0.38, 1.03), (1.30, 0.25), (0.00, 0.92), (0.00, 1.47), (0.00, 3.70), (0.00, 3.37)),
    "ɹ": ((0.23, 1.30), (0.75, 0.25), (0.03, 0.55), (0.06, 1.33), (0.00, 1.74), (0.00, 1.71)),
    "s": ((0.18, 2.47), (0.04, 1.46), (0.21, 0.13), (0.07, 0.32), (0.51, 0.46), (0.80, 0.37)),
    "z": ((0.07, 1.05), (0.03, 3.96), (0.02, 0.09), (0.22, 0.64), (0.24, 0.35), (0.25, 0.19)),
    "ʃ": ((0.32, 0.92), (0.10, 1.00), (0.21, 0.79), (0.13, 0.39), (0.77, 0.82), (0.80, 0.57)),
    "ʒ": ((0.46, 0.96), (0.23, 0.94), (0.21, 0.80), (0.00, 0.68), (0.56, 0.69), (0.69, 0.53)),
    "θ": ((0.00, 2.03), (0.00, 1.43), (0.00, 0.00), (0.00, 0.06), (0.38, 0.16), (0.15, 0.10)),
    "ð": ((0.07, 1.67), (0.12, 0.54), (0.00, 0.00), (0.00, 0.05), (0.00, 0.36), (0.04, 0.10)),
    "t": ((0.28, 0.46), (0.09, 0.79), (0.00, 0.00), (0.17, 0.03), (0.62, 0.14), (0.66, 0.10)),
    "d": ((0.07, 0.66), (0.02, 0.68), (0.00, 0.00), (0.00, 0.05), (0.35, 0.13), (0.21, 0.08)),
    "n": ((0.15, 0.59), (0.06, 0.32), (0.00, 0.00), (0.44, 0.06), (0.18, 0.08), (0.18, 0.06)),
    "l": ((0.31, 0.80), (0.04, 0.17), (0.00, 0.00), (0.00, 0.55), (0.44, 0.24), (0.31, 0.20)),
    "ɾ": ((0.30, 0.40), (0.00, 0.45), (0.00, 0.00), (0.00, 0.05), (0.30, 0.15), (0.10, 0.10)),
    "k": ((0.34, 0.60), (0.00, 0.63), (0.00, 0.00), (0.09, 0.05), (0.71, 0.17), (0.45, 0.07)),
    "ɡ": ((0.31, 0.57), (0.12, 0.16), (0.00, 0.00), (0.00, 0.06), (0.49, 0.09), (0.02, 0.09)),
    "g": ((0.46, 0.60), (0.00, 0.45), (0.00, 0.00), (0.00, 0.05), (0.30, 0.15), (0.10, 0.10)),
    "ŋ": ((0.46, 0.60), (0.00, 0.45), (0.00, 0.00), (0.00, 0.05), (0.30, 0.15), (0.10, 0.10)),
    "j": ((0.19, 0.95), (0.00, 0.45), (0.48, 0.32), (0.10, 0.64), (0.50, 0.31), (0.40, 0.35)),
    "h": ((0.00, 0.00), (0.00, 0.00), (0.00, 0.00), (0.00, 0.00), (0.00, 0.00), (0.00, 0.00)),
    "ʔ": ((0.00, 0.00), (0.00, 0.00), (0.00, 0.00), (0.00, 0.00), (0.00, 0.00), (0.00, 0.00)),
}
VOWELS = frozenset("ɑæaɐʌɒɔɛeɜɚəiɪᵻoʊu")
BILABIALS = frozenset("pbm")
LABIODENTALS = frozenset("fv")
SILENCES = frozenset("_")
LIPS_APART = ("mouthFunnel", "mouthLowerDown", "mouthUpperUp")  # none of it where lips meet
ONE_SIDED = ("mouthStretch", "mouthSmile", "mouthDimple", "mouthLowerDown", "mouthUpperUp")

LARGEST_JAW = 0.60  # curve value, however loud


def dominance_blend(phones: Sequence[Phone], times_s: FloatArray) -> dict[str, FloatArray]:
    """Articulator -> (frames,) target in [0, 1], blended over the phones at the given times."""
    blended: dict[str, FloatArray] = {}
    symbols = [PHONES.get(phone.symbol, _NOTHING) for phone in phones]
    for index, name in enumerate(ARTICULATORS):
        reach = REACH[name]
        pull = np.full(len(times_s), 1e-3)  # far from every phone the articulator rests at 0
        total = np.zeros(len(times_s))
        for phone, targets in zip(phones, symbols, strict=True):
            target, dominance = targets[index]
            if dominance == 0.0:
                continue
            # The middle of the phone holds.
            edge_s = min(reach.edge * (phone.end_s - phone.start_s), LONGEST_EDGE_S)
            start_s = phone.start_s + reach.delay_s + edge_s
            end_s = phone.end_s + reach.delay_s - edge_s
            low, high = np.searchsorted(
                times_s, [start_s - 3.5 * reach.before_s, end_s + 3.5 * reach.after_s]
            )
            near = times_s[low:high]
            early = np.maximum(start_s - near, 0.0) / reach.before_s
            late = np.maximum(near - end_s, 0.0) / reach.after_s
            weight = dominance * np.exp(-0.5 * (early**2 + late**2))
            total[low:high] += weight * target
            pull[low:high] += weight
        blended[name] = total / pull
    return blended


def contact(phones: Sequence[Phone], symbols: frozenset[str], times_s: FloatArray) -> FloatArray:
    """(frames,) in [0, 1]: 1 while one of the given phones is made, with quick smooth edges."""
    onset_s, release_s, least_hold_s, early_s = 0.080, 0.055, 0.045, 0.02
    strength = np.zeros(len(times_s))
    for phone in phones:
        if phone.symbol not in symbols:
            continue
        middle_s = 0.5 * (phone.start_s + phone.end_s) - early_s
        half_s = 0.5 * max(least_hold_s, 0.8 * (phone.end_s - phone.start_s))
        low, high = np.searchsorted(
            times_s, [middle_s - half_s - onset_s, middle_s + half_s + release_s]
        )
        near = times_s[low:high]
        early = np.clip((middle_s - half_s - near) / onset_s, 0.0, 1.0)
        late = np.clip((near - middle_s - half_s) / release_s, 0.0, 1.0)
        bump = 0.5 + 0.5 * np.cos(np.pi * np.maximum(early, late))
        strength[low:high] = np.maximum(strength[low:high], bump)
    return strength


# ------------------------------------------------------------------------------------------- style


@dataclass(frozen=True)
class Style:
    """How one speaker moves; every number is a factor or a curve value."""

    jaw: float  # factor on the jaw
    lips: float  # factor on rounding, spreading and lip raising
    smile: float  # resting mouthSmile
    asymmetry: float  # -1..1, how much more the left side of the mouth moves
    brows: float  # factor on brow accents
    blinks_per_minute: float
    gaze: float  # radius of gaze shifts, curve value
    energy: float  # how much loudness opens the jaw


def style_of(speaker: str) -> Style:
    """The style that belongs to a speaker's name: the same on every machine and in every run."""
    digest = hashlib.sha256(speaker.encode()).digest()
    rng = np.random.default_rng(int.from_bytes(digest[:8], "little"))
    return Style(
        jaw=rng.uniform(0.78, 1.22),
        lips=rng.uniform(0.75, 1.25),
        smile=rng.uniform(0.0, 0.10),
        asymmetry=rng.uniform(-0.18, 0.18),
        brows=rng.uniform(0.45, 1.3),
        blinks_per_minute=rng.uniform(10.0, 22.0),
        gaze=rng.uniform(0.05, 0.14),
        energy=rng.uniform(0.006, 0.014),
    )


# -------------------------------------------------------------------------------------- upper face


# Share of the pauses in which the lids close, and how long after the voice has stopped: once it is
# heard that this is a pause. It is the one blink that the sound can tell of.
PAUSE_BLINK = 0.9
PAUSE_BLINK_S = 0.30


def pauses(phones: Sequence[Phone], least_s: float = 0.35) -> list[float]:
    """Onsets of the silences that last at least `least_s`, seconds."""
    spoken = [phone for phone in phones if phone.symbol != "_"]
    return [
        before.end_s
        for before, after in pairwise(spoken)
        if after.start_s - before.end_s >= least_s
    ]


def blink_times(
    span_s: tuple[float, float],
    pauses_s: Sequence[float],
    per_minute: float,
    rng: np.random.Generator,
) -> list[float]:
    """Instants of blinks: at most pauses, as speakers do, and between them after gamma waits."""
    mean_wait_s = 60.0 / per_minute
    at_pauses = [onset_s + PAUSE_BLINK_S for onset_s in pauses_s if rng.random() < PAUSE_BLINK]
    instants: list[float] = []
    at_s = span_s[0] + rng.uniform(0.0, mean_wait_s)
    for next_s in [*at_pauses, span_s[1]]:
        while at_s < next_s - 0.5:
            instants.append(at_s)
            at_s += 0.4 + rng.gamma(2.0, 0.5 * (mean_wait_s - 0.4))
        if next_s < span_s[1] and (not instants or next_s - instants[-1] > 0.5):
            instants.append(next_s)
            at_s = next_s + 0.4 + rng.gamma(2.0, 0.5 * (mean_wait_s - 0.4))
    return instants


def blinks(
    times_s: FloatArray,
    pauses_s: Sequence[float],
    per_minute: float,
    rng: np.random.Generator,
) -> FloatArray:
    """(frames,) eyelid closure in [0, 1]; a blink lasts 170-230 ms."""
    closure = np.zeros(len(times_s))
    span_s = (float(times_s[0]), float(times_s[-1]))
    for at_s in blink_times(span_s, pauses_s, per_minute, rng):
        length_s = rng.uniform(0.17, 0.23)
        close_s = 0.35 * length_s  # lids fall faster than they rise
        peak = rng.uniform(0.82, 1.0)
        since_s = times_s - at_s
        falling = np.clip(since_s / close_s, 0.0, 1.0)
        rising = np.clip((since_s - 1.15 * close_s) / (length_s - 1.15 * close_s), 0.0, 1.0)
        bump = 0.5 * (np.cos(np.pi * rising) - np.cos(np.pi * falling))
        closure = np.maximum(closure, peak * bump)
    return closure


def gaze(times_s: FloatArray, radius: float, rng: np.random.Generator) -> tuple[FloatArray, ...]:
    """(yaw, pitch), each (frames,): fixations of 0.4 to 4 s joined by quick shifts, near centre."""
    yaw, pitch = np.zeros(len(times_s)), np.zeros(len(times_s))
    at_s, here = float(times_s[0]), (0.0, 0.0)
    while at_s < times_s[-1]:
        there = (0.0, 0.0)
        if rng.random() < 0.6:  # otherwise back to the listener
            there = (rng.normal(0.0, radius), rng.normal(0.0, 0.6 * radius))
        share = np.clip((times_s - at_s) / 0.06, 0.0, 1.0)
        share = share * share * (3.0 - 2.0 * share)
        yaw += share * (there[0] - here[0])
        pitch += share * (there[1] - here[1])
        here = there
        at_s += 0.4 + min(rng.exponential(1.4), 3.6)
    return np.clip(yaw, -0.3, 0.3), np.clip(pitch, -0.25, 0.25)


def drift(times_s: FloatArray, rng: np.random.Generator) -> FloatArray:
    """(frames,) slow wander, about unit variance, no component faster than 0.4 Hz."""
    frequency_hz = rng.uniform(0.04, 0.4, 6)
    phase = rng.uniform(0.0, 2.0 * np.pi, 6)
    waves = np.sin(2.0 * np.pi * frequency_hz * times_s[:, None] + phase)
    return np.asarray(waves.sum(axis=1) / np.sqrt(3.0))


def accents(
    phones: Sequence[Phone], times_s: FloatArray, chance: float, rng: np.random.Generator
) -> FloatArray:
    """(frames,) in [0, 1]: raised-cosine bumps of 0.35-0.6 s on some of the stressed vowels."""
    raised = np.zeros(len(times_s))
    for phone in phones:
        if not (phone.stressed and phone.symbol in VOWELS and rng.random() < chance):
            continue
        middle_s = 0.5 * (phone.start_s + phone.end_s) - 0.04
        half_s = 0.5 * rng.uniform(0.35, 0.6)
        bump = 0.5 + 0.5 * np.cos(np.pi * np.clip((times_s - middle_s) / half_s, -1.0, 1.0))
        raised = np.maximum(raised, rng.uniform(0.4, 1.0) * bump)
    return raised


# ------------------------------------------------------------------------------------- performance


def loudness_factor(
    times_s: FloatArray, level_db: NDArray[np.float32], strength: float
) -> FloatArray:
    """(frames,) factor about 1 by which loud speech opens the jaw wider; level is at 100 Hz."""
    speech = level_db[level_db > level_db.max() - 30.0]
    window = np.hanning(21)
    smooth = np.convolve(np.pad(level_db, 10, mode="edge"), window / window.sum(), mode="valid")
    at_frames = np.interp(times_s, np.arange(len(level_db)) / 100.0, smooth)
    factor = 1.0 + strength * (at_frames - np.median(speech))
    return np.asarray(np.clip(factor, 0.6, 1.3))


def perform(
    phones: Sequence[Phone],
    frames: int,
    *,
    frame_rate_hz: float = 60.0,
    style: Style,
    seed: int,
    level_db: NDArray[np.float32] | None = None,
) -> NDArray[np.float32]:
    """Curves (frames, 52) in [0, 1] for timed phones; frame i depicts i / frame_rate_hz seconds.

    `level_db` (100 Hz columns of the same audio) lets loud syllables open wider. The seed draws
    blinks, gaze and brows; the mouth does not depend on it.
    """
    times_s = np.arange(frames) / frame_rate_hz
    rng = np.random.default_rng(seed)
    blend = dominance_blend(phones, times_s)
    closed = contact(phones, BILABIALS, times_s)
    tucked = contact(phones, LABIODENTALS, times_s)
    free = 1.0 - closed
    loudness = np.ones(frames)
    if level_db is not None and len(level_db):
        loudness = loudness_factor(times_s, level_db, style.energy)

    curve = {name: np.zeros(frames) for name in CURVES}

    def both(name: str, value: FloatArray, sided: float = 0.0) -> None:
        curve[f"{name}Left"] += value * (1.0 + sided)
        curve[f"{name}Right"] += value * (1.0 - sided)

    spread = style.lips * blend["spread"]
    parts = {
        "one": np.ones(frames),
        "closed": closed,
        "tucked": tucked,
        "jaw": style.jaw * loudness * blend["jaw"],
        "silent": contact(phones, SILENCES, times_s),
        **{name: style.lips * blend[name] for name in ARTICULATORS if name != "jaw"},
    }
    read = {
        name: np.maximum(sum(w * parts[p] for w, p in zip(row, PARTS, strict=True)), 0.0)
        for name, row in READING.items()
    }
    for name in LIPS_APART:
        read[name] = read[name] * free
    read["jawOpen"] = np.minimum(read["jawOpen"], LARGEST_JAW)
    read["mouthRollLower"] = read["mouthRollLower"] + 0.30 * tucked
    read["mouthSmile"] = read["mouthSmile"] + style.smile
    read["mouthDimple"] = read["mouthDimple"] + 0.25 * style.smile
    for name, value in read.items():
        if name in curve:
            curve[name] += value
        else:
            both(name, value, style.asymmetry if name in ONE_SIDED else 0.0)
    # For /p b m/ the lips meet, whatever the jaw does (ARKit's mouthClose): a reading leaves a gap.
    gap = sum(TABLE[name][0] * value for name, value in curve.items() if name in TABLE)
    curve["mouthClose"] += closed * np.maximum(gap, 0.0) / -TABLE["mouthClose"][0]
    sway = 0.012 * drift(times_s, rng)
    curve["jawLeft"] = np.maximum(sway, 0.0) * blend["jaw"]
    curve["jawRight"] = np.maximum(-sway, 0.0) * blend["jaw"]
    curve["cheekPuff"] = 0.06 * closed

    raised = accents(phones, times_s, 0.30 * style.brows, rng) * style.brows
    slow = drift(times_s, rng)
    both("browOuterUp", 0.16 * raised + 0.02 * np.maximum(slow, 0.0), 0.4 * style.asymmetry)
    curve["browInnerUp"] = 0.24 * raised + 0.04 * np.maximum(slow, 0.0)
    frown = accents(phones, times_s, 0.10 * style.brows, rng) * style.brows
    both("browDown", 0.22 * frown + 0.05 * np.maximum(-slow, 0.0))
    both("eyeWide", 0.10 * raised)
    lids = blinks(times_s, pauses(phones), style.blinks_per_minute, rng)
    yaw, pitch = gaze(times_s, style.gaze, rng)
    both("eyeBlink", np.minimum(lids + 0.25 * np.maximum(-pitch, 0.0), 1.0))
    both("eyeSquint", 0.10 * lids + 0.5 * style.smile + 0.08 * frown)
    both("cheekSquint", 0.5 * style.smile + 0.12 * spread * style.smile * 4.0)
    both("noseSneer", 0.08 * blend["upper"] * style.lips + 0.05 * frown)
    both("eyeLookUp", np.maximum(pitch, 0.0))
    both("eyeLookDown", np.maximum(-pitch, 0.0))
    # Positive yaw looks to the speaker's left.
    curve["eyeLookOutLeft"], curve["eyeLookInLeft"] = np.maximum(yaw, 0.0), np.maximum(-yaw, 0.0)
    curve["eyeLookInRight"] = curve["eyeLookOutLeft"]
    curve["eyeLookOutRight"] = curve["eyeLookInLeft"]
    stacked = np.stack([curve[name] for name in CURVES], axis=1)
    return np.clip(stacked, 0.0, 1.0).astype(np.float32)
