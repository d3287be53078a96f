"""Images changed on their way to a critic, so that few of them last (Zhao and others 2020).

What is made is changed in the same ways, and each change has a gradient: so the generator does not
learn to make changed images.
"""

from __future__ import annotations

import torch
from torch.nn import functional

_PART = 8  # an eighth of the side: how far an image is moved
_SQUARE = 2  # half of the side: what is cut out
_LIGHT = 0.5  # how much lighter or darker, from -1 to 1


def augmented(images: torch.Tensor, rng: torch.Generator) -> torch.Tensor:
    """Return images (batch, channels, size, size) moved, lighter or darker, and with a square out.

    Each by its own chance, drawn from `rng`; what is moved in from outside, or cut out, is 0.
    """
    count, _, size, _ = images.shape
    light, *places = torch.rand(5, count, generator=rng, device=images.device)
    images = images + (light.view(-1, 1, 1, 1) - 0.5) * 2 * _LIGHT
    down, right = ((place * 2 - 1) * (size // _PART) for place in places[:2])
    images = _moved(images, down.round().long(), right.round().long())
    return images * _cut(places[2], places[3], size)


def _moved(images: torch.Tensor, down: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
    count, _, size, _ = images.shape
    far = size // _PART
    wide = functional.pad(images, (far, far, far, far))
    along = torch.arange(size, device=images.device)
    rows = (along + far)[None] - down[:, None]  # (count, size)
    columns = (along + far)[None] - right[:, None]
    which = torch.arange(count, device=images.device)[:, None, None]
    moved = wide.permute(0, 2, 3, 1)[which, rows[:, :, None], columns[:, None, :]]
    return moved.permute(0, 3, 1, 2)


def _cut(top: torch.Tensor, left: torch.Tensor, size: int) -> torch.Tensor:
    """Return 0 in a square of each image, and 1 elsewhere: (batch, 1, size, size)."""
    half = size / _SQUARE / 2
    along = torch.arange(size, device=top.device)[None] + 0.5
    rows = (along - top[:, None] * size).abs() < half
    columns = (along - left[:, None] * size).abs() < half
    return (~(rows[:, None, :, None] & columns[:, None, None, :])).float()
