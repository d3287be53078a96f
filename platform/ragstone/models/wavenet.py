"""`wavenet`: sound, sample by sample (van den Oord and others 2016), in two rates.

A stack of dilated causal convolutions with gated units, residual and skip connections reads frames
of samples; a window of the last samples, with what the stack says, predicts the next one. Most of
the work is done once a frame (as in SampleRNN, Mehri and others 2017), which is what a CPU has time
for. With frames of one sample it is the stack of the paper.

Each place of a clip is told its label, its speaker, and how far from start and end it is; so the
length of a clip is drawn first, by label and speaker, and is part of its probability.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import nn
from torch.nn import functional

from ragstone.errors import InvalidArgument
from ragstone.models.base import Batch, Capability, Config, GenerativeModel, LogProb, Loss, Phase
from ragstone.models.nn.dilated import Stack

LENGTHS = 64  # classes of lengths
_WAVES = 8  # of the positions, for each end
_SHORTEST = 4.0  # frames of the shortest wave


@dataclass(frozen=True, slots=True, kw_only=True)
class WaveNetConfig(Config):
    """Settings of `wavenet`; the defaults have 0.5 million parameters and suit a CPU.

    Parameters
    ----------
    levels
        Of a sample, by the mu-law.
    labels, speakers
        That there are.
    longest
        Samples of the longest clip.
    frame
        Samples that the dilated stack reads at once.
    width
        Of the dilated stack.
    depth, cycles
        The dilations 1, 2, 4 … 2**(depth - 1) frames, so many times.
    window, fine
        Samples before each that are read at the full rate, and the width there.
    conditions
        Width of what is told of label, speaker and place.
    untold
        How often it is not told the label, and not the speaker, while it learns.
    guidance
        How much more than what it says without the label counts what it says with it, when it
        makes clips (Ho and Salimans 2022); 1: it is not asked without.
    """

    family: ClassVar[str] = "wavenet"
    decided: ClassVar[frozenset[str]] = frozenset({"levels", "labels", "speakers", "longest"})

    levels: int = 256
    labels: int = 1
    speakers: int = 1
    longest: int = 32_000
    frame: int = 8
    width: int = 64
    depth: int = 6
    cycles: int = 2
    window: int = 32
    fine: int = 64
    conditions: int = 32
    untold: float = 0.1
    guidance: float = 6.0
    dropout: float = 0.0

    def __post_init__(self) -> None:
        self.at_least(labels=1, speakers=1, frame=1, width=1, depth=1, cycles=1, window=1, fine=1)
        if not 2 <= self.levels <= 256:
            raise InvalidArgument("levels", self.levels, "from 2 to 256")
        if self.longest < LENGTHS:
            raise InvalidArgument("longest", self.longest, f"at least {LENGTHS} samples")

    @property
    def field(self) -> int:
        """Samples before one that it hears."""
        dilated: int = 2**self.depth - 1
        return self.frame * (1 + self.cycles * dilated) + self.window


class WaveNet(GenerativeModel):
    """The dilated stack over frames, the window at the full rate, and the classes of lengths.

    Clips are `levels`, int64 (batch, time), of `lengths` samples, int64 (batch,), the rest of a row
    padding of any level; `label` and `speaker` are int64 (batch,).
    """

    modality: ClassVar[str] = "audio"
    conditioning: ClassVar[tuple[str, ...]] = ("label", "speaker")
    capabilities: ClassVar[frozenset[Capability]] = frozenset({"sample", "log_prob"})
    log_prob_kind: ClassVar[LogProb | None] = "exact"

    config: WaveNetConfig

    def __init__(self, config: WaveNetConfig) -> None:
        super().__init__()
        self.config = config
        width, fine, told = config.width, config.fine, config.conditions
        # The last of each stands for one that is not told.
        self.embedding_label = nn.Embedding(config.labels + 1, told)
        self.embedding_speaker = nn.Embedding(config.speakers + 1, told)
        self.head_length = nn.Linear(2 * told, LENGTHS)
        self.place = nn.Linear(2 * told + 4 * _WAVES + 3, 2 * told)
        self.told = nn.Linear(2 * told, told)
        self.into = nn.Linear(config.frame, width)
        self.stack = Stack(width, told, config.depth, config.cycles)
        self.dropout = nn.Dropout(config.dropout)
        self.down = nn.Linear(width, config.frame * 2 * fine)
        self.near = nn.Linear(config.window, 2 * fine, bias=False)
        self.embedding_last = nn.Embedding(config.levels, 2 * fine)
        self.middle = nn.Linear(fine, 2 * fine)
        self.head = nn.Linear(fine, config.levels)
        for embedding in (self.embedding_label, self.embedding_speaker):
            nn.init.normal_(embedding.weight)
        nn.init.normal_(self.embedding_last.weight, std=0.1)

    # ------------------------------------------------------------ what is told

    def who(self, label: torch.Tensor, speaker: torch.Tensor) -> torch.Tensor:
        """Return what is told of label and speaker, (batch, 2 * conditions)."""
        return torch.cat((self.embedding_label(label), self.embedding_speaker(speaker)), dim=-1)

    def conditions(
        self, who: torch.Tensor, lengths: torch.Tensor, frames: torch.Tensor
    ) -> torch.Tensor:
        """Return what is told to each of `frames`, int64 (frames,): (batch, frames, conditions)."""
        ends = lengths[:, None] / self.config.frame - frames  # frames that are left
        begins = frames.expand_as(ends).float()
        parts = [begins / (begins + ends.abs() + 1)]
        for place in (begins, ends):
            parts += [torch.tanh(place / 64), *self._waves(place)]
        places = torch.stack(parts, dim=-1)
        both = torch.cat((who[:, None].expand(-1, len(frames), -1), places), dim=-1)
        told: torch.Tensor = self.told(functional.silu(self.place(both)))
        return functional.silu(told)

    def _waves(self, place: torch.Tensor) -> list[torch.Tensor]:
        longest = self.config.longest / self.config.frame
        ratio = (4 * longest / _SHORTEST) ** (1 / (_WAVES - 1))
        turns = [2 * math.pi / (_SHORTEST * ratio**n) for n in range(_WAVES)]
        return [wave(place * turn) for turn in turns for wave in (torch.sin, torch.cos)]

    # ------------------------------------------------------------ what comes next

    def values(self, levels: torch.Tensor) -> torch.Tensor:
        """Return levels as numbers from -1 to 1."""
        return levels * (2 / (self.config.levels - 1)) - 1

    def predict(self, window: torch.Tensor, last: torch.Tensor, slow: torch.Tensor) -> torch.Tensor:
        """Return logits (…, levels).

        Parameters
        ----------
        window
            Values of the samples before, (…, window).
        last
            Their last one's level, int64 (…).
        slow
            What the stack says of this place, (…, 2 * fine).
        """
        first = functional.glu(self.near(window) + self.embedding_last(last) + slow, dim=-1)
        second = functional.glu(self.middle(first), dim=-1)
        found: torch.Tensor = self.head(functional.silu(first + second))
        return found

    def forward(self, batch: Batch) -> torch.Tensor:
        """Return logits (batch, time, levels) of each sample after those before it."""
        levels, who = batch["levels"], self.who(batch["label"], batch["speaker"])
        return self.after(self.values(levels), levels, who, batch["lengths"])

    def after(
        self, values: torch.Tensor, levels: torch.Tensor, who: torch.Tensor, lengths: torch.Tensor
    ) -> torch.Tensor:
        """Return logits (batch, time, levels) of each sample after those before it."""
        config, (rows, time) = self.config, values.shape
        count = -(-time // config.frame)
        framed = functional.pad(values, (config.frame, count * config.frame - time))
        frames = framed.view(rows, count + 1, config.frame)[:, :-1]  # each hears those before it
        told = self.conditions(who, lengths, torch.arange(count, device=values.device))
        slow = self.down(self.dropout(self.stack(self.into(frames), told)))
        slow = slow.view(rows, count * config.frame, -1)[:, :time]
        before = functional.pad(values, (config.window, -1)).unfold(1, config.window, 1)
        last = functional.pad(levels, (1, -1), value=config.levels // 2)
        return self.predict(before, last, slow)

    # ------------------------------------------------------------ sampling

    @torch.inference_mode()
    def sample(
        self,
        label: torch.Tensor,
        speaker: torch.Tensor,
        seeds: Sequence[int],
        temperature: float = 1.0,
        lengths: torch.Tensor | None = None,
    ) -> list[torch.Tensor]:
        """Return a clip of levels, int64 (time,), for each row, all made side by side.

        Parameters
        ----------
        label, speaker
            int64 (batch,); the number after the last one: not told.
        seeds
            Of each clip; what it is does not depend on the others.
        temperature
            Divides the logits; 0: always the likeliest level.
        lengths
            Samples of each, int64 (batch,); None: drawn.
        """
        who = self.who(label, speaker)
        chances = [torch.Generator().manual_seed(seed) for seed in seeds]
        if lengths is None:
            lengths = self._draw_lengths(who, chances)
        time = int(lengths.max())
        drawn = torch.stack([torch.rand(time, generator=chance) for chance in chances])
        if self.config.guidance != 1:
            untold = torch.full_like(label, self.config.labels)
            who = torch.cat((who, self.who(untold, speaker)))
        levels = self._draw(who, lengths, drawn, temperature)
        return [row[:length] for row, length in zip(levels, lengths.tolist(), strict=True)]

    def _draw_lengths(self, who: torch.Tensor, chances: list[torch.Generator]) -> torch.Tensor:
        drawn = torch.stack([torch.rand(2, generator=chance) for chance in chances])
        classes = picked(self.head_length(who), drawn[:, 0])
        first, after = self._first_of(classes), self._first_of(classes + 1)
        return first + (drawn[:, 1] * (after - first)).long()

    def _draw(
        self, who: torch.Tensor, lengths: torch.Tensor, drawn: torch.Tensor, temperature: float
    ) -> torch.Tensor:
        """Return levels (batch, time) from numbers of chance in [0, 1), (batch, time).

        Of `who`, (batch or 2 * batch, …), the second half stands for the clips without label.
        """
        config, time, sides = self.config, drawn.shape[1], len(who) // len(drawn)
        count = -(-time // config.frame)
        told = self.conditions(who, lengths.repeat(sides), torch.arange(count))
        queues = self.stack.new_queues(len(who))
        # Silence of a window, or of a frame, before the first sample.
        silence = max(config.window, config.frame)
        values = who.new_zeros(len(who), silence + time)
        levels = torch.full((len(who), 1 + time), config.levels // 2)
        for at in range(time):
            if at % config.frame == 0:
                frame = values[:, silence + at - config.frame : silence + at]
                slow = self.stack.step(self.into(frame), told[:, at // config.frame], queues)
                steps = self.down(slow).view(len(who), config.frame, -1)
            window = values[:, silence + at - config.window : silence + at]
            logits = self.predict(window, levels[:, at], steps[:, at % config.frame])
            if sides == 2:
                with_label, without = logits.chunk(2)
                logits = without + config.guidance * (with_label - without)
            levels[:, at + 1] = picked(logits, drawn[:, at], temperature).repeat(sides)
            values[:, silence + at] = self.values(levels[:, at + 1])
        return levels[: len(drawn), 1:]

    # ------------------------------------------------------------ learning

    def training_step(self, batch: Batch, rng: torch.Generator, phase: Phase) -> Loss:
        """Return nats per sample, those of the length among them."""
        told = {**batch, **self._half_told(batch, rng)} if phase == "train" else batch
        return Loss(-self.log_prob(told).sum() / batch["lengths"].sum(), {})

    def _half_told(self, batch: Batch, rng: torch.Generator) -> Batch:
        """Return label and speaker, some of them not told."""
        found = {}
        for name, unknown in (("label", self.config.labels), ("speaker", self.config.speakers)):
            drawn = torch.rand(batch[name].shape, generator=rng, device=batch[name].device)
            found[name] = batch[name].masked_fill(drawn < self.config.untold, unknown)
        return found

    def log_prob(self, batch: Batch) -> torch.Tensor:
        """Return the exact log-probability in nats of clips and their lengths, (batch,)."""
        levels, lengths = batch["levels"], batch["lengths"]
        logits = self(batch).float()
        losses = functional.cross_entropy(
            logits.flatten(0, 1), levels.flatten(), reduction="none"
        ).view_as(levels)
        there = torch.arange(levels.shape[1], device=levels.device) < lengths[:, None]
        return -(losses * there).sum(1) + self.log_prob_length(batch)

    def log_prob_length(self, batch: Batch) -> torch.Tensor:
        """Return the log-probability of the lengths, (batch,); alike within a class."""
        logits = self.head_length(self.who(batch["label"], batch["speaker"])).float()
        classes = (batch["lengths"] - 1) * LENGTHS // self.config.longest
        sizes = (self._first_of(classes + 1) - self._first_of(classes)).float()
        return -functional.cross_entropy(logits, classes, reduction="none") - sizes.log()

    def _first_of(self, classes: torch.Tensor) -> torch.Tensor:
        """Return the shortest lengths of classes; the last class ends with the longest clip."""
        return (classes * self.config.longest + LENGTHS - 1) // LENGTHS + 1


def picked(logits: torch.Tensor, drawn: torch.Tensor, temperature: float = 1.0) -> torch.Tensor:
    """Return the classes, int64 (batch,), that numbers in [0, 1) stand for in their chances."""
    if temperature == 0:
        return logits.argmax(-1)
    chances = torch.softmax(logits / temperature, dim=-1).cumsum(-1)
    return (chances < drawn[:, None]).sum(-1).clamp(max=logits.shape[-1] - 1)
