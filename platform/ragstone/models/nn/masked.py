"""Maps that see a part of what they are given: the blocks of autoregressive networks and flows."""

from __future__ import annotations

from itertools import pairwise
from typing import cast

import torch
from torch import nn
from torch.nn import functional


class MaskedLinear(nn.Linear):
    """A linear map whose mask is told: one network, several orders (Germain and others 2015)."""

    def masked(self, inputs: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Map (batch, in) to (batch, out); `mask` is bool (out, in), true: it is seen."""
        return functional.linear(inputs, self.weight * mask, self.bias)


class MaskedNetwork(nn.Module):
    """Rows to `parts` numbers for each input, told the inputs before it alone.

    (batch, inputs), told (batch, labels) and places (inputs,) to (batch, inputs, parts). A hidden
    unit has a place too, spread evenly: it sees the inputs up to there, and is seen by the outputs
    after it. Outputs see inputs directly as well.
    """

    def __init__(self, inputs: int, labels: int, hidden: int, layers: int, parts: int) -> None:
        super().__init__()
        self.inputs, self.labels, self.parts = inputs, labels, parts
        sizes = [labels + inputs, *[hidden] * layers]
        self.maps = nn.ModuleList(MaskedLinear(*pair) for pair in pairwise(sizes))
        self.head = MaskedLinear(hidden, inputs * parts)
        self.direct = MaskedLinear(labels + inputs, inputs * parts, bias=False)
        nn.init.zeros_(self.direct.weight)

    def forward(self, rows: torch.Tensor, told: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
        """Return the numbers."""
        *hidden, head, direct = self.masks(places)
        inputs = states = torch.cat([told, rows], 1)
        for linear, mask in zip(self.hidden, hidden, strict=True):
            states = linear.masked(states, mask).relu()
        found = self.head.masked(states, head) + self.direct.masked(inputs, direct)
        return found.view(len(rows), self.inputs, self.parts)

    @property
    def hidden(self) -> list[MaskedLinear]:
        """The hidden layers."""
        return [cast("MaskedLinear", linear) for linear in self.maps]

    def masks(self, places: torch.Tensor) -> list[torch.Tensor]:
        """Return what each map sees: of the hidden layers, the head and the direct one."""
        inputs = torch.cat([places.new_full((self.labels,), -1), places])  # labels before all
        units = self.head.in_features
        hidden = torch.arange(units, device=places.device) * (self.inputs - 1) // units
        outputs = places.repeat_interleave(self.parts)[:, None]
        layers = [inputs, *[hidden] * len(self.maps)]
        between = [after[:, None] >= before[None] for before, after in pairwise(layers)]
        return [*between, outputs > hidden[None], outputs > inputs[None]]


class Growing:
    """A masked network that is told its inputs one after the other.

    Each is added to the first layer, so that a step works but on the layers after it.
    """

    def __init__(self, network: MaskedNetwork, told: torch.Tensor, places: torch.Tensor) -> None:
        self._network, self._kinds = network, network.labels
        every = [*network.hidden, network.head, network.direct]
        masks = network.masks(places)
        self._weights = [linear.weight * mask for linear, mask in zip(every, masks, strict=True)]
        first, direct = self._weights[0], self._weights[-1]
        self._states = told @ first[:, : self._kinds].T + network.hidden[0].bias
        self._direct = told @ direct[:, : self._kinds].T

    def numbers(self, place: int) -> torch.Tensor:
        """Return the numbers of an input, (batch, parts)."""
        parts = self._network.parts
        own = slice(place * parts, (place + 1) * parts)
        states = self._states.relu()
        for linear, weight in zip(self._network.hidden[1:], self._weights[1:-2], strict=True):
            states = functional.linear(states, weight, linear.bias).relu()
        head = functional.linear(states, self._weights[-2][own], self._network.head.bias[own])
        return head + self._direct[:, own]

    def add(self, place: int, values: torch.Tensor) -> None:
        """Tell it an input, (batch,)."""
        column = self._kinds + place
        self._states = self._states + values[:, None] * self._weights[0][:, column]
        self._direct = self._direct + values[:, None] * self._weights[-1][:, column]


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
