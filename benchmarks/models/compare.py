"""Families of models of images on real digits, with the same time for each: one report.

Run: make compare, or python benchmarks/models/compare.py [--minutes 2] [--out DIR] [FAMILY ...]

Of MNIST, where RAGSTONE_DATA has it, 10,000 of the training images; else the 1,797 handwritten
digits that come with scikit-learn. With --of cifar10, 12,000 photographs of ten kinds. They are
ingested into a workspace in the folder of the report, and compared by `ragstone compare`. A run
that was stopped goes on, and one that is done costs nothing. `samples.png` in the folder is the
picture of all families.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

import ragstone
from ragstone.cli.demo_digits import write_digits
from ragstone.models.families import FAMILIES
from ragstone.workspace import Workspace

# What a small machine gets far with in minutes. Diffusion works in the latents of an autoencoder.
DIGITS_ALONE = {"vae.pixels": "binary", "pixelcnn.pixels": "binary"}  # black or white
SETTINGS = {
    "vae.network": "mlp",
    "vae.batch": 128,
    "pixelcnn.batch": 16,
    "pixelcnn.learning_rate": 5e-3,
    "pixelcnn.ema": 0.99,
    "realnvp.width": 24,
    "realnvp.scales": 2,
    "realnvp.batch": 32,
    "diffusion.batch": 256,
    "diffusion.optimiser": "muon",
    "diffusion.learning_rate": 2e-3,
    "diffusion.matrix_rate": 1e-2,
    "diffusion.ema": 0.99,
    "diffusion.width": 384,
    "diffusion.depth": 4,
    "diffusion.times": "middle",
}
CODER, CODER_STEPS = "coder", 600  # the autoencoder, which is trained before
DEFAULT = ("vae", "gan", "dcgan", "wgan_gp", "diffusion", "realnvp", "pixelcnn")
MNIST, DIGITS = 10_000, 1_797  # images: so many are ingested in minutes
LABELS, IMAGES = 2049, 2051  # the numbers that such files of bytes begin with


def write_mnist(data: Path, folder: Path) -> None:
    """Write some training images as the files that MNIST is given in; they are kept by digit."""
    with np.load(data / "mnist" / "mnist.npz") as found:
        chosen = np.random.default_rng(0).permutation(len(found["y_train"]))[:MNIST]
        images, labels = found["x_train"][chosen], found["y_train"][chosen]
    for name, kind, values in (
        ("train-labels-idx1-ubyte", LABELS, labels),
        ("train-images-idx3-ubyte", IMAGES, images),
    ):
        head = np.array([kind, *values.shape], ">i4").tobytes()
        (folder / name).write_bytes(head + values.astype(np.uint8).tobytes())


def write_cifar10(data: Path, folder: Path) -> None:
    """Write photographs of 32 x 32 pixels, with a table of what they show."""
    source = data / "cifar10_subset"
    with zipfile.ZipFile(source / "images.zip") as archive:
        archive.extractall(folder)
    with (source / "labels.csv").open(encoding="utf-8") as file:
        rows = [{"file_name": row["file"], "label": row["label"]} for row in csv.DictReader(file)]
    (folder / "metadata.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")


def opened(place: Path, of: str) -> tuple[Workspace, str, str]:
    """Return the workspace of the comparison, its dataset, and the field of the labels."""
    known = os.environ.get("RAGSTONE_DATA")
    data = Path(known) if known and (Path(known) / "mnist" / "mnist.npz").is_file() else None
    name = of if data else "digits"
    files = place / name
    ws = ragstone.open(place / "workspace", create=True)
    if not files.exists():
        files.mkdir()
        if data:
            WRITERS[of](data, files)
        else:
            write_digits(files, DIGITS)
    ws.ingest([files], name)  # what is there already costs a look
    ws.set_duplicate_policy(name, keep={"image": "all"})  # a digit that looks like another counts
    return ws, name, "label" if data else "digit"


WRITERS = {"mnist": write_mnist, "cifar10": write_cifar10}


def coder_of(ws: Workspace, dataset: str) -> str:
    """Return an autoencoder of the images, which is trained where there is none."""
    if not any(info.name == CODER for info in ws.models()):
        print(f"{CODER}: {CODER_STEPS} steps", flush=True)
        ws.train_model(
            "ae",
            dataset,
            CODER,
            {"steps": CODER_STEPS, "latent": 32, "width": 16, "learning_rate": 2e-3},
        )
    return CODER


def main() -> None:
    """Ingest, compare, and say where the report is."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("families", nargs="*", metavar="FAMILY")
    parser.add_argument("--minutes", type=float, default=2.0, help="of training, for each")
    parser.add_argument("--samples", type=int, default=1_000, help="of each, to be measured")
    parser.add_argument("--of", choices=WRITERS, default="mnist", help="data")
    parser.add_argument("--out", type=Path, default=Path("comparison"))
    asked = parser.parse_args()
    families = asked.families or [name for name in DEFAULT if name in FAMILIES]
    ws, name, field = opened(asked.out, asked.of)
    with ws:
        settings: dict[str, Any] = {**SETTINGS, "label": field}
        if name != "cifar10":
            settings |= DIGITS_ALONE
        if "diffusion" in families:
            settings["diffusion.autoencoder"] = coder_of(ws, name)
        ws.compare_models(
            families,
            name,
            asked.out / "report",
            minutes=asked.minutes,
            samples=asked.samples,
            settings=settings,
            on_family=lambda family, at, total: print(f"{at} of {total}: {family}", flush=True),
        )
    print((asked.out / "report" / "report.md").read_text(encoding="utf-8"))
    print(f"{asked.out / 'report' / 'report.html'}; the picture of all is samples.png beside it")


if __name__ == "__main__":
    main()
