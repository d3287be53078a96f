"""How likely pixels are: distributions over the levels of a colour.

A network gives some `numbers` for each colour of a pixel, in dimension 1; a distribution says what
they mean. Levels are uint8; what is binary has the levels 0 and 255.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterator, Mapping
from typing import ClassVar, Protocol

import torch
from torch.nn import functional

from ragstone.errors import InvalidArgument

_LEVELS = 256
_HALF = 1 / 255  # of a level, where pixels are from -1 to 1
_LEAST = -7.0  # log scale: a sharper one is numerically the same
_MIXED = 5  # logistic distributions of a colour
_WIDEST = 9.0  # log odds that are still told from 1


class Distribution(Protocol):
    """Says what the numbers of a network mean for a colour of a pixel."""

    parts: ClassVar[int]  # numbers of each colour

    def seen(self, images: torch.Tensor, rng: torch.Generator | None) -> torch.Tensor:
        """Return what is modelled of images: levels, uint8 of the same shape.

        Parameters
        ----------
        rng
            None: the same image always gives the same.
        """
        ...

    def log_prob(self, levels: torch.Tensor, numbers: torch.Tensor) -> torch.Tensor:
        """Return the log chances of levels (batch, …), of `numbers` (batch, parts, …), in nats."""
        ...

    def draw(self, numbers: torch.Tensor, rng: torch.Generator) -> torch.Tensor:
        """Return levels, uint8 (batch, …), by chance."""
        ...


class Binary:
    """A pixel is black or white: white as often as it is light (Salakhutdinov and Murray 2008).

    Where chance is given, an image is drawn anew each time it is seen; else by chance that follows
    from the image itself. An image that has the levels 0 and 255 alone stays what it is.
    """

    parts: ClassVar[int] = 1

    def seen(self, images: torch.Tensor, rng: torch.Generator | None) -> torch.Tensor:
        """See `Distribution`."""
        if rng is None:
            shape = images.shape[1:]
            each = [torch.rand(shape, generator=own) for own in own_chance(images)]
            thresholds = torch.stack(each).to(images.device)
        else:
            thresholds = uniform(images.shape, rng, images.device)
        return (images > 255 * thresholds).to(torch.uint8) * 255

    def log_prob(self, levels: torch.Tensor, numbers: torch.Tensor) -> torch.Tensor:
        """See `Distribution`; the number is the log odds of white."""
        white = (levels > 127).float()
        odds = numbers.squeeze(1).float()
        return -functional.binary_cross_entropy_with_logits(odds, white, reduction="none")

    def draw(self, numbers: torch.Tensor, rng: torch.Generator) -> torch.Tensor:
        """See `Distribution`."""
        odds = numbers.squeeze(1)
        return (uniform(odds.shape, rng, odds.device) < odds.sigmoid()).to(torch.uint8) * 255


class _AsTheyAre:
    def seen(self, images: torch.Tensor, rng: torch.Generator | None) -> torch.Tensor:  # noqa: ARG002
        """See `Distribution`: all of them."""
        return images


class Levels(_AsTheyAre):
    """Each of the 256 levels has a log chance of its own (van den Oord and others 2016)."""

    parts: ClassVar[int] = _LEVELS

    def log_prob(self, levels: torch.Tensor, numbers: torch.Tensor) -> torch.Tensor:
        """See `Distribution`."""
        return -functional.cross_entropy(numbers.float(), levels.long(), reduction="none")

    def draw(self, numbers: torch.Tensor, rng: torch.Generator) -> torch.Tensor:
        """See `Distribution`."""
        return drawn(numbers, rng).to(torch.uint8)


class Logistics(_AsTheyAre):
    """A mixture of logistic distributions, cut into the levels (Salimans and others 2017)."""

    parts: ClassVar[int] = 3 * _MIXED  # log weights, middles and log scales

    def log_prob(self, levels: torch.Tensor, numbers: torch.Tensor) -> torch.Tensor:
        """See `Distribution`."""
        weights, middles, log_scales = numbers.float().chunk(3, dim=1)
        each = logistic_log_prob(levels[:, None], middles, log_scales - 2)
        return torch.logsumexp(functional.log_softmax(weights, 1) + each, 1)

    def draw(self, numbers: torch.Tensor, rng: torch.Generator) -> torch.Tensor:
        """See `Distribution`."""
        weights, middles, log_scales = numbers.float().chunk(3, dim=1)
        chosen = drawn(weights, rng)[:, None]
        middle, log_scale = (p.gather(1, chosen).squeeze(1) for p in (middles, log_scales - 2))
        odds = torch.logit(uniform(middle.shape, rng, middle.device)).clamp(-_WIDEST, _WIDEST)
        found = middle + log_scale.clamp(min=_LEAST).exp() * odds
        return ((found.clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8)


DISTRIBUTIONS: Mapping[str, Distribution] = {
    "logistic": Logistics(),
    "levels": Levels(),
    "binary": Binary(),
}


def distribution(name: str) -> Distribution:
    """Return the distribution called `name`.

    Raises
    ------
    InvalidArgument
        There is none.
    """
    if name not in DISTRIBUTIONS:
        raise InvalidArgument("pixels", name, "one of " + ", ".join(DISTRIBUTIONS))
    return DISTRIBUTIONS[name]


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


def gaussian_log_prob(
    pixels: torch.Tensor, middles: torch.Tensor, log_scales: torch.Tensor
) -> torch.Tensor:
    """Return the log chances of pixels as their densities under normal distributions, in nats.

    A level is 2 / 255 wide: where the deviation is of some levels, this is what it costs. Takes
    what `logistic_log_prob` takes.
    """
    scales = log_scales.clamp(min=math.log(_HALF))  # a sharper one has no sense over levels
    away = (pixels.float() / 127.5 - 1 - middles) * torch.exp(-scales)
    return math.log(2 * _HALF) - (away.square() + math.log(2 * math.pi)) / 2 - scales


def own_chance(images: torch.Tensor) -> Iterator[torch.Generator]:
    """Yield a generator for each of uint8 images (batch, …), the same for the same image."""
    for image in images.cpu().numpy():
        yield torch.Generator().manual_seed(zlib.crc32(image.tobytes()))


def uniform(shape: torch.Size, rng: torch.Generator, device: torch.device) -> torch.Tensor:
    """Return numbers from 0 to 1 on `device`, which need not be the generator's."""
    return torch.rand(shape, generator=rng, device=rng.device).to(device)


def normal(shape: torch.Size, rng: torch.Generator, device: torch.device) -> torch.Tensor:
    """Return normal noise on `device`, which need not be the generator's."""
    return torch.randn(shape, generator=rng, device=rng.device).to(device)


def drawn(log_weights: torch.Tensor, rng: torch.Generator) -> torch.Tensor:
    """Return one of dimension 1 by its weight, int64 (batch, …)."""
    below = log_weights.float().softmax(1).cumsum(1)
    point = uniform(below[:, :1].shape, rng, below.device) * below[:, -1:]
    return (below[:, :-1] <= point).sum(1)
