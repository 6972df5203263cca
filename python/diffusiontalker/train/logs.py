"""Losses of every step for TensorBoard: pip install 'diffusiontalker[tensorboard]'."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any


class StepLog:
    """Events under `folder`/../tensorboard, named like the stage; nothing without the package.

    What a cut run had logged beyond its last checkpoint is taken back: `step` is the first to come.
    """

    def __init__(self, folder: Path, step: int) -> None:
        self._writer: Any = None
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:
            return
        events = folder.parent / "tensorboard" / folder.name
        self._writer = SummaryWriter(str(events), purge_step=step)

    def write(self, values: Mapping[str, float], step: int) -> None:
        if self._writer is not None:
            for name, value in values.items():
                self._writer.add_scalar(name, value, step)

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()
