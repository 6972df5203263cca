"""Caches that a cut leaves whole or not at all."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..files import replaced


def save_arrays(path: Path, arrays: Mapping[str, NDArray[np.generic]]) -> None:
    """One npz of named arrays; processes may write the same one at once."""
    with replaced(path) as part, part.open("wb") as file:
        np.savez(file, **arrays)  # type: ignore[arg-type]  # the stub takes a bool for any keyword
