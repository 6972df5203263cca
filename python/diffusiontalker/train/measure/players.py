"""What moves a face on takes: the shipped runtime, or the torch reference beside it."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np
import torch

from ... import _core, clock
from ...bundle import Bundle
from ...curves import CURVES
from ..clock import columns_for
from ..corpora import Recording
from ..data.streams import Hear
from ..data.voice import voiced_columns, voiced_frames
from ..networks import diffusion
from ..networks.bundled import load_talker
from ..networks.identity import matched, pool
from ..networks.model import Talker
from .metrics import Curves

#: (takes, seed, identity) -> curves at the bundle's rate, one array a take. The identity is a name
#: of the library, "own" (the take's speaker where the library has it) or "auto".
Player = Callable[[Sequence[Recording], int, str], list[Curves]]
#: Told how many more clips a measurement has gone through.
OnClips = Callable[[int], None]

AT_ONCE = 16  # clips between two reports of progress


@dataclass(frozen=True)
class Reference:
    """A talker in torch and how it is sampled: that of a bundle, or of a run that has none."""

    talker: Talker
    identities: tuple[str, ...]
    sample_steps: int
    train_steps: int
    noise_scale: torch.Tensor  # (52,)
    hear: Hear | None = None  # makes the tokens of a frozen encoder
    gate: _core.GateOptions = field(default_factory=_core.GateOptions)  # where it hears a voice

    @property
    def frame_rate(self) -> Fraction:
        return self.talker.rate


def reference_of(bundle: Bundle) -> Reference:
    """The bundle's model in torch."""
    manifest = bundle.manifest["diffusion"]
    return Reference(
        load_talker(bundle),
        tuple(bundle.identities),
        int(manifest["sample_steps"]),
        int(manifest["train_steps"]),
        torch.from_numpy(bundle.noise_scale()),
        gate=bundle.core_config().gate,
    )


def torch_player(judged: Bundle | Reference, sample_steps: int | None = None) -> Player:
    """The reference: whole clips, limits 0..1, no silence gate; "auto" is the pooled match.

    With `sample_steps` the talker is sampled in another number of DDIM steps than it ships with.
    """
    reference = reference_of(judged) if isinstance(judged, Bundle) else judged
    talker, train_steps = reference.talker, reference.train_steps
    steps = sample_steps or reference.sample_steps
    abar = diffusion.alpha_bars(train_steps, steps)
    library, keys = talker.identity(), talker.identity.matching()
    noise_scale = reference.noise_scale

    def player(takes: Sequence[Recording], seed: int, identity: str) -> list[Curves]:
        results: list[Curves] = [np.zeros((0, len(CURVES)), np.float32)] * len(takes)
        order = sorted(range(len(takes)), key=lambda i: len(takes[i].audio))
        for start in range(0, len(order), 32):
            chosen = order[start : start + 32]
            together = [takes[i] for i in chosen]
            features, voiced, counts = batch_features(
                talker, together, reference.hear, reference.gate
            )
            pooled = pool(features, voiced) - talker.identity.pooled_mean
            rows = matched(pooled, keys)
            for k, i in enumerate(chosen):
                name = takes[i].speaker if identity == "own" else identity
                if name in reference.identities:
                    rows[k] = reference.identities.index(name)
            noise = torch.from_numpy(_core.noise(seed, 0, features.shape[1], len(CURVES)))
            noise = (noise * noise_scale)[None].expand(len(chosen), -1, -1)

            def network(
                x: torch.Tensor, n: int, a: torch.Tensor = features, g: torch.Tensor = library[rows]
            ) -> torch.Tensor:
                row = torch.full((len(x),), int(diffusion.table_row(n, steps, train_steps)))
                x0, _ = talker.decoder(a, g, row, x)
                return torch.as_tensor(x0)

            x0 = diffusion.sample(network, noise, abar) * talker.std + talker.mean
            for k, i in enumerate(chosen):
                results[i] = x0[k, : counts[k]].clamp(0.0, 1.0).numpy()
        return results

    return player


def batch_features(
    talker: Talker,
    takes: Sequence[Recording],
    hear: Hear | None = None,
    gate: _core.GateOptions | None = None,
) -> tuple[torch.Tensor, torch.Tensor, list[int]]:
    """Features (B, F, A), voiced (B, F) and frame counts of clips padded with silence.

    `hear` makes the tokens of a talker behind a frozen encoder; `gate` is the bundle's.
    """
    counts = [clock.total_frames(len(take.audio), talker.rate) for take in takes]
    frames = max(counts)
    columns = columns_for(frames, talker.rate, talker.lookahead_columns)
    mel = np.zeros((len(takes), columns, 80), np.float32)
    voiced = np.zeros((len(takes), frames), np.bool_)
    tokens = []
    for i, take in enumerate(takes):
        padded = np.zeros((columns + 2) * clock.HOP_SAMPLES, np.float32)
        padded[: len(take.audio)] = take.audio
        bands, level_db = _core.log_mel(padded, True)
        mel[i] = bands[:columns]
        if hear is not None:
            tokens.append(torch.from_numpy(hear(padded, bands[:columns].astype(np.float16))))
        speech = voiced_columns(level_db[:columns], gate)
        voiced[i] = voiced_frames(speech, frames, talker.rate, talker.lookahead_columns, gate)
        voiced[i, counts[i] :] = False
    with torch.no_grad():
        heard = torch.stack(tokens).float() if tokens else None
        features = talker.features(torch.from_numpy(mel), frames, heard)
    return features, torch.from_numpy(voiced), counts


def runtime_player(
    bundle: Bundle, threads: int | None = None, *, precision: str = "int8"
) -> Player:
    """The shipped path: C++ runtime with gate, post-processing and its own identity matching.

    Without idle motion, of which the sound says nothing.

    Clips are shared out among `threads` runtimes, by default one a CPU.
    """
    from ...runtime import Runtime

    count = threads or os.cpu_count() or 1
    # A runtime a thread: as many as identities would fill the memory with copies of the model.
    latest: list[tuple[tuple[int, str], Runtime] | None] = [None] * count

    def work(worker: int, takes: Sequence[Recording], seed: int, identity: str) -> list[Curves]:
        results: list[Curves] = []
        for take in takes:
            name = take.speaker if identity == "own" else identity
            key = (seed, name if name in bundle.identities else "auto")
            entry = latest[worker]
            if entry is None or entry[0] != key:
                runtime = Runtime(bundle, seed=seed, identity=key[1], idle=0, precision=precision)
                entry = latest[worker] = (key, runtime)
            runtime = entry[1]
            runtime.reset()
            results.append(np.concatenate([runtime.step(take.audio), runtime.flush()]))
        return results

    def player(takes: Sequence[Recording], seed: int, identity: str) -> list[Curves]:
        each = -(-len(takes) // count)
        with ThreadPoolExecutor(count) as threads_used:
            jobs = [
                threads_used.submit(work, i, takes[i * each : (i + 1) * each], seed, identity)
                for i in range(count)
            ]
            return [curves for job in jobs for curves in job.result()]

    return player


def play(
    player: Player, takes: Sequence[Recording], seed: int, identity: str, on_clips: OnClips
) -> list[Curves]:
    """The player's results, reporting its progress every few clips."""
    results: list[Curves] = []
    for start in range(0, len(takes), AT_ONCE):
        part = takes[start : start + AT_ONCE]
        results += player(part, seed, identity)
        on_clips(len(part))
    return results
