"""Settings of `diffusion`, and the network that they ask for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from torch import nn

from ragstone.errors import InvalidArgument
from ragstone.models.images import ImageConfig
from ragstone.models.nn.conditioned import Reads
from ragstone.models.nn.dit import DiT
from ragstone.models.nn.unet import UNet
from ragstone.models.nn.vectors import VectorNet
from ragstone.models.predictions import PREDICTED
from ragstone.models.schedules import schedule
from ragstone.models.solvers import SOLVERS

_AUTO = "auto"
_TIMES = ("even", "middle")
_SHRINKS = (0, 2, 4)
_SIZES = {"unet": (32, 1), "dit": (128, 4), "mlp": (384, 4)}  # width and depth of backbones


@dataclass(frozen=True, slots=True, kw_only=True)
class DiffusionConfig(ImageConfig):
    """Settings of `diffusion`; the defaults have 0.9 million parameters.

    Parameters
    ----------
    backbone
        `unet`; `dit`, a transformer; or `mlp`, for latents. `auto`: `mlp` for those, else `unet`.
    predicts
        `flow`, `v`, `image` or `noise`.
    noise_schedule
        `straight`, `cosine` or `linear`; `flow` takes `straight`, and `v` one of the others.
    times
        That are learnt: `even`, or more of the `middle` (logit-normal, Esser and others 2024).
    width, depth
        Of the network; 0: as its backbone has them.
    halvings
        Of `unet`: how often the side is halved, at most.
    heads, patch
        Of `dit`: heads, and pixels of the side of a token.
    shrink
        It enlarges images so many times, 2 or 4; 0: it makes new ones.
    untold
        Share of the images whose label and text are not told, so that one can be guided by them.
    solver, solver_steps, guidance
        Of sampling: 1 does as told, more does it more (Ho and Salimans 2022).
    jumps
        Of inpainting: how often each step is made, with new noise between.
    latents, autoencoder
        Numbers that it makes instead of pixels, and what turns them into pixels: `family` and
        `settings`, and the `digest` of its weights. 0: pixels.
    texts, words
        Of the texts that it is told; see `Reads`.
    """

    family: ClassVar[str] = "diffusion"
    decided: ClassVar[frozenset[str]] = ImageConfig.decided | {
        "latents",
        "autoencoder",
        "texts",
        "words",
    }

    backbone: str = _AUTO
    predicts: str = "flow"
    noise_schedule: str = "straight"
    times: str = "even"
    width: int = 0
    depth: int = 0
    halvings: int = 2
    heads: int = 4
    patch: int = 2
    dropout: float = 0.0
    shrink: int = 0
    untold: float = 0.1
    solver: str = "heun"
    solver_steps: int = 20
    guidance: float = 1.0
    jumps: int = 3
    latents: int = 0
    autoencoder: Mapping[str, Any] = field(default_factory=dict)
    texts: int = 0
    words: int = 0

    def __post_init__(self) -> None:
        self._settle()
        backbones = ("mlp",) if self.latents else ("unet", "dit")
        self.among(backbone=backbones, predicts=PREDICTED, times=_TIMES, solver=SOLVERS)
        schedule(self.noise_schedule)
        straight = self.noise_schedule == "straight"
        if (self.predicts == "flow") != straight and self.predicts in ("flow", "v"):
            expected = "straight for flow, and cosine or linear for v"
            raise InvalidArgument("noise_schedule", self.noise_schedule, expected)
        if self.shrink not in _SHRINKS or (self.shrink and self.size % self.shrink):
            raise InvalidArgument("shrink", self.shrink, f"2 or 4, a divisor of {self.size}, or 0")
        if self.shrink and self.latents:
            raise InvalidArgument("shrink", self.shrink, "0 where it makes latents")

    def _settle(self) -> None:
        """Put what follows from other settings in the place of what says so."""
        if self.backbone == _AUTO:
            object.__setattr__(self, "backbone", "mlp" if self.latents else "unet")
        for name, value in zip(("width", "depth"), _SIZES.get(self.backbone, ()), strict=False):
            object.__setattr__(self, name, getattr(self, name) or value)


def network_of(config: DiffusionConfig) -> nn.Module:
    """Return the denoiser that the settings ask for, untrained; see `Reads`."""
    told = {"labels": config.labels, "texts": config.texts, "words": config.words}
    if config.latents:
        return VectorNet(Reads(channels=config.latents, **told), config.width, config.depth)
    given = config.channels if config.shrink else 0
    reads = Reads(channels=config.channels, size=config.size, given=given, **told)
    if config.backbone == "unet":
        return UNet(reads, config.width, config.depth, config.halvings, config.dropout)
    return DiT(reads, config.width, config.depth, config.heads, config.patch)
