"""How likely pixels are: distributions over the 256 levels of a colour."""

from __future__ import annotations

import torch
from torch.nn import functional

_HALF = 1 / 255  # of a level, where pixels are from -1 to 1
_LEAST = -7.0  # log scale: a sharper one is numerically the same


def logistic_log_prob(
    pixels: torch.Tensor, middles: torch.Tensor, log_scales: torch.Tensor
) -> torch.Tensor:
    """Return the log chances of pixels under logistic distributions, in nats, of the same shape.

    The lowest and the highest level have all that lies beyond them (Salimans and others 2017).

    Parameters
    ----------
    pixels
        uint8 levels.
    middles, log_scales
        float32, of a shape that fits, where levels are from -1 to 1.
    """
    centred = pixels.float() / 127.5 - 1 - middles
    inverse = torch.exp(-log_scales.clamp(min=_LEAST))
    upper, lower = inverse * (centred + _HALF), inverse * (centred - _HALF)
    # log(sigmoid(upper) - sigmoid(lower)), without losing small differences
    within = (
        functional.logsigmoid(upper)
        + functional.logsigmoid(-lower)
        + torch.log1p(-torch.exp((lower - upper).clamp(max=-1e-6)))
    )
    first = functional.logsigmoid(upper)
    last = functional.logsigmoid(-lower)
    return torch.where(pixels == 0, first, torch.where(pixels == 255, last, within))
