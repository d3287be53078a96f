"""IDX files of images and labels, packed or not, whole or damaged."""

from __future__ import annotations

import gzip
import io
import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ragstone.config import LimitSettings
from ragstone.errors import InvalidArgument
from ragstone.ingestion.sources import open_source

PIXELS = np.arange(3 * 4 * 5, dtype=np.uint8).reshape(3, 4, 5)


def idx(array: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> bytes:
    shape = array.shape
    return struct.pack(f">HBB{len(shape)}I", 0, 8, len(shape), *shape) + array.tobytes()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "t10k-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx(PIXELS)))
    labels = idx(np.array([7, 2, 1], np.uint8))
    (tmp_path / "t10k-labels-idx1-ubyte.gz").write_bytes(gzip.compress(labels))
    return tmp_path


def test_a_folder_is_its_images(folder: Path) -> None:
    source = open_source(folder)
    assert source.total == 3
    raws = list(source.raws())
    assert [raw.name for raw in raws] == ["t10k/00000.bmp", "t10k/00001.bmp", "t10k/00002.bmp"]
    assert [raw.metadata for raw in raws] == [{"label": 7}, {"label": 2}, {"label": 1}]
    assert raws[1].source == f"{folder}/t10k-images-idx3-ubyte.gz#1"
    for raw, pixels in zip(raws, PIXELS, strict=True):
        assert raw.content is not None
        assert np.array_equal(np.asarray(Image.open(io.BytesIO(raw.content))), pixels)
    assert [raw.content for raw in open_source(folder).raws()] == [raw.content for raw in raws]


def test_one_file_without_labels(tmp_path: Path) -> None:
    path = tmp_path / "train-images-idx3-ubyte"
    path.write_bytes(idx(PIXELS))
    assert [raw.metadata for raw in open_source(path).raws()] == [{}, {}, {}]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "3 dimensions"),
        (idx(PIXELS)[:40], "3 dimensions"),
        (idx(PIXELS.ravel()), "its header says type 8, 1 dimensions"),
        (b"\x00\x00\x0d\x03" + idx(PIXELS)[4:], "its header says type 13"),
    ],
)
def test_what_is_none_is_refused(tmp_path: Path, content: bytes, problem: str) -> None:
    path = tmp_path / "x-images-idx3-ubyte"
    path.write_bytes(content)
    with pytest.raises(InvalidArgument, match=problem):
        open_source(path)


def test_other_numbers_of_labels_and_bombs_are_refused(folder: Path) -> None:
    with pytest.raises(InvalidArgument, match=r"limits\.bytes|unpacked size"):
        open_source(folder, limits=LimitSettings(bytes=50))
    (folder / "t10k-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx(np.array([7], np.uint8))))
    with pytest.raises(InvalidArgument, match="labels of its 3 images; there are 1"):
        open_source(folder)
    (folder / "t10k-images-idx3-ubyte.gz").write_bytes(b"\x1f\x8b not gzip")
    with pytest.raises(InvalidArgument, match="an IDX file of bytes"):
        open_source(folder)
