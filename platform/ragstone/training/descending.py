"""The one loop of gradient descent that adapters are trained with."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import nn

Heard = Callable[[int, int, float], None]  # steps done, of how many, mean loss of the last ones

_WARM_UP = 20  # steps
_LAST_RATE = 0.02  # of the learning rate, at the end
_RECENT = 50  # losses whose mean is told
_HEARD_EVERY = 10  # steps


def descend(
    parameters: Sequence[nn.Parameter],
    loss_of: Callable[[int], torch.Tensor],
    steps: int,
    learning_rate: float,
    on_progress: Heard,
) -> float:
    """Change `parameters` so that the loss falls; return the mean of the last 50 losses.

    Parameters
    ----------
    loss_of
        Gives the loss of the batch of a step, from 0.
    learning_rate
        Reached after a warm-up; then it wanes as half a cosine.
    """
    optimiser = torch.optim.AdamW(parameters, weight_decay=0.0)
    losses: list[float] = []
    for step in range(steps):
        for group in optimiser.param_groups:
            group["lr"] = learning_rate * _rate(step, steps)
        loss = loss_of(step)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimiser.step()
        losses.append(loss.item())
        if (step + 1) % _HEARD_EVERY == 0 or step + 1 == steps:
            on_progress(step + 1, steps, _mean_of_last(losses))
    return _mean_of_last(losses)


def _rate(step: int, steps: int) -> float:
    waning = (1 + math.cos(math.pi * step / steps)) / 2
    return min(1.0, (step + 1) / _WARM_UP) * max(_LAST_RATE, waning)


def _mean_of_last(losses: Sequence[float]) -> float:
    last = losses[-_RECENT:]
    return sum(last) / len(last) if last else math.nan
