"""The 52 curves as the expressions that every VRM avatar has: five vowels and two blinks."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .curves import CURVES

#: VRM 1.0's names, in the order of `preset_weights`.
PRESETS = ("aa", "ih", "ou", "ee", "oh", "blinkLeft", "blinkRight")
#: The same in VRM 0's words.
VRM0_NAMES = ("A", "I", "U", "E", "O", "Blink_L", "Blink_R")

_INDEX = {name: i for i, name in enumerate(CURVES)}


def preset_weights(curves: NDArray[np.floating]) -> NDArray[np.floating]:
    """Weights (frames, 7) of `PRESETS` for curves (frames, 52) in `CURVES` order.

    The mouth is split among the vowels: as far as it is open among A, E (spread) and O (rounded),
    as far as it is shut among I (spread) and U (rounded). Their sum never exceeds 1, so shapes do
    not add up beyond what the avatar was made for.
    """

    def value(name: str) -> NDArray[np.floating]:
        return np.asarray(np.clip(curves[:, _INDEX[name]], 0.0, 1.0))

    opened = np.maximum(0.0, value("jawOpen") - value("mouthClose"))
    rounded = np.maximum(value("mouthFunnel"), value("mouthPucker"))
    spread = (1.0 - rounded) * 0.5 * np.maximum(
        value("mouthStretchLeft") + value("mouthStretchRight"),
        value("mouthSmileLeft") + value("mouthSmileRight"),
    )  # fmt: skip
    shut = 1.0 - opened
    return np.stack(
        [
            opened * (1.0 - rounded - spread),
            shut * spread,
            shut * rounded,
            opened * spread,
            opened * rounded,
            value("eyeBlinkLeft"),
            value("eyeBlinkRight"),
        ],
        axis=1,
    )
