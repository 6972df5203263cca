"""The rule-made performance: timed phones in, 52 ARKit curves out.

It supplies curves for speech whose face nobody has measured. Phones become targets of a few
articulators (jaw, rounding, funnel, spread, lower and upper lip), blended by overlapping dominance
functions after Cohen & Massaro 1993 ("Modeling coarticulation in synthetic visual speech"); lip
closure and the labiodental tuck are laid over them, because a blend would leave them half open.
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


# The jaw and the pucker were fitted to measured faces; nobody measured the others.
REACH: dict[str, Reach] = {
    "jaw": Reach(0.115, 0.053, edge=0.45, delay_s=0.02),
    "pucker": Reach(0.042, 0.056, edge=0.05, delay_s=0.015),
    "funnel": Reach(0.065, 0.060),
    "spread": Reach(0.065, 0.060),
    "lower": Reach(0.050, 0.050),
    "upper": Reach(0.050, 0.050),
}

# A long silence holds all the more of itself: with edges of half a second the mouth would hang open
# into it until the last phone's reach ends, and snap shut.
LONGEST_EDGE_S = 0.3

# (target, dominance) an articulator, in the order of ARTICULATORS. Targets are shares of a curve's
# full speaking range; dominance 0 leaves the articulator to the neighbours.
Targets = tuple[
    tuple[float, float],
    tuple[float, float],
    tuple[float, float],
    tuple[float, float],
    tuple[float, float],
    tuple[float, float],
]


def _vowel(
    jaw: float, pucker: float, funnel: float, spread: float, lower: float, upper: float
) -> Targets:
    rounded = pucker > 0
    return (
        (jaw, 1.4),
        (pucker, 0.4 if rounded else 0.24),
        (funnel, 1.0 if rounded else 0.6),
        (spread, 0.8),
        (lower, 0.7),
        (upper, 0.7),
    )


def _tongue(jaw: float, dominance: float) -> Targets:
    """A consonant made by the tongue alone: the jaw gives way to it, the lips hardly do."""
    return ((jaw, dominance), (0.0, 0.45), (0.0, 0.0), (0.0, 0.05), (0.3, 0.15), (0.1, 0.1))


def _sibilant(jaw: float, pucker: float, funnel: float, spread: float) -> Targets:
    rounded = pucker > 0
    return (
        (jaw, 0.9),
        (pucker, 1.0 if rounded else 1.9),
        (funnel, 0.9 if rounded else 0.15),
        (spread, 0.5),
        (0.45, 0.8),
        (0.35, 0.6),
    )


_BILABIAL: Targets = (
    (0.26, 3.0),
    (0.3, 0.1),
    (0.0, 0.1),
    (0.0, 0.1),
    (0.0, 1.2),
    (0.0, 1.2),
)
_LABIODENTAL: Targets = (
    (0.08, 1.1),
    (0.0, 0.3),
    (0.0, 0.3),
    (0.1, 0.3),
    (0.0, 1.0),
    (0.6, 1.2),
)
_SILENCE: Targets = (
    (0.0, 0.06),
    (0.0, 0.7),
    (0.0, 0.7),
    (0.0, 0.7),
    (0.0, 1.0),
    (0.0, 1.0),
)
_NOTHING: Targets = ((0.0, 0.0),) * 6

PHONES: dict[str, Targets] = {
    "_": _SILENCE,
    # open and mid vowels      jaw   pucker funnel spread lower upper
    "ɑ": _vowel(0.95, 0.00, 0.15, 0.10, 0.50, 0.30),
    "æ": _vowel(0.80, 0.00, 0.00, 0.55, 0.70, 0.50),
    "a": _vowel(0.86, 0.00, 0.00, 0.30, 0.60, 0.40),
    "ɐ": _vowel(0.67, 0.00, 0.00, 0.20, 0.45, 0.25),
    "ʌ": _vowel(0.65, 0.00, 0.05, 0.15, 0.45, 0.25),
    "ɒ": _vowel(0.80, 0.15, 0.45, 0.00, 0.40, 0.20),
    "ɔ": _vowel(0.60, 0.42, 0.65, 0.00, 0.35, 0.15),
    "ɛ": _vowel(0.64, 0.00, 0.00, 0.50, 0.60, 0.40),
    "e": _vowel(0.60, 0.00, 0.00, 0.70, 0.60, 0.35),
    "ɜ": _vowel(0.45, 0.15, 0.35, 0.05, 0.40, 0.20),
    "ɚ": _vowel(0.37, 0.15, 0.35, 0.05, 0.35, 0.20),
    "ə": _vowel(0.35, 0.00, 0.05, 0.15, 0.35, 0.15),
    # close vowels
    "i": _vowel(0.45, 0.00, 0.00, 1.00, 0.55, 0.35),
    "ɪ": _vowel(0.52, 0.00, 0.00, 0.55, 0.50, 0.25),
    "ᵻ": _vowel(0.33, 0.00, 0.00, 0.45, 0.45, 0.20),
    "o": _vowel(0.62, 0.38, 0.55, 0.00, 0.25, 0.10),
    "ʊ": _vowel(0.20, 0.20, 0.45, 0.00, 0.20, 0.10),
    "u": _vowel(0.16, 1.10, 0.50, 0.00, 0.15, 0.05),
    # lips
    "p": _BILABIAL,
    "b": _BILABIAL,
    "m": _BILABIAL,
    "f": _LABIODENTAL,
    "v": _LABIODENTAL,
    "w": ((0.05, 1.9), (1.2, 0.35), (0.45, 1.0), (0.0, 1.0), (0.10, 0.8), (0.05, 0.8)),
    "ɹ": ((0.08, 1.5), (0.30, 0.5), (0.55, 0.7), (0.0, 0.4), (0.35, 0.5), (0.20, 0.4)),
    # hissing sounds narrow the jaw
    "s": _sibilant(0.28, 0.0, 0.0, 0.50),
    "z": _sibilant(0.15, 0.0, 0.0, 0.50),
    "ʃ": _sibilant(0.32, 0.5, 0.85, 0.0),
    "ʒ": _sibilant(0.32, 0.5, 0.85, 0.0),
    "θ": _tongue(0.10, 1.8),
    "ð": _tongue(0.10, 1.8),
    "t": _tongue(0.42, 0.6),
    "d": _tongue(0.25, 0.55),
    "n": _tongue(0.12, 0.5),
    "l": _tongue(0.22, 0.55),
    "ɾ": _tongue(0.30, 0.4),
    "k": _tongue(0.50, 0.6),
    "ɡ": _tongue(0.46, 0.6),
    "g": _tongue(0.46, 0.6),
    "ŋ": _tongue(0.46, 0.6),
    "j": ((0.42, 0.85), (0.0, 0.2), (0.0, 0.2), (0.6, 0.5), (0.40, 0.3), (0.2, 0.3)),
    "h": _NOTHING,
    "ʔ": _NOTHING,
}
VOWELS = frozenset("ɑæaɐʌɒɔɛeɜɚəiɪᵻoʊu")
BILABIALS = frozenset("pbm")
LABIODENTALS = frozenset("fv")

# Curve value of each articulator at target 1, neutral style. The jaw matches measured speech (its
# 99th percentile is 0.38 there); the lip shapes are set to read clearly, since the video tracker
# that measured the real clips hardly sees them.
JAW_RANGE = 0.50
PUCKER_RANGE = 0.40
FUNNEL_RANGE = 0.35
STRETCH_RANGE = 0.20
SMILE_RANGE = 0.14
LOWER_RANGE = 0.30
UPPER_RANGE = 0.20


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

    jaw = np.minimum(JAW_RANGE * style.jaw * loudness * blend["jaw"], 0.60)
    pucker = style.lips * blend["pucker"]
    funnel = style.lips * blend["funnel"]
    spread = style.lips * blend["spread"]
    curve["jawOpen"] = jaw * (1.0 - 0.32 * closed) * (1.0 - 0.45 * tucked)
    curve["jawForward"] = 0.05 * funnel
    curve["mouthPucker"] = PUCKER_RANGE * pucker * (1.0 - 0.4 * closed)
    curve["mouthFunnel"] = FUNNEL_RANGE * funnel * free * (1.0 - 0.5 * tucked)
    # The jaw only half shuts for /p b m/: the lips go the rest of the way (ARKit's mouthClose).
    curve["mouthClose"] = closed * (0.02 + 0.95 * curve["jawOpen"])
    curve["mouthRollLower"] = 0.10 * closed + 0.40 * tucked
    curve["mouthRollUpper"] = 0.16 * closed
    curve["mouthShrugLower"] = 0.10 * closed + 0.10 * pucker + 0.06 * tucked
    curve["mouthShrugUpper"] = 0.06 * closed + 0.05 * funnel
    both("mouthPress", 0.26 * closed + 0.04 * (1.0 - np.minimum(blend["jaw"] * 4.0, 1.0)))
    both("mouthStretch", STRETCH_RANGE * spread * (1.0 - 0.5 * closed), style.asymmetry)
    both("mouthSmile", style.smile + SMILE_RANGE * spread * (1.0 - 0.5 * closed), style.asymmetry)
    both("mouthDimple", 0.06 * spread + 0.25 * style.smile, style.asymmetry)
    lower = LOWER_RANGE * style.lips * blend["lower"] * free * (1.0 - tucked)
    both("mouthLowerDown", lower, style.asymmetry)
    both("mouthUpperUp", UPPER_RANGE * style.lips * blend["upper"] * free, style.asymmetry)
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
    both("cheekSquint", 0.5 * style.smile + 0.12 * spread * SMILE_RANGE / 0.14 * style.smile * 4.0)
    both("noseSneer", 0.08 * blend["upper"] * style.lips + 0.05 * frown)
    both("eyeLookUp", np.maximum(pitch, 0.0))
    both("eyeLookDown", np.maximum(-pitch, 0.0))
    # Positive yaw looks to the speaker's left.
    curve["eyeLookOutLeft"], curve["eyeLookInLeft"] = np.maximum(yaw, 0.0), np.maximum(-yaw, 0.0)
    curve["eyeLookInRight"] = curve["eyeLookOutLeft"]
    curve["eyeLookOutRight"] = curve["eyeLookInLeft"]
    stacked = np.stack([curve[name] for name in CURVES], axis=1)
    return np.clip(stacked, 0.0, 1.0).astype(np.float32)
