"""Diffusion in the latents of an autoencoder, on MNIST: by label, by text, and by solver.

An autoencoder learns the images, and a denoiser of vectors its latents, told of the digit; then
another one, told of texts such as "number seven", each with the embedded text encoder. Measured are
the distance of 10,000 samples to the training images and the coverage of the test images, by solver
and number of steps; and how many samples of texts whose wording was never seen show the digit.

Run: RAGSTONE_DATA=/path/to/data python benchmarks/models/denoising.py [--steps 3000] [--folder F]

It takes a quarter of an hour of one processor for each model, and some minutes for its samples.
`--part coder`, `label` or `text` trains one alone; models are kept in --folder, and used again.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from dataclasses import asdict, replace
from pathlib import Path
from time import process_time
from typing import Any

import numpy as np
import torch
from _mnist import Extractor, coverage, extractor, fd, images_of, load
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file

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

SAMPLES, AT_ONCE = 10_000, 500
GOAL_FD, GOAL_COVERAGE, GOAL_RATIO, GOAL_TEXT = 10.0, 0.8, 1.5, 0.9
FIRST_LOOK = 19.9  # the distance of a model that predicts noise in pixels, after 5.5 minutes
CODER = AEConfig(size=28, latent=32, width=16)
CODER_RECIPE = {"batch": 64, "optimiser": "adamw", "learning_rate": 2e-3, "weight_decay": 0.01}
RECIPE = {
    "batch": 256,
    "optimiser": "muon",
    "learning_rate": 2e-3,
    "matrix_rate": 1e-2,
    "weight_decay": 0.01,
    "ema": 0.999,
}
NETWORK = {"width": 384, "depth": 4, "times": "middle"}
SOLVERS = (
    ("euler", 100),
    ("heun", 10),
    ("heun", 20),
    ("dpm++2m", 10),
    ("dpm++2m", 20),
    ("ddim", 20),
    ("euler", 20),
)
WORDS = 8  # of a text
DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
SEEN = (
    "{word}",
    "{figure}",
    "number {word}",
    "the figure {figure}",
    "a handwritten {word}",
    "an image of a {figure}",
    "this shows {word}",
    "the number {figure}",
    "{figure}, by hand",
    "draw me {word}",
    "somebody wrote {figure}",
    "{word} on a dark ground",
)
UNSEEN = (
    "a {word}",
    "the digit {figure}",
    "a picture of the digit {word}",
    "please write {figure}",
)


def main() -> None:
    """Train what is asked for, and print the figures as Markdown."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--coder-steps", type=int, default=1_000)
    parser.add_argument("--steps", type=int, default=3_000)
    parser.add_argument("--part", choices=("coder", "label", "text", "all"), default="all")
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--set", action="append", default=[], help="NAME=NUMBER of the recipe")
    chosen = parser.parse_args()
    recipe = {**RECIPE, **{n: float(v) for n, v in (one.split("=") for one in chosen.set)}}
    torch.set_num_threads(1)
    data = Path(os.environ.get("RAGSTONE_DATA") or sys.exit("RAGSTONE_DATA is not set"))
    with tempfile.TemporaryDirectory() as scratch:
        folder = chosen.folder or Path(scratch)
        folder.mkdir(exist_ok=True)
        bench = Bench(data, folder, recipe)
        coder = bench.coder(chosen.coder_steps)
        if chosen.part in ("label", "all"):
            bench.label(coder, chosen.steps)
        if chosen.part in ("text", "all"):
            bench.text(coder, chosen.steps)


class Bench:
    """MNIST, what it is measured by, and where models are kept."""

    def __init__(self, data: Path, folder: Path, recipe: dict[str, Any]) -> None:
        self.folder, self.recipe = folder, recipe
        x_train, y_train, x_test, y_test = load(data)
        self.training, self.held_out = images_of(x_train, y_train), images_of(x_test, y_test)
        self.measure: Extractor = extractor(data)
        self.features = [self.measure.features(pixels) for pixels in (x_train, x_test)]

    def coder(self, steps: int) -> AE:
        """Return the autoencoder, and print how well images come back."""
        model = AE(CODER)
        self._train("coder", model, ImageData(self.training, self.held_out), CODER_RECIPE, steps)
        with torch.inference_mode():
            parts = torch.from_numpy(self.held_out.pixels).split(AT_ONCE)
            back = torch.cat([unscaled(model.reconstruct(scaled(part))) for part in parts])
        self._print("test images that came back", back.numpy(), self.held_out.labels)
        return model

    def label(self, coder: AE, steps: int) -> None:
        """Print how near samples of a model that is told of the digit are, by solver."""
        model, data = self._denoiser(coder, {"labels": 10})
        self._train("label", model, data, self.recipe, steps)
        labels = np.repeat(np.arange(10), SAMPLES // 10)
        print("\n| solver | steps | guidance | FD | of 100 steps | coverage | right |")
        print("| --- | --- | --- | --- | --- | --- | --- |")
        whole = 0.0
        asked = [(*one, 1.0) for one in SOLVERS] + [("heun", 10, 1.5)]
        for solver, solver_steps, guidance in asked:
            made = self._made(model, labels, solver, solver_steps, guidance)
            far, covered, right = self._figures(made, labels)
            whole = whole or far
            print(
                f"| {solver} | {solver_steps} | {guidance:g} | {far:.2f} | {far / whole:.2f} | "
                f"{covered:.3f} | {right:.3f} |",
                flush=True,
            )
        print(
            f"\n{self.measure.name}; goals: at most {GOAL_FD:g} with coverage {GOAL_COVERAGE:g}, "
            f"10 to 20 steps within {GOAL_RATIO:g} of 100; a first look gave {FIRST_LOOK:g}"
        )

    def text(self, coder: AE, steps: int) -> None:
        """Print how many samples show the digit that their text asks for."""
        encoder = open_text_encoder(EncoderSettings())
        texts = [said(SEEN, digit) for digit in range(10)]
        known = captions_of(encoder, texts, most=WORDS)
        width = known.texts.whole.shape[1]
        model, data = self._denoiser(coder, {"texts": width, "words": WORDS + 1}, known)
        self._train("text", model, data, self.recipe, steps)
        print("\n| guidance | text | shows the digit |")
        print("| --- | --- | --- |")
        for guidance in (1.0, 2.0):
            shares = []
            for template in (*UNSEEN, SEEN[2]):
                asked = [said([template], digit)[0] for digit in range(10)]
                vectors = Texts.of(encoder, asked, most=WORDS).vectors(np.arange(10))
                share = self._shown(model, vectors, guidance)
                shares.append(share)
                seen = " (seen)" if template in SEEN else ""
                print(f"| {guidance:g} | {asked[7]!r}{seen} | {share:.3f} |", flush=True)
            mean = np.mean(shares[: len(UNSEEN)])
            print(f"| {guidance:g} | all unseen (goal {GOAL_TEXT:g}) | {mean:.3f} |")

    # ------------------------------------------------------------ parts

    def _denoiser(
        self, coder: AE, told: dict[str, Any], texts: Captions | None = None
    ) -> tuple[Diffusion, ImageData]:
        """Return an untrained model of the latents of a coder, and what it learns from."""
        described = {"family": "ae", "digest": "", "settings": asdict(coder.config)}
        config = DiffusionConfig(
            size=28, latents=coder.config.latent, autoencoder=described, **NETWORK, **told
        )
        torch.manual_seed(0)
        model = Diffusion(config)
        part = Latents(coder, coder.config.latent)
        sides = [self._encoded(coder, images, texts) for images in (self.training, self.held_out)]
        latents = sides[0].latents
        assert latents is not None
        part.fit(torch.from_numpy(latents))
        found = {f"latents.{name}": values for name, values in part.state_dict().items()}
        model.load_state_dict(found, strict=False)
        return model, ImageData(*sides)

    @staticmethod
    @torch.inference_mode()
    def _encoded(coder: AE, images: Images, texts: Captions | None) -> Images:
        parts = torch.from_numpy(images.pixels).split(AT_ONCE)
        latents = torch.cat([coder.encode(scaled(part)) for part in parts]).numpy()
        if texts is not None:  # those of its digit
            begins, counts = texts.begins[images.labels], texts.counts[images.labels]
            texts = replace(texts, begins=begins, counts=counts)
            images = replace(images, labels=np.zeros_like(images.labels))
        return replace(images, latents=latents, captions=texts)

    def _train(
        self,
        name: str,
        model: GenerativeModel,
        data: ImageData,
        recipe: dict[str, Any],
        steps: int,
    ) -> None:
        path = self.folder / f"{name}-{steps}.safetensors"
        if path.is_file():
            model.load_state_dict(load_file(path))
            model.eval()
            return
        begun = process_time()
        kinds = {"batch": int, "warmup": int}
        read = {key: kinds.get(key, lambda v: v)(value) for key, value in recipe.items()}
        settings = TrainingSettings.of({**read, "steps": steps, "checkpoint_every": 0})
        with tempfile.TemporaryDirectory() as scratch:
            outcome = Trainer(model, data, settings, Path(scratch), _told, device="cpu").fit()
        model.eval()
        save_file({n: v.contiguous() for n, v in model.state_dict().items()}, path)
        minutes = (process_time() - begun) / 60
        count = sum(p.numel() for p in model.parameters() if p.requires_grad)
        print(
            f"{name}: {count:,} parameters, {steps:,} steps, loss {outcome.best:.4f}, "
            f"{minutes:.1f} processor minutes",
            flush=True,
        )

    @torch.inference_mode()
    def _made(
        self,
        model: Diffusion,
        labels: NDArray[np.int64],
        solver: str,
        steps: int,
        guidance: float,
    ) -> NDArray[np.uint8]:
        model.config = replace(model.config, solver=solver, solver_steps=steps, guidance=guidance)
        made = []
        for digit in range(10):
            rng = torch.Generator().manual_seed(digit)
            count = int((labels == digit).sum())
            made.append(unscaled(model.sample(rng, count, digit)).numpy())
        return np.concatenate(made)

    @torch.inference_mode()
    def _shown(self, model: Diffusion, vectors: torch.Tensor, guidance: float) -> float:
        model.config = replace(model.config, guidance=guidance)
        right = []
        for digit in range(10):
            rng = torch.Generator().manual_seed(digit)
            made = unscaled(model.prompted(vectors[digit]).sample(rng, 100, None)).numpy()
            right.append(float((self.measure.classify(made) == digit).mean()))
        return float(np.mean(right))

    def _figures(
        self, made: NDArray[np.uint8], labels: NDArray[np.int64]
    ) -> tuple[float, float, float]:
        found = self.measure.features(made)
        right = float((self.measure.classify(made) == labels).mean())
        return fd(self.features[0], found), coverage(self.features[1], found), right

    def _print(self, name: str, made: NDArray[np.uint8], labels: NDArray[np.int64]) -> None:
        far, covered, right = self._figures(made, labels)
        print(
            f"{name}: {self.measure.name} {far:.2f}, coverage {covered:.3f}, right {right:.3f}",
            flush=True,
        )


def said(templates: list[str] | tuple[str, ...], digit: int) -> list[str]:
    """Return what templates say of a digit."""
    return [one.format(word=DIGITS[digit], figure=digit) for one in templates]


def _told(progress: Any) -> None:
    if progress.step % 500 == 0:
        print(f"{progress.step}: {progress.loss:.4f}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
