"""Measured films -> takes in BEAT's form: curves solved a person, beside the film's sound."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...curves import CURVES
from ...files import replaced
from ...sound import write as write_sound
from . import landmarks, solver
from .landmark_head import LandmarkHead
from .measured import Measured

Array = NDArray[np.float64]

#: Curves that neither the landmarks nor the network show, and why. A take does not name them.
UNSEEN: Mapping[str, str] = {
    "cheekPuff": "no landmark moves, and the network does not either",
    "cheekSquintLeft": "the network leaves it still",
    "cheekSquintRight": "the network leaves it still",
    "noseSneerLeft": "the network leaves it still",
    "noseSneerRight": "the network leaves it still",
    "tongueOut": "not measured",
}
#: jawForward is seen by depth alone, which MediaPipe guesses: a person's takes name it where it
#: moves by more than this (standard deviation), and from picture to picture more alike (r) than
#: jitter does.
FORWARD = "jawForward"
_FORWARD_SPREAD = 0.03
_FORWARD_STEADY = 0.6
FORWARD_WHY = "depth, guessed from the front, says nothing of it"
#: The curves that a take can have, in ARKit's order.
NAMES: tuple[str, ...] = tuple(name for name in CURVES if name not in UNSEEN)
# A person's neutral and proportions are medians over at most this many pictures, evenly chosen.
_MOST_PICTURES = 6000
# Pictures that are summed up at a time: it bounds the memory, nothing else.
_PART = 1000


@dataclass(frozen=True)
class Person:
    """One person's face at rest, and a head's shapes on it."""

    neutral: Array  # (468, 3), on the head
    head: LandmarkHead
    names: tuple[str, ...]  # jaw and mouth curves that the head has
    shapes: Array  # (k, 468, 3), in inner eye distances

    @property
    def unit(self) -> float:
        """The distance of the inner eye corners, in the head's unit."""
        return float(landmarks.eye_distance(self.neutral))

    def laid(self, points: NDArray[np.floating]) -> Array:
        """A picture's points (n, 468, 3), in pixels -> on this person's neutral."""
        return landmarks.lay(landmarks.from_picture(points.astype(np.float64)), self.neutral)

    def moved(self, points: NDArray[np.floating]) -> Array:
        """How far they moved from the neutral, in inner eye distances."""
        return (self.laid(points) - self.neutral) / self.unit


def know(films: Sequence[Measured], head: LandmarkHead) -> Person:
    """A person from all his films: the neutral is the median of the closed mouth's pictures."""
    total = sum(len(film.times_s) for film in films)
    every = -(-total // _MOST_PICTURES)
    points = np.concatenate([film.points[::every] for film in films]).astype(np.float64)
    faces = landmarks.from_picture(points)
    reference = landmarks.reference_of(faces, head.neutral)
    neutral = landmarks.neutral_of(landmarks.lay(faces, reference))
    mouth = head.only(solver.SOLVED)
    unit = float(landmarks.eye_distance(neutral))
    return Person(neutral, head, mouth.names, mouth.fitted(neutral) / unit)


def solve(film: Measured, person: Person, weights: solver.Weights | None = None) -> Array:
    """The person's jaw and mouth in a film: (frames, k) in the order of `person.names`.

    mouthPucker leans on the network's own, which sees rounding.
    """
    weights = weights or solver.Weights()
    engine = solver.Solver(person.names, person.shapes, weights)
    always, closed, opening = [], [], []
    for first in range(0, len(film.points), _PART):
        laid = person.laid(film.points[first : first + _PART])
        pulls = engine.pulls((laid - person.neutral) / person.unit)
        always.append(pulls[0])
        closed.append(pulls[1])
        opening.append(landmarks.lip_axes(laid)["gap"] / person.unit)
    guess = {}
    if "mouthPucker" in person.names:
        guess["mouthPucker"] = film.scores[:, CURVES.index("mouthPucker")].astype(np.float64)
    steps = np.diff(film.times_s)
    joined = steps < 2.5 * np.median(steps) if len(steps) else np.zeros(0, np.bool_)
    return engine.solve(
        (np.concatenate(always), np.concatenate(closed)),
        solver.closedness(np.concatenate(opening), weights),
        guess,
        joined,
    )


def curves_of(film: Measured, person: Person | None) -> Array:
    """A take's curves, (frames, 46) in the order of NAMES.

    Jaw and mouth are solved for a person, everything else is the network's; all of it without one.
    Curves that the head lacks are the network's too.
    """
    network = film.scores.astype(np.float64)
    if person is not None:
        places = [CURVES.index(name) for name in person.names]
        network[:, places] = solve(film, person)
    return np.clip(network[:, [CURVES.index(name) for name in NAMES]], 0.0, 1.0)


def forward_seen(takes: Sequence[Array]) -> bool:
    """Whether a person's jawForward is more than noise, over his solved takes (frames, 46) each."""
    forward = [take[:, NAMES.index(FORWARD)] for take in takes if len(take) > 2]
    if not forward:
        return False
    mean = np.mean(np.concatenate(forward))
    variance = float(np.mean((np.concatenate(forward) - mean) ** 2))
    follows = [(values[1:] - mean) * (values[:-1] - mean) for values in forward]
    steady = float(np.mean(np.concatenate(follows))) / max(variance, 1e-12)
    return variance > _FORWARD_SPREAD**2 and steady > _FORWARD_STEADY


def left_out(seen_forward: bool) -> dict[str, str]:
    """The curves that a person's takes do not name, and why."""
    unseen = dict(UNSEEN)
    if not seen_forward:
        unseen[FORWARD] = FORWARD_WHY
    return unseen


def write(
    film: Measured,
    curves: Array,
    names: Sequence[str],
    sound: NDArray[np.float32],
    rate_hz: int,
    target: Path,
) -> None:
    """`target` (.json) and the wav beside it, each written beside and renamed.

    curves: (frames, 46), of which the take gets `names`. Pictures without a face are left out, so
    that a reader sees the hole in the times. `rotation` is the head's yaw, pitch and roll in
    degrees, empty where the model does not tell.
    """
    with replaced(target.with_suffix(".wav")) as part:
        write_sound(part, sound, rate_hz, "WAV", "PCM_16")
    named = curves[:, [NAMES.index(name) for name in names]]
    rows = zip(film.times_s, named, film.rotations, strict=True)
    frames = [
        {
            "weights": np.round(weights, 5).tolist(),
            "time": round(float(at_s), 6),
            "rotation": np.round(turned.astype(np.float64), 3).tolist()
            if np.isfinite(turned).all()
            else [],
        }
        for at_s, weights, turned in rows
    ]
    with replaced(target) as part:
        part.write_text(json.dumps({"names": list(names), "frames": frames}), encoding="utf-8")


def played(curves: Array, names: Sequence[str], head: LandmarkHead) -> Array:
    """The head's landmarks (frames, 468, 3) as a take moves them: (frames, 46), of `names`."""
    seen = head.only(tuple(names))
    return seen.moved(curves[:, [NAMES.index(name) for name in seen.names]])


def agreement(
    film: Measured, curves: Array, names: Sequence[str], person: Person
) -> dict[str, tuple[float, float]]:
    """How a take moves the lips beside the film's: axis -> (r, spread over the film's).

    The take's curves move the shapes as fitted to the person. NaN where one of both is still.
    """
    known = [name in names for name in person.names]
    mouth = curves[:, [NAMES.index(name) for name in person.names if name in names]]
    on_face = np.einsum("tk,kpi->tpi", mouth, person.shapes[known])
    shown, true = landmarks.lip_axes(on_face), landmarks.lip_axes(person.moved(film.points))
    found = {}
    for axis, values in true.items():
        spread, wanted = float(shown[axis].std()), float(values.std())
        still = min(spread, wanted) < 1e-6
        r = np.nan if still else float(np.corrcoef(shown[axis], values)[0, 1])
        found[axis] = (r, np.nan if wanted < 1e-6 else spread / wanted)
    return found
