"""The images of a version, or the spectrograms of its recordings, read into one file of pixels."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ragstone.config import LimitSettings
from ragstone.errors import InvalidArgument
from ragstone.ingestion.parsers import decoding_audio
from ragstone.ingestion.parsers.pixels import decode
from ragstone.models.images import LABEL, ImageCodec, TextSpace
from ragstone.models.spectrograms import SpectrogramCodec
from ragstone.schemas.records import Modality
from ragstone.storage.files import remove
from ragstone.training.captions import MOST, Captions, captions_of, words
from ragstone.training.dividing import Division, Row, divide
from ragstone.training.feeding_images import Images

if TYPE_CHECKING:
    from pathlib import Path

    from ragstone.encoders.opened import Encoders
    from ragstone.training.materials.base import Asked
    from ragstone.training.snapshots import Snapshot

SIZE, FROM, TEXT, SYNTHETIC = "size", "from", "text", "synthetic"
RATE, SECONDS = "rate", "seconds"
SOURCES = {"image": Modality.IMAGE, "audio": Modality.AUDIO}
_ANY = LimitSettings(pixels=10**9, audio_seconds=1e9)  # it was within the limits when it came
_LARGEST = 256  # pixels of a side
_BY_ITSELF = 64  # pixels of a side, at most, where none is asked for
_SEEN = 32  # images that size and colours are chosen by
_FEWEST = 8  # words that are read of a text, at least: who asks may say more than was learnt
_SECONDS = 0.5  # of a recording
_SLOWEST, _FASTEST = 1_000, 48_000  # samples a second


def pixels_of(codec: ImageCodec, content: bytes) -> NDArray[np.uint8]:
    """Return a file as a model reads it, (channels, size, size).

    Raises
    ------
    Rejected
        It is no image; or no recording, for a model of spectrograms.
    """
    if isinstance(codec, SpectrogramCodec):
        return codec.squares(decoding_audio.decode(content, _ANY, codec.rate).samples)
    return codec.encode(decode(content, _ANY).image)


def embedded(encoders: Encoders, space: TextSpace, texts: Sequence[str]) -> NDArray[np.float32]:
    """Return the vectors of one text for each image, float32 (texts, 1 + words, width).

    Raises
    ------
    SpaceMismatch, EncoderUnavailable
        The encoder that the model was told by is not there.
    """
    encoder = encoders.of("the model", space.space, space.encoder)
    found = captions_of(encoder, [[text] for text in texts], space.words)
    vectors: NDArray[np.float32] = found.of(np.arange(len(texts)), None).numpy()
    return vectors


class Reading:
    """The images of a version, by the side of the training that they are on."""

    def __init__(self, snapshot: Snapshot, asked: Asked) -> None:
        self._snapshot, self._settings = snapshot, asked.settings
        self._fields = {name: str(asked.settings.get(name, "")) for name in (LABEL, TEXT)}
        source = asked.settings.get(FROM, "image")
        if source not in SOURCES:
            raise InvalidArgument(FROM, source, "one of " + ", ".join(SOURCES))
        self._modality = SOURCES[source]
        self.division: Division = divide(
            snapshot,
            lambda row: row["modality"] == self._modality,
            synthetic=bool(asked.settings.get(SYNTHETIC, False)),
        )
        self._encoders = asked.encoders
        self.codec: ImageCodec = asked.codec or self._codec()
        self.left_out = Counter(self.division.left_out)
        self._texts: list[Sequence[str]] = []
        self._read(asked.folder / "images")
        self.captions = self._captions() if self._fields[TEXT] else None

    @property
    def pixels(self) -> NDArray[np.uint8]:
        """All images, (all, channels, size, size), mapped from their file."""
        return self._pixels

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
            captions=self.captions,
        )

    # ------------------------------------------------------------ how they are read

    def _codec(self) -> ImageCodec:
        labels, texts = self._labels(), self._text_space()
        if self._modality == Modality.AUDIO:
            return self._spectrograms(labels, texts)
        seen = [decode(self._bytes(row), _ANY) for row in islice(self._rows("content"), _SEEN)]
        sides = Counter(min(picture.image.size) for picture in seen)
        size = self._size(min(sides.most_common(1)[0][0], _BY_ITSELF))
        grey = all(picture.mode in ("1", "L", "I;16") for picture in seen)
        return ImageCodec(size=size, channels=1 if grey else 3, labels=labels, texts=texts)

    def _spectrograms(self, labels: tuple[str, ...], texts: TextSpace | None) -> ImageCodec:
        rates = [int(row["metadata"]["sample_rate"]) for row in self._rows()]
        rate, seconds = self._settings.get(RATE) or min(rates), self._settings.get(SECONDS)
        if not _SLOWEST <= rate <= _FASTEST:
            expected = f"from {_SLOWEST:,} to {_FASTEST:,} samples a second"
            raise InvalidArgument(RATE, rate, expected)
        size = self._size(_BY_ITSELF)
        hop = round((seconds or _SECONDS) * rate / (size - 1))
        if not 1 <= hop <= size:  # of windows twice as long as a column is high
            most = (size - 1) * size / rate
            raise InvalidArgument(SECONDS, seconds, f"more than 0, and at most {most:.2f}")
        return SpectrogramCodec(
            size=size, channels=1, labels=labels, texts=texts, rate=rate, hop=hop
        )

    def _size(self, found: int) -> int:
        size = int(self._settings.get(SIZE) or found)
        if not 4 <= size <= _LARGEST:
            raise InvalidArgument(SIZE, size, f"from 4 to {_LARGEST} pixels")
        return size

    def _labels(self) -> tuple[str, ...]:
        field = self._fields[LABEL]
        if not field:
            return ()
        found = [row["metadata"] for row in self._rows()]
        labels = {str(metadata[field]) for metadata in found if field in metadata}
        if not labels:
            raise self._no_field(LABEL)
        return tuple(sorted(labels))

    def _text_space(self) -> TextSpace | None:
        if not self._fields[TEXT]:
            return None
        lengths = [len(words(text)) for row in self._rows() for text in self._own_texts(row)]
        if not lengths:
            raise self._no_field(TEXT)
        encoder = self._known_encoders().chosen()
        name = self._known_encoders().name_of(encoder)
        most = min(MOST, max(_FEWEST, max(lengths)))
        return TextSpace(encoder=name, space=encoder.identity.space, words=most)

    def _known_encoders(self) -> Encoders:
        if self._encoders is None:
            raise InvalidArgument(TEXT, self._fields[TEXT], "nothing outside of a workspace")
        return self._encoders

    def _no_field(self, name: str) -> InvalidArgument:
        kind = "recordings" if self._modality == Modality.AUDIO else "images"
        expected = f"a field of the metadata of the {kind}: "
        expected += ", ".join(sorted({n for row in self._rows() for n in row["metadata"]}))
        return InvalidArgument(name, self._fields[name], expected)

    # ------------------------------------------------------------ reading

    def _rows(self, *columns: str) -> Iterator[Row]:
        sides = self.division.held_out
        rows = self._snapshot.rows(columns)
        return (row for row in rows if row["item_id"] in sides)

    def _bytes(self, row: Row) -> bytes:
        content = row["content"]
        return self._snapshot.blobs.get(row["item_id"]) if content is None else bytes(content)

    def _read(self, path: Path) -> None:
        """Write the pixels of all images into a file, in the order of the parts; map it."""
        path.parent.mkdir(parents=True, exist_ok=True)
        remove(path)
        self._places: list[tuple[str, int]] = []  # item and label, by their places in the file
        with path.open("wb") as file:
            for row in self._rows("content"):
                label, texts = self._label(row["metadata"]), self._own_texts(row)
                if label is None:
                    self.left_out["no label that the model knows"] += 1
                elif self._fields[TEXT] and not texts:
                    self.left_out["no text"] += 1
                else:
                    file.write(pixels_of(self.codec, self._bytes(row)).tobytes())
                    self._places.append((row["item_id"], label))
                    self._texts.append(texts)
        shape = (-1, self.codec.channels, self.codec.size, self.codec.size)
        read = np.memmap(path, np.uint8, "r") if self._places else np.zeros(0, np.uint8)
        self._pixels = read.reshape(shape)

    def _label(self, metadata: Mapping[str, Any]) -> int | None:
        field = self._fields[LABEL]
        if not field:
            return 0
        value = str(metadata.get(field, ""))
        return self.codec.labels.index(value) if value in self.codec.labels else None

    def _own_texts(self, row: Row) -> Sequence[str]:
        """Return the texts of an image: what the field holds, or each of a list."""
        found = row["metadata"].get(self._fields[TEXT], "") if self._fields[TEXT] else ""
        texts = found if isinstance(found, list) else [found]
        return [str(text) for text in texts if str(text).strip()]

    def _captions(self) -> Captions:
        space = self.codec.texts
        assert space is not None
        encoder = self._known_encoders().of(
            self._snapshot.manifest.dataset, space.space, space.encoder
        )
        return captions_of(encoder, self._texts, space.words)


def _column(values: Iterable[int]) -> NDArray[np.int64]:
    return np.fromiter(values, np.int64)
