"""Rotary positions (Su and others 2021), and the norm before them, in few passes for training."""

from __future__ import annotations

from typing import Any

import torch
from torch.autograd.function import once_differentiable

from ragstone.models.nn.norming import factors, own_gradient, rms_norm

Turn = tuple[torch.Tensor, torch.Tensor]  # cosines and sines, (time, width), see `rotation`


def rotation(positions: torch.Tensor, width: int, base: float) -> Turn:
    """Return cosines and sines of each position, (time, width), halves alike."""
    frequencies = base ** (-torch.arange(0, width, 2, device=positions.device).float() / width)
    angles = positions.float()[:, None] * frequencies[None, :]
    angles = torch.cat([angles, angles], dim=-1)
    return angles.cos(), angles.sin()


def norm_and_rotate(
    states: torch.Tensor, weight: torch.Tensor, turn: Turn, epsilon: float
) -> torch.Tensor:
    """Norm (batch, time, heads, width) by `rms_norm`, then turn it by the angles of its times."""
    if own_gradient(states):
        turned: torch.Tensor = _NormAndRotate.apply(states, weight, *turn, epsilon)  # type: ignore[no-untyped-call]
        return turned
    cosines, sines = (table[:, None] for table in turn)
    normed = rms_norm(states, weight, epsilon)
    first, second = normed.chunk(2, dim=-1)
    return normed * cosines + torch.cat([-second, first], dim=-1) * sines


class _NormAndRotate(torch.autograd.Function):
    """Norm and rotation with one gradient: what is between them is never written."""

    @staticmethod
    def forward(
        ctx: Any,
        states: torch.Tensor,
        weight: torch.Tensor,
        cosines: torch.Tensor,
        sines: torch.Tensor,
        epsilon: float,
    ) -> torch.Tensor:
        """Save the normed states, what they were multiplied with, and the tables."""
        half = weight.shape[0] // 2
        factor = factors(states, epsilon)
        normed = states * factor
        signed = torch.cat([-sines[:, :half], sines[:, half:]], dim=-1)
        ctx.save_for_backward(normed, factor, weight, cosines, signed)
        return _rotate(normed, cosines * weight, signed * weight.roll(half))

    @staticmethod
    @once_differentiable
    def backward(
        ctx: Any,
        gradient: torch.Tensor,
    ) -> tuple[torch.Tensor, torch.Tensor, None, None, None]:
        """Return the gradients of the states and of the weight."""
        normed, factor, weight, cosines, signed = ctx.saved_tensors
        back = _rotate(gradient, cosines, -signed)
        products = back * normed
        along = (products @ weight)[..., None] / weight.shape[0]  # what the norm takes away
        own: torch.Tensor = back.mul_(weight).addcmul_(normed, along, value=-1).mul_(factor)
        return own, products.flatten(0, -2).sum(dim=0), None, None, None


def _rotate(states: torch.Tensor, near: torch.Tensor, far: torch.Tensor) -> torch.Tensor:
    """Add each place times `near` and its partner in the other half times `far`, (time, width)."""
    half = states.shape[-1] // 2
    near, far = near[:, None], far[:, None]
    turned = states * near
    turned[..., :half].addcmul_(states[..., half:], far[..., :half])
    turned[..., half:].addcmul_(states[..., :half], far[..., half:])
    return turned
