"""A masked language model on War and Peace, beside the entropy of its tokens.

Run: RAGSTONE_DATA=/path/to/data python benchmarks/models/masked.py

The goal is a loss two nats below the entropy of the tokens themselves, which is what one that knows
how frequent each is, and nothing else, would have: here that of the held-out text, by its own
frequencies. The last tenth of the text is validated, all of it, with the same gaps each time.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path
from time import monotonic, process_time

import numpy as np
import torch
from numpy.typing import NDArray

from ragstone.models.bert import BERT, BERTConfig
from ragstone.models.tokenizers import make_tokenizer
from ragstone.training.feeding import TokenData
from ragstone.training.progress import Progress
from ragstone.training.settings import TrainingSettings
from ragstone.training.trainer import Trainer

TEXTS = ("war_and_peace", "tinyshakespeare")
GOAL = 2.0  # nats below the entropy


def main() -> None:
    """Train, and print Markdown."""
    chosen = _arguments()
    data = Path(os.environ.get("RAGSTONE_DATA") or sys.exit("RAGSTONE_DATA is not set"))
    text = (data / "text_lm" / f"{chosen.text}.txt").read_text(encoding="utf-8")
    cut = int(0.9 * len(text))
    tokenizer = make_tokenizer(chosen.tokenizer, [text[:cut]], chosen.tokens)
    training, held_out = tokenizer.encode(text[:cut]), tokenizer.encode(text[cut:])
    network = {"vocabulary": tokenizer.size, "context": 128, "masked": chosen.masked}
    torch.manual_seed(chosen.seed)
    model = BERT(BERTConfig.of({**network, "width": chosen.width, "layers": chosen.layers}))
    recipe = TrainingSettings(
        steps=chosen.steps,
        batch=chosen.batch,
        learning_rate=chosen.learning_rate,
        matrix_rate=chosen.matrix_rate,
        evaluate_every=chosen.evaluate_every,
        seed=chosen.seed,
    )
    begun, busy = monotonic(), process_time()
    with tempfile.TemporaryDirectory() as folder:
        feed = TokenData(training, held_out, model.config.context)
        outcome = Trainer(model, feed, recipe, Path(folder), _show).fit()
    minutes, worked = (monotonic() - begun) / 60, (process_time() - busy) / 60
    own = entropy(held_out)
    print("| tokenizer | parameters | loss | entropy | below (goal 2) | minutes | CPU minutes |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    print(
        f"| {chosen.tokenizer}, {tokenizer.size:,} | {model.parameters_count:,} | "
        f"{outcome.best:.3f} | {own:.3f} | {own - outcome.best:.2f} | {minutes:.1f} | "
        f"{worked:.1f} |"
    )


def entropy(tokens: NDArray[np.int64]) -> float:
    """Return the entropy of tokens, (tokens,), by their own frequencies, in nats."""
    counts = np.unique(tokens, return_counts=True)[1]
    chances = counts / counts.sum()
    return float(-(chances * np.log(chances)).sum())


def _show(progress: Progress) -> None:
    if progress.validation is not None:
        print(f"step {progress.step:,}: {progress.validation:.3f}", file=sys.stderr, flush=True)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--text", choices=TEXTS, default=TEXTS[0])
    parser.add_argument("--tokenizer", default="bpe")
    parser.add_argument("--tokens", type=int, default=1024)
    parser.add_argument("--masked", type=float, default=0.3)
    parser.add_argument("--width", type=int, default=128)
    parser.add_argument("--layers", type=int, default=4)
    parser.add_argument("--steps", type=int, default=3_000)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--learning-rate", type=float, default=3e-3)
    parser.add_argument("--matrix-rate", type=float, default=2e-2)
    parser.add_argument("--evaluate-every", type=int, default=250)
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


if __name__ == "__main__":
    main()
