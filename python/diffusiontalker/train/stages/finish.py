"""What is left of a talker's training once its stages are done: means of what they ended on."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice, takewhile
from pathlib import Path

import torch

from .. import checkpoint
from ..config import Config, Stage
from ..data.streams import Stream, epoch_batches
from ..networks.identity import LEAST_VOICED_FRAMES, pool
from ..networks.model import Talker

#: What the run started from, if a mean may count it.
BEGUN = "begun.pt"


def average(
    talker: Talker, stages: Sequence[Stage], count: int, config: Config, folder: Path
) -> None:
    """Put into `talker` the mean of the weights that the last `count` of `stages` ended on.

    As far as they train the last one's sampler. What the run started from counts as a stage before
    the first, if it is such a sampler too or of one step (then it lies in the folder). Stages that
    went on from one another err in different ways; their mean errs less on what none has met.
    """
    alike = takewhile(
        lambda stage: stages[-1].goes_on_from(stage[1]), reversed([*enumerate(stages)])
    )
    files = [folder / config.stage_folder(index) / "final.pt" for index, _ in islice(alike, count)]
    begun = folder / BEGUN
    if len(stages) == len(files) < count and begun.exists():
        files.append(begun)
    if len(files) == 1:
        return
    weights = [checkpoint.load(file)["talker"] for file in files]
    mean = {name: torch.stack([w[name] for w in weights]).mean(dim=0) for name in weights[0]}
    talker.load_state_dict(mean)


def finish_pooled_mean(
    talker: Talker, streams: list[Stream], speakers: list[str], *, live: bool = False
) -> None:
    """Replace the running mean of training by the mean over one whole pass of windows.

    As in training, windows with less than `LEAST_VOICED_FRAMES` of a known voice are left out.
    `live`: the context has trained, so its tokens are made here, not read from the streams.
    """
    total = torch.zeros_like(talker.identity.pooled_mean)
    count = 0
    batches = epoch_batches(
        streams,
        speakers,
        window_frames=240,
        batch=16,
        rate=talker.rate,
        lookahead_columns=talker.lookahead_columns,
        seed=[0],
    )
    with torch.no_grad():
        for load in batches:
            batch = load()
            cached = talker.encoder.mix is not None and not live
            tokens = torch.from_numpy(batch.tokens) if cached else None
            frames = batch.curves.shape[1]
            features = talker.features(torch.from_numpy(batch.mel), frames, tokens)
            voiced = torch.from_numpy(batch.voiced)
            enough = voiced.sum(dim=1) >= LEAST_VOICED_FRAMES
            pooled = pool(features, voiced)[enough]
            total += pooled.sum(dim=0)
            count += len(pooled)
    if count:
        talker.identity.pooled_mean.copy_(total / count)
