"""Images that a model gave back or made, beside real ones."""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray

from ragstone.models.autoencoding import Autoencoder
from ragstone.models.images import ImageModel, scaled, unscaled
from ragstone.training.feeding_images import ImageData, Images
from ragstone.training.measures.likelihood import likelihood

_AT_ONCE = 64  # images


def measure(model: ImageModel, data: ImageData, samples: int) -> dict[str, float]:
    """Return `psnr` of what comes back, and how near samples are to what was learnt from.

    `nats_per_image`, `bits_per_dimension_exact` (or `_bound`): what all that is held out costs, for
    models that tell.
    `psnr`: peak signal to noise ratio in decibels, of all that is held out, for autoencoders.
    `nearest_training`, `nearest_held_out`: mean distance (root of the mean square, levels 0..255)
    from each sample to the nearest image that was learnt from, and to the nearest of those held
    out, of as many of each. A model that copies is much nearer to the first.
    """
    found: dict[str, float] = {}
    if "log_prob" in model.capabilities:
        found |= likelihood(model, data.held_out)
    if isinstance(model, Autoencoder):
        found["psnr"] = _psnr(model, data.held_out)
    if samples and "sample" in model.capabilities:
        with torch.inference_mode():
            made = model.sample(torch.Generator().manual_seed(0), samples, None)
        pixels = unscaled(made).cpu().numpy()
        count = min(len(data.training), len(data.held_out))
        for name, images in (("training", data.training), ("held_out", data.held_out)):
            found[f"nearest_{name}"] = _nearest(pixels, images, count)
    return found


@torch.inference_mode()
def _psnr(model: Autoencoder, images: Images) -> float:
    total, count = 0.0, 0
    for first in range(0, len(images), _AT_ONCE):
        numbers = np.arange(first, min(first + _AT_ONCE, len(images)))
        shown = images.batch(numbers)["images"]
        back = unscaled(model.reconstruct(scaled(shown))).double()
        total += float((back - shown.double()).square().sum())
        count += shown.numel()
    return 10 * math.log10(255**2 / max(total / count, 1e-12))


def _nearest(made: NDArray[np.uint8], images: Images, count: int) -> float:
    """Return the mean distance from each of `made` to the nearest of the first `count` images."""
    rows = torch.from_numpy(made.reshape(len(made), -1).astype(np.float32))
    best = torch.full((len(made),), math.inf)
    for first in range(0, count, _AT_ONCE):
        numbers = np.arange(first, min(first + _AT_ONCE, count))
        others = images.batch(numbers)["images"].flatten(1).float()
        best = torch.minimum(best, torch.cdist(rows, others).amin(1))
    return float((best / math.sqrt(rows.shape[1])).mean())
