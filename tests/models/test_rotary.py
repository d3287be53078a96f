"""Norm and rotation in few passes are those of torch, and so are their gradients."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from ragstone.models.nn import rotary
from ragstone.models.nn.rotary import Turn, norm_and_rotate, rotation

EPSILON = 1e-6


def drawn() -> tuple[torch.Tensor, torch.Tensor, Turn]:
    """Return states (batch, time, heads, width), a weight, and a turn, in float64."""
    rng = torch.Generator().manual_seed(2)
    states = torch.randn(3, 5, 2, 8, generator=rng, dtype=torch.float64)
    weight = torch.randn(8, generator=rng, dtype=torch.float64)
    cosines, sines = rotation(torch.arange(4, 9), 8, 100.0)
    return states, weight, (cosines.double(), sines.double())


def plain(states: torch.Tensor, weight: torch.Tensor, turn: Turn) -> torch.Tensor:
    """Norm, then turn each pair of the halves, as complex numbers."""
    first, second = functional.rms_norm(states, (8,), weight, EPSILON).chunk(2, dim=-1)
    angles = torch.complex(turn[0][:, None, :4], turn[1][:, None, :4])
    turned = torch.complex(first, second) * angles
    return torch.cat([turned.real, turned.imag], dim=-1)


def test_values_and_gradients_are_those_of_torch() -> None:
    states, weight, turn = drawn()
    other = torch.randn(states.shape, dtype=torch.float64)
    found = []
    for way in (lambda s, w: norm_and_rotate(s, w, turn, EPSILON), lambda s, w: plain(s, w, turn)):
        leaf, scale = states.clone().requires_grad_(), weight.clone().requires_grad_()
        turned = way(leaf, scale)
        (turned * other).sum().backward()
        found.append((turned, leaf.grad, scale.grad))
    assert "_NormAndRotate" in str(found[0][0].grad_fn)
    for own, theirs in zip(*found, strict=True):
        torch.testing.assert_close(own, theirs)


def test_the_gradient_is_that_of_small_differences() -> None:
    states, weight, turn = drawn()
    states.requires_grad_()
    weight.requires_grad_()
    assert torch.autograd.gradcheck(
        lambda s, w: norm_and_rotate(s, w, turn, EPSILON), (states, weight)
    )


def test_what_is_only_read_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    states, weight, turn = drawn()
    own = norm_and_rotate(states, weight, turn, EPSILON)
    with torch.no_grad():
        monkeypatch.setattr(rotary, "_NormAndRotate", None)
        torch.testing.assert_close(norm_and_rotate(states, weight, turn, EPSILON), own)
