"""Caches that a cut leaves whole or not at all: written beside, then renamed."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray


def save_arrays(path: Path, arrays: Mapping[str, NDArray[np.generic]]) -> None:
    """One npz of named arrays; processes may write the same one at once."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(f".{os.getpid()}.part")
    with part.open("wb") as file:
        np.savez(file, **arrays)  # type: ignore[arg-type]  # the stub takes a bool for any keyword
    part.replace(path)
