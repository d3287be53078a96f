"""What is made is drawn towards a text by a `clip` that never saw noise.

Each step's estimate of the clean image is moved along the slope, at the noisy image, of how like
the estimate is to the text: through the denoiser, so that it stays an image (Bansal and others
2023). The clearer it is already, the less it is moved. So a network that was told nothing draws
what it is asked for.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch.nn import functional

from ragstone.models.clip import CLIP

_TINY = 1e-8


@dataclass(frozen=True, slots=True)
class Guide:
    """A text to draw towards.

    Parameters
    ----------
    network
        Has images and texts in one space.
    text
        Unit vector of the text, (dimension,).
    pull
        How far an estimate that is all noise is moved: root of the mean square of its change.
    """

    network: CLIP
    text: torch.Tensor
    pull: float

    def drawn(
        self,
        noisy: torch.Tensor,
        sigma: torch.Tensor,
        clean: Callable[[torch.Tensor], torch.Tensor],
        seen: Callable[[torch.Tensor], torch.Tensor],
    ) -> torch.Tensor:
        """Return estimates of what noisy states come from that are more like the text.

        Parameters
        ----------
        noisy
            (batch, …): images or latents.
        sigma
            Part of them that is noise, of a shape that fits.
        clean
            Gives the estimates.
        seen
            Turns these into images, float32 (batch, channels, size, size) from -1 to 1.
        """
        with torch.enable_grad():
            states = noisy.detach().requires_grad_()
            found = clean(states)
            likeness = (self.network.encode(self._fitted(seen(found))) @ self.text).sum()
            (slope,) = torch.autograd.grad(likeness, states)
        size = slope.flatten(1).square().mean(1).sqrt().clamp(min=_TINY)
        moved = self.pull * sigma * slope / size.view(-1, *[1] * (slope.ndim - 1))
        return found.detach() + moved

    def _fitted(self, images: torch.Tensor) -> torch.Tensor:
        """Return images as the guide reads them: of its size and colours."""
        size, channels = self.network.config.size, self.network.config.channels
        if images.shape[1] != channels:
            grey = images.mean(1, keepdim=True)
            images = grey.expand(-1, channels, -1, -1)
        if images.shape[-1] == size:
            return images
        return functional.interpolate(images, size=(size, size), mode="bilinear", antialias=True)
