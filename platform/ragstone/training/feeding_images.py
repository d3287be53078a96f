"""Images that a training reads: each once in every pass, in an order drawn anew."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from blake3 import blake3
from numpy.typing import NDArray

from ragstone.errors import InvalidArgument
from ragstone.models.base import Batch
from ragstone.training.captions import Captions
from ragstone.training.feeding import passes

_HASHED = 1024  # images at once


@dataclass(frozen=True, slots=True)
class Images:
    """Images and their kinds.

    Parameters
    ----------
    pixels
        uint8 (all, channels, size, size), of these and others; may be mapped from a file.
    places
        Where each lies in `pixels`, int64 (images,).
    labels
        int64 (images,).
    ids
        Of their items; may be left out.
    captions
        Texts by the places in `pixels`; None: it is told of none.
    latents
        What an autoencoder makes of each of `pixels`, float32 (all, latents); may be left out.
    """

    pixels: NDArray[np.uint8]
    places: NDArray[np.int64]
    labels: NDArray[np.int64]
    ids: Sequence[str] = ()
    captions: Captions | None = None
    latents: NDArray[np.float32] | None = None

    def __len__(self) -> int:
        return len(self.labels)

    def batch(
        self, numbers: NDArray[np.int64], drawn: NDArray[np.float64] | None = None
    ) -> dict[str, torch.Tensor]:
        """Return images by their numbers, as networks read them.

        Parameters
        ----------
        drawn
            Which of its texts each image is told with; see `Captions.of`.
        """
        places = self.places[numbers]
        found = {
            "images": torch.from_numpy(self.pixels[places]),
            "labels": torch.from_numpy(self.labels[numbers]),
        }
        if self.captions is not None:
            found["texts"] = self.captions.of(places, drawn)
        if self.latents is not None:
            found["latents"] = torch.from_numpy(self.latents[places])
        return found


class ImageData:
    """Images to learn from, and others to validate by.

    Parameters
    ----------
    flip
        Show every other image, by chance, as in a mirror.

    Raises
    ------
    InvalidArgument
        There is none of one of them.
    """

    def __init__(self, training: Images, held_out: Images, *, flip: bool = False) -> None:
        self.training, self.held_out, self._flip = training, held_out, flip
        if not len(training) or not len(held_out):
            expected = f"with more images: it has {len(training):,} to learn from and "
            expected += f"{len(held_out):,} to validate by"
            raise InvalidArgument("dataset", None, expected)

    @cached_property
    def digest(self) -> str:
        """BLAKE3 of both."""
        hasher = blake3(f"{len(self.training)} {self._flip}".encode())
        for images in (self.training, self.held_out):
            hasher.update(images.labels.astype("<i8").tobytes())
            for first in range(0, len(images), _HASHED):
                hasher.update(images.pixels[images.places[first : first + _HASHED]].tobytes())
        return hasher.hexdigest()

    def batch(self, step: int, size: int, seed: int) -> Batch:
        """Return `images` and `labels` of `size` images, and more where there is more."""
        chance = np.random.default_rng([seed, step])
        mirrors, drawn = chance.random(size), chance.random(size)
        found = self.training.batch(passes(len(self.training), step, size, seed), drawn)
        if self._flip:
            mirrored = torch.from_numpy(mirrors < 0.5)
            images = found["images"]
            found["images"] = torch.where(mirrored[:, None, None, None], images.flip(-1), images)
        return found

    def names(self, step: int, size: int, seed: int) -> list[str]:
        """Return the ids of the items of a batch."""
        numbers = passes(len(self.training), step, size, seed).tolist()
        return [self.training.ids[n] if self.training.ids else f"image {n}" for n in numbers]

    def validation(self, size: int) -> Iterator[tuple[Batch, int]]:
        """Yield what is held out, up to `size` images at once, and how many."""
        for first in range(0, len(self.held_out), size):
            numbers = np.arange(first, min(first + size, len(self.held_out)))
            yield self.held_out.batch(numbers), len(numbers)
