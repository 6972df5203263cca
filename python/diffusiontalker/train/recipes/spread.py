"""How far the mouth moves: a gain a curve, so that faces move as far as those that were learnt.

What minimises a squared error is a mean over all that the sound leaves open, and a mean moves less
than what it is a mean of. The gain is about the curve's mean over the data (its `std` in the
bundle grows), so what the sampler feeds back to itself stays as it was. It is chosen on clips that
trained; it costs error, so `match_spread` gives back a share alone.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from ..config import Config
from ..corpora import Recording
from ..measure import metrics, players, scores
from ..measure import takes as choice
from ..measure.lips import MOVES
from ..networks.manifest import noise_factors
from ..networks.model import Talker

CLIPS = 80  # that the gain is chosen on, of the speakers by how much there is of each
LARGEST = 1.4


def gains(
    predicted: Sequence[metrics.Curves], true: Sequence[metrics.Curves], share: float
) -> NDArray[np.float32]:
    """(52,) factors: 1 but for jaw and mouth curves that move in the truth and less in what was
    predicted; `share` of what is missing to the true spread, at most LARGEST."""
    p, t = np.concatenate(predicted).std(axis=0), np.concatenate(true).std(axis=0)
    factor = np.ones(len(p), np.float32)
    for i in metrics.LIP_INDEX:
        if t[i] > MOVES and p[i] > 0.0:
            factor[i] = np.clip(1.0 + share * (t[i] / p[i] - 1.0), 1.0, LARGEST)
    return factor


def matched(
    talker: Talker, config: Config, speakers: Sequence[str], takes: Sequence[Recording]
) -> Talker:
    """A copy that moves as `match_spread` asks; `takes` are those it was trained on."""
    if not config.match_spread:
        return talker
    wider = copy.deepcopy(talker).eval().requires_grad_(False)
    chosen = choice.some([take for take in takes if take.curves is not None], CLIPS)
    if not chosen:
        return talker
    reference = players.Reference(
        wider,
        tuple(speakers),
        config.sample_steps,
        config.train_steps,
        torch.from_numpy(noise_factors(config)),
    )
    predicted = players.torch_player(reference)(chosen, 0, "own")
    pairs = scores.at_true_instants(chosen, predicted, talker.rate)
    wider.std.mul_(torch.from_numpy(gains(pairs.predicted, pairs.true, config.match_spread)))
    return wider
