"""Which classifier of the registry the images of a model are measured by."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from ragstone.errors import InvalidArgument
from ragstone.models.classifier import Classifier, ClassifierConfig
from ragstone.models.images import ImageCodec
from ragstone.training.measures.extractors import Extractor
from ragstone.training.model_files import open_model

if TYPE_CHECKING:
    from ragstone.schemas.models import ModelInfo
    from ragstone.training.registry import Registry

_FAMILY = ClassifierConfig.family


def eye_of(registry: Registry, asked: str, info: ModelInfo, codec: ImageCodec) -> Extractor | None:
    """Return the classifier `asked`, or the newest that learnt from the same dataset as a model.

    Parameters
    ----------
    asked
        NAME or NAME@NUMBER; empty: that newest, or None where there is none for such images.
    info, codec
        Of the model that is to be measured.

    Raises
    ------
    UnknownModel
        There is no model of this name.
    InvalidArgument
        It is no classifier, or one of other images.
    DamagedFile
        Its weights are not those that were trained.
    """
    if asked:
        chosen = registry.info(asked)
        if chosen.family != _FAMILY:
            expected = f"a model of the family {_FAMILY}; this one is a {chosen.family}"
            raise InvalidArgument("extractor", asked, expected)
        eye = _opened(registry, chosen)
        if not _fits(eye.codec, codec):
            expected = f"one of such images as the model's, {_form(codec)}, not {_form(eye.codec)}"
            raise InvalidArgument("extractor", asked, expected)
        return eye
    known = [
        one
        for one in registry.all()
        if one.family == _FAMILY and one.data.dataset == info.data.dataset
    ]
    for one in sorted(known, key=lambda one: one.created, reverse=True):
        eye = _opened(registry, one)
        if _fits(eye.codec, codec):
            return eye
    return None


def advice(info: ModelInfo, codec: ImageCodec) -> str:
    """Return how to come by a classifier that a model's images can be measured by."""
    size = f" --set size={codec.size}" if "size" in info.material else ""
    field = info.material.get("label") or "FIELD"
    return (
        f"No feature distances: no classifier of {_form(codec)} learnt from {info.data.dataset}. "
        f"ragstone train {_FAMILY} {info.data.dataset} --set label={field}{size} "
        f"--name {info.data.dataset.lower()}-{_FAMILY}"
    )


def _opened(registry: Registry, info: ModelInfo) -> Extractor:
    reference = f"{info.name}@{info.number}"
    network, codec = open_model(registry.folder(reference))
    return Extractor(reference, info.digest, cast("Classifier", network), codec)


def _fits(codec: ImageCodec, other: ImageCodec) -> bool:
    return (codec.size, codec.channels) == (other.size, other.channels)


def _form(codec: ImageCodec) -> str:
    colours = "grey" if codec.channels == 1 else "colour"
    return f"{codec.size} x {codec.size} {colours} images"
