"""`made`: a masked autoencoder that says how likely an image is (Germain and others 2015).

The inputs are the colours of the pixels, `inputs` of them, in an order; a hidden unit has a place
in it, drawn evenly, sees the inputs up to there, and is seen by the outputs after it. So output i
is a function of what comes before i alone, and one pass gives all conditional chances. With
several orders a step learns one of them, and the chance of an image is the mean over all (an
ensemble of one network).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar, cast

import torch
from torch import nn

from ragstone.errors import InvalidArgument
from ragstone.models.autoregression import Autoregressive, AutoregressiveConfig
from ragstone.models.images import scaled
from ragstone.models.nn.masked import MaskedLinear


@dataclass(frozen=True, slots=True, kw_only=True)
class MADEConfig(AutoregressiveConfig):
    """Settings of `made`.

    Parameters
    ----------
    hidden, layers
        Units of a hidden layer, and layers.
    orders
        In which pixels are read; 1: from left to right and downwards. More are drawn.
    """

    family: ClassVar[str] = "made"

    hidden: int = 1024
    layers: int = 1
    orders: int = 1

    def __post_init__(self) -> None:
        AutoregressiveConfig.__post_init__(self)
        for name in ("hidden", "layers", "orders"):
            if getattr(self, name) < 1:
                raise InvalidArgument(name, getattr(self, name), "at least 1")


class MADE(Autoregressive):
    """Inputs (batch, labels + inputs) to numbers (batch, inputs * parts); see `Autoregressive`."""

    config: MADEConfig
    places: torch.Tensor  # of the inputs in each order, (orders, inputs)

    def __init__(self, config: MADEConfig) -> None:
        super().__init__()
        self.config = config
        self.inputs = config.channels * config.size**2
        outputs = self.inputs * self.distribution.parts
        sizes = [config.labels + self.inputs, *[config.hidden] * config.layers]
        self.maps = nn.ModuleList(MaskedLinear(*pair) for pair in pairwise(sizes))
        self.head = MaskedLinear(config.hidden, outputs)
        self.head_direct = MaskedLinear(config.labels + self.inputs, outputs, bias=False)
        nn.init.zeros_(self.head_direct.weight)
        self.register_buffer("places", _places(config.orders, self.inputs), persistent=False)

    def log_chances(
        self, levels: torch.Tensor, told: torch.Tensor, rng: torch.Generator | None
    ) -> torch.Tensor:
        """See `Autoregressive`: of one order by chance, or the mean chance over all."""
        orders = range(self.config.orders)
        if rng is not None:
            drawn = torch.randint(len(orders), (1,), generator=rng, device=rng.device)
            orders = range(int(drawn), int(drawn) + 1)
        each = [
            self.distribution.log_prob(levels, self.numbers(levels, told, order))
            for order in orders
        ]
        chances = torch.stack([one.flatten(1).sum(1) for one in each])
        return torch.logsumexp(chances, 0) - math.log(len(chances))

    def numbers(self, levels: torch.Tensor, told: torch.Tensor, order: int) -> torch.Tensor:
        """Return the numbers of all pixels in an order, (batch, parts, channels, size, size)."""
        masks = self._masks(order)
        inputs = states = torch.cat([told, scaled(levels).flatten(1)], 1)
        for linear, mask in zip(self._hidden(), masks, strict=False):
            states = linear.masked(states, mask).relu()
        found = self.head.masked(states, masks[-2]) + self.head_direct.masked(inputs, masks[-1])
        return found.view(len(levels), *levels.shape[1:], -1).movedim(-1, 1)

    def fill(
        self, levels: torch.Tensor, keep: torch.Tensor, told: torch.Tensor, rng: torch.Generator
    ) -> torch.Tensor:
        """See `Autoregressive`; each image in an order by chance."""
        orders = torch.randint(self.config.orders, (len(levels),), generator=rng)
        filled = levels.clone()
        for order in sorted(set(orders.tolist())):
            rows = (orders == order).nonzero().squeeze(1).to(levels.device)
            filled[rows] = self._filled(levels[rows], keep[rows], told[rows], order, rng)
        return filled

    def _filled(
        self,
        levels: torch.Tensor,
        keep: torch.Tensor,
        told: torch.Tensor,
        order: int,
        rng: torch.Generator,
    ) -> torch.Tensor:
        """Fill in one order; each step adds a pixel to the first layer, and asks for the next."""
        masks, flat, kept = self._masks(order), levels.flatten(1).clone(), keep.flatten(1)
        hidden = self._hidden()
        every = [*hidden, self.head, self.head_direct]
        weights = [linear.weight * mask for linear, mask in zip(every, masks, strict=True)]
        kinds, parts = self.config.labels, self.distribution.parts
        first = told @ weights[0][:, :kinds].T + hidden[0].bias
        direct = (told @ weights[-1][:, :kinds].T).view(len(flat), self.inputs, parts)
        for place in self.places[order].argsort().tolist():
            states = first.relu()
            for linear, weight in zip(hidden[1:], weights[1:-2], strict=True):
                states = nn.functional.linear(states, weight, linear.bias).relu()
            own = slice(place * parts, (place + 1) * parts)
            numbers = nn.functional.linear(states, weights[-2][own], self.head.bias[own])
            drawn = self.distribution.draw(numbers + direct[:, place], rng)
            flat[:, place] = torch.where(kept[:, place], flat[:, place], drawn)
            value = scaled(flat[:, place])[:, None]
            first = first + value * weights[0][:, kinds + place]
            direct += (value * weights[-1][:, kinds + place]).view(direct.shape)
        return flat.view_as(levels)

    def _hidden(self) -> list[MaskedLinear]:
        return [cast("MaskedLinear", linear) for linear in self.maps]

    def _masks(self, order: int) -> list[torch.Tensor]:
        """Return what each map sees, those of the hidden layers, the head and the direct one."""
        config, places = self.config, self.places[order]
        labels = places.new_full((config.labels,), -1)  # before all
        inputs = torch.cat([labels, places])
        # Evenly, and the last input is seen by none.
        hidden = torch.arange(config.hidden, device=places.device) * (self.inputs - 1)
        hidden = hidden // config.hidden
        layers = [inputs, *[hidden] * config.layers]
        outputs = places.repeat_interleave(self.distribution.parts)[:, None]
        between = [after[:, None] >= before[None] for before, after in pairwise(layers)]
        return [*between, outputs > hidden[None], outputs > inputs[None]]


def _places(orders: int, inputs: int) -> torch.Tensor:
    """Return the places of inputs in each order; drawn, and the same for the same numbers."""
    if orders == 1:
        return torch.arange(inputs)[None]
    rng = torch.Generator().manual_seed(0)
    return torch.stack([torch.randperm(inputs, generator=rng) for _ in range(orders)])
