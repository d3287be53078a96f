"""Spoken digits as images: a diffusion transformer makes spectrograms, Griffin and Lim the sound.

A recogniser that learnt from the recordings tells how many of the clips are understood: of those
that were held out; of the same ones after they were made spectrograms and sound again, which is the
most that the model can reach; and of what it made, of each digit.

Run: RAGSTONE_DATA=/path/to/data python benchmarks/models/spectrograms.py [--steps 3000]

--folder keeps the weights and a clip of each digit.
"""

from __future__ import annotations

import argparse
import csv
import os
import sys
import tempfile
import zipfile
from dataclasses import replace
from pathlib import Path, PurePosixPath
from time import process_time

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file

from ragstone.config import LimitSettings
from ragstone.ingestion.parsers.decoding_audio import decode
from ragstone.models.diffusion import Diffusion
from ragstone.models.diffusion_settings import DiffusionConfig
from ragstone.models.images import unscaled
from ragstone.models.spectrograms import SpectrogramCodec
from ragstone.training.feeding_images import ImageData, Images
from ragstone.training.measures.recognising import Recogniser
from ragstone.training.settings import TrainingSettings
from ragstone.training.trainer import Trainer

RATE, SIZE, HOP = 8_000, 64, 64
EACH = 20  # clips of a digit
RECIPE = {"batch": 32, "optimiser": "muon", "learning_rate": 2e-3, "weight_decay": 0.01}
GUIDANCES = (1.0, 2.0)

Waves = list[NDArray[np.int16]]


def main() -> None:
    """Train, and print the figures as Markdown."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--steps", type=int, default=3_000)
    parser.add_argument("--folder", type=Path)
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    data = Path(os.environ.get("RAGSTONE_DATA") or sys.exit("RAGSTONE_DATA is not set"))
    digits, sides = read(data / "fsdd")
    codec = SpectrogramCodec(size=SIZE, channels=1, rate=RATE, hop=HOP, labels=digits)
    squares = {
        side: np.stack([codec.squares(w) for w in waves]) for side, (waves, _) in sides.items()
    }
    begun = process_time()
    recogniser = Recogniser(*sides["train"], RATE)
    print(f"recogniser: {(process_time() - begun) / 60:.1f} processor minutes", flush=True)
    waves, labels = sides["test"]
    back = [codec.samples(square) for square in squares["test"]]
    print("| clips | understood |")
    print("| --- | --- |")
    print(f"| held out | {recogniser.share(waves, labels):.3f} |")
    print(
        f"| the same, as spectrograms and back | {recogniser.share(back, labels):.3f} |", flush=True
    )
    model, minutes = train(
        Images(squares["train"], np.arange(len(squares["train"])), sides["train"][1]),
        Images(squares["test"], np.arange(len(labels)), labels),
        chosen.steps,
    )
    wanted = np.repeat(np.arange(len(digits)), EACH)
    for guidance in GUIDANCES:
        made = [codec.samples(square) for square in drawn(model, guidance)]
        share = recogniser.share(made, wanted)
        print(f"| made, guidance {guidance:g} | {share:.3f} |", flush=True)
    print(f"\n{model.parameters_count:,} parameters, {minutes:.1f} processor minutes of training")
    if chosen.folder:
        chosen.folder.mkdir(exist_ok=True)
        weights = {name: v.contiguous() for name, v in model.state_dict().items()}
        save_file(weights, chosen.folder / "spectrograms.safetensors")
        for digit, square in enumerate(drawn(model, GUIDANCES[-1])[::EACH]):
            (chosen.folder / f"{digit}.wav").write_bytes(codec.file(square[None])[0])


def read(folder: Path) -> tuple[tuple[str, ...], dict[str, tuple[Waves, NDArray[np.int64]]]]:
    """Return the digits, and the clips and labels of both sides as their authors part them."""
    with (folder / "labels.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    digits = tuple(sorted({row["digit"] for row in rows}))
    sides: dict[str, tuple[Waves, list[int]]] = {"train": ([], []), "test": ([], [])}
    with zipfile.ZipFile(folder / "recordings.zip") as archive:
        places = {PurePosixPath(name).name: name for name in archive.namelist()}
        for row in rows:
            waves, labels = sides[row["split"]]
            waves.append(decode(archive.read(places[row["file"]]), LimitSettings(), RATE).samples)
            labels.append(digits.index(row["digit"]))
    return digits, {side: (waves, np.asarray(labels)) for side, (waves, labels) in sides.items()}


def train(training: Images, held_out: Images, steps: int) -> tuple[Diffusion, float]:
    """Return the model, and the processor minutes of its training."""
    torch.manual_seed(0)
    model = Diffusion(
        DiffusionConfig(
            size=SIZE, labels=10, backbone="dit", width=128, depth=4, patch=8, times="middle"
        )
    )
    settings = TrainingSettings.of({**RECIPE, "steps": steps, "ema": 0.995, "checkpoint_every": 0})
    begun = process_time()
    with tempfile.TemporaryDirectory() as scratch:
        Trainer(
            model,
            ImageData(training, held_out),
            settings,
            Path(scratch),
            lambda p: print(f"{p.step}: {p.loss:.3f}", file=sys.stderr, flush=True),
            device="cpu",
        ).fit()
    return model.eval(), (process_time() - begun) / 60


@torch.inference_mode()
def drawn(model: Diffusion, guidance: float) -> NDArray[np.uint8]:
    """Return squares of each digit, one digit after the other."""
    model.config = replace(model.config, guidance=guidance)
    rng = torch.Generator().manual_seed(0)
    made = [unscaled(model.sample(rng, EACH, digit)).numpy() for digit in range(10)]
    return np.concatenate(made)


if __name__ == "__main__":
    main()
