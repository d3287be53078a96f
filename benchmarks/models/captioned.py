"""Digits that a text asks for, in twenty seconds: scikit-learn's 1,797 images of 8 x 8 pixels.

An autoencoder, and a denoiser of its latents that is told of texts such as "number seven", learn
1,500 of them. Then it is asked in words that it never saw; a support vector machine, which learnt
the same images, tells how many of its samples show the digit. `denoising.py` does it with MNIST.

Run: python benchmarks/models/captioned.py [--steps 800]
"""

from __future__ import annotations

import argparse
import tempfile
from dataclasses import asdict, replace
from pathlib import Path
from time import process_time
from typing import Any

import numpy as np
import torch
from denoising import GOAL_TEXT, SEEN, UNSEEN, WORDS, said
from numpy.typing import NDArray
from sklearn.datasets import load_digits
from sklearn.svm import SVC

from ragstone.config import EncoderSettings
from ragstone.encoders.text import open_text_encoder
from ragstone.models.ae import AE, AEConfig
from ragstone.models.base import GenerativeModel
from ragstone.models.diffusion import Diffusion
from ragstone.models.diffusion_settings import DiffusionConfig
from ragstone.models.images import scaled, unscaled
from ragstone.models.latents import Latents
from ragstone.training.captions import Captions, Texts, captions_of
from ragstone.training.feeding_images import ImageData, Images
from ragstone.training.settings import TrainingSettings
from ragstone.training.trainer import Trainer

TRAINING = 1_500  # images
EACH = 50  # samples of a text
CODER = AEConfig(size=8, latent=16, width=8, halvings=1)
CODER_RECIPE = {"steps": 400, "batch": 64, "learning_rate": 4e-3}
RECIPE = {"batch": 128, "learning_rate": 2e-3, "ema": 0.99}


def main() -> None:
    """Train, ask, and print the shares as Markdown."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--steps", type=int, default=800)
    steps = parser.parse_args().steps
    torch.set_num_threads(1)
    begun = process_time()
    training, held_out = read()
    judge = SVC(C=10).fit(_flat(training.pixels), training.labels)
    print(f"the judge: {judge.score(_flat(held_out.pixels), held_out.labels):.3f} of 297 right")
    torch.manual_seed(0)
    coder = AE(CODER)
    fit(coder, ImageData(training, held_out), CODER_RECIPE)
    encoder = open_text_encoder(EncoderSettings())
    texts = captions_of(encoder, [said(SEEN, digit) for digit in range(10)], WORDS)
    model = denoiser(coder, texts, (training, held_out), {**RECIPE, "steps": steps})
    print(f"{(process_time() - begun):.0f} processor seconds\n")
    print("| text | guidance 1 | guidance 2 |")
    print("| --- | --- | --- |")
    rows = []
    for template in (*UNSEEN, SEEN[2]):
        asked = [said([template], digit)[0] for digit in range(10)]
        vectors = Texts.of(encoder, asked, WORDS).vectors(np.arange(10))
        rows.append([shown(model, judge, vectors, guidance) for guidance in (1.0, 2.0)])
        seen = " (seen)" if template in SEEN else ""
        print(f"| {asked[7]!r}{seen} | {rows[-1][0]:.3f} | {rows[-1][1]:.3f} |")
    first, second = np.mean(rows[: len(UNSEEN)], axis=0)
    print(f"| all unseen (goal {GOAL_TEXT:g}) | {first:.3f} | {second:.3f} |")


def read() -> tuple[Images, Images]:
    """Return images to learn from, and others."""
    found = load_digits()
    pixels = (found.images * (255 / 16)).round().astype(np.uint8)[:, None]
    order = np.random.default_rng(0).permutation(len(pixels))
    pixels, labels = pixels[order], found.target[order].astype(np.int64)
    whole = Images(pixels, np.arange(len(pixels)), labels)
    return _part(whole, slice(0, TRAINING)), _part(whole, slice(TRAINING, None))


def _part(images: Images, part: slice) -> Images:
    pixels, labels = images.pixels[part], images.labels[part]
    return Images(pixels, np.arange(len(pixels)), labels)


def _flat(pixels: NDArray[np.uint8]) -> NDArray[np.float64]:
    return pixels.reshape(len(pixels), -1) / 255.0


def denoiser(
    coder: AE, texts: Captions, sides: tuple[Images, Images], recipe: dict[str, Any]
) -> Diffusion:
    """Return a denoiser of the latents of a coder, told of the texts of each digit."""
    described = {"family": "ae", "digest": "", "settings": asdict(CODER)}
    width = texts.texts.whole.shape[1]
    model = Diffusion(
        DiffusionConfig(
            size=8,
            latents=CODER.latent,
            autoencoder=described,
            width=128,
            depth=3,
            times="middle",
            solver_steps=10,
            texts=width,
            words=WORDS + 1,
        )
    )
    part = Latents(coder, CODER.latent)
    with torch.inference_mode():
        part.fit(coder.encode(scaled(torch.from_numpy(sides[0].pixels))))
    weights = {f"latents.{name}": values for name, values in part.state_dict().items()}
    model.load_state_dict(weights, strict=False)
    told = [
        replace(
            images,
            labels=np.zeros_like(images.labels),
            captions=replace(
                texts, begins=texts.begins[images.labels], counts=texts.counts[images.labels]
            ),
        )
        for images in sides
    ]
    fit(model, ImageData(*told), recipe)
    return model


def fit(model: GenerativeModel, data: ImageData, recipe: dict[str, Any]) -> None:
    """Train a model in place."""
    settings = TrainingSettings.of({**recipe, "optimiser": "adamw", "checkpoint_every": 0})
    with tempfile.TemporaryDirectory() as scratch:
        Trainer(model, data, settings, Path(scratch), device="cpu").fit()
    model.eval()


@torch.inference_mode()
def shown(model: Diffusion, judge: SVC, vectors: torch.Tensor, guidance: float) -> float:
    """Return the share of the samples that show the digit of their text."""
    model.config = replace(model.config, guidance=guidance)
    right = []
    for digit, text in enumerate(vectors):
        rng = torch.Generator().manual_seed(digit)
        made = unscaled(model.prompted(text).sample(rng, EACH, None)).numpy()
        right.append((judge.predict(_flat(made)) == digit).mean())
    return float(np.mean(right))


if __name__ == "__main__":
    main()
