"""What models share that tell how likely an image is, and learn by that alone."""

from __future__ import annotations

import math
from abc import abstractmethod
from typing import ClassVar

import torch
from torch.nn import functional

from ragstone.models.base import Batch, Loss, Phase
from ragstone.models.images import LABEL, ImageModel


class LikelihoodModel(ImageModel):
    """Loss: minus the log chance of an image, in nats per colour of a pixel."""

    conditioning: ClassVar[tuple[str, ...]] = (LABEL,)

    @abstractmethod
    def seen(self, images: torch.Tensor, rng: torch.Generator | None) -> torch.Tensor:
        """Return what is modelled of images, of the same shape.

        Parameters
        ----------
        images
            uint8 (batch, channels, size, size).
        rng
            None: the same image always gives the same.
        """

    @abstractmethod
    def log_chances(
        self, seen: torch.Tensor, told: torch.Tensor, rng: torch.Generator | None
    ) -> torch.Tensor:
        """Return the log chance of each image, (batch,), in nats.

        Parameters
        ----------
        seen
            What `seen` gives.
        told
            float32 (batch, labels).
        rng
            Of training, where an estimate will do; None: the exact chance.
        """

    def training_step(self, batch: Batch, rng: torch.Generator, phase: Phase) -> Loss:
        """Return minus the mean log chance, by colour of a pixel."""
        images = self.seen(batch["images"], rng)
        told = self._told(batch["labels"])
        chances = self.log_chances(images, told, rng if phase == "train" else None)
        loss = -chances.mean() / images[0].numel()
        return Loss(loss, {"nats": float(loss.detach()) * images[0].numel()})

    def log_prob(self, images: torch.Tensor, labels: torch.Tensor | None = None) -> torch.Tensor:
        """See `ImageModel.log_prob`; where labels are not told, each is as likely."""
        seen, kinds = self.seen(images, None), self.config.labels
        given = torch.zeros(len(images), dtype=torch.long, device=images.device)
        if labels is not None or not kinds:
            return self.log_chances(seen, self._told(given if labels is None else labels), None)
        each = [self.log_chances(seen, self._told(given + kind), None) for kind in range(kinds)]
        return torch.logsumexp(torch.stack(each), 0) - math.log(kinds)

    def _told(self, labels: torch.Tensor) -> torch.Tensor:
        """Return labels as the network reads them, (batch, labels)."""
        kinds = self.config.labels
        if not kinds:
            return torch.zeros(len(labels), 0, device=labels.device)
        return functional.one_hot(labels, kinds).float()

    def _drawn(self, rng: torch.Generator, count: int, label: int | None) -> torch.Tensor:
        drawn = torch.randint(max(1, self.config.labels), (count,), generator=rng)
        labels = drawn if label is None else torch.full((count,), label)
        return self._told(labels.to(next(self.parameters()).device))
