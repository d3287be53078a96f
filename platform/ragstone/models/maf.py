"""`maf`: each pixel is moved and stretched as those before it say (Papamakarios and others 2017).

Masked networks, one after the other, whose orders take turns. What an image costs is told in one
pass; an image is drawn pixel by pixel, by each network.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ragstone.models.flow import Flow, FlowConfig
from ragstone.models.nn.flows import Chain, InTurn


@dataclass(frozen=True, slots=True, kw_only=True)
class MAFConfig(FlowConfig):
    """Settings of `maf`.

    Parameters
    ----------
    networks
        One after the other.
    hidden, layers
        Of each: units of a hidden layer, and layers.
    """

    family: ClassVar[str] = "maf"

    networks: int = 5
    hidden: int = 512
    layers: int = 1

    def __post_init__(self) -> None:
        self.at_least(networks=1, hidden=1, layers=1)


class MAF(Flow):
    """See `Flow`."""

    config: MAFConfig

    def __init__(self, config: MAFConfig) -> None:
        super().__init__()
        self.config = config
        shape = config.channels, config.size, config.size
        inputs = config.channels * config.size**2
        each = inputs, config.hidden, config.layers, config.labels
        steps = [InTurn(*each, reverse=number % 2 == 1) for number in range(config.networks)]
        self.chain = Chain(shape, steps)
