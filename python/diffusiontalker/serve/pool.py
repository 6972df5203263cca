"""Places in batches: each a voice of its own, many of which share a pass over the weights.

Everything here is called by one thread, the scheduler's.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .. import _core
from ..bundle import Bundle
from ..chunks import FloatArray

#: Most places of a batch. What nobody uses costs next to nothing.
MOST_PLACES = 256
_NOTHING = np.zeros(0, np.float32)


@dataclass(frozen=True)
class VoiceSettings:
    """What the core knows of a voice from its start."""

    seed: int = 0
    identity: int = -1  #: a row of the bundle's library, or -1 to follow the voice
    idle: float = 1.0


class Batch:
    """Voices that are stepped together, each with its own settings.

    A place whose session brings nothing costs next to nothing, so batches may be large.
    """

    def __init__(self, model: _core.Model, places: int, threads: int) -> None:
        usual = VoiceSettings()
        self._core = _core.Voices(
            model, [usual.seed] * places, [usual.identity] * places, threads=threads
        )
        self._nothing = [_NOTHING] * places
        self._free = list(reversed(range(places)))

    @property
    def places(self) -> int:
        return len(self._nothing)

    @property
    def full(self) -> bool:
        return not self._free

    @property
    def empty(self) -> bool:
        return len(self._free) == self.places

    def take(self, settings: VoiceSettings) -> int:
        """A free place, at its start; from the front, so that those in use lie together."""
        place = self._free.pop()
        self._core.reset_as(place, settings.seed, settings.identity, settings.idle)
        return place

    def give_back(self, place: int) -> None:
        self._free.append(place)
        self._free.sort(reverse=True)

    def identity_of(self, place: int) -> int:
        return self._core.identity(place)

    def step(self, sounds: dict[int, FloatArray]) -> dict[int, FloatArray]:
        """16 kHz samples by place -> the frames that they complete, by place."""
        chunks = self._nothing.copy()
        for place, sound in sounds.items():
            chunks[place] = sound
        frames = self._core.step(chunks)
        return {place: frames[place] for place in sounds}

    def flush(self, places: list[int]) -> dict[int, FloatArray]:
        """The frames still owed to these places, as if silence followed."""
        ending = [False] * self.places
        for place in places:
            ending[place] = True
        frames = self._core.flush(ending)
        owed = {}
        for place in places:
            tail = frames[place]
            assert tail is not None
            owed[place] = tail
        return owed


class Pool:
    """Batches on one model.

    Args:
        bundle: the model.
        places: of a batch.
        threads: that compute a batch at once.
    """

    def __init__(self, bundle: Bundle, *, places: int, threads: int = 1) -> None:
        self._model = _core.Model(
            bundle.core_config(), bundle.core_tensors(), bundle.identity_features()
        )
        self._places, self._threads = places, threads
        self._batches = [self._made()]

    @property
    def lookahead_samples(self) -> int:
        """At the core's 16 kHz."""
        return self._model.lookahead_samples

    def _made(self) -> Batch:
        return Batch(self._model, self._places, self._threads)

    def take(self, settings: VoiceSettings) -> tuple[Batch, int]:
        """A place with these settings, at its start; makes a batch where none is free."""
        batch = next((b for b in self._batches if not b.full), None)
        if batch is None:
            batch = self._made()
            self._batches.append(batch)
        return batch, batch.take(settings)

    def give_back(self, batch: Batch, place: int) -> None:
        batch.give_back(place)
        # One that is empty is kept for those who come next.
        for spare in [b for b in self._batches if b.empty][1:]:
            self._batches.remove(spare)
