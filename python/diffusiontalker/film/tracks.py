"""What there is to draw beside the head: the main curves, and the sound's outline."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from ..curves import curve_of
from .errors import FilmError

FloatArray = npt.NDArray[np.float32]

#: The ten curves that say most of a talking face; of a pair the mean is shown.
MAIN: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("jawOpen", ("jawOpen",)),
    ("mouthClose", ("mouthClose",)),
    ("mouthFunnel", ("mouthFunnel",)),
    ("mouthPucker", ("mouthPucker",)),
    ("mouthRollLower", ("mouthRollLower",)),
    ("mouthUpperUp", ("mouthUpperUpLeft", "mouthUpperUpRight")),
    ("mouthLowerDown", ("mouthLowerDownLeft", "mouthLowerDownRight")),
    ("mouthSmile", ("mouthSmileLeft", "mouthSmileRight")),
    ("browInnerUp", ("browInnerUp",)),
    ("eyeBlink", ("eyeBlinkLeft", "eyeBlinkRight")),
)

# A level below full scale at which an outline is drawn as nothing, dB.
_QUIET_DB = -50.0


class Track:
    """Curves over time, read at any instant."""

    def __init__(self, curves: npt.ArrayLike, names: Sequence[str], times: npt.ArrayLike) -> None:
        """`curves` is (F, len(names)), `times` (F,) the seconds after the first sample of sound
        that the frames depict, rising. Raises FilmError.
        """
        self.curves = np.asarray(curves, np.float32)
        self.times = np.asarray(times, np.float64)
        self.names = tuple(names)
        if self.curves.ndim != 2 or self.curves.shape != (len(self.times), len(self.names)):
            raise FilmError(
                f"curves: expected ({self.times.size} times, {len(self.names)} names), "
                f"got shape {self.curves.shape}"
            )
        if not len(self.times):
            raise FilmError("curves: expected one frame or more, got none")
        if not np.isfinite(self.curves).all():
            raise FilmError("curves: expected finite values")
        if not (np.isfinite(self.times).all() and (np.diff(self.times) > 0).all()):
            raise FilmError("times: expected seconds that rise")

    def at(self, time_s: float) -> FloatArray:
        """(len(names),) curves at an instant, on the line between the frames around it."""
        after = int(np.searchsorted(self.times, time_s, side="right"))
        if after == 0 or after == len(self.times):
            found: FloatArray = self.curves[min(after, len(self.times) - 1)]
            return found
        before = after - 1
        share = (time_s - self.times[before]) / (self.times[after] - self.times[before])
        low, high = self.curves[before], self.curves[after]
        mixed: FloatArray = (low + np.float32(share) * (high - low)).astype(np.float32)
        return mixed

    def main(self) -> list[tuple[str, FloatArray]]:
        """Label and (F,) values of the `MAIN` curves that are there."""
        columns: dict[str, int] = {}
        for i, name in enumerate(self.names):
            known = curve_of(name)
            columns.setdefault(name if known is None else known[0], i)
        found = []
        for label, parts in MAIN:
            own = [columns[part] for part in parts if part in columns]
            if own:
                found.append((label, self.curves[:, own].mean(axis=1)))
        return found


def outline(sound: FloatArray, rate_hz: int, per_second: Fraction, count: int) -> FloatArray:
    """(count,) loudness of each `1 / per_second` s, 0 to 1: root mean squares on a scale of dB."""
    edges = np.minimum(
        np.floor(np.arange(count + 1) * float(rate_hz / per_second)).astype(np.int64), len(sound)
    )
    power = np.concatenate(([0.0], np.cumsum(np.square(sound, dtype=np.float64))))
    mean = np.maximum(np.diff(power[edges]), 0) / np.maximum(np.diff(edges), 1)
    level_db = 10 * np.log10(np.maximum(mean, 1e-12))
    shown: FloatArray = np.clip(1 - level_db / _QUIET_DB, 0, 1).astype(np.float32)
    return shown
