"""`dcgan`: players of convolutions (Radford, Metz and Chintala 2016).

Strided convolutions halve and double the side, without pooling and hidden plain layers but one.
In place of norms over batches, the generator norms groups of channels, and the critic's layers have
a spectral norm of 1 (Miyato and others 2018), so that no image changes what another one is worth.
Losses: see `models.objectives`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ragstone.models.adversarial import Adversarial, AdversarialConfig
from ragstone.models.nn.adversaries import Critic, Falling, Rising, plain, spectral
from ragstone.models.nn.convolutional import halvings


@dataclass(frozen=True, slots=True, kw_only=True)
class ConvolutionalConfig(AdversarialConfig):
    """Settings of players of convolutions.

    Parameters
    ----------
    width
        Channels of the widest maps.
    halvings
        How often the side is halved, at most.
    spectral
        Keep the critic's layers at a norm of 1.
    """

    halvings: int = 3
    spectral: bool = False

    @property
    def halved(self) -> int:
        """How often the side is halved."""
        return halvings(self.size, self.halvings)

    def rising(self, kinds: int) -> Rising:
        """Return a generator of so many kinds."""
        return Rising(self.channels, self.size, self.latent, kinds, self.width, self.halved)

    def falling(self) -> Critic:
        """Return a critic."""
        wrap = spectral if self.spectral else plain
        features = Falling(self.channels, self.size, self.width, self.halved, wrap)
        return Critic(features, features.width, self.labels, wrap)


@dataclass(frozen=True, slots=True, kw_only=True)
class DCGANConfig(ConvolutionalConfig):
    """Settings of `dcgan`."""

    family: ClassVar[str] = "dcgan"

    r1: float = 0.02


class DCGAN(Adversarial):
    """See `Adversarial`."""

    config: DCGANConfig

    def __init__(self, config: DCGANConfig) -> None:
        super().__init__(config, config.rising(config.labels), config.falling())
