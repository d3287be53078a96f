"""`pixelcnn`: gated convolutions that see what is above and to the left (van den Oord 2016).

Two stacks: one over the rows above a place, (batch, width, size, size), and one over its own row up
to it, which is told of the first. So there is no blind spot. In a place, a colour is told of the
colours before it. `fill` keeps what each layer made of the places before: an image costs about one
pass for each colour, not one for each pixel.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, cast

import torch
from torch import nn
from torch.nn import functional

from ragstone.errors import InvalidArgument
from ragstone.models.autoregression import Autoregressive, AutoregressiveConfig
from ragstone.models.images import scaled
from ragstone.models.nn.masked import MaskedConv2d

_FIRST = 7  # pixels of the side of the first kernel


@dataclass(frozen=True, slots=True, kw_only=True)
class PixelCNNConfig(AutoregressiveConfig):
    """Settings of `pixelcnn`.

    Parameters
    ----------
    width, depth
        Channels, made a multiple of the colours, and layers after the first one.
    kernel
        Pixels of the side of a kernel, odd.
    """

    family: ClassVar[str] = "pixelcnn"

    width: int = 32
    depth: int = 6
    kernel: int = 3

    def __post_init__(self) -> None:
        AutoregressiveConfig.__post_init__(self)
        if self.kernel < 3 or self.kernel % 2 == 0:
            raise InvalidArgument("kernel", self.kernel, "an odd number, at least 3")
        for name in ("width", "depth"):
            if getattr(self, name) < 1:
                raise InvalidArgument(name, getattr(self, name), "at least 1")

    @property
    def wide(self) -> int:
        """Channels of each stack."""
        return -(-self.width // self.channels) * self.channels


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


class PixelCNN(Autoregressive):
    """Levels to numbers (batch, parts, channels, size, size); see `Autoregressive`."""

    config: PixelCNNConfig

    def __init__(self, config: PixelCNNConfig) -> None:
        super().__init__()
        self.config = config
        width, colours, labels = config.wide, config.channels, config.labels
        self.layers = nn.ModuleList(
            [GatedLayer(colours, width, _FIRST, colours, labels, first=True)]
        )
        for _ in range(config.depth):
            layer = GatedLayer(width, width, config.kernel, colours, labels, first=False)
            self.layers.append(layer)
        self.between = MaskedConv2d(width, 2 * width, 1, colours)
        parts = self.distribution.parts
        self.head = MaskedConv2d(2 * width, parts * colours, 1, colours)

    def log_chances(
        self,
        seen: torch.Tensor,
        told: torch.Tensor,
        rng: torch.Generator | None,  # noqa: ARG002
    ) -> torch.Tensor:
        """See `LikelihoodModel`."""
        chances = self.distribution.log_prob(seen, self.numbers(seen, told))
        return chances.flatten(1).sum(1)

    def numbers(self, levels: torch.Tensor, told: torch.Tensor) -> torch.Tensor:
        """Return the numbers of all pixels, (batch, parts, channels, size, size)."""
        own = scaled(levels).contiguous(memory_format=torch.channels_last)
        above = functional.pad(own, (0, 0, 1, 0))[:, :, :-1]
        for layer in self._each():
            above, own = layer(above, own, told)
        found: torch.Tensor = self.head(self.between(own.relu()).relu())
        return found.reshape(len(levels), -1, *levels.shape[1:])

    def fill(
        self, levels: torch.Tensor, keep: torch.Tensor, told: torch.Tensor, rng: torch.Generator
    ) -> torch.Tensor:
        """See `Autoregressive`; each layer works once on each place, for each colour."""
        filled, size = levels.clone(), self.config.size
        count, wide = len(levels), self.config.wide
        # What the first stack of each layer was given in the rows so far.
        above = [torch.zeros(count, one.down.in_channels, size, size) for one in self._each()]
        above = [rows.to(levels.device) for rows in above]
        for row in range(size):
            if row:
                above[0][:, :, row] = scaled(filled[:, :, row - 1])
            linked = self._row(above, row, told)
            # What the second stack of each layer after the first was given in this row.
            own = [torch.zeros(count, wide, size, device=levels.device) for _ in self.layers]
            for column in range(size):
                for colour in range(self.config.channels):
                    numbers = self._place(scaled(filled[:, :, row]), own, linked, column)
                    drawn = self.distribution.draw(numbers[:, :, colour], rng)
                    known = filled[:, colour, row, column]
                    drawn = torch.where(keep[:, colour, row, column], known, drawn)
                    filled[:, colour, row, column] = drawn
        return filled

    def _each(self) -> list[GatedLayer]:
        return [cast("GatedLayer", layer) for layer in self.layers]

    def _row(self, above: list[torch.Tensor], row: int, told: torch.Tensor) -> list[torch.Tensor]:
        """Work the first stack on a row; return what each layer tells the second."""
        found = []
        for number, layer in enumerate(self._each()):
            seen = above[number][:, :, max(0, row + 1 - layer.rows) : row + 1]
            made, linked = layer.row(seen, told)
            found.append(linked)
            if number + 1 < len(above):
                above[number + 1][:, :, row] = made.squeeze(2)
        return found

    def _place(
        self,
        pixels: torch.Tensor,
        own: list[torch.Tensor],
        linked: list[torch.Tensor],
        column: int,
    ) -> torch.Tensor:
        """Work the second stack on a place; return its numbers, (batch, parts, channels).

        Parameters
        ----------
        pixels
            Of the row, (batch, channels, size).
        """
        given = pixels
        for number, layer in enumerate(self._each()):
            window = given[:, :, max(0, column + 1 - layer.rows) : column + 1]
            made = layer.place(window, linked[number][:, column])
            own[number][:, :, column] = made
            given = own[number]
        between = self.between.at(made.relu()[..., None]).relu()
        return self.head.at(between[..., None]).view(len(pixels), -1, self.config.channels)


def gated(states: torch.Tensor) -> torch.Tensor:
    """Return half of the channels, each let through as another says."""
    values, gates = states.chunk(2, dim=1)
    return values.tanh() * gates.sigmoid()
