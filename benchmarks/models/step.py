"""One training step of `gpt` beside one of a plain GPT-2, as nanoGPT describes its own.

Run: python benchmarks/models/step.py [--size small medium] [--repetitions 60]

Forward, backward, clipping and optimiser, on the same batch and machine, in turn, one thread, in
processor time. The other is written here from that description: LayerNorm, learnt positions, one
map for queries, keys and values, GELU four times as wide, tied output, no biases, AdamW in one
kernel. The networks have the same width and layers, and as many parameters within 2 %.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median
from time import process_time

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from ragstone.models.gpt import GPT, GPTConfig
from ragstone.training.optimising import Optimisers
from ragstone.training.settings import TrainingSettings


@dataclass(frozen=True)
class Size:
    """Of both networks, and of a batch."""

    vocabulary: int
    context: int
    width: int
    layers: int
    heads: int
    batch: int


SIZES = {
    "small": Size(65, 128, 128, 4, 4, 12),  # characters on a laptop
    "medium": Size(2048, 256, 256, 6, 8, 8),
}


class PlainBlock(nn.Module):
    """Attention and feed-forward of GPT-2 (Radford and others, 2019)."""

    def __init__(self, size: Size) -> None:
        super().__init__()
        self.heads = size.heads
        self.first = nn.LayerNorm(size.width, bias=False)
        self.second = nn.LayerNorm(size.width, bias=False)
        self.attend = nn.Linear(size.width, 3 * size.width, bias=False)
        self.project = nn.Linear(size.width, size.width, bias=False)
        self.up = nn.Linear(size.width, 4 * size.width, bias=False)
        self.down = nn.Linear(4 * size.width, size.width, bias=False)

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        """Map (batch, time, width) to the same shape."""
        parts = self.attend(self.first(states)).chunk(3, dim=-1)
        query, key, value = (part.unflatten(-1, (self.heads, -1)).transpose(1, 2) for part in parts)
        seen = functional.scaled_dot_product_attention(query, key, value, is_causal=True)
        states = states + self.project(seen.transpose(1, 2).flatten(2))
        fed: torch.Tensor = states + self.down(functional.gelu(self.up(self.second(states))))
        return fed


class Plain(nn.Module):
    """Token and position vectors, blocks, a norm, and the token vectors as the output map."""

    def __init__(self, size: Size) -> None:
        super().__init__()
        self.tokens = nn.Embedding(size.vocabulary, size.width)
        self.positions = nn.Embedding(size.context, size.width)
        self.blocks = nn.Sequential(*(PlainBlock(size) for _ in range(size.layers)))
        self.norm = nn.LayerNorm(size.width, bias=False)
        for parameter in self.parameters():
            if parameter.ndim == 2:
                nn.init.normal_(parameter, std=0.02)

    def forward(self, tokens: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Return the mean cross-entropy of `targets`, both int64 (batch, time)."""
        places = torch.arange(tokens.shape[1])
        states = self.norm(self.blocks(self.tokens(tokens) + self.positions(places)))
        logits = functional.linear(states, self.tokens.weight)
        return functional.cross_entropy(logits.flatten(0, 1), targets.flatten())


Step = Callable[[], float]


def plain(size: Size, tokens: torch.Tensor, targets: torch.Tensor) -> tuple[Step, int]:
    """Return a step of the plain network, and its parameters."""
    model = Plain(size)
    wide = [p for p in model.parameters() if p.ndim == 2]
    narrow = [p for p in model.parameters() if p.ndim < 2]
    groups = [{"params": wide, "weight_decay": 0.1}, {"params": narrow, "weight_decay": 0.0}]
    optimiser = torch.optim.AdamW(groups, lr=1e-3, betas=(0.9, 0.99), fused=True)

    def step() -> float:
        loss = model(tokens, targets)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)
        return float(loss.detach())

    return step, sum(p.numel() for p in model.parameters())


def own(
    size: Size, tokens: torch.Tensor, targets: torch.Tensor, optimiser: str, activation: str
) -> tuple[Step, int]:
    """Return a step of `gpt`, and its parameters."""
    config = GPTConfig(
        vocabulary=size.vocabulary,
        context=size.context,
        width=size.width,
        layers=size.layers,
        heads=size.heads,
        activation=activation,
    )
    model = GPT(config)
    optimisers = Optimisers(model, TrainingSettings(optimiser=optimiser, learning_rate=1e-3))
    rng = torch.Generator()
    parameters = [p for group in model.parameter_groups().values() for p in group]

    def step() -> float:
        loss = model.training_step({"tokens": tokens, "targets": targets}, rng, "train").value
        loss.backward()
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimisers.step(1.0)
        return float(loss.detach())

    return step, model.parameters_count


def main() -> None:
    """Time steps in turn, and print Markdown."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", nargs="*", choices=list(SIZES), default=list(SIZES))
    parser.add_argument("--repetitions", type=int, default=60)
    parser.add_argument("--threads", type=int, default=1)
    chosen = parser.parse_args()
    torch.set_num_threads(chosen.threads)
    print("| size | step of | parameters | ms | times as fast as the plain one |")
    print("| --- | --- | --- | --- | --- |")
    for name in chosen.size:
        measure(name, SIZES[name], chosen.repetitions)


def measure(name: str, size: Size, repetitions: int) -> None:
    """Print a row for each way of making a step."""
    torch.manual_seed(0)
    stretch = torch.randint(size.vocabulary, (size.batch, size.context + 1))
    tokens, targets = stretch[:, :-1], stretch[:, 1:]
    ways = {
        "plain GPT-2, AdamW": plain(size, tokens, targets),
        "gpt, AdamW": own(size, tokens, targets, "adamw", "swiglu"),
        "gpt, Muon": own(size, tokens, targets, "muon", "swiglu"),
        "gpt with relu2, AdamW": own(size, tokens, targets, "adamw", "relu2"),
    }
    times: dict[str, list[float]] = {way: [] for way in ways}
    for repetition in range(-3, repetitions):  # the first ones warm up
        for way, (step, _) in ways.items():
            begun = process_time()
            loss = step()
            if repetition >= 0:
                times[way].append(process_time() - begun)
            if not loss < 2 * np.log(size.vocabulary):
                sys.exit(f"{way}: the loss is {loss}")
    first = times["plain GPT-2, AdamW"]
    for way, (_, parameters) in ways.items():
        ratio, low, high = compared(first, times[way])
        print(
            f"| {name} | {way} | {parameters:,} | {1000 * median(times[way]):.1f} | "
            f"**{ratio:.2f}** ({low:.2f} to {high:.2f}) |",
            flush=True,
        )


def compared(first: list[float], second: list[float]) -> tuple[float, float, float]:
    """Return the ratio of the medians, and its 95 % interval by 2,000 draws of repetitions."""
    one, other = np.array(first), np.array(second)
    draws = np.random.default_rng(0).integers(len(one), size=(2_000, len(one)))
    ratios = np.median(one[draws], axis=1) / np.median(other[draws], axis=1)
    low, high = np.quantile(ratios, (0.025, 0.975))
    return float(np.median(one) / np.median(other)), float(low), float(high)


if __name__ == "__main__":
    main()
