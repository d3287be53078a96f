"""`diffusion`: images out of noise (Sohl-Dickstein and others 2015; Ho and others 2020).

The network sees an image with noise and the time, and predicts the noise (`noise`), the image
(`image`), what turns one into the other on a circle (`v`, Salimans and Ho 2022) or the direction of
the straight line between them (`flow`, Lipman and others 2023). The loss is the mean square error
of that. Solvers take any of them, since each says what the image is.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import nn

from ragstone.errors import InvalidArgument
from ragstone.models.base import Batch, Capability, LogProb, Loss, Phase
from ragstone.models.images import LABEL, ImageConfig, ImageModel, scaled
from ragstone.models.nn.dit import DiT
from ragstone.models.nn.unet import UNet
from ragstone.models.schedules import NEAREST, schedule, spread
from ragstone.models.solvers import SOLVERS, Between, solve, unchanged

_PREDICTED = ("noise", "image", "v", "flow")
_BACKBONES = ("unet", "dit")
_LEVELS = 1_000  # of noise that are told apart
_LEAST = 0.02  # part of the image or the noise that is divided by: early errors stay small


@dataclass(frozen=True, slots=True, kw_only=True)
class DiffusionConfig(ImageConfig):
    """Settings of `diffusion`; the defaults have 0.9 million parameters.

    Parameters
    ----------
    backbone
        `unet`, or `dit`, a transformer.
    predicts
        `flow`, `v`, `image` or `noise`.
    noise_schedule
        `straight`, `cosine` or `linear`; `flow` takes `straight`, and `v` one of the others.
    width, depth
        Of the network.
    halvings
        Of `unet`: how often the side is halved, at most.
    heads, patch
        Of `dit`: heads, and pixels of the side of a token.
    untold
        Share of the images whose label is not told, so that one can be guided by it.
    solver, solver_steps, guidance
        Of sampling: 1 does as told, more does it more (Ho and Salimans 2022).
    jumps
        Of inpainting: how often each step is made, with new noise between.
    """

    family: ClassVar[str] = "diffusion"

    backbone: str = "unet"
    predicts: str = "flow"
    noise_schedule: str = "straight"
    width: int = 32
    depth: int = 1
    halvings: int = 2
    heads: int = 4
    patch: int = 2
    dropout: float = 0.0
    untold: float = 0.1
    solver: str = "heun"
    solver_steps: int = 20
    guidance: float = 1.0
    jumps: int = 3

    def __post_init__(self) -> None:
        for name, known in (
            ("backbone", _BACKBONES),
            ("predicts", _PREDICTED),
            ("solver", SOLVERS),
        ):
            if getattr(self, name) not in known:
                raise InvalidArgument(name, getattr(self, name), "one of " + ", ".join(known))
        schedule(self.noise_schedule)
        straight = self.noise_schedule == "straight"
        if (self.predicts == "flow") != straight and self.predicts in ("flow", "v"):
            expected = "straight for flow, and cosine or linear for v"
            raise InvalidArgument("noise_schedule", self.noise_schedule, expected)


class Diffusion(ImageModel):
    """A denoiser and its schedule."""

    capabilities: ClassVar[frozenset[Capability]] = frozenset(
        {"sample", "denoise", "inpaint", "translate"}
    )
    conditioning: ClassVar[tuple[str, ...]] = (LABEL,)
    log_prob_kind: ClassVar[LogProb | None] = None

    config: DiffusionConfig

    def __init__(self, config: DiffusionConfig) -> None:
        super().__init__()
        self.config, self.schedule = config, schedule(config.noise_schedule)
        shape = config.channels, config.size, config.labels, config.width, config.depth
        self.network: nn.Module = (
            UNet(*shape, config.halvings, config.dropout)
            if config.backbone == "unet"
            else DiT(*shape, config.heads, config.patch)
        )

    # ------------------------------------------------------------ learning

    def training_step(self, batch: Batch, rng: torch.Generator, phase: Phase) -> Loss:
        """Return the mean square error of what is predicted, at times drawn for each image.

        Those of a batch are spread evenly, each a little moved (Kingma and others 2021).
        """
        images, labels = scaled(batch["images"]), batch["labels"]
        count, device = len(images), images.device
        moved = torch.rand((), generator=rng, device=device)
        time = (torch.arange(count, device=device) / count + moved) % 1
        time = NEAREST + time * (1 - 2 * NEAREST)
        noise = torch.randn(images.shape, generator=rng, device=device)
        if phase == "train":
            drawn = torch.rand(count, generator=rng, device=device)
            labels = labels.masked_fill(drawn < self.config.untold, self.config.labels)
        found = self.network(self.schedule.noised(images, noise, time), time, labels)
        return Loss((found - self._wanted(images, noise, time)).square().mean(), {})

    def _wanted(
        self, images: torch.Tensor, noise: torch.Tensor, time: torch.Tensor
    ) -> torch.Tensor:
        predicts = self.config.predicts
        if predicts == "noise":
            return noise
        if predicts == "image":
            return images
        if predicts == "flow":
            return noise - images
        alpha, sigma = (spread(part, images) for part in self._parts(time))
        return alpha * noise - sigma * images

    def _parts(self, time: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return self.schedule.alpha(time), self.schedule.sigma(time)

    # ------------------------------------------------------------ sampling

    def denoise(
        self, images: torch.Tensor, time: torch.Tensor, labels: torch.Tensor
    ) -> torch.Tensor:
        """Return the images that noisy ones come from, (batch, channels, size, size).

        Parameters
        ----------
        time
            (batch,).
        labels
            int64 (batch,); the number after the last one: none.
        """
        guidance, none = self.config.guidance, self.config.labels
        found = self._clean(images, self.network(images, time, labels), time)
        if guidance == 1 or not none:
            return found
        free = self.network(images, time, torch.full_like(labels, none))
        without = self._clean(images, free, time)
        return without + guidance * (found - without)

    def _clean(
        self, images: torch.Tensor, predicted: torch.Tensor, time: torch.Tensor
    ) -> torch.Tensor:
        alpha, sigma = (spread(part, images) for part in self._parts(time))
        predicts = self.config.predicts
        if predicts == "image":
            return predicted
        if predicts == "noise":
            return (images - sigma * predicted) / alpha.clamp(min=_LEAST)
        if predicts == "flow":
            return images - sigma * predicted
        return alpha * images - sigma * predicted

    def sample(self, rng: torch.Generator, count: int, label: int | None) -> torch.Tensor:
        """Return images out of noise."""
        if label is None:
            kinds = torch.randint(max(1, self.config.labels), (count,), generator=rng)
            labels = kinds.to(self._device)
        else:
            labels = self._told(count, label)
        return self._solved(self._noise(rng, count), labels, rng)

    def without_noise(self, images: torch.Tensor, noise: float) -> torch.Tensor:
        """Return the mean of the images that noisy ones may come from.

        Parameters
        ----------
        noise
            Standard deviation of the noise; more than 0.
        """
        if noise <= 0:
            raise InvalidArgument("strength", noise, "more than 0: how much noise there is")
        times = self.schedule.times(_LEVELS)
        nearest = (self.schedule.log_ratio(times) + math.log(noise)).abs().argmin()
        time = times[nearest].to(images).expand(len(images))
        alpha = spread(self.schedule.alpha(time), images)
        return self.denoise(alpha * images, time, self._told(len(images), None))

    def inpaint(
        self, images: torch.Tensor, keep: torch.Tensor, rng: torch.Generator, label: int | None
    ) -> torch.Tensor:
        """Return images whose pixels are as they were where they are kept.

        After each step, what is kept is put back with the noise of that time; each step is made
        `jumps` times, with new noise between (RePaint, Lugmayr and others 2022).

        Parameters
        ----------
        images
            float32 (batch, channels, size, size) from -1 to 1.
        keep
            bool (batch, 1, size, size).
        """
        count = len(images)
        labels = self._told(count, label)

        def between(made: torch.Tensor, time: torch.Tensor) -> torch.Tensor:
            known = self.schedule.noised(images, self._noise(rng, count), time.expand(count))
            return torch.where(keep, known, made)

        noise, turns = self._noise(rng, count), self.config.jumps
        made = self._solved(noise, labels, rng, between=between, turns=turns)
        return torch.where(keep, images, made)

    def translate(
        self, images: torch.Tensor, strength: float, rng: torch.Generator, label: int | None
    ) -> torch.Tensor:
        """Return images like those given (SDEdit, Meng and others 2022).

        Parameters
        ----------
        strength
            From near 0, the image, to 1: nothing of it is left.

        Raises
        ------
        InvalidArgument
            It is not in this range.
        """
        if not 0 < strength <= 1:
            raise InvalidArgument("strength", strength, "more than 0, and at most 1")
        steps, count = self.config.solver_steps, len(images)
        begin = min(steps - 1, round((1 - strength) * steps))
        time = self.schedule.times(steps)[begin].expand(count)
        noisy = self.schedule.noised(images, self._noise(rng, count), time)
        return self._solved(noisy, self._told(count, label), rng, begin=begin)

    def _solved(
        self,
        noisy: torch.Tensor,
        labels: torch.Tensor,
        rng: torch.Generator,
        begin: int = 0,
        between: Between = unchanged,
        turns: int = 1,
    ) -> torch.Tensor:
        config = self.config
        return solve(
            config.solver,
            lambda images, time: self.denoise(images, time, labels),
            self.schedule,
            noisy,
            rng,
            config.solver_steps,
            begin=begin,
            between=between,
            turns=turns,
        )

    def _noise(self, rng: torch.Generator, count: int) -> torch.Tensor:
        config = self.config
        shape = (count, config.channels, config.size, config.size)
        return torch.randn(shape, generator=rng).to(self._device)

    def _told(self, count: int, label: int | None) -> torch.Tensor:
        """Return `count` labels, int64; None: it is not told."""
        number = self.config.labels if label is None else label
        return torch.full((count,), number, device=self._device)

    @property
    def _device(self) -> torch.device:
        return next(self.parameters()).device
