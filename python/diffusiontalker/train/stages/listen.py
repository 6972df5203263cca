"""The context learns to hear: regression of the causal copy on the unmasked Whisper encoder.

Whisper hears a whole clip; the context hears the past and what comes `delay_tokens` later. It is
tuned on clean targets through spoilt sound (noise, babble, reverberation, narrow bands, gain), so
that what it hands to the talker changes little with the room, the microphone and the voice.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import samplerate
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ... import _core
from ...files import is_whole
from .. import checkpoint
from ..clock import COLUMNS_A_TOKEN, token_count
from ..config import Config, ContextConfig, Listening
from ..corpora import SAMPLE_RATE_HZ, Recording, Skipped
from ..corpora.audio import CONTAINERS, SUFFIXES, read_audio
from ..data.noises import noise_below
from ..data.streams import Hear
from ..files import save_arrays
from ..networks.context import Context, Whisper, causal_copy
from ..networks.whisper_weights import load_whisper
from .trainer import Losses, OnStep, Trainer, learning_rate

LONGEST_CLIP_S = 12.0


@dataclass(frozen=True)
class Segments:
    """Stretches of clean sound and what the unmasked encoder hears in them."""

    audio: NDArray[np.int16]  # (n, samples), 16 kHz
    targets: NDArray[np.float16]  # (n, tokens, width), standardised a dimension

    def __len__(self) -> int:
        return len(self.audio)


def speech_files(folder: Path) -> list[Path]:
    """Every sound file under a folder, sorted. Raises FileNotFoundError for none."""
    kinds = frozenset(SUFFIXES) - CONTAINERS
    files = sorted(p for p in folder.rglob("*") if p.suffix.lower() in kinds)
    if not files:
        raise FileNotFoundError(f"no sound file under {folder} ({', '.join(sorted(kinds))})")
    return files


def read_speech(
    config: Config, on_file: Callable[[], None] = lambda: None
) -> tuple[list[NDArray[np.float32]], list[Skipped]]:
    """The recordings of `listening.speech`, 16 kHz mono; broken files are skipped and named."""
    clips: list[NDArray[np.float32]] = []
    skipped: list[Skipped] = []
    for source in config.listening.speech:
        for path in speech_files(config.source_path(source)):
            try:
                clips.append(read_audio(path))
            except Exception as error:  # whatever it is, the others are heard
                skipped.append(Skipped(path, str(error)))
            on_file()
    return clips, skipped


# ----------------------------------------------------------------------------------------- targets


def cut(
    clips: list[NDArray[np.float32]], options: Listening, seed: int
) -> list[NDArray[np.float32]]:
    """Clips end to end with pauses, in segments of `segment_s`, each clip at a drawn speed.

    Speed moves pitch and formants with it: other throats than those of the corpus.
    """
    rng = np.random.default_rng(seed)
    length = round(options.segment_s * SAMPLE_RATE_HZ)
    low, high = np.log(options.speed)
    pieces: list[NDArray[np.float32]] = []
    for index in rng.permutation(len(clips)):
        clip = clips[index]
        longest = round(LONGEST_CLIP_S * SAMPLE_RATE_HZ)
        for start in range(0, len(clip), longest):
            part = clip[start : start + longest]
            speed = float(np.exp(rng.uniform(low, high)))
            if rng.random() < 0.5:
                part = samplerate.resample(part, 1.0 / speed, "sinc_fastest")
            gap = np.zeros(int(rng.exponential(0.25) * SAMPLE_RATE_HZ), np.float32)
            pieces += [part, gap]
    whole = np.concatenate(pieces) if pieces else np.zeros(0, np.float32)
    return [whole[i : i + length] for i in range(0, len(whole) - length + 1, length)]


def teach(
    whisper: Whisper,
    segments: list[NDArray[np.float32]],
    layers: int,
    on_segment: Callable[[], None],
) -> Segments:
    """Hidden states of Whisper after `layers` layers, standardised over all segments."""
    heard: list[NDArray[np.float32]] = []
    with torch.no_grad():
        for segment in segments:
            mel = torch.from_numpy(_core.log_mel(segment, True)[0])[None]
            heard.append(whisper(mel, layers)[0].numpy())
            on_segment()
    every = np.concatenate(heard)
    mean, std = every.mean(axis=0), every.std(axis=0) + 1e-4
    targets = np.stack([((h - mean) / std).astype(np.float16) for h in heard])
    audio = np.stack([np.round(np.clip(s, -1, 1) * 32767).astype(np.int16) for s in segments])
    return Segments(audio, targets)


# ------------------------------------------------------------------------------------ augmentation


def reverberate(audio: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    """A room: exponentially decaying noise after the direct sound, RT60 0.15 to 0.6 s."""
    rt60_s = rng.uniform(0.15, 0.6)
    samples = int(rt60_s * SAMPLE_RATE_HZ)
    decay = 10.0 ** (-3.0 * np.arange(samples) / samples)
    tail = rng.standard_normal(samples) * decay
    tail[: int(0.002 * SAMPLE_RATE_HZ)] = 0.0
    direct_db = rng.uniform(0.0, 12.0)
    response = tail / np.sqrt(np.sum(tail**2)) * 10 ** (-direct_db / 20)
    response[0] = 1.0
    size = len(audio) + samples
    wet = np.fft.irfft(np.fft.rfft(audio, size) * np.fft.rfft(response, size), size)[: len(audio)]
    return np.asarray(wet, dtype=np.float32)


def narrow(audio: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    """A telephone: nothing below 80-300 Hz nor above 3.2-7 kHz, and 8-bit mu-law half the time."""
    low_hz, high_hz = rng.uniform(80.0, 300.0), rng.uniform(3200.0, 7000.0)
    spectrum = np.fft.rfft(audio)
    hz = np.fft.rfftfreq(len(audio), 1 / SAMPLE_RATE_HZ)
    shape = 1.0 / (1.0 + (low_hz / np.maximum(hz, 1.0)) ** 4) / (1.0 + (hz / high_hz) ** 12)
    band = np.fft.irfft(spectrum * shape, len(audio))
    if rng.random() < 0.5:
        peak = np.abs(band).max() + 1e-9
        squeezed = np.sign(band) * np.log1p(255.0 * np.abs(band) / peak) / math.log(256.0)
        steps = np.round(squeezed * 127.0) / 127.0
        band = np.sign(steps) * np.expm1(np.abs(steps) * math.log(256.0)) / 255.0 * peak
    return np.asarray(band, dtype=np.float32)


def spoil(
    audio: NDArray[np.float32],
    other: NDArray[np.float32],
    options: Listening,
    rng: np.random.Generator,
) -> NDArray[np.float32]:
    """What a microphone might have made of clean sound; `other` is a voice in the background."""
    power = float(np.mean(np.square(audio))) + 1e-10
    if rng.random() < options.babble_chance:
        level = np.sqrt(power / (float(np.mean(np.square(other))) + 1e-10))
        audio = audio + other * np.float32(level * 10 ** (-rng.uniform(8.0, 20.0) / 20))
    if rng.random() < options.reverb_chance:
        audio = reverberate(audio, rng)
    if rng.random() < options.noise_chance:
        snr_db = rng.uniform(*options.noise_snr_db)
        audio = audio + noise_below(power, snr_db, len(audio), rng.uniform(0.0, 2.0), rng)
    if rng.random() < options.band_chance:
        audio = narrow(audio, rng)
    gain_db = rng.uniform(-18.0, 12.0)
    return np.asarray(np.clip(audio * np.float32(10 ** (gain_db / 20)), -1.0, 1.0), np.float32)


# ---------------------------------------------------------------------------------------- training


def train_context(
    config: Config,
    takes: list[Recording],
    folder: Path,
    *,
    on_step: OnStep = lambda *_: None,
    on_segment: Callable[[int, int], None] = lambda done, of: None,
    on_note: Callable[[str], None] = lambda note: None,
) -> Context:
    """Tune the causal copy, or read it if `folder`/final.pt has it; resumes after a cut.

    A damaged file counts as missing, and `on_note` is told.

    Raises FileNotFoundError for missing weights or speech, ValueError for another configuration.
    """
    shape, options = config.encoder.context, config.listening
    described = _described(config, takes)
    final = folder / "final.pt"
    done = checkpoint.load_whole(final, on_note)
    if done is not None:
        checkpoint.refuse_other(final, same=done["config"] == described)
        context = Context(shape)
        with checkpoint.restoring(final):
            context.load_state_dict(done["context"])
        return context.eval()
    segments = _segments(config, takes, folder, on_segment)
    whisper = load_whisper((Path(config.folder) / options.weights).resolve())
    context = causal_copy(whisper, shape)
    task = ContextTask(context, first_reader(context, segments, options), segments, config)
    trainer = trainer_of(task)
    going_on = checkpoint.resume(folder, on_note)
    if going_on is not None:
        path, saved = going_on
        checkpoint.refuse_other(path, same=saved["config"] == described)
        with checkpoint.restoring(path):
            trainer.restore(saved)
    trainer.train(task, folder, described, save_every_s=config.save_every_s, on_step=on_step)
    checkpoint.save(final, {"config": described, "context": context.state_dict()})
    return context.eval().requires_grad_(False)


@dataclass
class ContextTask:
    """The regression of the context, through a linear reader, as what a Trainer learns."""

    context: Context
    reader: nn.Linear
    segments: Segments
    config: Config
    name = "context"

    @property
    def options(self) -> Listening:
        return self.config.listening

    @property
    def epochs(self) -> int:
        return self.options.epochs

    @property
    def steps(self) -> int:
        """Of an epoch. Raises ValueError where there are none."""
        steps = len(self.segments) // self.options.batch
        if steps == 0:
            raise ValueError(
                f"listening: {len(self.segments)} segments of {self.options.segment_s} s are fewer "
                f"than a batch of {self.options.batch}; add speech or shorten segment_s"
            )
        return steps

    def begin(self, epoch: int) -> int:
        return self.steps

    def rate(self, at: Trainer, steps: int) -> float:
        progress = at.steps / (steps * self.epochs)
        return learning_rate(
            self.options.learning_rate, self.options.warmup_steps, at.steps, progress
        )

    def losses(self, at: Trainer) -> Losses:
        order = np.random.default_rng([self.config.seed, at.epoch]).permutation(len(self.segments))
        chosen = order[at.position * self.options.batch : (at.position + 1) * self.options.batch]
        rng = np.random.default_rng([self.config.seed, 1, at.steps])
        mel, target = _batch(self.segments, chosen, self.options, rng)
        return Losses((self.reader(self.context(mel)) - target).square().mean())

    def line(self, at: Trainer, seconds: float, means: dict[str, float]) -> dict[str, float]:
        return {"epoch": at.epoch, "step": at.steps, **means}


def trainer_of(task: ContextTask) -> Trainer:
    """AdamW over the context and its reader."""
    both = nn.ModuleList([task.context, task.reader])
    rate = task.options.learning_rate
    optimiser = torch.optim.AdamW(both.parameters(), lr=rate, weight_decay=0.01)
    return Trainer({"both": both}, optimiser, largest_norm=1.0, steps_an_epoch=task.steps)


def first_reader(context: Context, segments: Segments, options: Listening) -> nn.Linear:
    """The best linear reading of the untuned context (ridge regression), where training starts.

    The reader only serves training: the talker reads the context's tokens themselves.
    """
    rng = np.random.default_rng(0)
    mels, targets = [], []
    for index in range(min(64, len(segments))):
        mel, target = _batch(segments, np.array([index]), options, rng)
        mels.append(mel)
        targets.append(target[0])
    with torch.no_grad():
        heard = torch.cat([context(mel)[0] for mel in mels]).double()
    asked = torch.cat(targets).double()
    heard = torch.cat([heard, torch.ones(len(heard), 1, dtype=torch.float64)], dim=1)
    square = heard.T @ heard + 10.0 * torch.eye(heard.shape[1], dtype=torch.float64)
    solved = torch.linalg.solve(square, heard.T @ asked).float()
    reader = nn.Linear(len(solved) - 1, solved.shape[1])
    with torch.no_grad():
        reader.weight.copy_(solved[:-1].T)
        reader.bias.copy_(solved[-1])
    return reader


def _batch(
    segments: Segments, chosen: NDArray[np.int64], options: Listening, rng: np.random.Generator
) -> tuple[Tensor, Tensor]:
    mels = []
    for index in chosen:
        clean = segments.audio[index].astype(np.float32) / 32767
        other = segments.audio[rng.integers(len(segments))].astype(np.float32) / 32767
        mels.append(_core.log_mel(spoil(clean, other, options, rng), True)[0])
    mel = torch.from_numpy(np.stack(mels))
    tokens = token_count(mel.shape[1])
    # Token i is asked for what Whisper heard `delay` tokens before; at the start, for the first.
    at = np.clip(np.arange(tokens) - options.delay_tokens, 0, None)
    return mel, torch.from_numpy(segments.targets[chosen][:, at].astype(np.float32))


def _segments(
    config: Config,
    takes: list[Recording],
    folder: Path,
    on_segment: Callable[[int, int], None],
) -> Segments:
    """The cache of segments and targets, made if it is missing."""
    options = config.listening
    kept = {
        "weights": options.weights,
        "segment_s": options.segment_s,
        "speed": options.speed,
        "speech": [source.path for source in options.speech],
        "layers": config.encoder.context.layers,
        "seed": config.seed,
        "takes": _takes_digest(takes),
    }
    digest = hashlib.sha256(json.dumps(kept, sort_keys=True).encode()).hexdigest()[:16]
    path = folder / f"segments-{digest}.npz"
    if not is_whole(path):
        folder.mkdir(parents=True, exist_ok=True)
        speech, _ = read_speech(config)
        pieces = cut([take.audio for take in takes] + speech, options, config.seed)
        done = [0]

        def one_more() -> None:
            done[0] += 1
            on_segment(done[0], len(pieces))

        whisper = load_whisper((Path(config.folder) / options.weights).resolve())
        made = teach(whisper, pieces, config.encoder.context.layers, one_more)
        save_arrays(path, {"audio": made.audio, "targets": made.targets})
    with np.load(path) as arrays:
        return Segments(arrays["audio"], arrays["targets"])


def _described(config: Config, takes: list[Recording]) -> str:
    """Everything that decides the context's weights."""
    whole = config.describe()
    kept = {"listening": whole["listening"], "context": whole["encoder"]["context"]}
    return json.dumps({**kept, "seed": config.seed, "takes": _takes_digest(takes)}, sort_keys=True)


def _takes_digest(takes: list[Recording]) -> str:
    digest = hashlib.sha256()
    for take in takes:
        digest.update(f"{take.id} {len(take.audio)}".encode())
    return digest.hexdigest()


# ---------------------------------------------------------------------------------------- features


def hearing(context: Context, shape: ContextConfig) -> Hear:
    """The context as what makes the streams' tokens."""

    def hear(audio: NDArray[np.float32], mel: NDArray[np.float16]) -> NDArray[np.float16]:
        return tokens_of(context, shape, mel)

    return hear


def tokens_of(
    context: Context, shape: ContextConfig, mel: NDArray[np.float16], block_tokens: int = 400
) -> NDArray[np.float16]:
    """Tokens (n, width) of a long stream of mel columns, as if it were heard in one piece.

    A token depends on at most layers x (window - 1) tokens before it and the columns of one more,
    so blocks with that much run-up give the same tokens.
    """
    total = token_count(len(mel))
    run_up = shape.layers * (shape.window - 1) + 2
    parts: list[NDArray[np.float16]] = []
    for start in range(0, total, block_tokens):
        first = max(0, start - run_up)
        stop = min(total, start + block_tokens)
        columns = mel[COLUMNS_A_TOKEN * first : COLUMNS_A_TOKEN * stop + 1].astype(np.float32)
        with torch.no_grad():
            heard = context(torch.from_numpy(columns)[None])[0]
        parts.append(heard[start - first : stop - first].numpy().astype(np.float16))
    return np.concatenate(parts) if parts else np.zeros((0, shape.width), np.float16)
