"""What the embedded encoder of recordings tells apart, beside plain MFCC means, and how fast it is.

Run: RAGSTONE_DATA=/path/to/data python benchmarks/audio_descriptor.py [--weights]

Accuracy is that of the label of the five nearest other recordings of `fsdd` by cosine; of equally
many votes the nearest decides. First all others are neighbours, most of them by the same speaker;
then only those of the other speakers. `--weights` tries others. Writes Markdown to standard output.
"""

from __future__ import annotations

import argparse
import csv
import itertools
import os
import sys
import time
import zipfile
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from unittest.mock import patch

import numpy as np
from numpy.typing import NDArray
from scipy.fft import dct

from ragstone.config import LimitSettings
from ragstone.encoders import audio_descriptor
from ragstone.encoders.audio_descriptor import AudioDescriptor
from ragstone.ingestion.parsers.audio import parse_audio
from ragstone.schemas.records import Modality, Payload

Vectors = NDArray[np.float32]
_NEIGHBOURS = 5
# github.com/embeddings-benchmark/results, laion/clap-htsat-unfused, task FSDD: another protocol, a
# linear probe with few recordings of each digit, tested on 300 whose speakers it has heard.
_PUBLISHED = "0.493"


def recordings(folder: Path) -> tuple[list[Payload], NDArray[np.int64], NDArray[np.int64]]:
    """Return all recordings of `fsdd`, their digits and the numbers of their speakers."""
    with zipfile.ZipFile(folder / "recordings.zip") as archive:
        files = {PurePosixPath(name).name: name for name in archive.namelist()}
        with (folder / "labels.csv").open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        limits = LimitSettings()
        payloads = [parse_audio(archive.read(files[r["file"]]), limits).payloads[0] for r in rows]
    speakers = np.unique([row["speaker"] for row in rows], return_inverse=True)[1]
    return payloads, np.array([int(row["digit"]) for row in rows]), speakers.astype(np.int64)


def accuracy(vectors: Vectors, labels: NDArray[np.int64], apart: NDArray[np.int64]) -> float:
    """Return the share whose nearest neighbours, with another number in `apart`, have its label."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    units = vectors / np.maximum(lengths, 1e-9)
    likeness = units @ units.T
    likeness[apart[:, None] == apart] = -2
    nearest = np.argpartition(-likeness, _NEIGHBOURS, axis=1)[:, :_NEIGHBOURS]
    found = np.take_along_axis(likeness, nearest, axis=1)
    votes = np.zeros((len(vectors), int(labels.max()) + 1))
    # a vote is worth one, and a trifle more the nearer it is
    for rank in range(_NEIGHBOURS):
        places = np.arange(len(vectors)), labels[nearest[:, rank]]
        votes[places] += 1 + found[:, rank] * 1e-3
    return float((votes.argmax(axis=1) == labels).mean())


def mfcc_means(payloads: list[Payload]) -> Vectors:
    """Return the means of 13 plain coefficients over all frames."""
    means = []
    for payload in payloads:
        power = audio_descriptor._mel_power(payload.data.astype(np.float64) / 32_768)
        means.append(dct(np.log(power + 1e-8), norm="ortho", axis=1)[:, :13].mean(axis=0))
    return np.array(means, np.float32)


def spectra(payloads: list[Payload]) -> Vectors:
    """Return the mean logarithms of 40 mel bands over all frames."""
    powers = (audio_descriptor._mel_power(p.data.astype(np.float64) / 32_768) for p in payloads)
    return np.array([np.log(power + 1e-8).mean(axis=0) for power in powers], np.float32)


def try_weights(measure: Callable[[], tuple[float, float]]) -> None:
    """Print what other weights reach; the digits are the same, so choose with care."""
    print("\n| changes | means | deviations | all | other speakers |\n|---|---|---|---|---|")
    for weights in itertools.product((0.0, 0.3, 0.5, 0.7), (0.0, 0.3, 0.5, 0.7), (0.0, 0.4, 0.6)):
        names = dict(zip(("_CHANGES", "_MEANS", "_DEVIATIONS"), weights, strict=True))
        with patch.multiple(audio_descriptor, **names):
            found = measure()
        print(
            "| " + " | ".join(f"{number:.3g}" for number in (*weights, *found)) + " |", flush=True
        )


def speed(seconds: float, count: int) -> float:
    """Return windows of `seconds` a second of processor time."""
    random = np.random.default_rng(0)
    data = random.integers(-8_000, 8_000, (count, int(16_000 * seconds)), dtype=np.int16)
    payloads = [Payload(Modality.AUDIO, samples) for samples in data]
    start = time.process_time()
    AudioDescriptor().encode_media(payloads)
    return count / (time.process_time() - start)


def main() -> int:
    """Print the tables; return 1 when the data is not there."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--weights", action="store_true")
    asked = parser.parse_args()
    data = os.environ.get("RAGSTONE_DATA")
    if not data:
        sys.stderr.write("Set RAGSTONE_DATA to the folder that holds the data sets.\n")
        return 1
    payloads, digits, speakers = recordings(Path(data) / "fsdd")
    alone = np.arange(len(payloads))
    encoder = AudioDescriptor()

    def both(vectors: Vectors) -> tuple[float, float]:
        return accuracy(vectors, digits, alone), accuracy(vectors, digits, speakers)

    print(f"FSDD, {len(payloads):,} recordings, label of the five nearest:\n")
    print("| vectors | all recordings | other speakers only |\n|---|---|---|")
    for name, vectors in {
        f"descriptor, {encoder.identity.dimension} dimensions": encoder.encode_media(payloads),
        "MFCC means, 13": mfcc_means(payloads),
        "log-mel means, 40": spectra(payloads),
    }.items():
        print("| {} | {:.4f} | {:.4f} |".format(name, *both(vectors)), flush=True)
    print(f"| CLAP (HTSAT, unfused), few-shot linear probe, published | {_PUBLISHED} | |")
    print("\nWindows a second of processor time:", end=" ")
    sizes = ((0.5, 400), (10.0, 60))
    print(", ".join(f"{seconds} s {speed(seconds, count):,.0f}" for seconds, count in sizes) + ".")
    if asked.weights:
        try_weights(lambda: both(encoder.encode_media(payloads)))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
