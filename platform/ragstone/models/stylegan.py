"""`stylegan`: a style for each layer (Karras, Laine and Aila 2019; Karras and others 2020).

A mapping network makes a style of latents. The generator begins with maps that are the same for all
images; each of its convolutions is modulated by a style and has noise added. At each side there is
an image, and the images of all sides are added up. In training, some images have one style up to a
layer and another one from there. Losses: the non-saturating ones, with R1 every few steps.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import nn
from torch.nn import functional

from ragstone.models.adversarial import Adversarial
from ragstone.models.dcgan import ConvolutionalConfig
from ragstone.models.nn.modulated import Mapping, Modulated, Styled

_MEANT = 1_000  # styles that a mean is of
_NARROWEST = 8  # channels


@dataclass(frozen=True, slots=True, kw_only=True)
class StyleGANConfig(ConvolutionalConfig):
    """Settings of `stylegan`.

    Parameters
    ----------
    style
        Numbers of a style.
    depth
        Layers of the mapping.
    mixing
        Part of the images that are made of two styles, in training.
    truncation
        Of sampling: how far styles go from their mean; less than 1 is more typical, less varied.
    """

    family: ClassVar[str] = "stylegan"

    style: int = 64
    depth: int = 3
    mixing: float = 0.5
    truncation: float = 1.0


class StyleGAN(Adversarial):
    """See `Adversarial`."""

    config: StyleGANConfig
    generator: Synthesis

    def __init__(self, config: StyleGANConfig) -> None:
        super().__init__(config, Synthesis(config), config.falling())

    def drawn(self, rng: torch.Generator, labels: torch.Tensor) -> torch.Tensor:
        """Return an image of each label; in training, some of two styles."""
        styles = self._styles(rng, labels)
        if self.training:
            styles = self._mixed(styles, self._styles(rng, labels), rng)
        elif self.config.truncation != 1:
            middle = self._middle(labels)
            styles = middle + self.config.truncation * (styles - middle)
        images: torch.Tensor = self.generator(styles, rng)
        return images

    def _styles(self, rng: torch.Generator, labels: torch.Tensor) -> torch.Tensor:
        """Return a style for each layer of each image, (batch, layers, style): all layers alike."""
        styles: torch.Tensor = self.generator.mapping(self.latents(rng, labels), labels)
        return styles[:, None].expand(-1, self.generator.layers, -1)

    def _mixed(
        self, first: torch.Tensor, other: torch.Tensor, rng: torch.Generator
    ) -> torch.Tensor:
        """Return styles that are the other one from some layer on, for `mixing` of the images."""
        count, layers, _ = first.shape
        chosen, begin = torch.rand(2, count, 1, 1, generator=rng, device=rng.device).to(
            first.device
        )
        begin = 1 + begin * (layers - 1)  # the first layer keeps its own
        layer = torch.arange(layers, device=first.device)[None, :, None]
        return torch.where((chosen < self.config.mixing) & (layer >= begin), other, first)

    def _middle(self, labels: torch.Tensor) -> torch.Tensor:
        """Return the mean style of each label, (batch, 1, style): of the same latents each time."""
        rng = torch.Generator().manual_seed(0)
        kinds = torch.arange(max(1, self.config.labels), device=labels.device)
        styles = self._styles(rng, kinds.repeat_interleave(_MEANT))[:, :1]
        return styles.reshape(len(kinds), _MEANT, 1, -1).mean(1)[labels]


class Synthesis(nn.Module):
    """Latents to styles (`mapping`), and styles to images."""

    def __init__(self, config: StyleGANConfig) -> None:
        super().__init__()
        side, wide = config.size // 2**config.halved, config.width * 2 ** max(0, config.halved - 1)
        self.mapping = Mapping(config.latent, config.labels, config.style, config.depth)
        self.begin = nn.Parameter(torch.randn(1, wide, side, side))
        self.styled = nn.ModuleList([Styled(wide, wide, config.style)])
        self.images = nn.ModuleList([_image(wide, config)])
        for _ in range(config.halved):
            out = max(_NARROWEST, wide // 2)
            self.styled += [Styled(wide, out, config.style), Styled(out, out, config.style)]
            self.images.append(_image(out, config))
            wide = out

    @property
    def layers(self) -> int:
        """How many styles an image has."""
        return len(self.styled)

    def forward(self, styles: torch.Tensor, rng: torch.Generator) -> torch.Tensor:
        """Return images from -1 to 1, of styles (batch, layers, style) and noise of `rng`."""
        each = styles.unbind(1)
        states = self.styled[0](self.begin.expand(len(styles), -1, -1, -1), each[0], rng)
        images = self.images[0](states, each[0])
        for number in range(1, len(self.images)):
            first, last = 2 * number - 1, 2 * number
            states = self.styled[first](_doubled(states), each[first], rng)
            states = self.styled[last](states, each[last], rng)
            images = _doubled(images) + self.images[number](states, each[last])
        return torch.tanh(images)


def _image(channels: int, config: StyleGANConfig) -> Modulated:
    return Modulated(channels, config.channels, config.style, kernel=1, demodulated=False)


def _doubled(states: torch.Tensor) -> torch.Tensor:
    return functional.interpolate(states, scale_factor=2, mode="bilinear", align_corners=False)
