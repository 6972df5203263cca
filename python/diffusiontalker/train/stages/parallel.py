"""Several processes that train one model, as PyTorch's launcher starts them.

    torchrun --nproc-per-node=2 -m diffusiontalker.train.cli run CONFIG

Every process goes through the same batches, computes its own rows of each and adds its gradients
to the others', so that the optimisers stay in step and the losses are those of one process up to
rounding. Gradients are added by hand: the stages call the model's parts one by one, where
DistributedDataParallel wants a single forward.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import timedelta

import torch
from torch import Tensor, distributed

# One process makes the feature cache while the others wait for it.
PATIENCE = timedelta(hours=12)


@dataclass(frozen=True)
class Ranks:
    """This process among those that train together; one process alone by default."""

    rank: int = 0
    world: int = 1
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))

    @property
    def writes(self) -> bool:
        """Whether this is the process that writes files and reports."""
        return self.rank == 0

    def rows(self, count: int) -> slice:
        """This process's rows of a batch of `count`. Raises ValueError when there is none."""
        if count < self.world:
            raise ValueError(
                f"a batch of {count} windows cannot be shared by {self.world} processes: "
                "start fewer, raise the stage's batch or add data"
            )
        return slice(count * self.rank // self.world, count * (self.rank + 1) // self.world)

    def add_up(self, value: Tensor) -> Tensor:
        """Sum of `value` over all processes, in place."""
        if self.world > 1:
            distributed.all_reduce(value)
        return value

    def add_gradients(self, parameters: Iterable[Tensor]) -> None:
        """Replace every gradient by its sum over all processes, in one message."""
        if self.world == 1:
            return
        # A parameter that no loss has reached has no gradient in any process.
        gradients = [p.grad for p in parameters if p.grad is not None]
        summed = self.add_up(torch.cat([g.reshape(-1) for g in gradients]))
        start = 0
        for gradient in gradients:
            gradient.copy_(summed[start : start + gradient.numel()].view_as(gradient))
            start += gradient.numel()

    def wait(self) -> None:
        """Returns when every process has come here."""
        if self.world > 1:
            distributed.barrier()

    def leave(self) -> None:
        """Ends the work together; the process goes on alone."""
        if self.world > 1:
            distributed.destroy_process_group()


ALONE = Ranks()


def join(device: str = "auto") -> Ranks:
    """Meet the processes that torchrun started, over NCCL on GPUs and gloo on CPUs.

    `device` is "auto" (a GPU where there is one), "cpu" or "cuda". Raises ValueError when a GPU is
    asked for and there is none.
    """
    if device == "cuda" and not torch.cuda.is_available():
        raise ValueError('device: expected a CUDA GPU, found none; use device = "cpu" or "auto"')
    cuda = device != "cpu" and torch.cuda.is_available()
    world = int(os.environ.get("WORLD_SIZE", "1"))
    local = int(os.environ.get("LOCAL_RANK", "0"))
    own = torch.device("cuda", local) if cuda else torch.device("cpu")
    if cuda:
        torch.cuda.set_device(own)
    if world == 1:
        return Ranks(device=own)
    distributed.init_process_group("nccl" if cuda else "gloo", timeout=PATIENCE)
    return Ranks(distributed.get_rank(), distributed.get_world_size(), own)


def processes_here() -> int:
    """How many of the processes share this machine's cores."""
    return int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
