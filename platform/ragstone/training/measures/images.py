"""How good the images are that a model gives back or makes, beside real ones.

Beside a measure of what was made stands, where that says more than the number alone, the same of
images that were held out (`_held_out`): as good as a model that makes new images of the same kind
can be.
"""

from __future__ import annotations

import math
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray

from ragstone.models.autoencoding import Autoencoder
from ragstone.models.images import ImageCodec, ImageModel, scaled, unscaled
from ragstone.training.feeding_images import ImageData, Images
from ragstone.training.measures.base import Measured, Measuring
from ragstone.training.measures.distances import filling, frechet, kernel_distance
from ragstone.training.measures.drawing import Drawn, drawn
from ragstone.training.measures.extractors import Extractor
from ragstone.training.measures.intervals import of_error, of_share, standard_error
from ragstone.training.measures.likelihood import likelihood
from ragstone.training.measures.memorising import memorisation
from ragstone.training.measures.reconstructing import psnr, ssim

_AT_ONCE = 64  # images
_REAL = 20_000  # images that were learnt from which samples are compared with, at most
_ENOUGH = 100  # samples that distances of features are taken of, at least
_PAIRED = 200  # images of a label that are compared with each other, at most


def measure(model: ImageModel, codec: ImageCodec, data: ImageData, asked: Measuring) -> Measured:
    """Return the measures that docs/comparing.md lists."""
    found, samples, eye = Measured(), asked.samples, asked.eye
    if "log_prob" in model.capabilities:
        found.values.update(likelihood(model, data.held_out))
    if isinstance(model, Autoencoder):
        _back(found, model, data.held_out)
    if not samples or "sample" not in model.abilities:
        return found
    made = drawn(model, data.training, samples)
    found.values["samples_per_second"] = made.per_second
    _copies(found, made.pixels, data)
    if made.labels is not None:
        _variety(found, made, codec, data)
    if eye is None:
        return found
    if made.labels is not None:
        _told(found, made, codec, eye, data.held_out)
    if samples < _ENOUGH:
        found.notes.append(f"Feature distances need {_ENOUGH} samples or more: --samples 1000.")
    else:
        _features(found, made, eye, data)
    return found


def pixels_of(images: Images, most: int) -> NDArray[np.uint8]:
    """Return the first `most` images, (count, channels, size, size); their order is by chance."""
    return images.pixels[images.places[:most]]


@torch.inference_mode()
def _back(found: Measured, model: Autoencoder, images: Images) -> None:
    """Add how well what is held out comes back."""
    shown, back = [], []
    for first in range(0, len(images), _AT_ONCE):
        numbers = np.arange(first, min(first + _AT_ONCE, len(images)))
        shown.append(images.batch(numbers)["images"])
        back.append(unscaled(model.reconstruct(scaled(shown[-1]))))
    found.values["psnr"] = psnr(torch.cat(shown), torch.cat(back))
    found.values["ssim"] = float(ssim(torch.cat(shown), torch.cat(back)).mean())


def _copies(found: Measured, made: NDArray[np.uint8], data: ImageData) -> None:
    training, held_out = (
        _rows(pixels_of(images, len(images))) for images in (data.training, data.held_out)
    )
    copied = memorisation(_rows(made), training, held_out[:_REAL])
    found.values["memorised"] = copied.share
    found.intervals["memorised"] = copied.interval
    found.values["memorised_z"] = copied.z


def _variety(found: Measured, made: Drawn, codec: ImageCodec, data: ImageData) -> None:
    """Add how far samples of one label are apart, as a part of how far real ones are."""
    real, numbers = data.training, made.labels
    if numbers is None:
        return
    parts = []
    for number, label in enumerate(codec.labels):
        ours = _apart(made.pixels[numbers == number])
        others = _apart(real.pixels[real.places[real.labels == number][:_PAIRED]])
        if math.isfinite(ours) and others > 0:
            parts.append(ours / others)
            found.values[f"diversity:{label}"] = parts[-1]
    if parts:
        found.values["diversity"] = float(np.mean(parts))


def _apart(pixels: NDArray[np.uint8]) -> float:
    """Return the mean distance of two of the images; not a number where there are no two."""
    rows = torch.from_numpy(_rows(pixels[:_PAIRED]))
    return float(torch.pdist(rows).mean()) if len(rows) > 1 else math.nan


def _told(
    found: Measured, made: Drawn, codec: ImageCodec, eye: Extractor, held_out: Images
) -> None:
    """Add how often the label that was asked for is the one that the extractor sees."""
    if made.labels is None:
        return
    if not set(codec.labels) <= set(eye.codec.labels):
        found.notes.append(f"{eye.reference} does not know the labels that the model was told.")
        return
    known = np.array([eye.codec.labels.index(label) for label in codec.labels])
    real = pixels_of(held_out, _REAL)
    for name, pixels, labels in (
        ("label_accuracy", made.pixels, made.labels),
        ("label_accuracy_held_out", real, held_out.labels[:_REAL]),
    ):
        share = float((eye.look(pixels)[1] == known[labels]).mean())
        found.values[name] = share
        found.intervals[name] = of_share(share, len(labels))


def _features(found: Measured, made: Drawn, eye: Extractor, data: ImageData) -> None:
    """Add distances of features to those of what was learnt from, and how both fill each other."""
    ours = eye.look(made.pixels)[0]
    real, held = (eye.look(pixels_of(x, _REAL))[0] for x in (data.training, data.held_out))
    count = min(len(ours), len(held))
    compared = {"": ours, "_held_out": held[:count]}
    if len(held) < len(ours):  # distances of fewer are larger: they would mislead
        del compared["_held_out"]
    for end, rows in compared.items():
        apart = f"FD-{eye.name}{end}"
        found.values[apart] = frechet(real, rows)
        error = standard_error(partial(frechet, real), rows)
        found.intervals[apart] = of_error(found.values[apart], error)
        kernel = kernel_distance(real[: len(rows)], rows)
        found.values[f"KID-{eye.name}{end}"] = kernel.value
        if math.isfinite(kernel.error):
            found.intervals[f"KID-{eye.name}{end}"] = of_error(kernel.value, kernel.error)
    # Beside what is held out, not what was learnt from: copies are to gain nothing.
    filled = filling(held[:count], ours[:count])
    for name in ("precision", "recall", "density", "coverage"):
        found.values[name] = getattr(filled, name)
        if name != "density":
            found.intervals[name] = of_share(found.values[name], count)


def _rows(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    return pixels.reshape(len(pixels), math.prod(pixels.shape[1:])).astype(np.float32)
