"""The goals that take a GPU, in one table: a language model, how busy the GPU is, a translation.

Run: RAGSTONE_DATA=/path/to/data python benchmarks/models/gpu.py [--only loss busy translation]

Without a GPU it says so and ends. `--smoke` runs all of it, tiny, on any machine: whether it works,
not how well.

* loss: nanoGPT's 10.65 million parameters on tiny-shakespeare, by characters; the least on what is
  held out.
* busy: part of the GPU's arithmetic that training steps of a GPT of 124 million parameters use, as
  in PaLM (Chowdhery and others, 2022): 6 times the parameters and 12 times layers, width and
  context, for each token.
* translation: Multi30k, as `benchmarks/models/translation.py` measures it, where that is there.
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
from torch import nn

from ragstone.models.gpt import GPT, GPTConfig
from ragstone.models.tokenizers import make_tokenizer
from ragstone.training.feeding import TokenData
from ragstone.training.optimising import Optimisers
from ragstone.training.settings import TrainingSettings
from ragstone.training.trainer import Trainer

# Dense bfloat16 operations a second, as their makers state them.
PEAKS = {"H100": 989e12, "H200": 989e12, "A100": 312e12, "L4": 121e12, "4090": 165e12}
TRANSLATION = Path(__file__).with_name("translation.py")


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


def translation(chosen: argparse.Namespace) -> str:
    """Run the benchmark of translation, which prints its own table; return its last line."""
    if not TRANSLATION.is_file():
        return "not measured: there is no benchmarks/models/translation.py here"
    if chosen.smoke:
        return "not part of the smoke test: it has one of its own"
    command = [sys.executable, str(TRANSLATION), *chosen.translation_options.split()]
    done = subprocess.run(command, check=True, text=True, stdout=subprocess.PIPE)
    print(done.stdout)
    return done.stdout.strip().splitlines()[-1].strip("| ")


GOALS = {
    "loss": Goal("nanoGPT's 10.65 M, tiny-shakespeare, validation loss", "1.4697, aim 1.45", loss),
    "busy": Goal("GPT of 124 M, part of the GPU's arithmetic", "31 %", busy),
    "translation": Goal("Multi30k, Transformer of 9 M, BLEU", "36.5", translation),
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
