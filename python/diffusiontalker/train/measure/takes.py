"""Which takes a bundle is measured on: those that it has not learnt from, of one kind each."""

from __future__ import annotations

from collections.abc import Sequence

from ...bundle import Bundle
from .. import corpora
from ..corpora import Recording


def fair_takes(bundle: Bundle, takes: Sequence[Recording]) -> list[Recording]:
    """The takes that the bundle never learnt from, treated as its training treated them.

    The manifest lists the recordings that each source kept aside, those of the bundle that
    training started from too. Where some of a source's are among the takes, these are taken for
    that source: only those kept aside are returned, their curves calibrated as in training (resting
    shape and gain). Otherwise all takes are unseen.
    """
    kept: list[Recording] = []
    training = bundle.manifest["training"]
    sources = list(training.get("sources", []))
    while "starts_from" in training:
        training = training["starts_from"]["training"]
        sources += training.get("sources", [])
    for source in sources:
        aside = set(source.get("held_out", [])) - {take.id for take in kept}
        mine = [take for take in takes if take.id in aside]
        if mine:
            corpus = corpora.Corpus([take for take in takes if take.id not in aside], mine, [])
            rest = source.get("rest_taken_out", {"percentile": 0.0, "curves": []})
            kept += corpora.calibrate(
                corpus,
                rest_percentile=rest["percentile"],
                rest_curves=rest["curves"],
                gain=source.get("gain", {}),
            ).held_out
    return kept or list(takes)


def some(takes: Sequence[Recording], count: int | None) -> list[Recording]:
    """At most so many takes, chosen by their ids alone; None takes all."""
    ordered = sorted(takes, key=lambda take: corpora.hold_out_order(take.id))
    return list(takes) if count is None else ordered[:count]


def alike(takes: Sequence[Recording]) -> dict[str, list[Recording]]:
    """Takes whose truth is of one kind: measured at one frame rate, or made by rule."""
    groups: dict[str, list[Recording]] = {}
    for take in takes:
        kind = "by rule" if take.rate_hz is None else f"{take.rate_hz:.0f} Hz"
        groups.setdefault(kind, []).append(take)
    return groups
