"""`diffusion`: images out of noise (Sohl-Dickstein and others 2015; Ho and others 2020).

The network sees an image with noise and the time, and predicts what `predictions` says. The loss is
the mean square error of that. Solvers take any of them, since each says what the image is.

With an autoencoder, all this is done with its latents instead of pixels (Rombach and others 2022).
It may be told of a label, of a text (vectors of its words), and of a smaller image, which it then
enlarges (Saharia and others 2021).
"""

from __future__ import annotations

import math
from copy import copy
from dataclasses import dataclass
from typing import ClassVar, Self

import torch
from torch import nn
from torch.nn import functional

from ragstone.errors import InvalidArgument
from ragstone.models.base import Batch, Capability, LogProb, Loss, Phase
from ragstone.models.diffusion_settings import DiffusionConfig, network_of
from ragstone.models.guiding import Guide
from ragstone.models.images import LABEL, ImageModel, scaled
from ragstone.models.latents import Latents
from ragstone.models.predictions import Prediction
from ragstone.models.schedules import NEAREST, schedule, spread
from ragstone.models.solvers import Between, solve, unchanged

_LEVELS = 1_000  # of noise that are told apart


@dataclass(frozen=True, slots=True)
class Conditions:
    """What a denoiser is told of each image.

    Parameters
    ----------
    labels
        int64 (batch,); the number after the last one: none.
    texts
        float32 (batch, words, width), 0 for none; None where it reads none.
    small
        What is enlarged, as large as what is made: (batch, channels, size, size).
    """

    labels: torch.Tensor
    texts: torch.Tensor | None = None
    small: torch.Tensor | None = None

    def without(self, untold: torch.Tensor, none: int) -> Conditions:
        """Return them with neither label nor text where `untold`, bool (batch,)."""
        texts = self.texts
        if texts is not None:
            texts = texts.masked_fill(untold[:, None, None], 0.0)
        return Conditions(self.labels.masked_fill(untold, none), texts, self.small)


class Diffusion(ImageModel):
    """A denoiser and its schedule."""

    capabilities: ClassVar[frozenset[Capability]] = frozenset(
        {"sample", "denoise", "inpaint", "translate"}
    )
    conditioning: ClassVar[tuple[str, ...]] = (LABEL, "text")
    log_prob_kind: ClassVar[LogProb | None] = None

    config: DiffusionConfig

    def __init__(self, config: DiffusionConfig) -> None:
        super().__init__()
        self.config, self.schedule = config, schedule(config.noise_schedule)
        self.latents = Latents.of(config.autoencoder, config.latents) if config.latents else None
        self.prediction = Prediction(config.predicts, self.schedule)
        self.network = network_of(config)
        self._prompt: torch.Tensor | None = None
        self._guide: Guide | None = None

    @property
    def abilities(self) -> frozenset[Capability]:
        """What it can do by its settings."""
        if self.config.shrink:
            return frozenset({"upscale"})
        if self.latents is not None:  # a pixel is nowhere in them
            return frozenset({"sample", "translate"})
        return self.capabilities

    def parameter_groups(self) -> dict[str, list[nn.Parameter]]:
        """Return the matrices of the blocks, and the others that learn."""
        groups: dict[str, list[nn.Parameter]] = {"matrices": [], "others": []}
        for name, parameter in self.network.named_parameters():
            hidden = parameter.ndim == 2 and name.startswith("blocks.")
            groups["matrices" if hidden else "others"].append(parameter)
        return groups

    # ------------------------------------------------------------ learning

    def training_step(self, batch: Batch, rng: torch.Generator, phase: Phase) -> Loss:
        """Return the mean square error of what is predicted, at times drawn for each image.

        Parameters
        ----------
        batch
            Beside `images` and `labels`, `texts` (see `Conditions`) where it reads some, and
            `latents`, float32 (batch, latents), where the autoencoder's answer is known.
        """
        states, told = self._read(batch)
        time = self._times(len(states), rng)
        noise = torch.randn(states.shape, generator=rng, device=states.device)
        if phase == "train":
            drawn = torch.rand(len(states), generator=rng, device=states.device)
            told = told.without(drawn < self.config.untold, self.config.labels)
        found = self._predicted(self.schedule.noised(states, noise, time), time, told)
        return Loss((found - self.prediction.wanted(states, noise, time)).square().mean(), {})

    def _read(self, batch: Batch) -> tuple[torch.Tensor, Conditions]:
        """Return what it learns to make, and what it is told of each."""
        images, small = scaled(batch["images"]), None
        if self.config.shrink:
            small = self._enlarged(functional.avg_pool2d(images, self.config.shrink))
        told = Conditions(batch["labels"], batch.get("texts"), small)
        if self.latents is None:
            return images, told
        if "latents" in batch:
            return self.latents.scaled(batch["latents"]), told
        return self.latents.encode(images), told

    def _times(self, count: int, rng: torch.Generator) -> torch.Tensor:
        """Return times, spread evenly, each a little moved (Kingma and others 2021)."""
        device = self._device
        moved = torch.rand((), generator=rng, device=device)
        time = NEAREST + (torch.arange(count, device=device) / count + moved) % 1 * (
            1 - 2 * NEAREST
        )
        return torch.sigmoid(torch.special.ndtri(time)) if self.config.times == "middle" else time

    def _predicted(self, noisy: torch.Tensor, time: torch.Tensor, told: Conditions) -> torch.Tensor:
        if told.small is not None:
            noisy = torch.cat([noisy, told.small], dim=1)
        found: torch.Tensor = self.network(noisy, time, told.labels, told.texts)
        return found

    # ------------------------------------------------------------ sampling

    def prompted(self, texts: torch.Tensor) -> Self:
        """Return this model, with the same weights, told of a text in all that it makes.

        Parameters
        ----------
        texts
            float32 (words, width).
        """
        changed = copy(self)
        changed._prompt = texts
        return changed

    def guided(self, guide: Guide) -> Self:
        """Return this model, with the same weights, drawn towards a text in all that it makes."""
        changed = copy(self)
        changed._guide = guide
        return changed

    def denoise(self, noisy: torch.Tensor, time: torch.Tensor, told: Conditions) -> torch.Tensor:
        """Return what noisy images, or latents, come from, of the same shape.

        Parameters
        ----------
        time
            (batch,).
        """
        if self._guide is None:
            return self._clean(noisy, time, told)
        return self._guide.drawn(
            noisy,
            spread(self.schedule.sigma(time), noisy),
            lambda states: self._clean(states, time, told),
            self.latents.images if self.latents is not None else lambda images: images,
        )

    def _clean(self, noisy: torch.Tensor, time: torch.Tensor, told: Conditions) -> torch.Tensor:
        guidance = self.config.guidance
        found = self.prediction.clean(noisy, self._predicted(noisy, time, told), time)
        if guidance == 1 or not (self.config.labels or self.config.texts):
            return found
        untold = told.without(torch.ones_like(told.labels, dtype=torch.bool), self.config.labels)
        without = self.prediction.clean(noisy, self._predicted(noisy, time, untold), time)
        return without + guidance * (found - without)

    def sample(self, rng: torch.Generator, count: int, label: int | None) -> torch.Tensor:
        """Return images out of noise."""
        if self.config.shrink:
            expected = "one that makes new images; this one enlarges those that are given"
            raise InvalidArgument("model", self.config.family, expected)
        told = self._told(count, label)
        if label is None and self._prompt is None and self.config.labels:
            kinds = torch.randint(self.config.labels, (count,), generator=rng)
            told = Conditions(kinds.to(self._device), told.texts)
        return self._solved(self._noise(rng, count), told, rng)

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

        def between(made: torch.Tensor, time: torch.Tensor) -> torch.Tensor:
            known = self.schedule.noised(images, self._noise(rng, count), time.expand(count))
            return torch.where(keep, known, made)

        noise, told = self._noise(rng, count), self._told(count, label)
        made = self._solved(noise, told, rng, between=between, turns=self.config.jumps)
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
        states = images if self.latents is None else self.latents.encode(images)
        noisy = self.schedule.noised(states, self._noise(rng, count), time)
        return self._solved(noisy, self._told(count, label), rng, begin=begin)

    def upscale(self, small: torch.Tensor, rng: torch.Generator, label: int | None) -> torch.Tensor:
        """Return images whose details are made up, `shrink` times as large.

        Parameters
        ----------
        small
            float32 (batch, channels, size / shrink, size / shrink) from -1 to 1.
        """
        count = len(small)
        told = self._told(count, label)
        told = Conditions(told.labels, told.texts, self._enlarged(small.to(self._device)))
        return self._solved(self._noise(rng, count), told, rng)

    def _enlarged(self, small: torch.Tensor) -> torch.Tensor:
        size = self.config.size
        return functional.interpolate(small, size=(size, size), mode="bilinear")

    def _solved(
        self,
        noisy: torch.Tensor,
        told: Conditions,
        rng: torch.Generator,
        begin: int = 0,
        between: Between = unchanged,
        turns: int = 1,
    ) -> torch.Tensor:
        config = self.config
        made = solve(
            config.solver,
            lambda states, time: self.denoise(states, time, told),
            self.schedule,
            noisy,
            rng,
            config.solver_steps,
            begin=begin,
            between=between,
            turns=turns,
        )
        return made if self.latents is None else self.latents.decode(made)

    def _noise(self, rng: torch.Generator, count: int) -> torch.Tensor:
        config = self.config
        pixels = config.channels, config.size, config.size
        shape = (config.latents,) if config.latents else pixels
        return torch.randn((count, *shape), generator=rng).to(self._device)

    def _told(self, count: int, label: int | None) -> Conditions:
        """Return what is told of all of `count` images; None: no label."""
        number = self.config.labels if label is None else label
        labels = torch.full((count,), number, device=self._device)
        if not self.config.texts:
            return Conditions(labels)
        texts = torch.zeros(self.config.words, self.config.texts)
        if self._prompt is not None:
            texts = self._prompt
        return Conditions(labels, texts.to(self._device).expand(count, -1, -1))

    @property
    def _device(self) -> torch.device:
        return next(self.network.parameters()).device
