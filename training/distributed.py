"""One process, or one of several under torchrun: who am I, sums over all, and a gradient that does not depend on how many we are."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, distributed, nn
from torch.nn.parallel import DistributedDataParallel


@dataclass(frozen=True, slots=True)
class Rank:
    """One process of a run."""

    index: int
    world: int
    device: torch.device

    @property
    def first(self) -> bool:
        """Whether it is the one that writes and tells."""
        return self.index == 0

    def total(self, x: Tensor) -> Tensor:
        """The sum of a tensor over all processes."""
        if self.world == 1:
            return x
        x = x.clone()
        distributed.all_reduce(x)
        return x

    def any(self, flag: bool) -> bool:
        """Whether it is true in any process: all stop when one is told to."""
        return bool(self.total(torch.tensor(float(flag), device=self.device)) > 0)

    def wrap(self, model: nn.Module) -> nn.Module:
        """The model, its gradients the mean over all processes after `backward`."""
        if self.world == 1:
            return model
        ids = [self.device.index] if self.device.type == "cuda" else None
        return DistributedDataParallel(model, device_ids=ids)

    def share(self, mean: Tensor, weight: Tensor) -> Tensor:
        """This process's part of the loss, so that the mean of all gradients is that of one big batch.

        Each process has the mean over its own positions; they weigh as much as there are positions in them.

        Args:
          mean: this process's loss.
          weight: what it is the mean over: the sum of its weights.
        """
        if self.world == 1:
            return mean
        return mean * (weight * self.world / self.total(weight))


@contextmanager
def this_rank(device: str = "auto") -> Iterator[Rank]:
    """Which process this is; starts the group under torchrun and ends it.

    Args:
      device: "cpu", "cuda", or "auto": a GPU where there is one.
    """
    world = int(os.environ.get("WORLD_SIZE", "1"))
    index, local = int(os.environ.get("RANK", "0")), int(os.environ.get("LOCAL_RANK", "0"))
    cuda = torch.cuda.is_available() if device == "auto" else device == "cuda"
    where = torch.device("cuda", local) if cuda else torch.device("cpu")
    if world == 1:
        yield Rank(0, 1, where)
        return
    if cuda:
        torch.cuda.set_device(where)
    distributed.init_process_group("nccl" if cuda else "gloo")
    try:
        yield Rank(index, world, where)
    finally:
        distributed.destroy_process_group()
