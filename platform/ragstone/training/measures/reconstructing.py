"""How well images come back: PSNR, and SSIM (Wang and others 2004)."""

from __future__ import annotations

import math

import torch
from torch.nn import functional

_WINDOW, _SPREAD = 11, 1.5  # of the Gaussian window of the paper, in pixels
_STABLE = ((0.01 * 255) ** 2, (0.03 * 255) ** 2)  # the paper's two constants


def psnr(images: torch.Tensor, others: torch.Tensor) -> float:
    """Return the peak signal to noise ratio in decibels, over all pixels of all images.

    Parameters
    ----------
    images, others
        uint8, of one shape.
    """
    apart = (images.double() - others.double()).square().mean()
    return 10 * math.log10(255**2 / max(float(apart), 1e-12))


def ssim(images: torch.Tensor, others: torch.Tensor) -> torch.Tensor:
    """Return the structural similarity of each image with the other, (count,): 1 where equal.

    Each colour by itself; where images are smaller than the window, the window is, too.

    Parameters
    ----------
    images, others
        uint8 (count, channels, height, width).
    """
    count, channels, height, width = images.shape
    first, second = (x.double().reshape(-1, 1, height, width) for x in (images, others))
    window = _window(min(_WINDOW, height, width)).to(first.device)

    def mean(values: torch.Tensor) -> torch.Tensor:
        return functional.conv2d(values, window)

    middle, middle_other = mean(first), mean(second)
    spread = mean(first**2) - middle**2
    spread_other = mean(second**2) - middle_other**2
    together = mean(first * second) - middle * middle_other
    light, contrast = _STABLE
    found = (2 * middle * middle_other + light) * (2 * together + contrast)
    found /= (middle**2 + middle_other**2 + light) * (spread + spread_other + contrast)
    return found.reshape(count, channels, -1).mean((1, 2)).float()


def _window(size: int) -> torch.Tensor:
    places = torch.arange(size, dtype=torch.float64) - (size - 1) / 2
    line = torch.exp(-places.square() / (2 * _SPREAD**2))
    window = torch.outer(line, line)
    return (window / window.sum())[None, None]
