"""Noise schedules: how much of an image and how much noise there is at each time.

At time t, from 0 (the image) to 1 (noise), x = alpha(t) * image + sigma(t) * noise.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import ClassVar

import torch

from ragstone.errors import InvalidArgument

NEAREST = 1e-3  # to 0 and 1: beyond, one of the two parts is lost in rounding


class Schedule(ABC):
    """Times are float tensors of any shape; so is what is returned."""

    name: ClassVar[str]

    @abstractmethod
    def alpha(self, time: torch.Tensor) -> torch.Tensor:
        """Return the part of the image."""

    @abstractmethod
    def sigma(self, time: torch.Tensor) -> torch.Tensor:
        """Return the part of the noise."""

    @abstractmethod
    def slopes(self, time: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the derivatives of alpha and sigma by the time."""

    def noised(self, images: torch.Tensor, noise: torch.Tensor, time: torch.Tensor) -> torch.Tensor:
        """Return images (batch, …) with noise at times (batch,)."""
        alpha, sigma = (part(spread(time, images)) for part in (self.alpha, self.sigma))
        return alpha * images + sigma * noise

    def log_ratio(self, time: torch.Tensor) -> torch.Tensor:
        """Return log(alpha / sigma), half of the log signal to noise ratio."""
        return self.alpha(time).log() - self.sigma(time).log()

    @staticmethod
    def times(steps: int) -> torch.Tensor:
        """Return the times of a solver, float64 (steps + 1,), from noise to image."""
        return torch.linspace(1 - NEAREST, NEAREST, steps + 1, dtype=torch.float64)


class Cosine(Schedule):
    """alpha and sigma on a circle (Nichol and Dhariwal 2021)."""

    name = "cosine"

    def alpha(self, time: torch.Tensor) -> torch.Tensor:
        """See `Schedule.alpha`."""
        return torch.cos(time * (math.pi / 2))

    def sigma(self, time: torch.Tensor) -> torch.Tensor:
        """See `Schedule.sigma`."""
        return torch.sin(time * (math.pi / 2))

    def slopes(self, time: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """See `Schedule.slopes`."""
        half = math.pi / 2
        return -half * torch.sin(time * half), half * torch.cos(time * half)


class Linear(Schedule):
    """The betas of Ho and others (2020), from 0.0001 to 0.02 in 1,000 steps, made continuous.

    alpha(t)² is the exponential of minus the integral of beta (Song and others 2021).
    """

    name = "linear"
    _LOW, _HIGH = 0.1, 20.0

    def alpha(self, time: torch.Tensor) -> torch.Tensor:
        """See `Schedule.alpha`."""
        return torch.exp(-time * (self._LOW / 2 + time * (self._HIGH - self._LOW) / 4))

    def sigma(self, time: torch.Tensor) -> torch.Tensor:
        """See `Schedule.sigma`."""
        exponent = -time * (self._LOW + time * (self._HIGH - self._LOW) / 2)
        return torch.sqrt(-torch.expm1(exponent))

    def slopes(self, time: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """See `Schedule.slopes`."""
        alpha, beta = self.alpha(time), self._LOW + time * (self._HIGH - self._LOW)
        return -beta * alpha / 2, beta * alpha.square() / (2 * self.sigma(time))


class Straight(Schedule):
    """From image to noise on a straight line (Lipman and others 2023; Liu and others 2023)."""

    name = "straight"

    def alpha(self, time: torch.Tensor) -> torch.Tensor:
        """See `Schedule.alpha`."""
        return 1 - time

    def sigma(self, time: torch.Tensor) -> torch.Tensor:
        """See `Schedule.sigma`."""
        return time

    def slopes(self, time: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """See `Schedule.slopes`."""
        return -torch.ones_like(time), torch.ones_like(time)


SCHEDULES: dict[str, Callable[[], Schedule]] = {
    kind.name: kind for kind in (Cosine, Linear, Straight)
}


def schedule(name: str) -> Schedule:
    """Return the schedule called `name`.

    Raises
    ------
    InvalidArgument
        There is none.
    """
    if name not in SCHEDULES:
        raise InvalidArgument("schedule", name, "one of " + ", ".join(SCHEDULES))
    return SCHEDULES[name]()


def spread(time: torch.Tensor, images: torch.Tensor) -> torch.Tensor:
    """Return times (batch,) in a shape that fits images (batch, …), and in their type."""
    return time.to(images.dtype).view(-1, *[1] * (images.ndim - 1))
