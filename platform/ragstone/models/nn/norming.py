"""RMSNorm for training on a processor, where torch makes it of many small operations."""

from __future__ import annotations

from typing import Any

import torch
from torch.autograd.function import once_differentiable
from torch.nn import functional


def rms_norm(states: torch.Tensor, weight: torch.Tensor, epsilon: float) -> torch.Tensor:
    """Divide the last dimension by the root of its mean square, then scale by `weight`, (width,).

    What it gives, and its gradients, are those of `torch.nn.functional.rms_norm` up to rounding.
    """
    weight = weight.to(states.dtype)  # under autocast states may be of less precision
    if own_gradient(states):
        normed: torch.Tensor = _RMSNorm.apply(states, weight, epsilon)  # type: ignore[no-untyped-call]
        return normed
    return functional.rms_norm(states, (weight.shape[0],), weight, epsilon)


def own_gradient(states: torch.Tensor) -> bool:
    """Return whether gradients written here are faster: a GPU and torch.compile fuse their own."""
    training = torch.is_grad_enabled() and states.dtype in (torch.float32, torch.float64)
    return training and states.device.type == "cpu" and not torch.compiler.is_compiling()


def factors(states: torch.Tensor, epsilon: float) -> torch.Tensor:
    """Return what `rms_norm` multiplies (…, width) with before the weight, (…, 1)."""
    squares = torch.linalg.vector_norm(states, dim=-1, keepdim=True).square_()
    factor: torch.Tensor = squares.div_(states.shape[-1]).add_(epsilon).rsqrt_()
    return factor


class _RMSNorm(torch.autograd.Function):
    """The same with its gradient in few passes over the states: they are what takes time."""

    @staticmethod
    def forward(
        ctx: Any,
        states: torch.Tensor,
        weight: torch.Tensor,
        epsilon: float,
    ) -> torch.Tensor:
        """Save the normed states, and what they were multiplied with, (…, 1)."""
        factor = factors(states, epsilon)
        normed = states * factor
        ctx.save_for_backward(normed, factor, weight)
        scaled: torch.Tensor = normed * weight
        return scaled

    @staticmethod
    @once_differentiable
    def backward(
        ctx: Any,
        gradient: torch.Tensor,
    ) -> tuple[torch.Tensor, torch.Tensor, None]:
        """Return the gradients of the states and of the weight."""
        normed, factor, weight = ctx.saved_tensors
        products = gradient * normed
        along = (products @ weight)[..., None] / weight.shape[0]  # what the norm takes away
        own: torch.Tensor = (gradient * weight).addcmul_(normed, along, value=-1).mul_(factor)
        return own, products.flatten(0, -2).sum(dim=0), None
