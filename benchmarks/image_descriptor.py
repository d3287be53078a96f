"""What the embedded image encoder tells apart, beside raw pixels, and how fast it is.

Run: RAGSTONE_DATA=/path/to/data python benchmarks/image_descriptor.py

Accuracy is that of the label of the five nearest other pictures by cosine, leaving the picture
itself out; of equally many votes the nearest decides. Writes Markdown tables to standard output.
"""

from __future__ import annotations

import gzip
import io
import os
import sys
import time
import zipfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ragstone.encoders.image_descriptor import ImageDescriptor
from ragstone.schemas.records import Modality, Payload

_NEIGHBOURS = 5
_BLOCK = 1_000
# Linear probes, as the data folder's index states them (github.com/embeddings-benchmark/results).
_PUBLISHED = {"MNIST": "0.895", "CIFAR-10": "0.899"}


def accuracy(vectors: NDArray[np.float32], labels: NDArray[np.int64]) -> float:
    """Return the share of pictures whose nearest others have their label."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    vectors = vectors / np.maximum(lengths, 1e-9)
    right = 0
    for start in range(0, len(vectors), _BLOCK):
        block = np.arange(start, min(start + _BLOCK, len(vectors)))
        likeness = vectors[block] @ vectors.T
        likeness[np.arange(len(block)), block] = -2
        nearest = np.argpartition(-likeness, _NEIGHBOURS, axis=1)[:, :_NEIGHBOURS]
        found = np.take_along_axis(likeness, nearest, axis=1)
        votes = np.zeros((len(block), int(labels.max()) + 1))
        # a vote is worth one, and a trifle more the nearer it is
        for rank in range(_NEIGHBOURS):
            votes[np.arange(len(block)), labels[nearest[:, rank]]] += 1 + found[:, rank] * 1e-3
        right += int((votes.argmax(axis=1) == labels[block]).sum())
    return right / len(vectors)


def digits(folder: Path) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Return the pictures of the MNIST test set, shape (10000, 28, 28, 3), and their labels."""
    pictures, labels = (
        np.frombuffer(gzip.decompress((folder / name).read_bytes()), np.uint8, offset=offset)
        for name, offset in (("t10k-images-idx3-ubyte.gz", 16), ("t10k-labels-idx1-ubyte.gz", 8))
    )
    return pictures.reshape(-1, 28, 28, 1).repeat(3, axis=3), labels.astype(np.int64)


def objects(folder: Path) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Return the pictures of the CIFAR-10 subset, shape (12000, 32, 32, 3), and their labels."""
    with zipfile.ZipFile(folder / "images.zip") as archive:
        names = [name for name in sorted(archive.namelist()) if name.endswith(".jpg")]
        files = [io.BytesIO(archive.read(name)) for name in names]
    pictures = np.stack([np.asarray(Image.open(file).convert("RGB")) for file in files])
    classes = [name.split("/")[-2] for name in names]
    return pictures, np.unique(classes, return_inverse=True)[1].astype(np.int64)


def speed(side: int, count: int) -> float:
    """Return pictures of `side` pixels a second of processor time."""
    random = np.random.default_rng(0)
    data = random.integers(0, 256, (count, side, side, 3), dtype=np.uint8)
    payloads = [Payload(Modality.IMAGE, picture) for picture in data]
    start = time.process_time()
    ImageDescriptor().encode_media(payloads)
    return count / (time.process_time() - start)


def main() -> int:
    """Print the tables; return 1 when the data is not there."""
    data = os.environ.get("RAGSTONE_DATA")
    if not data:
        sys.stderr.write("Set RAGSTONE_DATA to the folder that holds the data sets.\n")
        return 1
    encoder = ImageDescriptor()
    print("| pictures | descriptor | raw pixels | CLIP ViT-B/32, linear probe, published |")
    print("|---|---|---|---|")
    for name, (pictures, labels) in {
        "MNIST": digits(Path(data) / "mnist_test10k"),
        "CIFAR-10": objects(Path(data) / "cifar10_subset"),
    }.items():
        vectors = encoder.encode_media([Payload(Modality.IMAGE, each) for each in pictures])
        raw = pictures.reshape(len(pictures), -1).astype(np.float32)
        print(
            f"| {name}, {len(pictures):,} | {accuracy(vectors, labels):.4f} | "
            f"{accuracy(raw, labels):.4f} | {_PUBLISHED[name]} |",
            flush=True,
        )
    print(f"\n{encoder.identity.dimension} dimensions. Pictures a second of processor time:")
    sizes = ((32, 2_000), (128, 500), (512, 100))
    print(", ".join(f"{side} px {speed(side, count):,.0f}" for side, count in sizes) + ".")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
