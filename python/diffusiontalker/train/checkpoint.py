"""Weights and whatever else training goes on from, in files that survive a cut."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..files import replaced


def save(path: Path, content: dict[str, Any]) -> None:
    with replaced(path) as part, part.open("wb") as file:
        torch.save(content, file)


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
