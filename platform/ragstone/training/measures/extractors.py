"""The frozen network that images are measured by."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from ragstone.models.classifier import Classifier
from ragstone.models.images import ImageCodec

_SHOWN = 8  # characters of the digest


@dataclass(frozen=True, slots=True)
class Extractor:
    """A classifier with what its labels are called.

    Parameters
    ----------
    reference
        NAME@NUMBER.
    digest
        Of its weights: distances of features of two networks cannot be compared.
    """

    reference: str
    digest: str
    model: Classifier
    codec: ImageCodec

    @property
    def name(self) -> str:
        """What its distances are called by: the first characters of its digest."""
        return self.digest[:_SHOWN]

    def look(self, pixels: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Return features (count, features) and labels (count,), by the numbers of its codec.

        Parameters
        ----------
        pixels
            (count, channels, size, size).
        """
        features, labels = self.model.look(torch.from_numpy(np.ascontiguousarray(pixels)))
        return features.numpy(), labels.numpy()
