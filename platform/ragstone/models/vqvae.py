"""`vqvae`: an autoencoder whose latents are codes of a book (van den Oord and others 2017).

The encoder gives a map of vectors, (batch, latent, side, side); each becomes the nearest of the
codes, and the decoder is shown those. Gradients pass as if nothing had been changed. A second
network, gated stacks over the map, learns which codes follow each other, and so makes new images;
it changes nothing of the autoencoder.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import nn
from torch.nn import functional

from ragstone.errors import InvalidArgument
from ragstone.models.autoencoding import Autoencoder, AutoencoderConfig
from ragstone.models.base import Batch, Capability, Loss, Phase
from ragstone.models.images import LABEL, scaled
from ragstone.models.nn.codebook import Codebook
from ragstone.models.nn.convolutional import Down, Up
from ragstone.models.nn.gated import Drawing, GatedStacks
from ragstone.models.nn.pixels import drawn

_KERNEL = 3  # of the prior


@dataclass(frozen=True, slots=True, kw_only=True)
class VQVAEConfig(AutoencoderConfig):
    """Settings of `vqvae`.

    Parameters
    ----------
    codes
        In the book.
    latent
        Numbers of a code.
    prior_width, prior_depth
        Channels and layers of what learns which codes follow each other.
    """

    family: ClassVar[str] = "vqvae"

    codes: int = 256
    latent: int = 16
    prior_width: int = 32
    prior_depth: int = 4

    def __post_init__(self) -> None:
        for name, least in (("codes", 2), ("latent", 1), ("prior_width", 1), ("prior_depth", 1)):
            if getattr(self, name) < least:
                raise InvalidArgument(name, getattr(self, name), f"at least {least}")


class VQVAE(Autoencoder):
    """Loss: the mean square error of each pixel.

    In training, what draws codes and vectors to each other is added, and the cost of a code to the
    second network, in nats.
    """

    capabilities: ClassVar[frozenset[Capability]] = frozenset(
        {"sample", "encode", "decode", "interpolate"}
    )
    conditioning: ClassVar[tuple[str, ...]] = (LABEL,)

    config: VQVAEConfig

    def __init__(self, config: VQVAEConfig) -> None:
        super().__init__()
        self.config = config
        channels, self._side, _ = config.deepest
        self.down = Down(config.channels, config.width, config.halved)
        self.to_latent = nn.Conv2d(channels, config.latent, 1)
        self.book = Codebook(config.codes, config.latent)
        self.from_latent = nn.Conv2d(config.latent, channels, 1)
        self.up = Up(config.channels, config.width, config.halved)
        shape = config.prior_width, config.prior_depth, _KERNEL
        self.prior = GatedStacks(config.latent, config.codes, *shape, 1, config.labels)

    def encode(self, images: torch.Tensor) -> torch.Tensor:
        """Return the vectors before they become codes, (batch, latent * side * side)."""
        return self._vectors(images).flatten(1)

    def decode(self, latents: torch.Tensor) -> torch.Tensor:
        """Return the images of the codes that are nearest to vectors."""
        vectors = latents.view(-1, self.config.latent, self._side, self._side)
        return self._shown(self.book(vectors).vectors)

    def codes(self, images: torch.Tensor) -> torch.Tensor:
        """Return the codes of images, int64 (batch, side, side)."""
        codes: torch.Tensor = self.book(self._vectors(images)).codes
        return codes

    def training_step(self, batch: Batch, rng: torch.Generator, phase: Phase) -> Loss:  # noqa: ARG002
        """Return the loss, how many codes are used, and what a code costs, in bits."""
        images = scaled(batch["images"])
        vectors, codes, drawing = self.book(self._vectors(images))
        error = (self._shown(vectors) - images).square().mean()
        told = self._told(batch["labels"])
        numbers = self.prior(self.book.vectors(codes).detach(), told)
        cost = functional.cross_entropy(numbers.float(), codes)
        figures = {
            "perplexity": self.book.perplexity(codes),
            "bits_per_code": float(cost.detach()) / math.log(2),
        }
        return Loss(error + drawing + cost if phase == "train" else error, figures)

    def sample(self, rng: torch.Generator, count: int, label: int | None) -> torch.Tensor:
        """Return images of codes that are drawn one after the other."""
        device = self.book.embedding.device
        kinds = torch.randint(max(1, self.config.labels), (count,), generator=rng)
        kinds = (kinds if label is None else torch.full((count,), label)).to(device)
        drawing = Drawing(self.prior, self._told(kinds), self._side)
        codes = torch.zeros(count, self._side, self._side, dtype=torch.long, device=device)
        for row in range(self._side):
            drawing.begin(row)
            for column in range(self._side):
                codes[:, row, column] = drawn(drawing.numbers(column), rng)
                drawing.tell(row, column, self.book.embedding[codes[:, row, column]])
        return self._shown(self.book.vectors(codes))

    def _vectors(self, images: torch.Tensor) -> torch.Tensor:
        vectors: torch.Tensor = self.to_latent(self.down(images))
        return vectors

    def _shown(self, vectors: torch.Tensor) -> torch.Tensor:
        images: torch.Tensor = self.up(self.from_latent(vectors))
        return images

    def _told(self, labels: torch.Tensor) -> torch.Tensor:
        kinds = self.config.labels
        if not kinds:
            return self.book.embedding.new_zeros(len(labels), 0)
        return functional.one_hot(labels, kinds).float()
