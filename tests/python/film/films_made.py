"""A voice that a machine makes, a jaw that follows it, and what is read back from a film of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from diffusiontalker.curves import CURVES

RATE_HZ = 16000
FRAMES_HZ = 60


@dataclass
class Spoken:
    """Noise that comes and goes, and the jaw open as far as it is loud at each instant."""

    sound: NDArray[np.float32]
    curves: NDArray[np.float32]
    times: NDArray[np.float64]


def spoken(seconds: float, *, late_s: float = 0.0, seed: int = 1) -> Spoken:
    """`late_s` seconds pass before the jaw follows."""
    draw = np.random.default_rng(seed)
    knots = np.arange(-1, seconds + 2, 0.13)
    levels = draw.uniform(0, 1, len(knots)) ** 2

    def level(at: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.interp(at, knots, levels)

    samples = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    sound = 0.4 * level(samples) * draw.uniform(-1, 1, len(samples))
    times = np.arange(round(seconds * FRAMES_HZ)) / FRAMES_HZ
    curves = np.zeros((len(times), len(CURVES)), np.float32)
    curves[:, CURVES.index("jawOpen")] = level(times - late_s)
    return Spoken(sound.astype(np.float32), curves, times)


@dataclass
class Read:
    """A film as a player sees it."""

    pictures: NDArray[np.uint8]  #: (P, height, width, 3)
    times: list[float]  #: of each picture, seconds
    sound: NDArray[np.float32]
    sound_starts_s: float
    rate_hz: int
    codecs: tuple[str, str]


def read(path: Path) -> Read:
    """All of a film."""
    with av.open(str(path)) as film:
        frames = list(film.decode(video=0))
        codec = film.streams.video[0].codec_context.name
    with av.open(str(path)) as film:
        pieces = list(film.decode(audio=0))
        heard = film.streams.audio[0].codec_context.name
    sound = np.concatenate([piece.to_ndarray().mean(axis=0) for piece in pieces])
    start = float(pieces[0].time)
    rate = pieces[0].sample_rate
    return Read(
        np.stack([frame.to_ndarray(format="rgb24") for frame in frames]),
        [float(frame.time) for frame in frames],
        sound,
        start,
        rate,
        (codec, heard),
    )


def lip_gap(pictures: NDArray[np.uint8], rows: slice, columns: slice) -> NDArray[np.float64]:
    """(P,) how much of the mouth's place is dark: the gap between the lips as it was drawn."""
    mouth = pictures[:, rows, columns].astype(np.float64).mean(axis=3)
    return np.clip(70.0 - mouth, 0, None).mean(axis=(1, 2))


def lag_in_pictures(film: Read, gap: NDArray[np.float64], fps: float) -> float:
    """By how many pictures the gap follows the sound's level; negative: it leads."""
    steps = 10  # a tenth of a picture
    fine_hz = fps * steps
    count = int(film.times[-1] * fine_hz)
    at = np.arange(count) / fine_hz
    drawn = np.interp(at, film.times, gap)
    half = round(film.rate_hz / fps)
    power = np.concatenate(([0.0], np.cumsum(film.sound.astype(np.float64) ** 2)))
    middle = np.round((at - film.sound_starts_s) * film.rate_hz).astype(int)
    first, last = (np.clip(middle + side, 0, len(film.sound)) for side in (-half, half))
    heard = np.sqrt((power[last] - power[first]) / np.maximum(last - first, 1))
    scores = []
    lags = range(-5 * steps, 5 * steps + 1)
    for lag in lags:
        a = drawn[max(lag, 0) : count + min(lag, 0)]
        b = heard[max(-lag, 0) : count + min(-lag, 0)]
        scores.append(np.corrcoef(a, b)[0, 1])
    return lags[int(np.argmax(scores))] / steps
