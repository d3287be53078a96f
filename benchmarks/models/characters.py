"""Character models on tiny-shakespeare: gpt, lstm and gru on one budget of tokens, and kNN-LM.

Run: RAGSTONE_DATA=/path/to/data python benchmarks/models/characters.py [gpt lstm gru]

Each reads 1,536,000 characters, about one and a half times the training text: 2,000 steps of 6
stretches of 128. The last tenth of the text is validated, all of it. The datastore holds the
training text; its weight is tuned on the first half of the validation text, and its loss is that of
the second half.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path
from time import monotonic

import torch

from ragstone.models.families import family
from ragstone.models.knn import Datastore, Mixture, judge, tuned
from ragstone.models.tokenizers import make_tokenizer
from ragstone.training.feeding import TokenData
from ragstone.training.settings import TrainingSettings
from ragstone.training.trainer import Trainer

CONTEXT = 128
BUDGET = {"steps": 2_000, "batch": 6}
RECIPES = {
    "gpt": ({}, family("gpt").recipe),
    "lstm": ({"width": 360, "embedding": 64}, {"optimiser": "adamw", "learning_rate": 0.01}),
    "gru": ({"width": 416, "embedding": 64}, {"optimiser": "adamw", "learning_rate": 0.008}),
}
GOALS = {"gpt": 1.62, "lstm": 1.60, "gru": 1.65}


def main() -> None:
    """Train what is named, and print Markdown."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("families", nargs="*", default=list(RECIPES))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--neighbours", type=int, default=256)
    chosen = parser.parse_args()
    data = Path(os.environ.get("RAGSTONE_DATA") or sys.exit("RAGSTONE_DATA is not set"))
    text = (data / "text_lm" / "tinyshakespeare.txt").read_text(encoding="utf-8")
    cut = int(0.9 * len(text))
    tokenizer = make_tokenizer("characters", [text[:cut]])
    training, held_out = tokenizer.encode(text[:cut]), tokenizer.encode(text[cut:])
    print("| | parameters | loss | goal | minutes | second half | with neighbours | weight |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    for name in chosen.families:
        network, settings = RECIPES[name]
        torch.manual_seed(chosen.seed)
        known = family(name)
        config = {"vocabulary": tokenizer.size, "context": CONTEXT, **network}
        model = known.build(known.config.of(config))
        recipe = TrainingSettings.of({**BUDGET, **settings, "seed": chosen.seed})
        begun = monotonic()
        with tempfile.TemporaryDirectory() as folder:
            feed = TokenData(training, held_out, CONTEXT)
            outcome = Trainer(model, feed, recipe, Path(folder)).fit()
        minutes = (monotonic() - begun) / 60
        model.eval()
        store = Datastore.build(model, training, Mixture(chosen.neighbours))
        chances = judge(model, store, held_out)
        mixture = tuned(store, chances).mixture
        rest = slice(len(chances.own) // 2, None)
        print(
            f"| {name} | {model.parameters_count:,} | {outcome.best:.4f} | {GOALS[name]} | "
            f"{minutes:.1f} | {chances.loss(Mixture(), rest):.4f} | "
            f"{chances.loss(mixture, rest):.4f} | {mixture.weight:g} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
