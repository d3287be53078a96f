"""What adversarial models share: two players that take turns (Goodfellow and others 2014).

The generator makes images out of latents; the critic scores how real images look. In one step the
critic learns from real images and from made ones, which are held fast; the generator learns from
the scores of what it makes, while the critic is held fast. So one sum of both losses has for each
player the gradient of its own. Each has an optimiser of its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import nn

from ragstone.models.base import Batch, Capability, Loss, Phase
from ragstone.models.coverage import coverage
from ragstone.models.images import LABEL, ImageConfig, ImageModel, scaled
from ragstone.models.nn.augmenting import augmented
from ragstone.models.objectives import OBJECTIVES, Objective, r1


@dataclass(frozen=True, slots=True, kw_only=True)
class AdversarialConfig(ImageConfig):
    """Settings of every adversarial model.

    Parameters
    ----------
    latent
        Numbers that an image is made of.
    width
        Of the networks.
    objective
        `non-saturating`, `minimax`, `hinge`, `wasserstein` or `least-squares`.
    r1
        Weight of the critic's slope at real images; 0: none.
    r1_every
        Steps between two that count it, each so many times over (Karras and others 2020).
    critic_steps
        Steps of the critic for one of the generator.
    augment
        Show the critic moved, lighter and cut images: for some hundreds of them.
    """

    latent: int = 64
    width: int = 32
    objective: str = "non-saturating"
    r1: float = 1.0
    r1_every: int = 4
    critic_steps: int = 1
    augment: bool = False

    def __post_init__(self) -> None:
        self.among(objective=OBJECTIVES)
        self.at_least(latent=1, width=1, r1_every=1, critic_steps=1)


class Adversarial(ImageModel):
    """Two players.

    Parameters
    ----------
    generator
        Latents (batch, latent) and labels int64 (batch,) to images, float32 (batch, channels, size,
        size) from -1 to 1.
    critic
        Images and labels to scores, (batch,).
    """

    capabilities: ClassVar[frozenset[Capability]] = frozenset({"sample"})
    conditioning: ClassVar[tuple[str, ...]] = (LABEL,)
    selects: ClassVar[bool] = False

    config: AdversarialConfig

    def __init__(self, config: AdversarialConfig, generator: nn.Module, critic: nn.Module) -> None:
        super().__init__()
        self.config, self.generator, self.critic = config, generator, critic
        self._step = 0

    def parameter_groups(self) -> dict[str, list[nn.Parameter]]:
        """Return the parameters of each player."""
        players = {"generator": self.generator, "critic": self.critic}
        return {name: list(player.parameters()) for name, player in players.items()}

    def begin(self, step: int) -> None:
        """Take up whose turn it is."""
        self._step = step

    @property
    def turns(self) -> int:
        """Steps after which each player has learnt, and R1 was counted."""
        return max(self.config.critic_steps, self.config.r1_every if self.config.r1 else 1)

    @property
    def generating(self) -> bool:
        """Whether the generator learns in this step; the critic always does."""
        every = self.config.critic_steps
        return self._step % every == every - 1

    def training_step(self, batch: Batch, rng: torch.Generator, phase: Phase) -> Loss:
        """Return the losses of those whose turn it is; of what is held out, the critic's.

        Figures of what is held out are `coverage` and `density`, by as many samples, of each batch.
        """
        images, labels = scaled(batch["images"]), batch["labels"]
        if phase == "validate":
            made = self.drawn(rng, labels)
            value = self._objective.critic(self.critic(images, labels), self.critic(made, labels))
            return Loss(value, coverage(images, made))
        with torch.set_grad_enabled(self.generating):
            made = self.drawn(rng, labels)
        critic = self.critic_loss(images, made.detach(), labels, rng)
        if not self.generating:
            return Loss(critic, {"critic": float(critic.detach())})
        generator = self.generator_loss(made, labels, rng)
        figures = {"critic": float(critic.detach()), "generator": float(generator.detach())}
        return Loss(critic + generator, figures)

    def critic_loss(
        self,
        images: torch.Tensor,
        made: torch.Tensor,
        labels: torch.Tensor,
        rng: torch.Generator,
    ) -> torch.Tensor:
        """Return what the critic descends, with R1 where it is due."""
        due = self.config.r1 > 0 and self._step % self.config.r1_every == 0
        shown = self._shown(images, rng).requires_grad_(due)
        real = self.critic(shown, labels)
        loss = self._objective.critic(real, self.critic(self._shown(made, rng), labels))
        if due:
            loss = loss + self.config.r1 * self.config.r1_every * r1(real, shown)
        return loss

    def generator_loss(
        self, made: torch.Tensor, labels: torch.Tensor, rng: torch.Generator
    ) -> torch.Tensor:
        """Return what the generator descends; the critic has no gradient of it."""
        with held(self.critic):
            return self._objective.generator(self.critic(self._shown(made, rng), labels))

    def sample(self, rng: torch.Generator, count: int, label: int | None) -> torch.Tensor:
        """Return images of a kind, or of any."""
        drawn = torch.randint(max(1, self.config.labels), (count,), generator=rng)
        labels = drawn if label is None else torch.full((count,), label)
        return self.drawn(rng, labels.to(next(self.parameters()).device))

    def drawn(self, rng: torch.Generator, labels: torch.Tensor) -> torch.Tensor:
        """Return an image of each label, of latents drawn by chance."""
        images: torch.Tensor = self.generator(self.latents(rng, labels), labels)
        return images

    def latents(self, rng: torch.Generator, labels: torch.Tensor) -> torch.Tensor:
        """Return latents for as many images as there are labels, (batch, latent)."""
        shape = len(labels), self.config.latent
        return torch.randn(shape, generator=rng, device=rng.device).to(labels.device)

    @property
    def _objective(self) -> Objective:
        return OBJECTIVES[self.config.objective]

    def _shown(self, images: torch.Tensor, rng: torch.Generator) -> torch.Tensor:
        return augmented(images, rng) if self.config.augment else images


@contextmanager
def held(player: nn.Module) -> Iterator[None]:
    """Keep a player's parameters out of what is computed in a `with` block."""
    parameters = list(player.parameters())
    for parameter in parameters:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in parameters:
            parameter.requires_grad_(True)
