"""`pixelcnn`: gated convolutions that see what is above and to the left (van den Oord 2016).

In a place, a colour is told of the colours before it. `fill` keeps what each layer made of the
places before: an image costs about one pass for each colour, not one for each pixel.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch

from ragstone.errors import InvalidArgument
from ragstone.models.autoregression import Autoregressive, AutoregressiveConfig
from ragstone.models.images import scaled
from ragstone.models.nn.gated import Drawing, GatedStacks


@dataclass(frozen=True, slots=True, kw_only=True)
class PixelCNNConfig(AutoregressiveConfig):
    """Settings of `pixelcnn`.

    Parameters
    ----------
    width, depth
        Channels, made a multiple of the colours, and layers after the first one.
    kernel
        Pixels of the side of a kernel, odd.
    """

    family: ClassVar[str] = "pixelcnn"

    width: int = 32
    depth: int = 6
    kernel: int = 3

    def __post_init__(self) -> None:
        AutoregressiveConfig.__post_init__(self)
        if self.kernel < 3 or self.kernel % 2 == 0:
            raise InvalidArgument("kernel", self.kernel, "an odd number, at least 3")
        self.at_least(width=1, depth=1)


class PixelCNN(Autoregressive):
    """Levels to numbers (batch, parts, channels, size, size); see `Autoregressive`."""

    config: PixelCNNConfig

    def __init__(self, config: PixelCNNConfig) -> None:
        super().__init__()
        self.config = config
        colours, out = config.channels, config.channels * self.distribution.parts
        shape = config.width, config.depth, config.kernel
        self.stacks = GatedStacks(colours, out, *shape, colours, config.labels)

    def log_chances(
        self,
        seen: torch.Tensor,
        told: torch.Tensor,
        rng: torch.Generator | None,  # noqa: ARG002
    ) -> torch.Tensor:
        """See `LikelihoodModel`."""
        chances = self.distribution.log_prob(seen, self.numbers(seen, told))
        return chances.flatten(1).sum(1)

    def numbers(self, levels: torch.Tensor, told: torch.Tensor) -> torch.Tensor:
        """Return the numbers of all pixels, (batch, parts, channels, size, size)."""
        found: torch.Tensor = self.stacks(scaled(levels), told)
        return found.reshape(len(levels), -1, *levels.shape[1:])

    def fill(
        self, levels: torch.Tensor, keep: torch.Tensor, told: torch.Tensor, rng: torch.Generator
    ) -> torch.Tensor:
        """See `Autoregressive`; each layer works once on each place, for each colour."""
        filled, config = levels.clone(), self.config
        drawing = Drawing(self.stacks, told, config.size)
        for row in range(config.size):
            drawing.begin(row)
            for column in range(config.size):
                for colour in range(config.channels):
                    numbers = drawing.numbers(column).view(len(levels), -1, config.channels)
                    drawn = self.distribution.draw(numbers[:, :, colour], rng)
                    kept, known = (all_[:, colour, row, column] for all_ in (keep, filled))
                    filled[:, colour, row, column] = torch.where(kept, known, drawn)
                    drawing.tell(row, column, scaled(filled[:, :, row, column]))
        return filled
