"""What voices are matched with, apart from the faces that they get. Ours, after the paper's L_con.

In the paper a row of the library is both: the decoder is told it, and pooled audio is compared with
it. Faces then pull at rows that voices need, and each new training of the faces begins the matching
anew. Here L_con alone makes the rows that are compared (the keys), from what an encoder that is
done hears: means of its features over speech of 0.75 to 10 s, which is what the runtime compares.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from ..config import Config
from ..data.streams import Stream, load_streams
from ..networks.identity import LEAST_VOICED_FRAMES, match_logits
from ..networks.model import Talker
from .trainer import Trainer, learning_rate

SPAN_S = (0.75, 10.0)  # of speech in a mean: the runtime's first decision, and its memory
LEARNING_RATE = 0.02
BATCH = 512


def voiced_features(talker: Talker, stream: Stream, *, live: bool) -> Tensor:
    """(voiced frames, A) of one stream. `live`: the context has trained, the stream's tokens are
    not its own."""
    frames = len(stream.curves)
    cached = talker.encoder.mix is not None and not live
    tokens = torch.from_numpy(stream.tokens.astype(np.float32))[None] if cached else None
    with torch.no_grad():
        heard = talker.features(
            torch.from_numpy(stream.mel.astype(np.float32))[None], frames, tokens
        )
    return heard[0, torch.from_numpy(stream.voiced)]


def pooled_spans(features: Tensor, count: int, rate: float, rng: np.random.Generator) -> Tensor:
    """(count, A) means over stretches of voiced frames (n, A), log-uniform in SPAN_S, anywhere.

    None of them where there is not the least span.
    """
    low, high = (round(seconds * rate) for seconds in SPAN_S)
    high = min(high, len(features))
    if high < max(low, LEAST_VOICED_FRAMES):
        return features[:0]
    total = torch.cat(
        [torch.zeros(1, features.shape[1], dtype=torch.float64), features.double().cumsum(0)]
    )
    length = np.round(np.exp(rng.uniform(np.log(low), np.log(high), count))).astype(int)
    start = torch.from_numpy(rng.integers(0, len(features) - length + 1))
    n = torch.from_numpy(length)
    return ((total[start + n] - total[start]) / n[:, None]).float()


def learn_keys(
    talker: Talker, versions: Sequence[Path], speakers: Sequence[str], config: Config
) -> Tensor | None:
    """(speakers, A) keys of unit length, on the streams of all `versions`, clean and spoilt.

    A row of whom no voice is heard (`config.anyone`) stays 0, so that none is ever like it. None
    where nobody speaks long enough.
    """
    live = config.context_trains()
    pooled: list[Tensor] = []
    who: list[Tensor] = []
    for version, path in enumerate(versions):
        rng = np.random.default_rng([config.seed, 5, version])
        streams = load_streams(path)
        for stream in streams:
            alike = sum(other.speaker == stream.speaker for other in streams)
            count = -(-config.matching.spans // (alike * len(versions)))
            heard = voiced_features(talker, stream, live=live)
            spans = pooled_spans(heard, count, float(talker.rate), rng)
            pooled.append(spans - talker.identity.pooled_mean)
            who.append(torch.full((len(spans),), speakers.index(stream.speaker)))
    if not any(map(len, pooled)):
        return None
    return _learnt(torch.cat(pooled), torch.cat(who), len(speakers), config)


def _learnt(pooled: Tensor, who: Tensor, rows: int, config: Config) -> Tensor:
    """Rows that minimise L_con of (spans, A) `pooled` from speakers `who`, from their means."""
    heard = torch.unique(who)
    steps = config.matching.steps
    keys = torch.stack([functional.normalize(pooled[who == s], dim=-1).mean(dim=0) for s in heard])
    keys = functional.normalize(keys, dim=-1).requires_grad_(True)
    trainer = Trainer({}, torch.optim.Adam([keys], lr=LEARNING_RATE))
    generator = torch.Generator().manual_seed(config.seed)
    place = torch.searchsorted(heard, who)
    for step in range(steps):
        for group in trainer.optimiser.param_groups:
            group["lr"] = learning_rate(LEARNING_RATE, 1, step, step / steps)
        drawn = torch.randint(len(pooled), (BATCH,), generator=generator)
        logits = match_logits(pooled[drawn], keys, config.losses.temperature)
        trainer.step(functional.cross_entropy(logits, place[drawn]))
    every = torch.zeros(rows, pooled.shape[1])
    every[heard] = functional.normalize(keys.detach(), dim=-1)
    return every
