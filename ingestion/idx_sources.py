"""IDX files, the form in which MNIST and its kin are given: images in one file, labels beside it.

Each image becomes a BMP, whose bytes depend on the pixels alone. Source of the format:
http://yann.lecun.com/exdb/mnist (big-endian: two zero bytes, the type, the number of dimensions,
the dimensions, the data).
"""

from __future__ import annotations

import gzip
import io
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ragstone.config import LimitSettings
from ragstone.errors import InvalidArgument, LimitExceeded
from ragstone.ingestion.tabular import path_text
from ragstone.schemas.records import Raw

_IMAGES = "-images-idx3-ubyte"
_LABELS = "-labels-idx1-ubyte"
_UNSIGNED_BYTE = 8


def open_idx(path: Path, limits: LimitSettings) -> IdxSource | None:
    """Return the images in `path`: an IDX file of images, or a folder with some; else None.

    Raises
    ------
    InvalidArgument
        A file is no IDX file, is damaged, or unpacks to more than the limits allow.
    """
    files = sorted(path.glob(f"*{_IMAGES}*")) if path.is_dir() else [path]
    found = [file for file in files if file.name.removesuffix(".gz").endswith(_IMAGES)]
    return IdxSource(found, limits) if found else None


class IdxSource:
    """The images of IDX files; `label` is in their metadata when there is a file of labels."""

    def __init__(self, files: list[Path], limits: LimitSettings) -> None:
        self._files = files
        self._limits = limits
        self._counts = [len(self._arrays(file)[0]) for file in files]

    @property
    def total(self) -> int | None:
        """Number of images."""
        return sum(self._counts)

    def raws(self) -> Iterator[Raw]:
        """Yield each image, in the order of the files."""
        for file in self._files:
            images, labels = self._arrays(file)
            base = file.name.removesuffix(".gz").removesuffix(_IMAGES)
            for number, pixels in enumerate(images):
                metadata = {} if labels is None else {"label": int(labels[number])}
                name = f"{base}/{number:05d}.bmp"
                source = f"{path_text(file)}#{number}"
                yield Raw(source, name, content=_bmp(pixels), metadata=metadata)

    def _arrays(self, file: Path) -> tuple[NDArray[np.uint8], NDArray[np.uint8] | None]:
        images = _read(file, 3, self._limits)
        beside = file.with_name(file.name.replace(_IMAGES, _LABELS))
        labels = _read(beside, 1, self._limits) if beside.exists() else None
        if labels is not None and len(labels) != len(images):
            expected = f"labels of its {len(images)} images; there are {len(labels)}"
            raise InvalidArgument("sources", str(beside), expected)
        return images, labels


def _read(path: Path, dimensions: int, limits: LimitSettings) -> NDArray[np.uint8]:
    """Return the array in an IDX file of bytes."""
    expected = f"an IDX file of bytes in {dimensions} dimensions"
    try:
        data = _unpacked(path, limits)
        zeros, kind, found = struct.unpack_from(">HBB", data)
        shape = struct.unpack_from(f">{found}I", data, 4)
        array = np.frombuffer(data, np.uint8, offset=4 + 4 * found).reshape(shape)
    except (OSError, EOFError, zlib.error, struct.error, ValueError) as error:
        raise InvalidArgument("sources", str(path), f"{expected} ({error})") from error
    if (zeros, kind, found) != (0, _UNSIGNED_BYTE, dimensions):
        told = f"{expected} (its header says type {kind}, {found} dimensions)"
        raise InvalidArgument("sources", str(path), told)
    return array


def _unpacked(path: Path, limits: LimitSettings) -> bytes:
    packed = path.read_bytes()
    if path.suffix != ".gz":
        return packed
    with gzip.open(io.BytesIO(packed)) as file:
        data = file.read(limits.bytes + 1)
    if len(data) > limits.bytes:
        error = LimitExceeded("The unpacked size", len(data), limits.bytes, "limits.bytes")
        raise InvalidArgument("sources", str(path), error.message)
    return data


def _bmp(pixels: NDArray[np.uint8]) -> bytes:
    """Return grey pixels, shape (height, width), as a BMP."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "BMP")
    return buffer.getvalue()
