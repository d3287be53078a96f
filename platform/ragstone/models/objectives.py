"""What two players learn from scores: losses of critic and generator, and penalties of slopes.

A score is high for what the critic takes for real; of `minimax`, `non-saturating` and `hinge`, 0 is
undecided.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import torch
from torch.nn import functional

Scores: TypeAlias = torch.Tensor  # float32 (batch,), or a map of places (batch, 1, side, side)


@dataclass(frozen=True, slots=True)
class Objective:
    """What each player descends: of the scores of what is real and made, and of what is made."""

    critic: Callable[[Scores, Scores], torch.Tensor]
    generator: Callable[[Scores], torch.Tensor]


def _told_apart(real: Scores, made: Scores) -> torch.Tensor:
    """Return the cross-entropy of real or made, where scores are logits."""
    return functional.softplus(-real).mean() + functional.softplus(made).mean()


def _parted(real: Scores, made: Scores) -> torch.Tensor:
    return functional.relu(1 - real).mean() + functional.relu(1 + made).mean()


def _apart(real: Scores, made: Scores) -> torch.Tensor:
    return made.mean() - real.mean()


def _squares(real: Scores, made: Scores) -> torch.Tensor:
    return ((real - 1).square().mean() + made.square().mean()) / 2


OBJECTIVES = {
    # Goodfellow and others 2014: the same critic, and the generator of their proof, whose slope
    # vanishes where the critic is sure, or the one that they train.
    "minimax": Objective(_told_apart, lambda made: -functional.softplus(made).mean()),
    "non-saturating": Objective(_told_apart, lambda made: functional.softplus(-made).mean()),
    # Lim and Ye 2017; Miyato and others 2018
    "hinge": Objective(_parted, lambda made: -made.mean()),
    # Arjovsky and others 2017: the distance of Wasserstein, where the critic's slope is at most 1
    "wasserstein": Objective(_apart, lambda made: -made.mean()),
    # Mao and others 2017
    "least-squares": Objective(_squares, lambda made: (made - 1).square().mean() / 2),
}


def slopes(scores: Scores, images: torch.Tensor) -> torch.Tensor:
    """Return the squared length of the gradient of each image's score, (batch,).

    Parameters
    ----------
    images
        What `scores` were computed of, with `requires_grad`; no image may change another's score.
    """
    (found,) = torch.autograd.grad(scores.sum(), images, create_graph=True)
    return found.square().flatten(1).sum(1)


def r1(scores: Scores, images: torch.Tensor) -> torch.Tensor:
    """Return half the mean squared slope at real images (Mescheder and others 2018)."""
    return slopes(scores, images).mean() / 2


def gradient_penalty(
    critic: Callable[[torch.Tensor], Scores],
    real: torch.Tensor,
    made: torch.Tensor,
    rng: torch.Generator,
) -> torch.Tensor:
    """Return how far slopes are from 1 between real and made images (Gulrajani and others 2017).

    Parameters
    ----------
    real, made
        (batch, channels, size, size): each pair is mixed at a place drawn by chance.
    """
    part = torch.rand(len(real), 1, 1, 1, generator=rng, device=real.device)
    between = torch.lerp(real.detach(), made.detach().to(real.dtype), part).requires_grad_()
    lengths = (slopes(critic(between), between) + 1e-12).sqrt()  # whose own slope is finite at 0
    return (lengths - 1).square().mean()
