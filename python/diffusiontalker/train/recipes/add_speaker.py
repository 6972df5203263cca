"""One more voice in a bundle's library, everything else left bit for bit as it is.

A row of the identity library is appended and alone trained, on a few takes of the new speaker:
L_con makes the voice find it, L_exp makes it move like the face that was measured. Where the
library has keys, L_con trains a key of the new row's own. Encoder, MLP and decoder are frozen, so
every other row's match score stays what it was.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from ... import _core
from ... import bundle as bundles
from ...bundle import MANIFEST, Bundle, BundleError
from .. import corpora
from ..config import LossWeights
from ..corpora import Recording
from ..data.streams import monotone_cubic
from ..measure.players import batch_features
from ..measure.scores import identity_decisions
from ..networks import diffusion
from ..networks.bundled import load_talker
from ..networks.identity import match_logits, pool
from ..networks.model import Talker
from ..stages.listen import speech_files
from ..stages.trainer import Trainer
from ..stages.windows import draw_steps

WINDOW_S = 4.0
BATCH = 4  # windows a step for L_exp
NEAREST = 3  # rows whose mean the new one starts from
LEARNING_RATE = 0.03
LEAST_VOICED_S = 0.5  # of a window; less says too little of a voice
ENOUGH_VOICED_S = 10.0  # of all takes; less is learnt, and told


@dataclass(frozen=True)
class Voice:
    """What the takes say of the new speaker, in the model's units and behind its encoder."""

    pooled: Tensor  # (windows, A), mean of the audio features over speech, centred
    features: Tensor  # (windows with curves, F, A)
    x0: Tensor  # (windows with curves, F, 52), standardised
    seconds: float  # of the takes
    voiced_s: float  # of it, where the runtime hears a voice
    longest_face_s: float  # the longest take with curves; 0 without


@dataclass(frozen=True)
class Added:
    """The new bundle, and how well the voice finds its row on the very takes it was made from."""

    bundle: Bundle
    nearest: tuple[str, ...]  # rows that the new one started from
    matched: int  # windows whose best row is the new one
    windows: int
    cosine: float  # mean, to the new row
    runner_up: str  # the next best row by mean cosine
    runner_up_cosine: float
    decided_after_s: float  # of speech, until the runtime's automatic identity is the new one; nan
    expression: tuple[float, float] | None  # L_exp over the first and last tenth; None: not learnt
    seconds: float  # of the takes
    voiced_s: float  # of it, where the runtime hears a voice
    longest_face_s: float  # the longest take with curves; 0 without any


@dataclass(frozen=True)
class NewRow:
    """What is appended to the library."""

    embedding: Tensor  # (32,)
    key: Tensor | None  # (A,); None where the library has none
    nearest: list[int]  # rows that the embedding started from


def refuse_name(bundle: Bundle, name: str) -> None:
    """Raises ValueError for a name that the library has, or that means something else."""
    if name in bundle.identities:
        raise ValueError(
            f"--name {name}: {bundle.path} has that name already; it has "
            f"{', '.join(bundle.identities)}"
        )
    if name in ("", "auto", "own"):
        raise ValueError(f"--name {name!r}: expected a name of its own, not empty, auto or own")


@dataclass(frozen=True)
class Found:
    """What paths gave."""

    takes: list[Recording]
    skipped: list[corpora.Skipped]
    passed_over: list[corpora.Skipped]


def read_takes(paths: Sequence[Path], name: str, licence: str = "") -> Found:
    """Takes and folders of takes -> recordings of `name`, and what was left out.

    A sound file is its take's curves where a description lies beside it, otherwise sound alone.
    A folder without any description is taken as sound alone. Raises FileNotFoundError for a path
    that does not exist or a folder without sound.
    """
    read: list[tuple[Path, Callable[..., Recording]]] = []
    passed: list[corpora.Skipped] = []
    for path in paths:
        if not path.exists():
            raise FileNotFoundError(f"take {path} does not exist")
        if path.is_dir():
            others: list[corpora.Skipped] = []

            def pass_over(file: Path, reason: str, others: list[corpora.Skipped] = others) -> None:
                others.append(corpora.Skipped(file, reason))

            described = [(t.path, t.read) for t in corpora.takes(path, pass_over=pass_over)]
            if described:
                read += described
            else:  # a folder of nothing but sound is a voice without a face
                read += [(file, _reader_of(file)) for file in speech_files(path)]
                heard = {file for file, _ in read}
                others = [other for other in others if other.path not in heard]
            passed += others
        else:
            read.append((path, _reader_of(path)))
    takes: list[Recording] = []
    skipped: list[corpora.Skipped] = []
    for path, reader in read:
        try:
            take = corpora.attempt(path, partial(reader, speaker=name, licence=licence))
            in_sync = partial(corpora.synchronise, take, "shift", 0.25)
            takes.append(corpora.attempt(path, in_sync))
        except corpora.BrokenTake as reason:
            skipped.append(corpora.Skipped(path, corpora.printable(str(reason))))
    return Found(takes, skipped, passed)


def _reader_of(path: Path) -> Callable[..., Recording]:
    described = [path, *(path.with_suffix(suffix) for suffix in (".json", ".csv"))]
    for candidate in described:
        take = corpora.take_at(candidate) if candidate.exists() else None
        if take is not None:
            return take.read

    def alone(*, speaker: str, licence: str) -> Recording:
        return corpora.sound_alone(path, speaker=speaker, licence=licence)

    return alone


def listen(talker: Talker, takes: Sequence[Recording], gate: _core.GateOptions) -> Voice:
    """Features of the takes in windows of WINDOW_S, `gate` being the bundle's.

    Raises ValueError if nobody speaks in them.
    """
    rate = float(talker.rate)
    window = round(WINDOW_S * rate)
    pooled, features, curves = [], [], []
    voiced_s = 0.0
    for take in takes:
        audio, voiced, (count,) = batch_features(talker, [take], gate=gate)
        voiced_s += int(voiced[0, :count].sum()) / rate
        x0 = _curves_at(talker, take, count)
        # The last window reaches back, so that a take's end is not lost.
        starts = sorted({*range(0, max(count - window, 0) + 1, window), max(count - window, 0)})
        for start in starts:
            part = slice(start, min(start + window, count))
            if int(voiced[0, part].sum()) >= LEAST_VOICED_S * rate:
                pooled.append(pool(audio[:, part], voiced[:, part])[0])
            if x0 is not None and count >= window:
                features.append(audio[0, part])
                curves.append(x0[part])
    if not pooled:
        raise ValueError(
            f"the takes hold no window with {LEAST_VOICED_S:g} s of speech: record more, or louder"
        )
    empty = torch.zeros(0, window, 1)
    return Voice(
        pooled=torch.stack(pooled) - talker.identity.pooled_mean,
        features=torch.stack(features) if features else empty,
        x0=torch.stack(curves) if curves else empty,
        seconds=sum(take.duration_s for take in takes),
        voiced_s=voiced_s,
        longest_face_s=max((t.duration_s for t in takes if t.curves is not None), default=0.0),
    )


def _curves_at(talker: Talker, take: Recording, frames: int) -> Tensor | None:
    if take.curves is None or take.times_s is None:
        return None
    times_s = np.arange(frames) / float(talker.rate)
    curves = torch.from_numpy(monotone_cubic(take.times_s, take.curves, times_s))
    curves[:, ~torch.from_numpy(take.seen)] = torch.nan
    return (curves - talker.mean) / talker.std


def fit_row(
    talker: Talker,
    voice: Voice,
    *,
    sample_steps: int,
    train_steps: int,
    steps: int,
    seed: int,
    on_step: Callable[[int, dict[str, float]], None],
) -> tuple[NewRow, list[float]]:
    """The new row, and L_exp a step (empty without curves).

    Minimises L_con + L_exp by Adam over that row alone.
    """
    temperature = LossWeights().temperature
    library = talker.identity.matching().detach()
    similar = match_logits(voice.pooled.mean(dim=0, keepdim=True), library, 1.0)[0]
    nearest = similar.topk(min(NEAREST, len(library))).indices.tolist()
    row = talker.identity.embeddings[nearest].mean(dim=0).detach().clone().requires_grad_(True)
    key: Tensor | None = None
    if talker.identity.keys is not None:
        key = functional.normalize(voice.pooled.mean(dim=0), dim=-1).requires_grad_(True)
    learnt = [row] if key is None else [row, key]
    trainer = Trainer({}, torch.optim.Adam(learnt, lr=LEARNING_RATE))
    abar = diffusion.alpha_bars(train_steps, sample_steps).float()
    generator = torch.Generator().manual_seed(seed)
    own = torch.full((len(voice.pooled),), len(library))
    expression: list[float] = []
    for _ in range(steps):
        feature = talker.identity.mlp(row[None])
        compared = feature if key is None else key[None]
        logits = match_logits(voice.pooled, torch.cat([library, compared]), temperature)
        loss = functional.cross_entropy(logits, own)
        said = {"contrast": float(loss.detach())}
        if len(voice.x0):
            chosen = torch.randint(len(voice.x0), (BATCH,), generator=generator)
            x0 = voice.x0[chosen]
            n = draw_steps(BATCH, sample_steps, generator)
            eps = torch.randn(x0.shape, generator=generator)
            x_t = diffusion.diffuse(x0.nan_to_num(), eps, abar[n][:, None, None])
            table_row = diffusion.table_row(n, sample_steps, train_steps)
            assert isinstance(table_row, Tensor)
            guess, _ = talker.decoder(
                voice.features[chosen], feature.expand(BATCH, -1), table_row, x_t
            )
            error = diffusion.expression_loss(guess, torch.where(x0.isnan(), guess.detach(), x0))
            said["expression"] = float(error.detach())
            expression.append(said["expression"])
            loss = loss + error
        trainer.step(loss)
        on_step(trainer.steps, said)
    made = None if key is None else functional.normalize(key.detach(), dim=-1)
    return NewRow(row.detach(), made, nearest), expression


def add_speaker(
    bundle: Bundle,
    takes: Sequence[Recording],
    name: str,
    folder: Path,
    *,
    licence: str = "",
    steps: int = 200,
    seed: int = 0,
    on_step: Callable[[int, dict[str, float]], None] = lambda step, losses: None,
) -> Added:
    """Write `bundle` with one more identity to `folder`.

    Raises ValueError for a name that exists, takes without speech, or a folder that holds a
    bundle; BundleError if an old row would have changed.
    """
    refuse_name(bundle, name)
    if (folder / MANIFEST).exists():
        raise ValueError(f"-o {folder}: a bundle is there already; choose another folder")
    talker = load_talker(bundle)
    voice = listen(talker, takes, bundle.core_config().gate)
    new, expression = fit_row(
        talker,
        voice,
        sample_steps=int(bundle.manifest["diffusion"]["sample_steps"]),
        train_steps=int(bundle.manifest["diffusion"]["train_steps"]),
        steps=steps,
        seed=seed,
        on_step=on_step,
    )
    manifest: dict[str, Any] = copy.deepcopy(bundle.manifest)
    manifest["identities"]["names"].append(name)
    manifest["training"].setdefault("added_speakers", []).append(
        {
            "name": name,
            "to": bundle.sha256,
            "takes": len(takes),
            "seconds": round(voice.seconds, 1),
            "curves": "measured" if len(voice.x0) else "none: matched by voice alone",
            "licence": licence,
            "steps": steps,
            "seed": seed,
        }
    )
    longer = {"identity.embeddings": new.embedding}
    if new.key is not None:
        longer["identity.keys"] = new.key
    tensors = {
        name: np.concatenate([bundle.tensors[name], row.numpy()[None]])
        for name, row in longer.items()
    }
    written = bundles.write(
        folder,
        manifest,
        {**bundle.core_tensors(), **tensors},
        dtype=bundle.manifest["weights"]["dtype"],
    )
    before, after = bundle.identity_features(), written.identity_features()
    keys = written.identity_keys()
    kept = np.array_equal(bundle.identity_keys(), keys[: len(before)])
    if not (kept and np.array_equal(before, after[: len(before)])):
        raise BundleError(f"bundle {folder}: rows of the library changed; do not use it")
    library = torch.from_numpy(keys)
    cosines = match_logits(voice.pooled, library, 1.0)
    mean = cosines.mean(dim=0)
    other = int(mean[:-1].argmax())
    # A cosine under the bundle's `unknown_cosine` never wins, however far ahead: so it is played.
    played = identity_decisions(written, takes)
    tenth = max(1, len(expression) // 10)
    return Added(
        bundle=written,
        nearest=tuple(bundle.identities[i] for i in new.nearest),
        matched=int((cosines.argmax(dim=1) == len(before)).sum()),
        windows=len(cosines),
        cosine=float(mean[-1]),
        runner_up=bundle.identities[other],
        runner_up_cosine=float(mean[other]),
        decided_after_s=played["decided_after_s_median"],
        seconds=voice.seconds,
        voiced_s=voice.voiced_s,
        longest_face_s=voice.longest_face_s,
        expression=(
            (float(np.mean(expression[:tenth])), float(np.mean(expression[-tenth:])))
            if expression
            else None
        ),
    )
