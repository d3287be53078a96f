"""How likely images that were held out are, by models that tell."""

from __future__ import annotations

import math

import numpy as np
import torch

from ragstone.models.images import ImageModel
from ragstone.training.feeding_images import Images

_AT_ONCE = 64  # images


@torch.inference_mode()
def likelihood(model: ImageModel, images: Images) -> dict[str, float]:
    """Return minus the mean log chance of images, by image and by colour of a pixel.

    The name says whether it is `exact`, or a `bound`: the true one is not more.
    """
    total = 0.0
    for first in range(0, len(images), _AT_ONCE):
        batch = images.batch(np.arange(first, min(first + _AT_ONCE, len(images))))
        labels = batch["labels"] if model.config.labels else None
        total -= float(model.log_prob(batch["images"], labels).double().sum())
    nats = total / len(images)
    colours = model.config.channels * model.config.size**2
    return {
        "nats_per_image": nats,
        f"bits_per_dimension_{model.log_prob_kind}": nats / colours / math.log(2),
    }
