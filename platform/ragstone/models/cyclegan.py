"""`cyclegan`: from one kind of images to another, without pairs (Zhu and others 2017).

Two generators, each from one kind to the other, and a critic of each kind, which scores patches.
Losses:

- generator: that the critic takes what it makes for real (least squares, Mao and others 2017),
  `cycle` times the mean difference of an image and what comes back of it through both generators,
  and `same` times that of an image of the right kind and what is made of it;
- critic: the squares of what its scores lack to 1 for real images, and to 0 for made ones.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import nn

from ragstone.errors import InvalidArgument
from ragstone.models.adversarial import held
from ragstone.models.base import Batch, Capability, Loss, Phase
from ragstone.models.coverage import coverage
from ragstone.models.images import LABEL, ImageConfig, ImageModel, scaled
from ragstone.models.nn.adversaries import SLOPE
from ragstone.models.nn.convolutional import Down, Up, halvings, normed
from ragstone.models.objectives import OBJECTIVES

_KINDS = 2
_SQUARES = OBJECTIVES["least-squares"]
_FASTER = 10  # than other weights, those of colours learn


@dataclass(frozen=True, slots=True, kw_only=True)
class CycleGANConfig(ImageConfig):
    """Settings of `cyclegan`.

    Parameters
    ----------
    width
        Channels of the generators at the full side; a critic has twice as many at half of it.
    halvings
        How often a generator halves the side, at most.
    cycle
        Weight of what does not come back.
    same
        Weight of what changes though it is of the right kind; 0: none. It keeps the colours of an
        image, where both kinds may have them.
    """

    family: ClassVar[str] = "cyclegan"

    labels: int = _KINDS
    width: int = 16
    halvings: int = 1
    cycle: float = 10.0
    same: float = 0.0

    def __post_init__(self) -> None:
        if self.labels != _KINDS:
            expected = "2 of them: --set label=FIELD, of a field of the metadata with two values"
            raise InvalidArgument("labels", self.labels, expected)


class CycleGAN(ImageModel):
    """Translates images, float32 (batch, channels, size, size) from -1 to 1."""

    capabilities: ClassVar[frozenset[Capability]] = frozenset({"translate"})
    conditioning: ClassVar[tuple[str, ...]] = (LABEL,)
    selects: ClassVar[bool] = False

    config: CycleGANConfig

    def __init__(self, config: CycleGANConfig) -> None:
        super().__init__()
        self.config = config
        self.toward = nn.ModuleList(_Translator(config) for _ in range(_KINDS))
        self.critics = nn.ModuleList(_critic(config) for _ in range(_KINDS))

    def parameter_groups(self) -> dict[str, list[nn.Parameter]]:
        """Return the parameters of generators and critics."""
        players = {"generator": self.toward, "critic": self.critics}
        return {name: list(player.parameters()) for name, player in players.items()}

    def training_step(self, batch: Batch, rng: torch.Generator, phase: Phase) -> Loss:  # noqa: ARG002
        """Return the losses of all four players; a batch of one kind alone teaches nothing.

        Figures are `back`, the mean difference of what comes back, of colours from -1 to 1, and of
        what is held out `coverage` and `density` of each kind by what is made of the other.
        """
        images, labels = scaled(batch["images"]), batch["labels"]
        kinds = [images[labels == kind] for kind in range(_KINDS)]
        if not all(len(kind) for kind in kinds):
            return Loss(torch.zeros((), device=images.device, requires_grad=True), {})
        losses, figures = zip(
            *(self._direction(kinds[1 - kind], kinds[kind], kind, phase) for kind in range(_KINDS)),
            strict=True,
        )
        means = {name: sum(each[name] for each in figures) / _KINDS for name in figures[0]}
        return Loss(losses[0] + losses[1], means)

    def _direction(
        self, source: torch.Tensor, real: torch.Tensor, kind: int, phase: Phase
    ) -> tuple[torch.Tensor, dict[str, float]]:
        """Return the losses of those who make images of a kind and score them, and figures."""
        config, critic = self.config, self.critics[kind]
        made = self.toward[kind](source)
        lost = (self.toward[1 - kind](made) - source).abs().mean()
        with held(critic):
            passing = _SQUARES.generator(critic(made))
        told_apart = _SQUARES.critic(critic(real), critic(made.detach()))
        loss = told_apart + passing + config.cycle * lost
        if config.same:
            loss = loss + config.same * (self.toward[kind](real) - real).abs().mean()
        figures = {"back": float(lost.detach())}
        return loss, figures | (coverage(real, made) if phase == "validate" else {})

    def translate(
        self,
        images: torch.Tensor,
        strength: float,
        rng: torch.Generator,  # noqa: ARG002
        label: int | None,
    ) -> torch.Tensor:
        """Return images of the other kind as images of the kind `label`.

        Parameters
        ----------
        strength
            Part of the way, up to 1.

        Raises
        ------
        InvalidArgument
            It is not in this range, or no kind is named.
        """
        if not 0 < strength <= 1:
            raise InvalidArgument("strength", strength, "more than 0, and at most 1")
        if label is None:
            raise InvalidArgument("label", None, "the kind to translate to")
        return torch.lerp(images, self.toward[label](images), strength)

    def sample(self, rng: torch.Generator, count: int, label: int | None) -> torch.Tensor:  # noqa: ARG002
        """It cannot.

        Raises
        ------
        InvalidArgument
            Always: it makes images of images.
        """
        expected = "one that makes images of nothing, such as a dcgan; this one translates"
        raise InvalidArgument("model", self.config.family, expected)


class _Translator(nn.Module):
    """Images to images: a map of each pixel's colours, from 0, and what the network adds to it.

    So what keeps its shape and changes its colours is learnt soon.
    """

    def __init__(self, config: CycleGANConfig) -> None:
        super().__init__()
        shape = config.channels, config.width, halvings(config.size, config.halvings)
        self.network = nn.Sequential(Down(*shape), Up(*shape))
        self.colours = nn.Conv2d(config.channels, config.channels, 1, bias=False)
        nn.init.zeros_(self.colours.weight)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return torch.tanh(self.network(images) + _FASTER * self.colours(images))


def _critic(config: CycleGANConfig) -> nn.Sequential:
    """Return a network whose scores, (batch, 1, side, side), are each of a patch of an image."""
    wide, parts = 2 * config.width, list[nn.Module]()
    channels = config.channels
    for _ in range(halvings(config.size, 2)):
        parts += [nn.Conv2d(channels, wide, 4, 2, 1), normed(wide), nn.LeakyReLU(SLOPE)]
        channels, wide = wide, 2 * wide
    return nn.Sequential(*parts, nn.Conv2d(channels, 1, 3, 1, 1))
