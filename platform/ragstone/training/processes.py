"""Training in several processes, as torchrun starts them: each takes its share of every batch."""

from __future__ import annotations

import os
from collections.abc import Sequence

import torch
from torch import distributed, nn

from ragstone.models.base import Batch


class Processes:
    """All processes of a training, of which this is one; alone when torchrun did not start it."""

    def __init__(self) -> None:
        self.count = int(os.environ.get("WORLD_SIZE", "1"))
        self.number = int(os.environ.get("RANK", "0"))
        if self.count > 1 and not distributed.is_initialized():
            distributed.init_process_group("nccl" if torch.cuda.is_available() else "gloo")

    @property
    def first(self) -> bool:
        """Whether this one writes files and shows progress."""
        return self.number == 0

    def share(self, batch: Batch) -> Batch:
        """Return this process's examples of a batch."""
        return {name: values[self.number :: self.count] for name, values in batch.items()}

    def average_gradients(self, parameters: Sequence[nn.Parameter]) -> None:
        """Give all processes the mean of their gradients."""
        if self.count == 1:
            return
        gradients = [p.grad for p in parameters if p.grad is not None]
        flat = torch.cat([gradient.flatten() for gradient in gradients])
        distributed.all_reduce(flat)
        flat /= self.count
        begin = 0
        for gradient in gradients:
            gradient.copy_(flat[begin : begin + gradient.numel()].view_as(gradient))
            begin += gradient.numel()

    def mean(self, value: torch.Tensor) -> float:
        """Return the mean of a number over all processes."""
        if self.count > 1:
            value = value.detach().clone()
            distributed.all_reduce(value)
            value /= self.count
        return float(value)
