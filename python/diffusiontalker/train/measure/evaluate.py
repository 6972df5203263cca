"""A bundle, or a run without one, measured on takes of one source."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ...bundle import Bundle
from ..corpora import Recording
from ..mesh import Head
from . import sounds
from .players import OnClips, Player, Reference, play
from .scores import (
    SEEDS,
    SPREAD_CLIPS,
    Pairs,
    at_true_instants,
    diversity,
    identity_decisions,
    identity_matching,
    inference_time,
    scores,
)


@dataclass(frozen=True)
class Measured:
    """What one source's takes gave."""

    #: "own" (identity pinned to the speaker; only where the library has one), "auto", "library".
    report: dict[str, dict[str, Any]]
    takes: list[Recording]
    pairs: Pairs  # of "own" where there is one, else of "auto"


def clips_to_play(judged: Bundle | Reference, takes: Sequence[Recording]) -> int:
    """How many clips `measure` will report in all."""
    parts = 2 if any(take.speaker in judged.identities for take in takes) else 1
    spread = len(SEEDS) * min(len(takes), SPREAD_CLIPS)
    return (
        parts * len(takes)
        + spread
        + len(sounds.not_speech())
        + 1
        + min(len(takes), sounds.CLOSING_CLIPS)
    )


def measure(
    judged: Bundle | Reference,
    takes: Sequence[Recording],
    player: Player,
    *,
    seed: int = 0,
    head: Head | None = None,
    core: bool = True,
    precision: str = "int8",
    on_clips: OnClips = lambda count: None,
) -> Measured:
    """Every metric over takes of one source: identity pinned to the speaker, and automatic.

    `core` also measures what only the C++ core can tell of a bundle: time a frame, and how fast the
    automatic identity decides; `precision` is that of its products. Raises ValueError for a take
    too short to have a frame.
    """
    short = [take.id for take in takes if take.duration_s < 0.1]
    if short:
        raise ValueError(f"takes shorter than 0.1 s cannot be scored: {', '.join(short[:5])}")
    rate = judged.frame_rate
    report: dict[str, dict[str, Any]] = {}
    scored: list[Pairs] = []
    known = any(take.speaker in judged.identities for take in takes)
    for part in ("own", "auto") if known else ("auto",):
        predicted = play(player, takes, seed, part, on_clips)
        pairs = at_true_instants(takes, predicted, rate)
        report[part] = scores(takes, pairs, predicted, rate, head)
        scored.append(pairs)
    first = next(iter(report))
    report[first] |= diversity(player, takes[:SPREAD_CLIPS], first, on_clips)
    report["library"] = identity_matching(judged, takes) | sounds.at_rest(
        player, takes, rate, on_clips
    )
    if core and isinstance(judged, Bundle):
        report["library"] |= identity_decisions(judged, takes, precision)
        report["library"] |= inference_time(judged, takes, precision)
    return Measured(report, list(takes), scored[0])
