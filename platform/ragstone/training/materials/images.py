"""Images: squares of pixels that a model learns to make, with or without a label."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import TYPE_CHECKING, Any, ClassVar, cast

import numpy as np
from numpy.typing import NDArray

from ragstone.errors import InvalidArgument
from ragstone.ingestion.parsers.pixels import decode
from ragstone.models.base import GenerativeModel
from ragstone.models.images import LABEL, ImageCodec, ImageModel, png, unscaled
from ragstone.models.sampling import Sampler
from ragstone.schemas.records import Modality
from ragstone.storage.files import remove
from ragstone.training.dividing import Division, Row, divide, living_rows
from ragstone.training.feeding_images import ImageData, Images
from ragstone.training.materials.base import (
    Asked,
    Codec,
    Made,
    Material,
    Prepared,
    Request,
    facts,
)
from ragstone.training.materials.image_tasks import ANY_SIZE, perform
from ragstone.training.measures.base import Measured, Measuring
from ragstone.training.measures.images import measure

if TYPE_CHECKING:
    from pathlib import Path

    from ragstone.storage.manifests import Manifest
    from ragstone.storage.store import Store

_SIZE, _FLIP, _SYNTHETIC = "size", "flip", "synthetic"
_LARGEST = 256  # pixels of a side
_BY_ITSELF = 64  # pixels of a side, at most, where none is asked for
_SEEN = 32  # images that size and colours are chosen by


class ImageMaterial(Material):
    """For models of images."""

    settings: ClassVar[Mapping[str, str]] = {
        LABEL: "str",
        _SIZE: "int",
        _FLIP: "bool",
        _SYNTHETIC: "bool",
    }

    def prepare(self, store: Store, manifest: Manifest, asked: Asked) -> Prepared:
        """See `Material.prepare`."""
        reading = _Reading(store, manifest, asked)
        training, held_out = reading.sides()
        codec, flip = reading.codec, bool(asked.settings.get(_FLIP, False))
        each = codec.channels * codec.size**2
        return Prepared(
            codec=codec,
            decided={
                "channels": codec.channels,
                "size": codec.size,
                "labels": len(codec.labels),
            },
            feed=lambda _: ImageData(training, held_out, flip=flip),
            data=facts(
                manifest,
                reading.division,
                (len(training) * each, len(held_out) * each),
                len(held_out) * each,
                reading.left_out,
            ),
            per_byte=1.0,  # a colour of a pixel is a byte
        )

    def read(self, store: Store, manifest: Manifest, asked: Asked) -> tuple[Images, Images]:
        """Return the images to learn from, and those that are held out; one side may have none."""
        return _Reading(store, manifest, asked).sides()

    def open_codec(self, folder: Path) -> Codec:
        """See `Material.open_codec`."""
        return ImageCodec.open(folder)

    def make(self, model: GenerativeModel, codec: Any, request: Request) -> Made:
        """Make one image, or a sheet of several; see `image_tasks`."""
        sampler = request.sampler or Sampler()
        if sampler != Sampler(seed=sampler.seed):
            raise InvalidArgument("sampler", None, "a seed alone for a model of images")
        pixels = unscaled(perform(cast("ImageModel", model), codec, request)).numpy()
        each = tuple(png(image[None]) for image in pixels)
        return Made(media=png(pixels), media_type="image/png", each=each)

    def measure(
        self,
        model: GenerativeModel,
        codec: Any,
        prepared: Prepared,
        asked: Measuring,
    ) -> Measured:
        """See `measures.images`."""
        data = cast("ImageData", prepared.feed(model.config))
        return measure(cast("ImageModel", model), codec, data, asked)


class _Reading:
    """The images of a version, read into one file of pixels."""

    def __init__(self, store: Store, manifest: Manifest, asked: Asked) -> None:
        self._store, self._manifest, self._settings = store, manifest, asked.settings
        self._field = str(asked.settings.get(LABEL, ""))
        self.division: Division = divide(
            store,
            manifest,
            lambda row: row["modality"] == Modality.IMAGE,
            synthetic=bool(asked.settings.get(_SYNTHETIC, False)),
        )
        self.codec: ImageCodec = asked.codec or self._codec()
        self.left_out = Counter(self.division.left_out)
        self._read(asked.folder / "images")

    def _rows(self, *columns: str) -> Iterator[Row]:
        sides = self.division.held_out
        rows = living_rows(self._store, self._manifest, columns)
        return (row for row in rows if row["item_id"] in sides)

    def _codec(self) -> ImageCodec:
        seen = [decode(self._bytes(row), ANY_SIZE) for row in islice(self._rows("content"), _SEEN)]
        sides = Counter(min(picture.image.size) for picture in seen)
        size = self._settings.get(_SIZE) or min(sides.most_common(1)[0][0], _BY_ITSELF)
        if not 4 <= size <= _LARGEST:
            raise InvalidArgument(_SIZE, size, f"from 4 to {_LARGEST} pixels")
        grey = all(picture.mode in ("1", "L", "I;16") for picture in seen)
        return ImageCodec(size=size, channels=1 if grey else 3, labels=self._labels())

    def _labels(self) -> tuple[str, ...]:
        if not self._field:
            return ()
        found = [row["metadata"] for row in self._rows()]
        labels = {str(metadata[self._field]) for metadata in found if self._field in metadata}
        if not labels:
            expected = "a field of the metadata of the images: "
            expected += ", ".join(sorted({name for metadata in found for name in metadata}))
            raise InvalidArgument(LABEL, self._field, expected)
        return tuple(sorted(labels))

    def _bytes(self, row: Row) -> bytes:
        content = row["content"]
        return self._store.blobs.get(row["item_id"]) if content is None else bytes(content)

    def _read(self, path: Path) -> None:
        """Write the pixels of all images into a file, in the order of the parts; map it."""
        path.parent.mkdir(parents=True, exist_ok=True)
        remove(path)
        self._places: list[tuple[str, int]] = []  # item and label, by their places in the file
        with path.open("wb") as file:
            for row in self._rows("content"):
                label = self._label(row["metadata"])
                if label is None:
                    self.left_out["no label that the model knows"] += 1
                    continue
                picture = decode(self._bytes(row), ANY_SIZE).image
                file.write(self.codec.encode(picture).tobytes())
                self._places.append((row["item_id"], label))
        shape = (-1, self.codec.channels, self.codec.size, self.codec.size)
        read = np.memmap(path, np.uint8, "r") if self._places else np.zeros(0, np.uint8)
        self._pixels = read.reshape(shape)

    def _label(self, metadata: Mapping[str, Any]) -> int | None:
        if not self._field:
            return 0
        value = str(metadata.get(self._field, ""))
        return self.codec.labels.index(value) if value in self.codec.labels else None

    def sides(self) -> tuple[Images, Images]:
        """Return the images to learn from, and those that are held out."""
        return self._images(held_out=False), self._images(held_out=True)

    def _images(self, *, held_out: bool) -> Images:
        """Return the images of one side, by the ids of their items."""
        sides = self.division.held_out
        chosen = sorted(
            (item, place, label)
            for place, (item, label) in enumerate(self._places)
            if sides[item] == held_out
        )
        return Images(
            pixels=self._pixels,
            places=_column(place for _, place, _ in chosen),
            labels=_column(label for _, _, label in chosen),
            ids=tuple(item for item, _, _ in chosen),
        )


def _column(values: Iterable[int]) -> NDArray[np.int64]:
    return np.fromiter(values, np.int64)
