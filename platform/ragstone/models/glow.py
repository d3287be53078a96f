"""`glow`: norms, mixed channels and couplings, at several scales (Kingma and Dhariwal 2018)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ragstone.errors import InvalidArgument
from ragstone.models.flow import Flow, FlowConfig
from ragstone.models.nn.convolutional import halvings
from ragstone.models.nn.flows import ActNorm, Chain, Coupling, Mix, Split, Squeeze, Step, halved


@dataclass(frozen=True, slots=True, kw_only=True)
class GlowConfig(FlowConfig):
    """Settings of `glow`.

    Parameters
    ----------
    width, depth
        Channels and layers, beside two, of what tells how to move and stretch.
    scales, couplings
        Scales, at most, each of half the side of the one before, and couplings at each.
    """

    family: ClassVar[str] = "glow"

    width: int = 32
    depth: int = 1
    scales: int = 2
    couplings: int = 8

    def __post_init__(self) -> None:
        self.at_least(width=1, depth=0, scales=1, couplings=1)
        if not halvings(self.size, self.scales):
            raise InvalidArgument("size", self.size, "an even number, at least 8")


class Glow(Flow):
    """See `Flow`."""

    config: GlowConfig

    def __init__(self, config: GlowConfig) -> None:
        super().__init__()
        self.config = config
        channels, side, scales = config.channels, config.size, halvings(config.size, config.scales)
        steps: list[Step | Split] = []
        for scale in range(scales):
            channels, side = 4 * channels, side // 2
            mask = halved((channels, side, side), first=True)
            steps.append(Squeeze())
            for _ in range(config.couplings):
                coupling = Coupling(mask, config.width, config.depth, config.labels)
                steps += [ActNorm(channels), Mix(channels), coupling]
            if scale < scales - 1:
                steps.append(Split(channels, config.width, config.labels))
                channels //= 2
        self.chain = Chain((config.channels, config.size, config.size), steps)
