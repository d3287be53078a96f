"""Photographs and what people said of them: how well words find those that were held out.

Run: RAGSTONE_DATA=/path/to/data python benchmarks/models/captions.py [--size 64] [--steps 1500]

A clip learns from the first 900 photographs of flickr8k_1000 with five captions each, nothing else.
Then each of the 500 captions of the other 100 is looked up among these 100: the part of the
captions whose photograph is among the first one, five and ten. By chance: 0.01, 0.05 and 0.10.
"""

from __future__ import annotations

import argparse
import csv
import io
import os
import sys
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from time import process_time
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from ragstone.config import EncoderSettings
from ragstone.encoders.base import Vectors
from ragstone.encoders.text import open_text_encoder
from ragstone.models.clip import CLIP
from ragstone.models.families import family
from ragstone.models.images import ImageCodec, scaled
from ragstone.training.captions import captions_of
from ragstone.training.feeding_images import ImageData, Images
from ragstone.training.settings import TrainingSettings
from ragstone.training.trainer import Trainer

Pixels = NDArray[np.uint8]

LEARNT = 900  # photographs
WORDS = 1  # of each caption are read by themselves: none is needed
FIRST = (1, 5, 10)


def main() -> None:
    """Train, look all captions up, and print Markdown."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--steps", type=int, default=1_500)
    parser.add_argument("--width", type=int, default=16)
    parser.add_argument("--dropout", type=float, default=0.3)
    chosen = parser.parse_args()
    data = Path(os.environ.get("RAGSTONE_DATA") or sys.exit("RAGSTONE_DATA is not set"))
    pixels, captions = photographs(data / "flickr8k_1000", chosen.size)
    encoder = open_text_encoder(EncoderSettings(device="cpu"))
    told = captions_of(encoder, captions, WORDS)
    begun = process_time()
    numbers = np.arange(len(pixels))
    labels = np.zeros(len(pixels), np.int64)
    sides = [
        Images(pixels, numbers[part], labels[part], captions=told)
        for part in (slice(0, LEARNT), slice(LEARNT, None))
    ]
    known = family("clip")
    torch.manual_seed(0)
    config = known.config.of(
        {
            "channels": 3,
            "size": chosen.size,
            "texts": encoder.identity.dimension,
            "words": 1 + WORDS,
            "width": chosen.width,
            "dropout": chosen.dropout,
        }
    )
    network = cast("CLIP", known.build(config))
    recipe = TrainingSettings.of({**known.recipe, "steps": chosen.steps, "batch": 100})
    with tempfile.TemporaryDirectory() as folder:
        outcome = Trainer(network, ImageData(*sides, flip=True), recipe, Path(folder)).fit()
    minutes = (process_time() - begun) / 60
    found = recalls(network, pixels[LEARNT:], encoder.encode_documents, captions[LEARNT:])
    heads = " | ".join(f"recall@{first}" for first in FIRST)
    print(f"| parameters | best after | loss | {heads} | CPU minutes |")
    print("| " + " | ".join(["---"] * (len(FIRST) + 4)) + " |")
    shown = " | ".join(f"{value:.3f}" for value in found)
    print(
        f"| {network.parameters_count:,} | {outcome.best_step:,} of {outcome.steps:,} steps | "
        f"{outcome.best:.3f} | {shown} | {minutes:.1f} |"
    )


def photographs(folder: Path, size: int) -> tuple[Pixels, list[list[str]]]:
    """Return pixels, uint8 (photographs, 3, size, size), and the captions of each."""
    codec = ImageCodec(size=size, channels=3)
    said: dict[str, list[str]] = {}
    with (folder / "captions.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            said.setdefault(row["image"], []).append(row["caption"])
    with zipfile.ZipFile(folder / "images.zip") as archive:
        places = {Path(name).name: name for name in archive.namelist()}
        files = [archive.read(places[name]) for name in sorted(said)]
    pixels = np.stack([codec.encode(Image.open(io.BytesIO(one))) for one in files])
    return pixels, [said[name] for name in sorted(said)]


@torch.inference_mode()
def recalls(
    network: CLIP, pixels: Pixels, encode: Callable[[list[str]], Vectors], captions: list[list[str]]
) -> list[float]:
    """Return the part of the captions whose photograph is among the first ones found."""
    network.cpu().eval()
    images = network.encode(scaled(torch.from_numpy(pixels)))
    texts = [text for own in captions for text in own]
    owners = torch.tensor([number for number, own in enumerate(captions) for _ in own])
    vectors = network.encode_texts(torch.from_numpy(encode(texts)))
    alike = vectors @ images.T
    own = alike.gather(1, owners[:, None])
    ranks = (alike > own).sum(1)
    return [float((ranks < first).float().mean()) for first in FIRST]


if __name__ == "__main__":
    main()
