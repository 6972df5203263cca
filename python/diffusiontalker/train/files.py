"""Caches that a cut leaves whole or not at all."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..files import replaced


def save_arrays(path: Path, arrays: Mapping[str, NDArray[np.generic]]) -> None:
    """One npz of named arrays; processes may write the same one at once."""
    with replaced(path) as part, part.open("wb") as file:
        np.savez(file, **arrays)  # type: ignore[arg-type]  # the stub takes a bool for any keyword


def is_whole(path: Path) -> bool:
    """Whether an npz is there and every array has the checksum that was written with it."""
    try:
        with zipfile.ZipFile(path) as arrays:
            return arrays.testzip() is None
    except Exception:  # a damaged file can raise nearly anything
        return False
