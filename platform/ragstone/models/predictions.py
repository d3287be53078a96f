"""What a denoiser predicts, and which image that stands for."""

from __future__ import annotations

import torch

from ragstone.models.schedules import Schedule, spread

PREDICTED = ("noise", "image", "v", "flow")
_LEAST = 0.02  # part of the image that is divided by: early errors stay small


class Prediction:
    """The noise, the image, or what turns one into the other.

    Parameters
    ----------
    kind
        `noise`; `image`; `v`, what turns one into the other on a circle (Salimans and Ho 2022); or
        `flow`, the direction of the straight line between them (Lipman and others 2023).
    """

    def __init__(self, kind: str, schedule: Schedule) -> None:
        self._kind, self._schedule = kind, schedule

    def wanted(self, images: torch.Tensor, noise: torch.Tensor, time: torch.Tensor) -> torch.Tensor:
        """Return what should be predicted of images (batch, …) with noise at times (batch,)."""
        if self._kind == "noise":
            return noise
        if self._kind == "image":
            return images
        if self._kind == "flow":
            return noise - images
        alpha, sigma = self._parts(images, time)
        return alpha * noise - sigma * images

    def clean(
        self, noisy: torch.Tensor, predicted: torch.Tensor, time: torch.Tensor
    ) -> torch.Tensor:
        """Return the images that noisy ones come from, by what was predicted."""
        alpha, sigma = self._parts(noisy, time)
        if self._kind == "image":
            return predicted
        if self._kind == "noise":
            return (noisy - sigma * predicted) / alpha.clamp(min=_LEAST)
        if self._kind == "flow":
            return noisy - sigma * predicted
        return alpha * noisy - sigma * predicted

    def _parts(self, like: torch.Tensor, time: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return spread(self._schedule.alpha(time), like), spread(self._schedule.sigma(time), like)
