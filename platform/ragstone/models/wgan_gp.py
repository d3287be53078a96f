"""`wgan_gp`: Wasserstein distance with a penalty of slopes (Gulrajani and others 2017).

Loss of the critic: the mean score of made images less that of real ones, and ten times the mean of
(length of the slope - 1)^2 at images between them. Loss of the generator: the mean score of what it
makes, negated. What validates is the critic's without penalty: negated, how far apart they are.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch

from ragstone.models.adversarial import Adversarial
from ragstone.models.dcgan import ConvolutionalConfig
from ragstone.models.objectives import gradient_penalty


@dataclass(frozen=True, slots=True, kw_only=True)
class WGANGPConfig(ConvolutionalConfig):
    """Settings of `wgan_gp`.

    Parameters
    ----------
    penalty
        Weight of the slopes.
    """

    family: ClassVar[str] = "wgan_gp"

    objective: str = "wasserstein"
    r1: float = 0.0
    critic_steps: int = 2
    penalty: float = 10.0

    @property
    def by_slopes(self) -> bool:
        """See `ConvolutionalConfig.by_slopes`."""
        return True


class WGANGP(Adversarial):
    """See `Adversarial`; no layer of the critic is normed, as slopes are of single images."""

    config: WGANGPConfig

    def __init__(self, config: WGANGPConfig) -> None:
        super().__init__(config, config.rising(config.labels), config.falling())

    def critic_loss(
        self,
        images: torch.Tensor,
        made: torch.Tensor,
        labels: torch.Tensor,
        rng: torch.Generator,
    ) -> torch.Tensor:
        """Return the difference of the scores, and the penalty."""

        def scores(between: torch.Tensor) -> torch.Tensor:
            found: torch.Tensor = self.critic(between, labels)
            return found

        apart = super().critic_loss(images, made, labels, rng)
        return apart + self.config.penalty * gradient_penalty(scores, images, made, rng)
