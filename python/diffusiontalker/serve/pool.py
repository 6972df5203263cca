"""Places in batches: each a voice of its own, many of which share a pass over the weights.

Everything here is called by one thread, the scheduler's.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .. import _core
from ..bundle import Bundle
from ..chunks import FloatArray

#: Places of a batch whose settings nobody but its session asked for.
_SMALL = 1
#: Empty batches that are kept for the next session with their settings.
_MOST_SPARE = 8
_NOTHING = np.zeros(0, np.float32)


@dataclass(frozen=True)
class VoiceSettings:
    """What the core knows of a voice from its start; sessions that agree may share a batch."""

    seed: int = 0
    identity: int = -1  #: a row of the bundle's library, or -1 to follow the voice
    idle: float = 1.0


class Batch:
    """Voices of equal settings that are stepped together.

    A place whose session brings nothing costs next to nothing, so batches may be large.
    """

    def __init__(
        self, model: _core.Model, settings: VoiceSettings, places: int, threads: int
    ) -> None:
        self.settings = settings
        self._core = _core.Voices(
            model,
            [settings.seed] * places,
            [settings.identity] * places,
            idle=settings.idle,
            threads=threads,
        )
        self._free = list(reversed(range(places)))
        self._used = [False] * places

    @property
    def places(self) -> int:
        return len(self._used)

    @property
    def full(self) -> bool:
        return not self._free

    @property
    def empty(self) -> bool:
        return len(self._free) == len(self._used)

    def take(self) -> int:
        """A free place; from the front, so that those in use lie together."""
        place = self._free.pop()
        if self._used[place]:
            self._core.reset(place)
        self._used[place] = True
        return place

    def give_back(self, place: int) -> None:
        self._free.append(place)
        self._free.sort(reverse=True)

    def identity_of(self, place: int) -> int:
        return self._core.identity(place)

    def step(self, sounds: dict[int, FloatArray]) -> dict[int, FloatArray]:
        """16 kHz samples by place -> the frames that they complete, by place."""
        chunks = [_NOTHING] * self.places
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
        places: of a batch of the usual settings (seed 0, identity by the voice, full idle motion).
        threads: that compute a batch at once.
    """

    def __init__(self, bundle: Bundle, *, places: int, threads: int = 1) -> None:
        self._model = _core.Model(
            bundle.core_config(), bundle.core_tensors(), bundle.identity_features()
        )
        self._places, self._threads = places, threads
        self._usual = VoiceSettings()
        self._batches = [self._made(self._usual)]

    @property
    def lookahead_samples(self) -> int:
        """At the core's 16 kHz."""
        return self._model.lookahead_samples

    def _made(self, settings: VoiceSettings) -> Batch:
        places = _SMALL if settings.seed != self._usual.seed else self._places
        return Batch(self._model, settings, places, self._threads if places > 1 else 1)

    def take(self, settings: VoiceSettings) -> tuple[Batch, int]:
        """A place with these settings, at its start; builds a batch (about 10 ms) where none is."""
        for batch in self._batches:
            if batch.settings == settings and not batch.full:
                return batch, batch.take()
        batch = self._made(settings)
        self._batches.append(batch)
        return batch, batch.take()

    def give_back(self, batch: Batch, place: int) -> None:
        batch.give_back(place)
        spare = [b for b in self._batches[1:] if b.empty]
        for batch in spare[:-_MOST_SPARE]:
            self._batches.remove(batch)
