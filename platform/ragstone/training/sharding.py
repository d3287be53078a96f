"""Weights, gradients and states of optimisers parted among the processes: torch's FSDP2.

Each process keeps its part of every tensor, and has a block whole only while it computes it (Zhao
and others, 2023). Files hold whole tensors: how many processes wrote them cannot be seen.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard, register_fsdp_forward_method
from torch.distributed.tensor import DTensor, distribute_tensor


def shard(model: nn.Module, device: torch.device, count: int) -> None:
    """Part the weights of a network among `count` processes, block by block; all must call it.

    A block is what stands in a list of modules.
    """
    mesh = init_device_mesh(device.type, (count,))
    for module in model.modules():
        if isinstance(module, nn.ModuleList):
            for block in module:
                fully_shard(block, mesh=mesh)
    fully_shard(model, mesh=mesh)
    register_fsdp_forward_method(model, "training_step")


def whole(values: torch.Tensor) -> torch.Tensor:
    """Return a tensor with all of its parts; all processes must ask for it."""
    return values.full_tensor() if isinstance(values, DTensor) else values


def parted(values: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    """Return a whole tensor, which each process has, parted as `like` is.

    It stays as it is where it is not of that shape.
    """
    if isinstance(values, DTensor) or not isinstance(like, DTensor) or values.shape != like.shape:
        return values
    return distribute_tensor(values, like.device_mesh, like.placements, src_data_rank=None)


def parted_all(
    tensors: Mapping[str, torch.Tensor], like: Mapping[str, torch.Tensor]
) -> dict[str, torch.Tensor]:
    """Return `parted` of each, in the order of `like`, which is the same in all processes."""
    return {name: parted(tensors[name], own) for name, own in like.items() if name in tensors}
