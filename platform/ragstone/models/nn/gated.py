"""Two gated stacks that see what is above and to the left of a place (van den Oord 2016).

One sees the rows above a place, the other its own row up to it, and is told of the first. So there
is no blind spot.
"""

from __future__ import annotations

from typing import cast

import torch
from torch import nn
from torch.nn import functional

from ragstone.models.nn.masked import MaskedConv2d

_FIRST = 7  # places of the side of the first kernel


class GatedLayer(nn.Module):
    """One layer of both stacks.

    Parameters
    ----------
    channels, width
        Of what it is given, and makes.
    first
        It is given pixels, and must not see that of its own place.
    """

    def __init__(
        self, channels: int, width: int, kernel: int, colours: int, labels: int, *, first: bool
    ) -> None:
        super().__init__()
        self.rows, self.side, self.first = kernel // 2 + 1, kernel // 2, first
        self.down = nn.Conv2d(channels, 2 * width, (self.rows, kernel))
        self.across = MaskedConv2d(channels, 2 * width, self.rows, colours, strict=first)
        self.link = nn.Conv2d(2 * width, 2 * width, 1)
        self.output = MaskedConv2d(width, width, 1, colours)
        self.told = nn.Linear(labels, 4 * width, bias=False) if labels else None
        self.width = width

    def forward(
        self, above: torch.Tensor, own: torch.Tensor, told: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Map what both stacks are given, each (batch, channels, size, size)."""
        to_above, to_own = self._moves(told)
        size = above.shape[2]
        seen = functional.conv2d(
            above, self.down.weight, self.down.bias, padding=(self.rows - 1, self.side)
        )[:, :, :size]
        made = gated(self.across(own) + self.link(seen) + to_own)
        output = self.output(made)
        return gated(seen + to_above), output if self.first else own + output

    def row(self, above: torch.Tensor, told: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Map the last rows of the first stack to the last of them.

        Parameters
        ----------
        above
            (batch, channels, at most `rows`, size).

        Returns
        -------
        What the next layer is given, (batch, width, 1, size), and what the row of the other stack
        is told, (batch, size, 2 * width).
        """
        to_above, to_own = self._moves(told)
        missing = self.rows - above.shape[2]
        padded = functional.pad(above, (self.side, self.side, missing, 0))
        seen = self.down(padded)
        linked = (self.link(seen) + to_own).squeeze(2).transpose(1, 2)
        return gated(seen + to_above), linked

    def _moves(self, told: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return what labels add to both stacks, each (batch, 2 * width, 1, 1)."""
        moves = self.told(told) if self.told else told.new_zeros(len(told), 4 * self.width)
        to_above, to_own = moves[..., None, None].chunk(2, dim=1)
        return to_above, to_own

    def place(self, own: torch.Tensor, linked: torch.Tensor) -> torch.Tensor:
        """Map the last places of a row, (batch, channels, at most `rows`), to the last of them."""
        output = self.output.at(gated(self.across.at(own) + linked)[..., None])
        return output if self.first else own[..., -1] + output


class GatedStacks(nn.Module):
    """Features (batch, channels, side, side) to numbers (batch, out, side, side) of each place.

    The numbers of a place follow from the features of those before it, row by row.

    Parameters
    ----------
    width, depth
        Channels of each stack, and layers after the first one.
    colours
        That take turns in a place: channel c is of colour c % colours, as is number c. Those of a
        colour follow from the colours before it, too.
    """

    def __init__(
        self,
        channels: int,
        out: int,
        width: int,
        depth: int,
        kernel: int,
        colours: int,
        labels: int,
    ) -> None:
        super().__init__()
        width = -(-width // colours) * colours
        self.layers = nn.ModuleList(
            [GatedLayer(channels, width, _FIRST, colours, labels, first=True)]
        )
        for _ in range(depth):
            layer = GatedLayer(width, width, kernel, colours, labels, first=False)
            self.layers.append(layer)
        self.between = MaskedConv2d(width, 2 * width, 1, colours)
        self.head = MaskedConv2d(2 * width, out, 1, colours)

    def forward(self, features: torch.Tensor, told: torch.Tensor) -> torch.Tensor:
        """Return the numbers."""
        own = features.contiguous(memory_format=torch.channels_last)
        above = functional.pad(own, (0, 0, 1, 0))[:, :, :-1]
        for layer in self.each:
            above, own = layer(above, own, told)
        found: torch.Tensor = self.head(self.between(own.relu()).relu())
        return found

    @property
    def each(self) -> list[GatedLayer]:
        """The layers."""
        return [cast("GatedLayer", layer) for layer in self.layers]


class Drawing:
    """Gated stacks that are told features place by place, row by row.

    What each layer made of the places before is kept, so that a place costs but itself.
    """

    def __init__(self, stacks: GatedStacks, told: torch.Tensor, side: int) -> None:
        self._stacks, self._layers, self._told = stacks, stacks.each, told
        channels = [layer.down.in_channels for layer in self._layers]
        shapes = [(len(told), each, side, side) for each in channels]
        # What the first stack of each layer was given in the rows so far, and the features.
        self._above = [told.new_zeros(shape) for shape in shapes]
        self._features = told.new_zeros(shapes[0])

    def begin(self, row: int) -> None:
        """Begin a row: work the first stack on those above it."""
        if row:
            self._above[0][:, :, row] = self._features[:, :, row - 1]
        self._linked = []
        for number, layer in enumerate(self._layers):
            seen = self._above[number][:, :, max(0, row + 1 - layer.rows) : row + 1]
            made, linked = layer.row(seen, self._told)
            self._linked.append(linked)
            if number + 1 < len(self._above):
                self._above[number + 1][:, :, row] = made.squeeze(2)
        # What the second stack of each layer was given in this row.
        self._own = [torch.zeros_like(above[:, :, 0]) for above in self._above]

    def tell(self, row: int, column: int, features: torch.Tensor) -> None:
        """Tell it the features of a place, (batch, channels)."""
        self._features[:, :, row, column] = features
        self._own[0][:, :, column] = features

    def numbers(self, column: int) -> torch.Tensor:
        """Return the numbers of a place of the row, (batch, out)."""
        for number, layer in enumerate(self._layers):
            window = self._own[number][:, :, max(0, column + 1 - layer.rows) : column + 1]
            made = layer.place(window, self._linked[number][:, column])
            if number + 1 < len(self._own):
                self._own[number + 1][:, :, column] = made
        between = self._stacks.between.at(made.relu()[..., None]).relu()
        return self._stacks.head.at(between[..., None])


def gated(states: torch.Tensor) -> torch.Tensor:
    """Return half of the channels, each let through as another says."""
    values, gates = states.chunk(2, dim=1)
    return values.tanh() * gates.sigmoid()
