"""Writing with guesses at the next tokens, beside writing token by token.

Run: RAGSTONE_DATA=/path/to/data python benchmarks/models/decoding.py

A small gpt learns war_and_peace.txt for some steps, then writes after two prompts: a passage that
it says again, as an answer says what was retrieved, and an ordinary one. To repeat is not what so
small a network learns by itself, so every other passage that it learns from is said twice. Both
ways are timed in turn, in processor time, and give the same text.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from statistics import median
from time import process_time

import numpy as np
import torch
from numpy.typing import NDArray

from ragstone.models.gpt import GPT, GPTConfig
from ragstone.models.sampling import Sampler, write
from ragstone.models.tokenizers import make_tokenizer
from ragstone.training.feeding import TokenData
from ragstone.training.settings import TrainingSettings
from ragstone.training.trainer import Trainer

CONTEXT, PASSAGE = 256, 80  # tokens


def main() -> None:
    """Train, write, and print Markdown."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=1_500)
    parser.add_argument("--repetitions", type=int, default=7)
    chosen = parser.parse_args()
    data = Path(os.environ.get("RAGSTONE_DATA") or sys.exit("RAGSTONE_DATA is not set"))
    text = (data / "text_lm" / "war_and_peace.txt").read_text(encoding="utf-8")
    tokenizer = make_tokenizer("bpe", [text], 1024)
    tokens = tokenizer.encode(text)
    cut = int(0.9 * len(tokens))
    model = trained(tokens[:cut], tokens[cut:], tokenizer.size, chosen.steps)
    passage = tokens[cut + 1000 : cut + 1000 + PASSAGE].tolist()
    prompts = {
        "a passage, to be said again": [*passage, *passage[:6]],
        "an ordinary text": tokens[cut + 5000 : cut + 5000 + PASSAGE].tolist(),
    }
    print("| prompt | temperature | tokens/s | with guesses | ratio | runs of the network |")
    print("| --- | --- | --- | --- | --- | --- |")
    for name, prompt in prompts.items():
        for temperature in (0.0, 0.8):
            sampler = Sampler(temperature=temperature)
            measure(name, model, prompt, sampler, chosen.repetitions)


def trained(
    training: NDArray[np.int64], held_out: NDArray[np.int64], vocabulary: int, steps: int
) -> GPT:
    """Return a gpt that has read texts, and passages said twice."""
    torch.manual_seed(0)
    model = GPT(GPTConfig(vocabulary=vocabulary, context=CONTEXT))
    twice = np.concatenate(list(_twice(training)))
    feed = TokenData(twice, held_out, CONTEXT)
    settings = TrainingSettings(steps=steps, batch=8)
    with tempfile.TemporaryDirectory() as folder:
        outcome = Trainer(model, feed, settings, Path(folder)).fit()
    print(f"{model.parameters_count:,} parameters, loss {outcome.best:.2f}", file=sys.stderr)
    return model.eval()


def _twice(tokens: NDArray[np.int64]) -> Iterator[NDArray[np.int64]]:
    """Yield passages, every other one twice."""
    for number, begin in enumerate(range(0, len(tokens) - PASSAGE, PASSAGE)):
        passage = tokens[begin : begin + PASSAGE]
        yield passage
        if number % 2:
            yield passage


def measure(name: str, model: GPT, prompt: list[int], sampler: Sampler, repetitions: int) -> None:
    """Time both ways in turn, and print a row."""
    count = PASSAGE - 6
    times: dict[bool, list[float]] = {False: [], True: []}
    texts, runs = {}, {}
    for _ in range(repetitions):
        for guessing in times:
            calls: list[int] = []
            handle = model.norm.register_forward_hook(lambda *_, seen=calls: seen.append(1))
            begun = process_time()
            found = list(islice(write(model, prompt, sampler, guessing=guessing), count))
            times[guessing].append(process_time() - begun)
            handle.remove()
            texts[guessing], runs[guessing] = found, len(calls)
    if texts[False] != texts[True]:
        sys.exit(f"{name}: the texts differ")
    plain, guessed = (count / median(times[way]) for way in (False, True))
    ratios = sorted(a / b for a, b in zip(times[False], times[True], strict=True))
    print(
        f"| {name} | {sampler.temperature:g} | {plain:.0f} | {guessed:.0f} | "
        f"**{median(ratios):.2f}** ({ratios[0]:.2f} to {ratios[-1]:.2f}) | "
        f"{runs[True]} for {runs[False]} |",
        flush=True,
    )


if __name__ == "__main__":
    main()
