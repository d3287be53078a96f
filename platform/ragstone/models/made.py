"""`made`: a masked autoencoder that says how likely an image is (Germain and others 2015).

The colours of the pixels have an order, and one pass of a masked network gives the chances of all,
each told those before it. With several orders a step learns one of them, and the chance of an image
is the mean over all (an ensemble of one network).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import torch

from ragstone.models.autoregression import Autoregressive, AutoregressiveConfig
from ragstone.models.base import Batch, Loss, Phase
from ragstone.models.images import scaled
from ragstone.models.nn.masked import Growing, MaskedNetwork
from ragstone.models.nn.perceptron import Centring


@dataclass(frozen=True, slots=True, kw_only=True)
class MADEConfig(AutoregressiveConfig):
    """Settings of `made`.

    Parameters
    ----------
    hidden, layers
        Units of a hidden layer, and layers.
    orders
        In which pixels are read: from left to right and downwards, then the seven others by rows or
        columns, then some that are drawn.
    """

    family: ClassVar[str] = "made"

    hidden: int = 1024
    layers: int = 1
    orders: int = 1

    def __post_init__(self) -> None:
        AutoregressiveConfig.__post_init__(self)
        self.at_least(hidden=1, layers=1, orders=1)


class MADE(Autoregressive):
    """Levels to numbers (batch, parts, channels, size, size); see `MaskedNetwork`."""

    config: MADEConfig
    places: torch.Tensor  # of the inputs in each order, (orders, inputs)

    def __init__(self, config: MADEConfig) -> None:
        super().__init__()
        self.config = config
        inputs = config.channels * config.size**2
        self.network = MaskedNetwork(
            inputs, config.labels, config.hidden, config.layers, self.distribution.parts
        )
        self.centring = Centring(inputs)
        self.register_buffer(
            "places", _places(config.orders, config.channels, config.size), persistent=False
        )

    def training_step(self, batch: Batch, rng: torch.Generator, phase: Phase) -> Loss:
        """Return the loss of `LikelihoodModel`, and in training that of the inputs' means."""
        step = super().training_step(batch, rng, phase)
        if phase != "train":
            return step
        rows = scaled(batch["images"]).flatten(1)
        return Loss(step.value + self.centring.loss(rows), step.figures)

    def log_chances(
        self, seen: torch.Tensor, told: torch.Tensor, rng: torch.Generator | None
    ) -> torch.Tensor:
        """See `LikelihoodModel`: of one order by chance, or the mean chance over all."""
        orders = range(self.config.orders)
        if rng is not None:
            drawn = torch.randint(len(orders), (1,), generator=rng, device=rng.device)
            orders = range(int(drawn), int(drawn) + 1)
        each = [
            self.distribution.log_prob(seen, self.numbers(seen, told, order)) for order in orders
        ]
        chances = torch.stack([one.flatten(1).sum(1) for one in each])
        return torch.logsumexp(chances, 0) - math.log(len(chances))

    def numbers(self, levels: torch.Tensor, told: torch.Tensor, order: int) -> torch.Tensor:
        """Return the numbers of all pixels in an order, (batch, parts, channels, size, size)."""
        rows = self.centring(scaled(levels).flatten(1))
        found: torch.Tensor = self.network(rows, told, self.places[order])
        return found.view(len(levels), *levels.shape[1:], -1).movedim(-1, 1)

    def fill(
        self, levels: torch.Tensor, keep: torch.Tensor, told: torch.Tensor, rng: torch.Generator
    ) -> torch.Tensor:
        """See `Autoregressive`; each image in an order by chance."""
        orders = torch.randint(self.config.orders, (len(levels),), generator=rng)
        filled = levels.clone()
        for order in sorted(set(orders.tolist())):
            rows = (orders == order).nonzero().squeeze(1).to(levels.device)
            flat, kept = levels[rows].flatten(1), keep[rows].flatten(1)
            growing = Growing(self.network, told[rows], self.places[order])
            for place in self.places[order].argsort().tolist():
                drawn = self.distribution.draw(growing.numbers(place), rng)
                flat[:, place] = torch.where(kept[:, place], flat[:, place], drawn)
                growing.add(place, scaled(flat[:, place]) - self.centring.middle[place])
            filled[rows] = flat.view_as(filled[rows])
        return filled


def _places(orders: int, channels: int, size: int) -> torch.Tensor:
    """Return the places of the inputs in each order: ways to read, then some that are drawn."""
    inputs = channels * size**2
    raster = torch.arange(inputs).view(channels, size, size)
    ways = [
        way.flip(sides)
        for way in (raster, raster.transpose(1, 2))
        for sides in ([], [2], [1], [1, 2])
    ]
    rng = torch.Generator().manual_seed(0)
    found = [way.flatten() for way in ways[:orders]]
    found += [torch.randperm(inputs, generator=rng) for _ in range(orders - len(found))]
    return torch.stack(found)
