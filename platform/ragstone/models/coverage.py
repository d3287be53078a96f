"""How much of what is real samples reach: a cheap watch over a generator that repeats itself."""

from __future__ import annotations

import torch
from torch.nn import functional

_SIDE = 14  # pixels that images are shrunk to
_NEAREST = 5  # of what is real


def coverage(real: torch.Tensor, made: torch.Tensor) -> dict[str, float]:
    """Return coverage and density of what is real by what is made (Naeem and others 2020).

    `coverage`: part of the real images that have a made one nearer than their fifth neighbour; of
    other real images 0.97 would. `density`: how many real images have each made one so near, over
    five; 1 is as dense as what is real, more is typical and less varied.

    Parameters
    ----------
    real, made
        (images, channels, size, size): compared by their pixels, of at most 14 x 14.
    """
    first, other = _rows(real), _rows(made)
    nearest = min(_NEAREST, len(first) - 1)
    reach = torch.cdist(first, first).kthvalue(nearest + 1, dim=1).values  # itself is the nearest
    within = torch.cdist(first, other) <= reach[:, None]  # (real, made)
    return {
        "coverage": float(within.any(1).float().mean()),
        "density": float(within.sum(0).float().mean()) / max(1, nearest),
    }


def _rows(images: torch.Tensor) -> torch.Tensor:
    side = min(_SIDE, images.shape[-1])
    return functional.adaptive_avg_pool2d(images.float(), side).flatten(1)
