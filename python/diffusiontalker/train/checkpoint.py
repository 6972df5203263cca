"""Files that survive a cut: written beside, flushed to the disk, renamed."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor


def save(path: Path, content: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    with part.open("wb") as file:
        torch.save(content, file)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)


def load(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    return content


def refuse_other(path: Path, same: bool) -> None:
    """Raises ValueError unless what `path` holds was made by the `same` configuration."""
    if not same:
        raise ValueError(
            f"{path} belongs to another configuration: choose another --out, or remove that folder"
        )


def weights_digest(weights: Mapping[str, Tensor], prefix: str = "") -> str:
    """SHA-256, in hexadecimal, over the prefix and a module's weights with their names."""
    digest = hashlib.sha256(prefix.encode())
    for name, value in weights.items():
        digest.update(name.encode())
        digest.update(value.numpy().tobytes())
    return digest.hexdigest()
