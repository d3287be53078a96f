"""`dcgan`: players of convolutions (Radford, Metz and Chintala 2016).

Strided convolutions halve and double the side. What the generator's give is normed over a batch. In
the paper so is what the critic's give (`norm=batch`, `r1=0`), and it is told of no labels: with
labels, a generator then soon makes one image of each. A penalty of slopes (R1, Mescheder and others
2018) keeps them varied. Losses: see `models.objectives`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ragstone.errors import InvalidArgument
from ragstone.models.adversarial import Adversarial, AdversarialConfig
from ragstone.models.nn.adversaries import WRAPS, Critic, Falling, Rising
from ragstone.models.nn.convolutional import halvings


@dataclass(frozen=True, slots=True, kw_only=True)
class ConvolutionalConfig(AdversarialConfig):
    """Settings of players of convolutions.

    Parameters
    ----------
    width
        Channels at half of the side; wherever it is halved again there are twice as many.
    halvings
        How often the side is halved, at most.
    norm
        Of the critic: `batch`, of what its convolutions give over a batch; `spectral`, its layers
        have a norm of 1; or `none`.
    """

    halvings: int = 3
    norm: str = "none"

    def __post_init__(self) -> None:
        AdversarialConfig.__post_init__(self)
        self.among(norm=WRAPS)
        if self.norm == "batch" and self.by_slopes:
            expected = (
                "none or spectral where slopes count (r1, wgan_gp): they are of single images"
            )
            raise InvalidArgument("norm", self.norm, expected)

    @property
    def by_slopes(self) -> bool:
        """Whether the critic's loss counts the slopes of its scores at single images."""
        return self.r1 > 0

    @property
    def halved(self) -> int:
        """How often the side is halved."""
        return halvings(self.size, self.halvings)

    def rising(self, kinds: int) -> Rising:
        """Return a generator of so many kinds."""
        return Rising(self.channels, self.size, self.latent, kinds, self.width, self.halved)

    def falling(self) -> Critic:
        """Return a critic."""
        features = Falling(self.channels, self.size, self.width, self.halved, self.norm)
        return Critic(features, features.width, self.labels, WRAPS[self.norm])


@dataclass(frozen=True, slots=True, kw_only=True)
class DCGANConfig(ConvolutionalConfig):
    """Settings of `dcgan`."""

    family: ClassVar[str] = "dcgan"


class DCGAN(Adversarial):
    """See `Adversarial`."""

    config: DCGANConfig

    def __init__(self, config: DCGANConfig) -> None:
        super().__init__(config, config.rising(config.labels), config.falling())
