"""German to English on Multi30k: an encoder-decoder, BLEU on test_2016_flickr by sacrebleu.

Run: RAGSTONE_DATA=/path/to/data python benchmarks/models/translation.py [--steps 1800] [--beams 4]

The budget is 15 minutes of two cores: 30 minutes of processor time, which is stated beside the wall
time, for other programs may be busy. The tokenizer learns from the training text alone; the network
that was best on the validation pairs is what is tested.
"""

from __future__ import annotations

import argparse
import gzip
import os
import sys
import tempfile
from pathlib import Path
from time import monotonic, process_time

import numpy as np
import torch

from ragstone.models.beams import Beams
from ragstone.models.encdec import EncDec, EncDecConfig
from ragstone.models.tokenizers import Tokenizer, make_tokenizer
from ragstone.training.feeding_pairs import Padding, PairData
from ragstone.training.measures.pairs import nearness, translated
from ragstone.training.progress import Progress
from ragstone.training.settings import TrainingSettings
from ragstone.training.trainer import Trainer

TOKENS, CONTEXT = 5_000, 96
RECIPE = {"schedule": "wsd", "evaluate_every": 300, "checkpoint_every": 100}
TEST = "test_2016_flickr"


def main() -> None:
    """Train, translate, and print Markdown."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=1_800)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--beams", type=int, default=4)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--precision", default="bfloat16")
    parser.add_argument("--folder", type=Path, help="of checkpoints; a stopped run goes on")
    chosen = parser.parse_args()
    texts = {part: (lines(part, "de"), lines(part, "en")) for part in ("train", "val", TEST)}
    tokenizer = make_tokenizer("bpe", [*texts["train"][0], *texts["train"][1]], TOKENS)
    padding = Padding(tokenizer.end, CONTEXT)
    torch.manual_seed(chosen.seed)
    model = EncDec(EncDecConfig(vocabulary=tokenizer.size, context=CONTEXT))
    data = PairData(pairs(tokenizer, texts["train"]), pairs(tokenizer, texts["val"]), padding)
    own = {name: getattr(chosen, name) for name in ("steps", "batch", "seed", "precision")}
    begun, busy = monotonic(), process_time()
    with tempfile.TemporaryDirectory() as folder:
        place = chosen.folder or Path(folder)
        outcome = Trainer(model, data, TrainingSettings.of({**RECIPE, **own}), place, told).fit()
    minutes, busy = (monotonic() - begun) / 60, (process_time() - busy) / 60
    model.eval()
    print("| parameters | steps | loss | processor minutes | minutes | beams | BLEU | chrF |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    for width in sorted({1, chosen.beams}):
        made = translated(model, tokenizer, texts[TEST][0], Beams(width=width))
        scores = nearness(made, texts[TEST][1])
        bleu, chrf = scores.values()
        print(
            f"| {model.parameters_count:,} | {outcome.steps:,} | {outcome.best:.4f} | {busy:.1f} | "
            f"{minutes:.1f} | {width} | {bleu:.2f} | {chrf:.2f} |",
            flush=True,
        )
    print("\n" + "; ".join(scores) + "\n")
    for german, english in zip(texts[TEST][0][:5], made, strict=False):
        print(f"* {german} → {english}")


def told(progress: Progress) -> None:
    """Show where the training stands, where it was validated."""
    if progress.validation is not None:
        print(f"step {progress.step:,}: {progress.validation:.4f}", file=sys.stderr, flush=True)


def lines(part: str, language: str) -> list[str]:
    """Return the sentences of a part of Multi30k."""
    data = Path(os.environ.get("RAGSTONE_DATA") or sys.exit("RAGSTONE_DATA is not set"))
    with gzip.open(data / "multi30k_en_de" / f"{part}.{language}.gz", "rt", encoding="utf-8") as f:
        return f.read().splitlines()


def pairs(
    tokenizer: Tokenizer, texts: tuple[list[str], list[str]]
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return the tokens of both sides."""
    both = ([tokenizer.encode(text) for text in side] for side in texts)
    return list(zip(*both, strict=True))


if __name__ == "__main__":
    main()
