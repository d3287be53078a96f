"""Images that a model makes to be measured, in pieces, with the labels that it was asked for."""

from __future__ import annotations

from dataclasses import dataclass
from time import monotonic

import numpy as np
import torch
from numpy.typing import NDArray

from ragstone.models.images import LABEL, ImageModel, unscaled
from ragstone.training.feeding_images import Images

_AT_ONCE = 64  # images


@dataclass(frozen=True, slots=True)
class Drawn:
    """What a model made.

    Parameters
    ----------
    pixels
        uint8 (count, channels, size, size).
    labels
        That it was asked for, (count,); None: it is told of none.
    """

    pixels: NDArray[np.uint8]
    labels: NDArray[np.int64] | None
    per_second: float


def drawn(model: ImageModel, images: Images, count: int, seed: int = 0) -> Drawn:
    """Let a model make `count` images, of labels as frequent as those of `images`.

    They come in an order by chance, so that the first of them are like all.
    """
    rng = torch.Generator().manual_seed(seed)
    asked: list[tuple[int | None, int]] = [(None, count)]
    told = bool(model.config.labels) and LABEL in model.conditioning
    if told:
        asked = list(enumerate(_shared_out(images.labels, model.config.labels, count)))
    begun, made, labels = monotonic(), [], []
    for label, number in asked:
        for first in range(0, number, _AT_ONCE):
            size = min(_AT_ONCE, number - first)
            with torch.inference_mode():
                made.append(unscaled(model.sample(rng, size, label)).cpu().numpy())
            labels += [label or 0] * size
    seconds = monotonic() - begun
    order = np.random.default_rng(seed).permutation(count)
    numbers = np.array(labels, np.int64)[order] if told else None
    return Drawn(np.concatenate(made)[order], numbers, count / max(seconds, 1e-9))


def _shared_out(labels: NDArray[np.int64], kinds: int, count: int) -> list[int]:
    """Part `count` by how frequent each label is: the largest remainders get what is left."""
    parts = count * np.bincount(labels, minlength=kinds) / len(labels)
    whole = np.floor(parts).astype(int)
    left = count - int(whole.sum())
    whole[np.argsort(whole - parts, kind="stable")[:left]] += 1
    return [int(number) for number in whole]
