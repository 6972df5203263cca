"""A measured face performs voices that nobody filmed.

Whole clips through the unmasked encoder say more about an unknown throat than any stream can hear
(docs/results.md). So a ridge regression reads the measured mouth from that encoder, then reads
many voices, and what it says becomes training data under that face's identity: the streaming model
learns the same mouth on all of them. Eyes and brows, which sound hardly tells, are those of
measured takes drawn at random.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from ... import _core
from ...curves import GATED, indices
from ..config import Config, ConfigError
from ..corpora import SAMPLE_RATE_HZ, Recording
from ..corpora.audio import read_audio
from ..data.streams import Stream, make_version
from ..networks.context import Whisper
from ..networks.whisper_weights import load_whisper
from .kept import digest_of, kept_takes
from .listen import speech_files

TOKEN_S = 0.02
SIDE_TOKENS = 3  # neighbours on either side that a token is read with
PENALTY = 1000.0  # of the ridge, on standardised features
LONGEST_PIECE_S = 6.0
SHORTEST_PIECE_S = 0.8
READ_VERSIONS = 3  # of the face's own takes, the clean one first, that the reader learns from
LIVELIER = (0.8, 1.5)  # bounds of the gain that gives a voice the range of the face's own
MOUTH = indices(GATED)  # what is read

Array = NDArray[np.float32]
#: Told of progress: (clips done, clips in all).
OnClip = Callable[[int, int], None]


@dataclass(frozen=True)
class Reader:
    """Ridge regression from what the unmasked encoder hears to the curves of `MOUTH`."""

    whisper: Whisper
    layers: int
    mean: Array  # (features,)
    spread: Array  # (features,)
    weights: Array  # (features + 1, len(MOUTH))

    def read(self, mel: Array) -> Array:
        """Log-mel (columns, 80) of up to `LONGEST_PIECE_S` -> (tokens, len(MOUTH)) at 50 Hz."""
        heard = neighbours(hear(self.whisper, self.layers, mel))
        return _ready(heard, self.mean, self.spread) @ self.weights


def hear(whisper: Whisper, layers: int, mel: Array) -> Array:
    """(tokens, width) after so many layers, every token with the whole clip in view."""
    with torch.no_grad():
        return np.asarray(whisper(torch.from_numpy(mel)[None], layers)[0].numpy())


def neighbours(tokens: Array) -> Array:
    """Every token with `SIDE_TOKENS` on either side, (tokens, (2 SIDE_TOKENS + 1) width)."""
    padded = np.pad(tokens, ((SIDE_TOKENS, SIDE_TOKENS), (0, 0)), mode="edge")
    shifted = [padded[i : i + len(tokens)] for i in range(2 * SIDE_TOKENS + 1)]
    return np.concatenate(shifted, axis=1)


def _ready(heard: Array, mean: Array, spread: Array) -> Array:
    one = np.ones((len(heard), 1), np.float32)
    return np.concatenate([(heard - mean) / spread, one], axis=1)


def fit_reader(
    whisper: Whisper,
    layers: int,
    streams: list[Stream],
    rate: Fraction,
    on_clip: Callable[[], None] = lambda: None,
) -> Reader:
    """Learn to read a face from its streams, clean and augmented, in clips of 2 to 6 s.

    Clips start and end anywhere: what is read later is cut anywhere, too.
    """
    rng = np.random.default_rng(len(streams))
    mean = spread = np.zeros(0, np.float32)
    square = product = np.zeros((0, 0))
    rows: list[tuple[Array, Array]] = []

    def add_up() -> None:
        nonlocal mean, spread, square, product
        heard, wanted = (np.concatenate(part) for part in zip(*rows, strict=True))
        if not len(mean):
            mean, spread = heard.mean(axis=0), heard.std(axis=0) + np.float32(1e-3)
            square = np.zeros((len(mean) + 1, len(mean) + 1))
            product = np.zeros((len(mean) + 1, len(MOUTH)))
        x = _ready(heard, mean, spread)
        square += x.T @ x
        product += x.T @ wanted
        rows.clear()

    for stream in streams:
        at = 0
        while at + 100 < len(stream.mel):
            columns = int(rng.integers(200, round(100 * LONGEST_PIECE_S) + 1))
            mel = stream.mel[at : at + columns].astype(np.float32)
            heard = neighbours(hear(whisper, layers, mel))
            at_s = at / 100 + TOKEN_S * np.arange(len(heard))
            frame = np.minimum(np.round(at_s * float(rate)).astype(int), len(stream.curves) - 1)
            wanted = np.nan_to_num(stream.curves[frame][:, MOUTH].astype(np.float32))
            rows.append((heard, wanted))
            at += columns
            if sum(len(heard) for heard, _ in rows) > 4096:  # the squares are large: add seldom
                add_up()
        on_clip()
    if rows:
        add_up()
    penalty = np.full(len(square), PENALTY)
    penalty[-1] = 0.0
    weights = np.linalg.solve(square + np.diag(penalty), product)
    return Reader(whisper, layers, mean, spread, weights.astype(np.float32))


# ------------------------------------------------------------------------------------------ voices


def pieces(audio: Array, longest_s: float) -> list[Array]:
    """Sound in pieces of at most `longest_s`, cut where it is quietest; scraps are left out."""
    level_db = _core.log_mel(audio, True)[1]
    longest = round(longest_s * 100)
    cuts = [0]
    while len(level_db) - cuts[-1] > longest:
        low, high = cuts[-1] + longest // 2, cuts[-1] + longest
        cuts.append(low + int(np.argmin(level_db[low:high])))
    cuts.append(len(level_db))
    bounds = [cut * (SAMPLE_RATE_HZ // 100) for cut in cuts]
    shortest = SHORTEST_PIECE_S * SAMPLE_RATE_HZ
    return [audio[a:b] for a, b in pairwise(bounds) if b - a >= shortest]


def sounds(
    config: Config, train: list[list[Recording]], name: str, field: str = "borrowing.voices"
) -> Iterator[Array]:
    """The sounds of one named source or folder of speech, in an order drawn from the seed.

    Raises ConfigError where `field` of the configuration names what is not there.
    """
    rng = np.random.default_rng([config.seed, 3, *name.encode()])
    for source, takes in zip(config.sources, train, strict=True):
        if source.name == name:
            yield from (takes[i].audio for i in rng.permutation(len(takes)))
            return
    for speech in config.listening.speech:
        if speech.name == name:
            files = speech_files(config.source_path(speech))
            for i in rng.permutation(len(files)):
                try:
                    yield read_audio(files[i])
                except Exception:  # one broken file of thousands is left out, whatever it is
                    continue
            return
    raise ConfigError(f"{field}: no source and no listening.speech is named {name!r}")


def _range(mouth: list[Array]) -> Array:
    low, high = np.percentile(np.concatenate(mouth), [5.0, 95.0], axis=0)
    return np.asarray(high - low, dtype=np.float32)


def perform_voices(
    config: Config, train: list[list[Recording]], on_clip: OnClip = lambda done, of: None
) -> list[Recording]:
    """Takes of `borrowing.face` with other voices' sound, those of one voice not in a row.

    Each of `borrowing.voices` gives an equal share of `hours`, once a version of the data. Raises
    ConfigError for names that mean nothing, FileNotFoundError for missing weights or speech.
    """
    options = config.borrowing
    own = [
        [t for t in takes if t.speaker == options.face and t.curves is not None] for takes in train
    ]
    if not any(own):
        raise ConfigError(f"borrowing.face: no measured takes of {options.face!r}")
    versions = range(min(READ_VERSIONS, config.augmentation.versions))
    streams = [make_version(own, config, version) for version in versions]
    share_s = 3600.0 * options.hours * config.augmentation.versions / len(options.voices)
    chosen: dict[str, list[Array]] = {name: [] for name in options.voices}
    for name, kept in chosen.items():
        left_s = share_s
        for sound in sounds(config, train, name):
            for piece in pieces(sound, LONGEST_PIECE_S):
                kept.append(piece)
                left_s -= len(piece) / SAMPLE_RATE_HZ
            if left_s <= 0.0:
                break
    clips = sum(map(len, streams)) + sum(map(len, chosen.values()))
    done = [0]

    def one_more() -> None:
        done[0] += 1
        on_clip(done[0], clips)

    whisper = load_whisper((Path(config.folder) / config.listening.weights).resolve())
    every = [stream for version in streams for stream in version]
    reader = fit_reader(whisper, options.layers, every, config.rate, one_more)
    clean = streams[0]
    seen = np.nan_to_num(np.concatenate([stream.curves for stream in clean]))
    usual = np.mean(seen[:, MOUTH], axis=0)
    longest = round(100 * LONGEST_PIECE_S)
    lively = _range([reader.read(s.mel[:longest].astype(np.float32)) for s in clean])
    rng = np.random.default_rng([config.seed, 4])
    made: list[Recording] = []
    for name, kept in chosen.items():
        mouths = []
        for piece in kept:
            mouths.append(reader.read(_core.log_mel(piece, True)[0]))
            one_more()
        gain = np.clip(lively / np.maximum(_range(mouths), 1e-6), *LIVELIER) if mouths else 1.0
        for index, (piece, mouth) in enumerate(zip(kept, mouths, strict=True)):
            times_s = _times_s(len(mouth))
            curves = _stretch(clean, times_s, float(config.rate), rng)
            curves[:, MOUTH] = np.clip(usual + (mouth - usual) * gain, 0.0, 1.0)
            take = Recording(f"{name}-{index}", options.face, "", piece, curves, times_s)
            made.append(take)
    return [made[i] for i in rng.permutation(len(made))]


def _times_s(tokens: int) -> NDArray[np.float64]:
    return np.arange(tokens, dtype=np.float64) * TOKEN_S


def _stretch(
    streams: list[Stream], times_s: NDArray[np.float64], rate_hz: float, rng: np.random.Generator
) -> Array:
    """(len(times_s), 52): what the face did in some stretch of its own takes, mouth included."""
    frames = np.round(times_s * rate_hz).astype(int)
    curves = streams[int(rng.integers(len(streams)))].curves
    start = int(rng.integers(max(1, len(curves) - frames[-1])))
    stretch = curves[np.minimum(start + frames, len(curves) - 1)]
    return np.nan_to_num(np.asarray(stretch, dtype=np.float32))


# ------------------------------------------------------------------------------------------- cache


def borrowed(
    config: Config,
    train: list[list[Recording]],
    folder: Path,
    on_clip: OnClip = lambda done, of: None,
) -> list[Recording]:
    """`perform_voices`, made once and kept in `folder`; nothing where no face is to be borrowed."""
    if not config.borrowing.face:
        return []
    return kept_takes(
        folder / f"borrowed-{_digest(config, train)}.npz",
        "borrowed",
        lambda: perform_voices(config, train, on_clip),
        _times_s,
    )


def _digest(config: Config, train: list[list[Recording]]) -> str:
    described = config.describe()
    kept = {key: described[key] for key in ("borrowing", "augmentation", "seed", "sources")}
    kept["speech"] = [(s.name, s.path) for s in config.listening.speech]
    kept["format"] = 2
    return digest_of(kept, train)
