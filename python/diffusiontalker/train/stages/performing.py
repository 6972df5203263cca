"""What several measured people together would do to a voice that nobody filmed.

A model that hears only the past learns a few people's faces together with their few voices, and
meets a stranger's voice worse than it needs to. A network that hears whole clips through the
unmasked encoder does not (docs/results/solved_faces.md). So teachers of that kind learn the
measured faces, each told whose face it is, and then read every voice at hand as each of these
people. What they say becomes training data of these people or, the mean over all, of the identity
that is nobody's (`config.anyone`). Eyes and brows, which sound hardly tells, are those of measured
takes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from ... import _core
from ...curves import LIPS, indices
from .. import lip_axes
from ..config import Config, ConfigError
from ..corpora import Recording
from ..data.streams import monotone_cubic
from ..networks.context import Whisper
from ..networks.whisper_weights import load_whisper
from .borrow import LONGEST_PIECE_S, OnClip, hear, pieces, sounds
from .kept import digest_of, kept_takes
from .trainer import Trainer, learning_rate

PICTURE_S = 0.04  # a teacher gives a face for every two of the encoder's tokens
MOUTH = indices(LIPS)
WIDTH = 192
DROPOUT = 0.3
WEIGHT_DECAY = 0.01
LEARNING_RATE = 2e-3
WARMUP_STEPS = 50
BATCH = 16

Array = NDArray[np.float32]


class Teacher(nn.Module):
    """Tokens of whole clips (B, 2n, width) and who speaks (B,) -> curves of `MOUTH` (B, n, 27),
    standardised."""

    def __init__(self, width: int, people: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.halve = nn.Conv1d(width, WIDTH, 4, stride=2)
        self.mix = nn.Conv1d(WIDTH, WIDTH, 3, padding=1)
        self.people = nn.Embedding(people, WIDTH)
        nn.init.normal_(self.people.weight, std=0.3)
        self.gru = nn.GRU(2 * WIDTH, WIDTH, batch_first=True, bidirectional=True)
        self.drop = nn.Dropout(DROPOUT)
        self.head = nn.Linear(2 * WIDTH, len(MOUTH))

    def forward(self, tokens: Tensor, who: Tensor) -> Tensor:
        heard = self.drop(self.norm(tokens).transpose(1, 2))
        h = functional.relu(self.halve(functional.pad(heard, (1, 2))))[:, :, : tokens.shape[1] // 2]
        h = self.drop(functional.relu(self.mix(h)).transpose(1, 2))
        person = self.people(who)[:, None].expand(-1, h.shape[1], -1)
        out, _ = self.gru(torch.cat([h, person], dim=-1))
        curves: Tensor = self.head(self.drop(out))
        return curves


@dataclass(frozen=True)
class Clip:
    """A measured take as a teacher meets it."""

    tokens: Array  # (2n, width)
    mouth: Array  # (n, 27), curve units
    person: int


@dataclass(frozen=True)
class Units:
    """Of the curves that the teachers give, (27,) each."""

    mean: Array
    std: Array


# ----------------------------------------------------------------------------------------- learning


def clip_of(whisper: Whisper, layers: int, take: Recording, person: int) -> Clip:
    assert take.curves is not None
    assert take.times_s is not None
    tokens = hear(whisper, layers, _core.log_mel(take.audio, True)[0])
    pictures = len(tokens) // 2
    times_s = _times_s(pictures)
    mouth = monotone_cubic(take.times_s, take.curves[:, MOUTH], times_s)
    return Clip(tokens[: 2 * pictures], mouth, person)


def teacher_loss(said: Tensor, truth: Tensor, std: Tensor) -> Tensor:
    """Squared error of the curves and of the lips' axes, each over its spread, and of their changes
    from picture to picture."""
    axes = torch.from_numpy(lip_axes.matrix()[MOUTH] / np.array(lip_axes.SPREAD, np.float32))
    error = said - truth
    total = torch.zeros(())
    for part in (error, (error * std) @ axes):
        total = total + part.square().mean() + (part[:, 1:] - part[:, :-1]).square().mean()
    return total


def train_teacher(
    clips: Sequence[Clip],
    people: int,
    units: Units,
    epochs: int,
    seed: int,
    on_step: Callable[[], None] = lambda: None,
) -> Teacher:
    """A teacher of so many people, from what (`clips`, `seed`) says alone."""
    rng = np.random.default_rng([seed, 6])
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        teacher = Teacher(clips[0].tokens.shape[1], people).train()
        optimiser = torch.optim.AdamW(
            teacher.parameters(), lr=LEARNING_RATE, weight_decay=WEIGHT_DECAY
        )
        trainer = Trainer({}, optimiser, largest_norm=1.0)
        mean, std = torch.from_numpy(units.mean), torch.from_numpy(units.std)
        steps = epochs * -(-len(clips) // BATCH)
        for _ in range(epochs):
            for batch in _batches(clips, rng):
                for group in optimiser.param_groups:
                    group["lr"] = learning_rate(
                        LEARNING_RATE, WARMUP_STEPS, trainer.steps, trainer.steps / steps
                    )
                pictures = min(len(clip.mouth) for clip in batch)
                tokens = np.stack([clip.tokens[: 2 * pictures] for clip in batch])
                mouth = np.stack([clip.mouth[:pictures] for clip in batch])
                who = torch.tensor([clip.person for clip in batch])
                said = teacher(torch.from_numpy(tokens), who)
                truth = (torch.from_numpy(mouth) - mean) / std
                trainer.step(teacher_loss(said, truth, std))
                on_step()
    return teacher.eval().requires_grad_(False)


def _batches(clips: Sequence[Clip], rng: np.random.Generator) -> Iterator[list[Clip]]:
    """All clips in random batches of about equal length; what is longer is cut to the shortest."""
    order = sorted(rng.permutation(len(clips)), key=lambda i: len(clips[i].mouth) // 5)
    groups = [order[i : i + BATCH] for i in range(0, len(order), BATCH)]
    for i in rng.permutation(len(groups)):
        yield [clips[k] for k in groups[i]]


def units_of(clips: Sequence[Clip]) -> Units:
    every = np.concatenate([clip.mouth for clip in clips])
    return Units(every.mean(axis=0), np.maximum(every.std(axis=0), np.float32(0.01)))


def read(teachers: Sequence[Teacher], units: Units, tokens: Array, people: int) -> Array:
    """(people, n, 27): what the teachers say of the sound as every one of their people."""
    heard = torch.from_numpy(tokens[: len(tokens) // 2 * 2])[None].expand(people, -1, -1)
    said = torch.stack([teacher(heard, torch.arange(people)) for teacher in teachers])
    mouth = said.mean(dim=0).numpy() * units.std + units.mean
    return np.asarray(np.clip(mouth, 0.0, 1.0), dtype=np.float32)


# ------------------------------------------------------------------------------------- performances


def perform_voices(
    config: Config, train: list[list[Recording]], on_clip: OnClip = lambda done, of: None
) -> list[Recording]:
    """Takes of each of `performing.faces` with the sound of all of `performing.voices`, but for a
    voice's own face where that was measured; in a random order.

    Raises ConfigError for names that mean nothing, FileNotFoundError for missing weights,
    ValueError where no face was measured.
    """
    options = config.performing
    measured = [take for takes in train for take in takes if take.curves is not None]
    if not measured:
        raise ValueError("performing: no take has a measured face for the teachers to learn")
    names = sorted({take.speaker for take in measured})
    for face in options.faces:
        if face not in (*names, config.anyone):
            raise ConfigError(f"performing.faces: no measured takes of {face!r}")
    voices = [take for name in options.voices for take in _voices(config, train, name)]
    whisper = load_whisper((Path(config.folder) / config.listening.weights).resolve())
    steps = options.teachers * options.epochs * -(-len(measured) // BATCH)
    clips_in_all = len(measured) + steps + len(voices)
    done = [0]

    def one_more() -> None:
        done[0] += 1
        on_clip(done[0], clips_in_all)

    clips = []
    for take in measured:
        clips.append(clip_of(whisper, options.layers, take, names.index(take.speaker)))
        one_more()
    units = units_of(clips)
    teachers = [
        train_teacher(clips, len(names), units, options.epochs, config.seed + i, one_more)
        for i in range(options.teachers)
    ]
    rng = np.random.default_rng([config.seed, 7])
    made = []
    for voice in voices:
        tokens = hear(whisper, options.layers, _core.log_mel(voice.audio, True)[0])
        mouths = read(teachers, units, tokens, len(names))
        times_s = _times_s(mouths.shape[1])
        whose = voice if voice.curves is not None else measured[int(rng.integers(len(measured)))]
        for face in options.faces:
            if face == voice.speaker and voice.curves is not None:
                continue
            curves = _face_of(whose, times_s)
            every = face == config.anyone
            curves[:, MOUTH] = mouths.mean(axis=0) if every else mouths[names.index(face)]
            made.append(Recording(voice.id, face, "", voice.audio, curves, times_s))
        one_more()
    return [made[i] for i in rng.permutation(len(made))]


def _voices(config: Config, train: list[list[Recording]], name: str) -> list[Recording]:
    """The takes of a source, or a folder of speech in pieces, whose face nobody has measured."""
    for source, takes in zip(config.sources, train, strict=True):
        if source.name == name:
            return takes
    return [
        Recording(f"{name}-{index}", name, "", piece)
        for index, piece in enumerate(
            piece
            for sound in sounds(config, train, name, "performing.voices")
            for piece in pieces(sound, LONGEST_PIECE_S)
        )
    ]


def _times_s(pictures: int) -> NDArray[np.float64]:
    return np.arange(pictures, dtype=np.float64) * PICTURE_S


def _face_of(take: Recording, times_s: NDArray[np.float64]) -> Array:
    """(len(times_s), 52): the take's own face, to and fro where it is shorter."""
    assert take.curves is not None
    assert take.times_s is not None
    last_s = max(float(take.times_s[-1]), PICTURE_S)
    there_and_back_s = last_s - np.abs(times_s % (2 * last_s) - last_s)
    return monotone_cubic(take.times_s, take.curves, there_and_back_s)


# -------------------------------------------------------------------------------------------- cache


def performed(
    config: Config,
    train: list[list[Recording]],
    folder: Path,
    on_clip: OnClip = lambda done, of: None,
) -> list[Recording]:
    """`perform_voices`, made once and kept in `folder`; nothing where no voices are named."""
    if not config.performing.voices:
        return []
    return kept_takes(
        folder / f"performed-{_digest(config, train)}.npz",
        "performed",
        lambda: perform_voices(config, train, on_clip),
        _times_s,
    )


def of_version(takes: Sequence[Recording], version: int, share: float) -> list[Recording]:
    """The takes that a version of the data has: `share` of all, every version going on where the
    one before it ended."""
    count = round(share * len(takes))
    return [takes[(version * count + i) % len(takes)] for i in range(count)]


def _digest(config: Config, train: list[list[Recording]]) -> str:
    described = config.describe()
    kept = {key: described[key] for key in ("performing", "seed", "sources", "anyone")}
    kept["speech"] = [(s.name, s.path) for s in config.listening.speech]
    kept["format"] = 2
    return digest_of(kept, train)
