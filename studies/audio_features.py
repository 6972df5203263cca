"""Question: what are audio features worth for a face?

    python studies/audio_features.py CONFIG RUN

A ridge regression reads jawOpen and mouthPucker from three neighbouring tokens at 50 Hz. It learns
on 240 takes of the first source (measured curves) and is judged on 60 held-out takes of
it, and on every fourth take of the second source: voices it never heard, whose curves are made by
rule, so there only differences between rows mean something. RUN holds the tuned context.

Answer (2026-11-26, docs/results/audio_features.md): two layers of Whisper tiny.en are enough
(jawOpen 0.909 unmasked; 0.864 masked to the past, 0.907 masked and tuned; log-mel alone 0.787).
40 ms of look-ahead in place of 59 cost 0.001 on the known speaker and 0.005 on others.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from diffusiontalker import _core
from diffusiontalker.curves import CURVES
from diffusiontalker.train import checkpoint, config
from diffusiontalker.train.corpora import Recording
from diffusiontalker.train.data.performer import perform, style_of
from diffusiontalker.train.networks import frozen
from diffusiontalker.train.networks.context import LAYERS, Context, causal_copy
from diffusiontalker.train.networks.whisper_weights import load_whisper
from diffusiontalker.train.recipes import run

READ = [CURVES.index("jawOpen"), CURVES.index("mouthPucker")]
TOKEN_S = 0.02
TOKEN_AUDIO_S = 0.0325  # a token needs the sound up to here after its first column's centre
Array = NDArray[np.float32]
Hear = Callable[[Array], Array]


def targets(take: Recording) -> Array:
    count = int(take.duration_s / TOKEN_S)
    if take.curves is not None and take.times_s is not None:
        at_s = np.arange(count) * TOKEN_S
        columns = [np.interp(at_s, take.times_s, take.curves[:, i]) for i in READ]
        return np.stack(columns, axis=1).astype(np.float32)
    made = perform(take.phones, count, frame_rate_hz=1 / TOKEN_S, style=style_of("one"), seed=0)
    return made[:, READ]


def pairs(
    takes: list[Recording], heard: list[Array], newest: int
) -> list[tuple[NDArray[np.float64], Array]]:
    """Instant k reads tokens k + newest - 2 to k + newest."""
    out = []
    for take, tokens in zip(takes, heard, strict=True):
        wanted = targets(take)
        instants = np.arange(len(wanted))
        instants = instants[(instants + newest >= 2) & (instants + newest < len(tokens))]
        read = [tokens[instants + newest - back] for back in range(3)]
        out.append((np.concatenate(read, axis=1).astype(np.float64), wanted[instants]))
    return out


def scores(groups: dict[str, list[Recording]], hear: Hear, newest: int) -> dict[str, Array]:
    """Name of the group -> r of jawOpen and of mouthPucker, mean over its takes."""
    read: dict[str, list[tuple[NDArray[np.float64], Array]]] = {}
    for name, takes in groups.items():
        heard = [hear(_core.log_mel(take.audio, True)[0]) for take in takes]
        read[name] = pairs(takes, heard, newest)
    x = np.concatenate([x for x, _ in read["learn"]])
    y = np.concatenate([y for _, y in read["learn"]]).astype(np.float64)
    mean, spread = x.mean(axis=0), x.std(axis=0) + 1e-3

    def ready(x: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.c_[(x - mean) / spread, np.ones(len(x))]

    x = ready(x)
    weights = np.linalg.solve(x.T @ x + 300.0 * np.eye(x.shape[1]), x.T @ y)
    result = {}
    for name in ("known", "others"):
        rs = [
            [np.corrcoef((ready(x) @ weights)[:, i], y[:, i])[0, 1] for i in range(len(READ))]
            for x, y in read[name]
            if (y.std(axis=0) > 1e-4).all()
        ]
        result[name] = np.mean(rs, axis=0)
    return result


def newest_at(lookahead_s: float) -> int:
    """Number of the newest token that the sound up to the look-ahead allows, seen from token k."""
    return int(np.floor((lookahead_s - TOKEN_AUDIO_S) / TOKEN_S + 1e-9))


@torch.no_grad()
def main() -> None:
    settings = config.load(sys.argv[1])
    data = run.read_data(settings)
    groups = {
        "learn": data.train[0][:240],
        "known": data.held_out[0][:60],
        "others": (data.train[1] + data.held_out[1])[::4],
    }
    whisper = load_whisper((Path(settings.folder) / settings.listening.weights).resolve())
    shape = settings.encoder.context
    tuned = Context(shape)
    tuned.load_state_dict(checkpoint.load(Path(sys.argv[2]) / "context" / "final.pt")["context"])

    def whole(layers: int) -> Hear:
        return lambda mel: whisper(torch.from_numpy(np.array(mel))[None], layers)[0].numpy()

    def windows(ahead: int) -> Hear:
        options = config.FrozenConfig("whisper", settings.listening.weights)
        options = replace(options, lookahead_s=frozen.TOKEN_S * ahead)
        encoder = frozen.load(options, Path(settings.folder))
        silence = np.zeros(0, np.float32)  # Whisper reads the mel alone
        return lambda mel: encoder.tokens(silence, mel.astype(np.float16)).astype(np.float32)

    def causal(context: Context) -> Hear:
        return lambda mel: context(torch.from_numpy(np.array(mel))[None])[0].numpy()

    def show(label: str, hear: Hear, newest: int) -> None:
        found = scores(groups, hear, newest)
        numbers = [f"{r:.3f}" for name in ("known", "others") for r in found[name]]
        print(f"| {label} | {' | '.join(numbers)} |", flush=True)

    print("| features | known: jawOpen | mouthPucker | others: jawOpen | mouthPucker |")
    print("|---|---|---|---|---|")
    ahead_s = 0.0592
    show("log-mel, 40 ms", lambda mel: mel[1::2], newest_at(ahead_s))
    for layers in range(1, LAYERS + 1):
        show(f"Whisper, whole clip, {layers} layers", whole(layers), 1)
    for ahead in (0.0592, 0.08):
        newest = newest_at(ahead)  # the window's state of the instant itself is in token k + newest
        show(f"Whisper in windows, look-ahead {1000 * ahead:.0f} ms", windows(newest + 1), newest)
    for layers in (1, 2, 4):
        untuned = causal_copy(whisper, replace(shape, layers=layers))
        show(f"masked, untuned, {layers} layers", causal(untuned), newest_at(ahead_s))
    for ahead in (0.0, 0.02, 0.04, 0.0592, 0.08, 0.14):
        show(f"tuned, look-ahead {1000 * ahead:.0f} ms", causal(tuned), newest_at(ahead))


if __name__ == "__main__":
    main()
