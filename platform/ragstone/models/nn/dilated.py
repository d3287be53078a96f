"""Dilated causal convolutions with gated units, residual and skip connections."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional

# Number of a layer and what goes into it -> what went into it `dilation` steps before.
Before = Callable[[int, torch.Tensor], torch.Tensor]


@dataclass(slots=True)
class Queues:
    """What went into each layer in its last `dilation` steps, (dilation, batch, width).

    So a step costs the same however much there was before (Paine and others 2016).
    """

    layers: list[torch.Tensor]
    steps: int = 0

    def exchange(self, layer: int, states: torch.Tensor) -> torch.Tensor:
        """Return what went into a layer `dilation` steps before, and keep this in its place."""
        queue = self.layers[layer]
        place = self.steps % len(queue)
        before = queue[place].clone()
        queue[place] = states
        return before


class Stack(nn.Module):
    """Layers of dilations 1, 2, 4 …, some cycles of them; every one is told the conditions."""

    def __init__(self, width: int, told: int, depth: int, cycles: int) -> None:
        super().__init__()
        self.dilations = [2**number for _ in range(cycles) for number in range(depth)]
        layers = len(self.dilations)
        self.width = width
        self.tell = nn.Linear(told, layers * 2 * width)
        self.gates = nn.ModuleList(
            nn.Linear(2 * width, 2 * width, bias=False) for _ in range(layers)
        )
        self.outputs = nn.ModuleList(nn.Linear(width, width) for _ in range(layers))
        self.skips = nn.Linear(layers * width, width)
        for weight in self.outputs.parameters():
            if weight.ndim == 2:
                nn.init.normal_(weight, std=(width * 2 * layers) ** -0.5)

    def forward(self, states: torch.Tensor, told: torch.Tensor) -> torch.Tensor:
        """Return (batch, time, width) of states alike and conditions (batch, time, told)."""
        return self._run(
            states,
            told,
            lambda layer, now: functional.pad(now, (0, 0, self.dilations[layer], 0))[
                :, : now.shape[1]
            ],
        )

    def new_queues(self, batch: int) -> Queues:
        """Return queues of zeros, as before the first step."""
        zeros = self.skips.weight.new_zeros
        return Queues([zeros(dilation, batch, self.width) for dilation in self.dilations])

    def step(self, states: torch.Tensor, told: torch.Tensor, queues: Queues) -> torch.Tensor:
        """Return (batch, width), the next of what `forward` returns; the queues are changed.

        Parameters
        ----------
        states
            (batch, width).
        told
            (batch, told).
        """
        found = self._run(states, told, queues.exchange)
        queues.steps += 1
        return found

    def _run(self, states: torch.Tensor, told: torch.Tensor, before: Before) -> torch.Tensor:
        each = self.tell(told).split(2 * self.width, dim=-1)
        kept = []
        for layer, (gate, output) in enumerate(zip(self.gates, self.outputs, strict=True)):
            both = torch.cat((before(layer, states), states), dim=-1)
            found = functional.glu(gate(both) + each[layer], dim=-1)
            states = states + output(found)
            kept.append(found)
        return functional.silu(self.skips(torch.cat(kept, dim=-1)))
