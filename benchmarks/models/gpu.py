"""The goals that take a GPU, in one table: a language model, how busy the GPU is, a translation.

Run: RAGSTONE_DATA=/path/to/data python benchmarks/models/gpu.py [--only NAME ...]

Without a GPU it says so and ends. `--smoke` runs all of it, tiny, on any machine: whether it works,
not how well.

* loss: nanoGPT's 10.65 million parameters on tiny-shakespeare, by characters; the least on what is
  held out.
* busy: part of the GPU's arithmetic that training steps of a GPT of 124 million parameters use, as
  in PaLM (Chowdhery and others, 2022): 6 times the parameters and 12 times layers, width and
  context, for each token.
* translation: Multi30k, as `benchmarks/models/translation.py` measures it, where that is there.
* noise: a diffusion of pixels that predicts noise (Ho and others, 2020) on MNIST: distance of
  10,000 samples to the training images, and coverage of the test images.
* pixelcnn, realnvp, glow: MNIST, as `benchmarks/models/likelihood.py` measures it, at length.
* captions: Flickr8k, as `benchmarks/models/captions.py` measures it, larger.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

import torch
from _mnist import coverage, extractor, fd, images_of, load
from torch import nn

from ragstone.models.diffusion import Diffusion
from ragstone.models.diffusion_settings import DiffusionConfig
from ragstone.models.gpt import GPT, GPTConfig
from ragstone.models.images import unscaled
from ragstone.models.tokenizers import make_tokenizer
from ragstone.training.feeding import TokenData
from ragstone.training.feeding_images import ImageData
from ragstone.training.optimising import Optimisers
from ragstone.training.settings import TrainingSettings
from ragstone.training.trainer import Trainer

# Dense bfloat16 operations a second, as their makers state them.
PEAKS = {"H100": 989e12, "H200": 989e12, "A100": 312e12, "L4": 121e12, "4090": 165e12}
HERE = Path(__file__).parent
DRAWN, AT_ONCE = 10_000, 500  # images


@dataclass(frozen=True)
class Goal:
    """What is to be reached, and what measures it: smoke or not -> value as text."""

    what: str
    goal: str
    measure: Callable[[argparse.Namespace], str]


def loss(chosen: argparse.Namespace) -> str:
    """Return the least validation loss on tiny-shakespeare."""
    data = Path(os.environ.get("RAGSTONE_DATA") or sys.exit("RAGSTONE_DATA is not set"))
    text = (data / "text_lm" / "tinyshakespeare.txt").read_text(encoding="utf-8")
    if chosen.smoke:
        text = text[:20_000]
    cut = int(0.9 * len(text))
    tokenizer = make_tokenizer("characters", [text[:cut]])
    network, recipe = {"context": 256, "width": 384, "layers": 6, "heads": 6, "dropout": 0.2}, {}
    if chosen.smoke:
        network = {"context": 32, "width": 16, "layers": 1, "heads": 2}
        recipe = {"steps": 4, "batch": 4}
    torch.manual_seed(chosen.seed)
    model = GPT(GPTConfig.of({"vocabulary": tokenizer.size, **network}))
    default = {"steps": 5_000, "batch": 64, "learning_rate": 1e-3, "matrix_rate": 0.01}
    settings = {**default, "evaluate_every": 250, "patience": 8, "seed": chosen.seed, **recipe}
    feed = TokenData(
        tokenizer.encode(text[:cut]), tokenizer.encode(text[cut:]), model.config.context
    )
    with tempfile.TemporaryDirectory() as folder:
        outcome = Trainer(model, feed, TrainingSettings.of(settings), Path(folder)).fit()
    return f"{outcome.best:.4f} after {outcome.best_step:,} steps"


def busy(chosen: argparse.Namespace) -> str:
    """Return the part of the arithmetic that is used, or the tokens a second without a GPU."""
    sizes = {"vocabulary": 50_304, "context": 1_024, "width": 768, "layers": 12, "heads": 12}
    batch, steps = chosen.batch, 20
    if chosen.smoke:
        sizes = {"vocabulary": 64, "context": 32, "width": 16, "layers": 1, "heads": 2}
        batch, steps = 2, 2
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    torch.set_float32_matmul_precision("high")
    model = GPT(GPTConfig.of(sizes)).to(device)
    optimisers = Optimisers(model, TrainingSettings(optimiser="adamw"))
    step_of = model.training_step if chosen.smoke else torch.compile(model.training_step)
    shape = (batch, model.config.context)
    tokens = torch.randint(model.config.vocabulary, shape, device=device)
    rng = torch.Generator(device)

    def step() -> None:
        with torch.autocast(device.type, torch.bfloat16):
            found = step_of({"tokens": tokens, "targets": tokens}, rng, "train").value
        found.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimisers.step(1.0)

    rate = tokens.numel() * steps / _seconds(step, steps, device)
    config = model.config
    operations = 6 * model.parameters_count + 12 * config.layers * config.width * config.context
    if device.type == "cpu":
        return f"{rate:,.0f} tokens a second; no GPU to compare with"
    name = torch.cuda.get_device_name()
    peak = next((value for key, value in PEAKS.items() if key in name), None) or chosen.peak
    if not peak:
        return f"{rate:,.0f} tokens a second; the peak of {name} is not known: --peak"
    return f"{100 * rate * operations / peak:.1f} % ({rate:,.0f} tokens a second on {name})"


def _seconds(step: Callable[[], None], steps: int, device: torch.device) -> float:
    """Return how long so many steps take, after three that warm up."""
    begun = 0.0
    for number in range(-3, steps):
        if number == 0:
            _wait(device)
            begun = monotonic()
        step()
    _wait(device)
    return monotonic() - begun


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize()


def noise(chosen: argparse.Namespace) -> str:
    """Return distance and coverage of what a diffusion of pixels makes."""
    data = Path(os.environ.get("RAGSTONE_DATA") or sys.exit("RAGSTONE_DATA is not set"))
    x_train, y_train, x_test, y_test = load(data)
    network, recipe, drawn = {"width": 64}, {"steps": 30_000, "batch": 128}, DRAWN
    if chosen.smoke:
        network, recipe, drawn = {"width": 8, "halvings": 1}, {"steps": 2, "batch": 4}, 20
        x_train, y_train, x_test, y_test = x_train[:99], y_train[:99], x_test[:99], y_test[:99]
    told = {"predicts": "noise", "noise_schedule": "cosine", "solver": "ddpm"}
    torch.manual_seed(chosen.seed)
    steps = 4 if chosen.smoke else 250
    made_of = {"size": 28, "labels": 10, "solver_steps": steps, **told, **network}
    model = Diffusion(DiffusionConfig.of(made_of))
    default = {"optimiser": "adamw", "learning_rate": 5e-4, "weight_decay": 0.0, "ema": 0.9995}
    settings = TrainingSettings.of({**default, "checkpoint_every": 0, **recipe})
    feed = ImageData(images_of(x_train, y_train), images_of(x_test[:512], y_test[:512]))
    with tempfile.TemporaryDirectory() as folder:
        Trainer(model, feed, settings, Path(folder)).fit()
    device = next(model.parameters()).device
    rng, each = torch.Generator(device).manual_seed(chosen.seed), min(AT_ONCE, drawn // 10)
    with torch.inference_mode():
        images = [
            unscaled(model.sample(rng, each, label)).cpu()
            for label in range(10)
            for _ in range(drawn // 10 // each)
        ]
    measure = extractor(data)
    made = measure.features(torch.cat(images).numpy())
    real, held_out = measure.features(x_train), measure.features(x_test)
    return f"{fd(real, made):.2f}, {coverage(held_out, made):.3f} ({measure.name})"


def told_by(script: str, *options: str) -> Callable[[argparse.Namespace], str]:
    """Return what runs another benchmark, prints its table and returns its last line."""

    def measure(chosen: argparse.Namespace) -> str:
        if chosen.smoke:
            return "not part of the smoke test: it is run by itself"
        own = chosen.translation_options.split() if script == "translation.py" else []
        command = [sys.executable, str(HERE / script), *options, *own]
        done = subprocess.run(command, check=True, text=True, stdout=subprocess.PIPE)
        print(done.stdout)
        return done.stdout.strip().splitlines()[-1].strip("| ")

    return measure


def sets(**values: object) -> list[str]:
    """Return settings as the other benchmarks take them."""
    return [f"--set={name}={value}" for name, value in values.items()]


LONG = sets(steps=40_000, batch=128, learning_rate=1e-3)
GOALS = {
    "loss": Goal("nanoGPT's 10.65 M, tiny-shakespeare, validation loss", "1.4697, aim 1.45", loss),
    "busy": Goal("GPT of 124 M, part of the GPU's arithmetic", "31 %", busy),
    "translation": Goal("Multi30k, Transformer of 9 M, BLEU", "36.5", told_by("translation.py")),
    "noise": Goal("DDPM of pixels, MNIST, FD and coverage", "2, 0.95", noise),
    "pixelcnn": Goal(
        "PixelCNN, binarised MNIST, nats",
        "81.5",
        told_by("likelihood.py", "pixelcnn", *sets(width=128, depth=12), *LONG),
    ),
    "realnvp": Goal(
        "RealNVP, MNIST, bits per dimension",
        "1.06",
        told_by("likelihood.py", "realnvp", *sets(width=128, depth=4), *LONG),
    ),
    "glow": Goal(
        "Glow, MNIST, bits per dimension",
        "1.06",
        told_by("likelihood.py", "glow", *sets(width=256), *LONG),
    ),
    "captions": Goal(
        "clip, Flickr8k, recall of held-out photographs",
        "recall@10",
        told_by("captions.py", "--size", "96", "--width", "48", "--steps", "3000"),
    ),
}


def main() -> None:
    """Measure what is named, and print Markdown."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="*", choices=list(GOALS), default=list(GOALS))
    parser.add_argument("--smoke", action="store_true")
    parser.add_argument("--batch", type=int, default=32, help="Of the GPT of 124 M.")
    parser.add_argument("--peak", type=float, default=0.0, help="Operations a second of the GPU.")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--translation-options", default="", help="For translation.py.")
    chosen = parser.parse_args()
    if not torch.cuda.is_available() and not chosen.smoke:
        print("No GPU: nothing was measured.")
        return
    rows = []
    for name in chosen.only:
        begun = monotonic()
        found = GOALS[name].measure(chosen)
        minutes = (monotonic() - begun) / 60
        rows.append(f"| {GOALS[name].what} | {GOALS[name].goal} | {found} | {minutes:.1f} |")
        print(f"{name}: {found}", file=sys.stderr, flush=True)
    print("| what | goal | measured | minutes |", "| --- | --- | --- | --- |", *rows, sep="\n")


if __name__ == "__main__":
    main()
