"""Weights and whatever else training goes on from, in files that survive a cut."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..files import is_whole, replaced

#: Of a stage that is going on: the newest state, and the one before it.
NEWEST, PREVIOUS = "checkpoint.pt", "checkpoint.previous.pt"


class Damaged(ValueError):
    """A file of a run that cannot be read; the message names it and says what to do."""

    def __init__(self, path: Path, error: object) -> None:
        said = " ".join(str(error).split())[:120] or type(error).__name__
        super().__init__(
            f"{path} is damaged ({said}): remove it, the same command goes on from what is whole"
        )


def save(path: Path, content: dict[str, Any], previous: Path | None = None) -> None:
    """Write `content`; what `path` held is kept as `previous`, if that is given."""
    with replaced(path) as part:
        with part.open("wb") as file:
            torch.save(content, file)
        if previous is not None and path.exists():
            path.replace(previous)


def load(path: Path) -> dict[str, Any]:
    """What `save` wrote. Raises FileNotFoundError, or Damaged."""
    if path.exists() and not is_whole(path):  # torch.load reads past a wrong checksum
        raise Damaged(path, "a checksum is wrong, or its end is missing")
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except (FileNotFoundError, PermissionError, MemoryError):
        raise
    except Exception as error:  # a damaged file can raise nearly anything
        raise Damaged(path, error) from error
    if not isinstance(content, dict) or not isinstance(content.get("config"), str):
        raise Damaged(path, "it holds no state of a run")
    return content


def load_whole(path: Path, on_note: Callable[[str], None]) -> dict[str, Any] | None:
    """What `path` holds; None, where it is missing, or damaged, which `on_note` is told."""
    try:
        return load(path) if path.exists() else None
    except Damaged as error:
        on_note(str(error).partition(": remove it")[0] + ": made again from what is whole")
        return None


def resume(folder: Path, on_note: Callable[[str], None]) -> tuple[Path, dict[str, Any]] | None:
    """The newest whole state of a stage's folder, and its file; None to start at the beginning."""
    for path in (folder / NEWEST, folder / PREVIOUS):
        content = load_whole(path, on_note)
        if content is not None:
            return path, content
    return None


@contextlib.contextmanager
def restoring(path: Path) -> Iterator[None]:
    """Whatever does not fit while the contents of `path` are put in place: Damaged."""
    try:
        yield
    except (KeyError, TypeError, RuntimeError, AttributeError, IndexError) as error:
        raise Damaged(path, error) from error


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
