"""Steps of flows: maps that can be undone, and by how much they stretch.

A step takes states (batch, channels, height, width) and what is told, (batch, labels), and gives
states and the log determinant of its Jacobian, (batch,). A `Chain` puts steps one after the other;
what a `Split` lets go is not changed any more, so that later steps have less to do (Dinh 2017).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from math import prod
from typing import TypeAlias, cast

import torch
from torch import nn
from torch.nn import functional

from ragstone.models.nn.masked import Growing, MaskedNetwork

Shape: TypeAlias = tuple[int, int, int]
Mapped: TypeAlias = tuple[torch.Tensor, torch.Tensor]

_MOST = 3.0  # log of how much a step stretches one number, at most


class Step(nn.Module, ABC):
    """A map that can be undone."""

    @abstractmethod
    def forward(self, states: torch.Tensor, told: torch.Tensor) -> Mapped:
        """Return states and the log determinant."""

    @abstractmethod
    def back(self, states: torch.Tensor, told: torch.Tensor) -> torch.Tensor:
        """Return what `forward` took."""


class ActNorm(Step):
    """Moves and stretches each channel (Kingma and Dhariwal 2018).

    It begins as what it is given, not as the mean and deviation of a first batch: images come at
    much the same scale, and several processes begin alike.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.move = nn.Parameter(torch.zeros(channels, 1, 1))
        self.stretch = nn.Parameter(torch.zeros(channels, 1, 1))

    def forward(self, states: torch.Tensor, told: torch.Tensor) -> Mapped:  # noqa: ARG002
        """See `Step`."""
        places = states.shape[2] * states.shape[3]
        found = (states + self.move) * self.stretch.exp()
        return found, (self.stretch.sum() * places).expand(len(states))

    def back(self, states: torch.Tensor, told: torch.Tensor) -> torch.Tensor:  # noqa: ARG002
        """See `Step`."""
        return states * (-self.stretch).exp() - self.move


class Mix(Step):
    """A 1 x 1 convolution that mixes channels, by its LU parts (Kingma and Dhariwal 2018).

    It begins as a rotation; the permutation and the signs of the diagonal stay.
    """

    order: torch.Tensor
    signs: torch.Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        rotation, _ = torch.linalg.qr(torch.randn(channels, channels))
        order, lower, upper = torch.linalg.lu(rotation)
        self.register_buffer("order", order)
        self.register_buffer("signs", upper.diagonal().sign())
        self.lower, self.upper = nn.Parameter(lower), nn.Parameter(upper)
        self.stretch = nn.Parameter(upper.diagonal().abs().log())

    @property
    def kernel(self) -> torch.Tensor:
        """The matrix, (channels, channels)."""
        lower = self.lower.tril(-1) + torch.eye(len(self.lower), device=self.lower.device)
        upper = self.upper.triu(1) + torch.diag(self.signs * self.stretch.exp())
        return self.order @ lower @ upper

    def forward(self, states: torch.Tensor, told: torch.Tensor) -> Mapped:  # noqa: ARG002
        """See `Step`."""
        places = states.shape[2] * states.shape[3]
        with torch.autocast(states.device.type, enabled=False):  # it must be undone exactly
            found = functional.conv2d(states, self.kernel[..., None, None])
        return found, (self.stretch.sum() * places).expand(len(states))

    def back(self, states: torch.Tensor, told: torch.Tensor) -> torch.Tensor:  # noqa: ARG002
        """See `Step`."""
        found: torch.Tensor = torch.linalg.solve(self.kernel, states.flatten(2))
        return found.view_as(states)


class Conditions(nn.Module):
    """States to how the others are moved and stretched: twice as many channels, which begin as 0.

    Nothing is normed, so that neither how large states are nor what is told is lost.
    """

    def __init__(self, channels: int, out: int, width: int, depth: int, labels: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, width, 3, padding=1)
        self.told = nn.Linear(labels, width, bias=False) if labels else None
        self.between = nn.ModuleList(nn.Conv2d(width, width, 3, padding=1) for _ in range(depth))
        self.last = nn.Conv2d(width, 2 * out, 3, padding=1)
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(cast("nn.Parameter", self.last.bias))

    def forward(self, states: torch.Tensor, told: torch.Tensor) -> Mapped:
        """Return how much is moved, and the log of how much it is stretched."""
        found = self.first(states)
        if self.told is not None:
            found = found + self.told(told)[..., None, None]
        found = functional.silu(found)
        for convolution in self.between:
            found = found + functional.silu(convolution(found))
        move, stretch = self.last(found).to(states.dtype).chunk(2, dim=1)
        return move, limited(stretch)


class Coupling(Step):
    """Moves and stretches a half of the numbers, as the other half says (Dinh and others 2017).

    Parameters
    ----------
    mask
        bool (channels, height, width); true: it stays, and says what becomes of the others.
    """

    mask: torch.Tensor

    def __init__(self, mask: torch.Tensor, width: int, depth: int, labels: int) -> None:
        super().__init__()
        self.register_buffer("mask", mask.float(), persistent=False)
        self.conditions = Conditions(len(mask), len(mask), width, depth, labels)

    def forward(self, states: torch.Tensor, told: torch.Tensor) -> Mapped:
        """See `Step`."""
        move, stretch = self._moves(states, told)
        return states * stretch.exp() + move, stretch.flatten(1).sum(1)

    def back(self, states: torch.Tensor, told: torch.Tensor) -> torch.Tensor:
        """See `Step`."""
        move, stretch = self._moves(states, told)
        return (states - move) * (-stretch).exp()

    def _moves(self, states: torch.Tensor, told: torch.Tensor) -> Mapped:
        move, stretch = self.conditions(states * self.mask, told)
        return move * (1 - self.mask), stretch * (1 - self.mask)


class Squeeze(Step):
    """Squares of four places become four times the channels: a half of the side."""

    def forward(self, states: torch.Tensor, told: torch.Tensor) -> Mapped:  # noqa: ARG002
        """See `Step`."""
        return functional.pixel_unshuffle(states, 2), states.new_zeros(len(states))

    def back(self, states: torch.Tensor, told: torch.Tensor) -> torch.Tensor:  # noqa: ARG002
        """See `Step`."""
        return functional.pixel_shuffle(states, 2)


class Split(nn.Module):
    """Lets go of the second half of the channels, moved and stretched as the first half says."""

    def __init__(self, channels: int, width: int, labels: int) -> None:
        super().__init__()
        self.kept = channels // 2
        self.conditions = Conditions(self.kept, channels - self.kept, width, 0, labels)

    def forward(
        self, states: torch.Tensor, told: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return what is kept, what is let go, and the log determinant."""
        kept, gone = states[:, : self.kept], states[:, self.kept :]
        move, stretch = self.conditions(kept, told)
        return kept, gone * stretch.exp() + move, stretch.flatten(1).sum(1)

    def back(self, kept: torch.Tensor, gone: torch.Tensor, told: torch.Tensor) -> torch.Tensor:
        """Return what `forward` took."""
        move, stretch = self.conditions(kept, told)
        return torch.cat([kept, (gone - move) * (-stretch).exp()], 1)


class InTurn(Step):
    """Moves and stretches each number as those before it say (Papamakarios and others 2017).

    One pass forward; back, one number after the other.
    """

    places: torch.Tensor

    def __init__(
        self, inputs: int, hidden: int, layers: int, labels: int, *, reverse: bool
    ) -> None:
        super().__init__()
        self.network = MaskedNetwork(inputs, labels, hidden, layers, 2)
        for zeroed in (self.network.head.weight, self.network.head.bias):
            nn.init.zeros_(zeroed)
        places = torch.arange(inputs)
        self.register_buffer("places", places.flip(0) if reverse else places, persistent=False)

    def forward(self, states: torch.Tensor, told: torch.Tensor) -> Mapped:
        """See `Step`."""
        found = self.network(states.flatten(1), told, self.places).to(states.dtype)
        move, stretch = found[..., 0], limited(found[..., 1])
        moved = states.flatten(1) * stretch.exp() + move
        return moved.view_as(states), stretch.sum(1)

    def back(self, states: torch.Tensor, told: torch.Tensor) -> torch.Tensor:
        """See `Step`."""
        given, found = states.flatten(1), torch.empty_like(states.flatten(1))
        growing = Growing(self.network, told, self.places)
        for place in self.places.argsort().tolist():
            move, stretch = growing.numbers(place).unbind(-1)
            found[:, place] = (given[:, place] - move) * (-limited(stretch)).exp()
            growing.add(place, found[:, place])
        return found.view_as(states)


class Chain(nn.Module):
    """Steps one after the other: states of `shape` to latents (batch, numbers), and back."""

    def __init__(self, shape: Shape, steps: Sequence[Step | Split]) -> None:
        super().__init__()
        self.steps = nn.ModuleList(steps)
        self._gone: list[Shape] = []  # what each split lets go
        channels, height, width = shape
        for step in steps:
            if isinstance(step, Squeeze):
                channels, height, width = 4 * channels, height // 2, width // 2
            elif isinstance(step, Split):
                self._gone.append((channels - step.kept, height, width))
                channels = step.kept
        self._last = channels, height, width

    def forward(self, states: torch.Tensor, told: torch.Tensor) -> Mapped:
        """Return the latents and the log determinant of all steps."""
        total, gone = states.new_zeros(len(states)), []
        for step in self.steps:
            if isinstance(step, Split):
                states, let_go, stretched = step(states, told)
                gone.append(let_go.flatten(1))
            else:
                states, stretched = step(states, told)
            total = total + stretched
        return torch.cat([*gone, states.flatten(1)], 1), total

    def back(self, latents: torch.Tensor, told: torch.Tensor) -> torch.Tensor:
        """Return the states of latents."""
        shapes = [*self._gone, self._last]
        *gone, last = torch.split(latents, [prod(shape) for shape in shapes], 1)
        states = last.view(-1, *self._last)
        for step in reversed(self.steps):
            if isinstance(step, Split):
                let_go = gone.pop()
                states = step.back(states, let_go.view(-1, *self._gone[len(gone)]), told)
            else:
                states = cast("Step", step).back(states, told)
        return states


def limited(stretch: torch.Tensor) -> torch.Tensor:
    """Return a log of a stretch that is not more than can be undone well."""
    return _MOST * torch.tanh(stretch / _MOST)


def chequered(shape: Shape, *, first: bool) -> torch.Tensor:
    """Return a mask whose places take turns like those of a board; the first one is `first`."""
    channels, height, width = shape
    board = (torch.arange(height)[:, None] + torch.arange(width)) % 2 == 0
    return (board == first).expand(channels, height, width)


def halved(shape: Shape, *, first: bool) -> torch.Tensor:
    """Return a mask of half of the channels: the first half, or the second."""
    half = torch.arange(shape[0]) < shape[0] // 2
    return (half == first)[:, None, None].expand(shape)
