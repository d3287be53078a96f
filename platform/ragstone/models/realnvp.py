"""`realnvp`: couplings move and stretch a half of an image by the other (Dinh and others 2017).

At each scale three couplings over the places of a board, a squeeze, three over halves of the
channels, and a split; at the last scale four over the board. ActNorm stands where the paper norms
by the batch, so that the chance of an image does not depend on others.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ragstone.models.flow import Flow, FlowConfig
from ragstone.models.nn.convolutional import halvings
from ragstone.models.nn.flows import (
    ActNorm,
    Chain,
    Coupling,
    Shape,
    Split,
    Squeeze,
    Step,
    chequered,
    halved,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class RealNVPConfig(FlowConfig):
    """Settings of `realnvp`.

    Parameters
    ----------
    width, depth
        Channels and layers, beside two, of what tells how to move and stretch.
    scales
        At most: the side of each is half of the one before.
    """

    family: ClassVar[str] = "realnvp"

    width: int = 32
    depth: int = 1
    scales: int = 3

    def __post_init__(self) -> None:
        self.at_least(width=1, depth=0, scales=1)


class RealNVP(Flow):
    """See `Flow`."""

    config: RealNVPConfig

    def __init__(self, config: RealNVPConfig) -> None:
        super().__init__()
        self.config = config
        shape: Shape = (config.channels, config.size, config.size)
        steps: list[Step | Split] = []
        for _ in range(halvings(config.size, config.scales - 1)):
            steps += self._couplings(shape, 3, board=True)
            shape = 4 * shape[0], shape[1] // 2, shape[2] // 2
            steps += [Squeeze(), *self._couplings(shape, 3, board=False)]
            steps.append(Split(shape[0], config.width, config.labels))
            shape = shape[0] // 2, *shape[1:]
        steps += self._couplings(shape, 4, board=True)
        self.chain = Chain((config.channels, config.size, config.size), steps)

    def _couplings(self, shape: Shape, count: int, *, board: bool) -> list[Step]:
        config, masked = self.config, chequered if board else halved
        found: list[Step] = []
        for number in range(count):
            mask = masked(shape, first=number % 2 == 0)
            coupling = Coupling(mask, config.width, config.depth, config.labels)
            found += [ActNorm(shape[0]), coupling]
        return found
