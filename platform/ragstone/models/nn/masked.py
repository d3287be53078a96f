"""Maps that see a part of what they are given: the blocks of autoregressive networks and flows."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional


class MaskedLinear(nn.Linear):
    """A linear map whose mask is told: one network, several orders (Germain and others 2015)."""

    def masked(self, inputs: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Map (batch, in) to (batch, out); `mask` is bool (out, in), true: it is seen."""
        return functional.linear(inputs, self.weight * mask, self.bias)


class MaskedConv2d(nn.Conv2d):
    """A convolution over one row that sees what comes before a place, in it or not.

    The kernel is (1, columns), of which the last column is the place itself. Channels are of
    colours in turn: channel c of colour c % colours, and at the place itself a colour is seen by
    those after it, and by itself too unless `strict`.
    """

    seen: torch.Tensor

    def __init__(
        self, channels: int, out: int, columns: int, colours: int, *, strict: bool = False
    ) -> None:
        super().__init__(channels, out, (1, columns))
        given, made = torch.arange(channels) % colours, torch.arange(out) % colours
        before = given[None] < made[:, None] if strict else given[None] <= made[:, None]
        seen = torch.ones(out, channels, 1, columns)
        seen[..., 0, -1] = before.float()
        self.register_buffer("seen", seen, persistent=False)
        self.columns = columns

    @property
    def kernel(self) -> torch.Tensor:
        """What is seen of the weights, (out, channels, 1, columns)."""
        return self.weight * self.seen

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Map (batch, channels, height, width) to as many places of `out` channels."""
        return functional.conv2d(
            functional.pad(images, (self.columns - 1, 0)), self.kernel, self.bias
        )

    def at(self, images: torch.Tensor) -> torch.Tensor:
        """Map the last `columns` of a row, (batch, channels, columns), to the place: (batch, out).

        Fewer are as if what lies before them was 0.
        """
        kernel = self.kernel[:, :, 0, self.columns - images.shape[-1] :]
        return functional.linear(images.flatten(1), kernel.flatten(1), self.bias)
