"""RMSNorm in few passes is torch's, and so are its gradients."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from ragstone.models.nn.norming import rms_norm


@pytest.mark.parametrize("turned", [False, True])
def test_values_and_gradients_are_those_of_torch(*, turned: bool) -> None:
    rng = torch.Generator().manual_seed(2)
    states, other = (torch.randn(3, 5, 2, 8, generator=rng) for _ in range(2))
    weight = torch.randn(8, generator=rng)
    found = []
    for norm in (
        lambda s, w: rms_norm(s, w, 1e-6),
        lambda s, w: functional.rms_norm(s, (8,), w, 1e-6),
    ):
        leaf, scale = states.clone().requires_grad_(), weight.clone().requires_grad_()
        normed = norm(leaf.transpose(1, 2) if turned else leaf, scale)
        (normed * (other.transpose(1, 2) if turned else other)).sum().backward()
        found.append((normed, leaf.grad, scale.grad))
    assert "_RMSNorm" in str(found[0][0].grad_fn)
    for own, theirs in zip(*found, strict=True):
        torch.testing.assert_close(own, theirs, rtol=1e-5, atol=1e-5)


def test_what_is_only_read_is_what_it_was() -> None:
    states = torch.randn(4, 8)
    with torch.no_grad():
        own = rms_norm(states, torch.ones(8), 1e-6)
        assert torch.equal(own, functional.rms_norm(states, (8,), torch.ones(8), 1e-6))
